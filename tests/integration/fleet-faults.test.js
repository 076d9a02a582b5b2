// SPDX-License-Identifier: Apache-2.0
//
// Two faults between eP-CSCFs and AGWs that the chaos table has not: an eP-CSCF that dies for good, and a
// control channel on which everything comes late. Signalling alone; the core is scripted.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Fleet } from '../lib/fleet.js';
import { BASE, port } from '../lib/ports.js';
import { Scscf } from '../lib/scscf.js';
import { audioLine, plainSdp } from '../lib/sdp.js';
import { token } from '../lib/sip.js';
import { TcpProxy } from '../lib/tcp-proxy.js';
import { SECOND, becomes, until } from '../lib/wait.js';
import { WsClient } from '../lib/wsclient.js';

const ORIGIN = 'https://portal.ims.test';
const SDP = plainSdp('127.0.0.1', [audioLine(49998)]);
const T_ORPHAN = 3000;
const iq = { heartbeat: '500ms' };
let core, n = 0;
const open = new Set();

before(async () => {
	core = await Scscf.start({ port: await port() });
});
after(() => core?.close());

async function withFleet(options, use) {
	const fleet = await Fleet.start({ core, lb: false, ...options });

	try {
		await use(fleet);
		await Promise.all([...open].map((w) => w.close({ abrupt: true })));
		await fleet.stop();
	} finally {
		await Promise.all([...open].map((w) => w.close({ abrupt: true }).catch(() => {})));
		open.clear();
		await fleet.kill();
	}
}

async function wicAt(fleet, i) {
	const user = `user${++n}`;
	const w = await WsClient.open(fleet.wssUrl(i), { user, origin: ORIGIN });

	open.add(w);
	w.closed.then(() => open.delete(w));
	const done = w.register();
	const first = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${user}@`) });
	core.challenge(first);
	core.accept(await core.next('REGISTER', { callId: first.msg.callId }));
	assert.equal((await done).status, 200);
	return w;
}

async function callOf(w) {
	const call = w.invite('sip:far@ims.test');
	const item = await core.next('INVITE', { callId: call.callId });

	item.reply(200, 'OK', { toTag: token(4), headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: SDP });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK', { callId: call.callId });
	return call;
}

async function hangUp(call) {
	const done = call.bye();

	(await core.next('BYE', { callId: call.callId })).reply(200, 'OK');
	assert.equal((await done).status, 200);
}

const sum = (list) => list.reduce((a, b) => a + b, 0);

test('an eP-CSCF that dies for good: its contexts and ports go after T_orphan and no sooner, the other\'s stay [REL-13, IQ-01]',
	{ timeout: 60 * SECOND }, () => withFleet({ agws: 2, cscfs: 2, agw: { iq, T_orphan: `${T_ORPHAN}ms`, ice: { timeout: '2m' } }, cscf: { iq } },
		async (fleet) => {
			await fleet.linked(2);
			const wics = await Promise.all([0, 1].map((i) => wicAt(fleet, i)));
			const calls = [];

			for (let i = 0; i < 24; i++)
				calls.push({ of: i % 2, call: await callOf(wics[i % 2]) });
			assert.equal(sum(await fleet.counts('agw', 'contexts')), 24);
			assert.ok((await fleet.counts('agw', 'contexts')).every((k) => k > 0), 'both AGWs have some');
			const ports = sum(await fleet.counts('agw', 'ports_in_use'));
			const since = fleet.agws.map((a) => a.process.lines.length);
			const victim = fleet.cscfs[0];

			process.kill(victim.process.pid, 'SIGKILL');
			await victim.process.ended;
			const died = performance.now();
			await Promise.all(fleet.agws.map((a, i) => a.logged('iq.controller_away', { controller: 'cscf-0' }, { since: since[i] })));
			assert.ok(performance.now() - died < 1 * SECOND, 'the AGWs know at once');
			let early;
			await until(async () => {
				const now = await fleet.counts('agw', 'contexts');

				if (performance.now() - died < T_ORPHAN - 200)
					early = Math.min(early ?? 24, sum(now));
				return sum(now) === 12;
			}, { ms: T_ORPHAN + 5 * SECOND, every: 50, what: 'the dead one\'s contexts to go' });
			const took = performance.now() - died;
			assert.equal(early, 24, 'none went before its time');
			assert.ok(took > T_ORPHAN - 200 && took < T_ORPHAN + 3 * SECOND, `after ${Math.round(took)} ms`);
			await until(async () => sum(await fleet.counts('agw', 'ports_in_use')) === ports / 2, { what: 'its ports to be free' });
			// Those of the other are what is left, and work.
			assert.equal((await fleet.counts('cscf', 'dialogs'))[1], 12);
			await Promise.all(calls.filter((c) => c.of === 1).map((c) => hangUp(c.call)));
			await becomes(() => fleet.counts('agw', 'contexts'), [0, 0]);
		}));

test('everything on the control channel comes 200 ms late: calls are set up and end, no link is lost, nothing is sent twice [IQ-21, IQ-24, IQ-08]',
	{ timeout: 60 * SECOND }, () => withFleet({ agws: 1, cscfs: 0, agw: { iq, ice: { timeout: '2m' } }, cscf: { iq } }, async (fleet) => {
		const host = fleet.agws[0].host;
		const proxy = await TcpProxy.start({ host, port: BASE + 23 }, { host: host.replace('.2.', '.3.'), port: BASE + 23, delay: 200 });

		try {
			fleet.dns.set('agw.test', [host.replace('.2.', '.3.')]);
			await fleet.startCscf(0);
			await fleet.linked(1);
			const wics = [];

			for (let i = 0; i < 4; i++)
				wics.push(await wicAt(fleet, 0));
			const calls = (await Promise.all(wics.map(async (w) => {
				const mine = [];

				for (let i = 0; i < 5; i++)
					mine.push(await callOf(w));
				return mine;
			}))).flat();
			assert.deepEqual(await fleet.counts('agw', 'contexts'), [20]);
			const c = fleet.cscfs[0];
			const metrics = await c.metrics();
			for (const name of ['cscf_iq_timeouts_total', 'cscf_iq_resent_total', 'cscf_iq_links_lost_total', 'cscf_iq_rejected_total'])
				assert.equal(metrics.sum(name), 0, name);
			// It was late: both ways, each of them; and the histogram says so.
			assert.equal(metrics.sum('cscf_iq_reserve_seconds_bucket', { le: '0.25' }), 0);
			assert.equal(metrics.sum('cscf_iq_reserve_seconds_bucket', { le: '+Inf' }), 20);
			assert.equal(metrics.sum('cscf_iq_reserve_seconds_count'), 20);
			assert.equal(metrics.sum('cscf_call_setup_seconds_count'), 20);
			assert.equal((await fleet.agws[0].metrics()).sum('agw_reserve_seconds_count'), 20);
			await Promise.all(calls.map(hangUp));
			await until(async () => (await fleet.counts('agw', 'contexts'))[0] === 0, { what: 'the Releases to arrive' });
			await Promise.all([...open].map((w) => w.close({ abrupt: true })));
			await fleet.stop();
		} finally {
			await proxy.close();
		}
	}));
