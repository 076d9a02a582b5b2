// SPDX-License-Identifier: Apache-2.0
//
// Alone: it measures the CPU of an AGW.
//
// A step of load on one of two AGWs, made by another controller: what it says of itself, and what the eP-CSCF
// makes of that. New calls are spread by how full the AGWs are, go elsewhere while one is busy, and are
// refused when there is none left, but for an emergency call.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Fleet, address } from '../lib/fleet.js';
import { program } from '../lib/gateway.js';
import { BASE, port } from '../lib/ports.js';
import { Scscf } from '../lib/scscf.js';
import { audioLine, parseSdp, plainSdp } from '../lib/sdp.js';
import { token } from '../lib/sip.js';
import { SECOND, until } from '../lib/wait.js';
import { WsClient } from '../lib/wsclient.js';

const ORIGIN = 'https://portal.ims.test';
const SDP = plainSdp('127.0.0.1', [audioLine(49998)]);
const LIMIT_PERCENT = 2; // little, for a busy machine gives it little
/** Nobody does ICE here. */
const calm = { iq: { heartbeat: '500ms' }, ice: { timeout: '2m' } };
let core, fleet, wic, busy;
const calls = [];

before(async () => {
	core = await Scscf.start({ port: await port() });
	// The second has twice the room of the first, and does not look at its CPU.
	fleet = await Fleet.start({ core, agws: 1, cscfs: 1, lb: false,
		agw: { limits: { contexts: 300, cpu_percent: LIMIT_PERCENT }, ...calm },
		cscf: { iq: { heartbeat: '500ms' }, emergency: { assume_own_country: true, same_country_policy: 'proceed',
			ecscf: [`sip:${core.host}:${core.port}`] } } });
	fleet.knobs.agw = { limits: { contexts: 600 }, ...calm };
	await fleet.startAgw(1);
	fleet.publish('agw');
	await fleet.linked(2);
	wic = await WsClient.open(fleet.wssUrl(0), { user: 'step', origin: ORIGIN });
	const done = wic.register();
	await core.registration();
	assert.equal((await done).status, 200);
}, { timeout: 60 * SECOND });

after(async () => {
	await busy?.();
	await wic?.close({ abrupt: true });
	try {
		await fleet?.stop();
	} finally {
		await fleet?.kill();
		await core?.close();
	}
}, { timeout: 60 * SECOND });

/** What came of one more call: the AGW that has it, or the status. */
async function call(uri = 'sip:far@ims.test') {
	const c = wic.invite(uri);
	const answer = c.response();
	const item = await Promise.race([core.next('INVITE', { callId: c.callId }).catch(() => answer), answer]);

	if (!item.msg)
		return item.status;
	item.reply(200, 'OK', { toTag: token(4), headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: SDP });
	const res = await answer;
	assert.equal(res.status, 200);
	await core.next('ACK', { callId: c.callId });
	const { host, port: at } = parseSdp(res.body).media[0];
	calls.push({ c, host, port: at });
	return [0, 1].find((i) => host === address('agw', i));
}

async function more(n) {
	const where = [0, 0];

	for (let i = 0; i < n; i++)
		where[await call()]++;
	return where;
}

const row = async (i) => (await fleet.cscfs[0].ctl('agw list')).find((a) => a.agw === `agw-${i}`);
async function level(i, is, what) {
	let now;

	await until(async () => is((now = await row(i)).overload_level), { ms: 20 * SECOND, every: 100,
		what: () => `${what}: CPU ${now.cpu_permille} permille, level ${now.overload_level}` });
}

/** Another controller's calls come and go on the first AGW, so many a second, all of them with priority. */
function begin(perSecond) {
	const child = spawn(program('wicgatectl'), ['iq', '--connect', `${address('agw', 0)}:${BASE + 23}`, '--id', 'busy', 'session'],
		{ stdio: ['pipe', 'ignore', 'ignore'] });
	const gone = new Promise((resolve) => child.on('close', resolve));
	const streams = [{ stream_id: 1, kind: 'AUDIO', access: { realm: 'access', rtcp: 'RTCP_MUX' },
		core: { realm: 'core', transport: 'RTP_AVP', rtcp: 'RTCP_SEPARATE' } }];
	let n = 0;
	const timer = setInterval(() => {
		for (let i = 0; i < perSecond / 20; i++, n++) {
			child.stdin.write(`${JSON.stringify({ reserve: { ctx_id: `b${n}`, priority: true, streams } })}\n`);
			child.stdin.write(`${JSON.stringify({ release: { ctx_id: `b${n}` } })}\n`);
		}
	}, 50);

	child.stdin.on('error', () => {});
	return async () => {
		clearInterval(timer);
		child.stdin.end();
		await gone;
	};
}

test('calls go to two AGWs as they have room; where one is busy to the other; an emergency call to either [IQ-16, IQ-22]',
	{ timeout: 120 * SECOND }, async () => {
		const spread = await more(24);
		assert.ok(Math.abs(spread[0] - 8) <= 3, `${spread}: one third of the room is the first one's`);

		busy = begin(600);
		await level(0, (n) => n >= 2, 'level 2 of the first AGW');
		assert.ok((await row(0)).cpu_permille >= LIMIT_PERCENT * 10);
		assert.equal((await row(1)).overload_level, 0);
		assert.deepEqual(await more(6), [0, 6], 'diverted');
		const asked = async () => (await fleet.cscfs[0].metrics()).sum('cscf_iq_requests_total', { proc: 'reserve' });
		const before = await asked();

		await fleet.agws[1].ctl('drain');
		await fleet.linked(0);
		assert.equal(await call(), 503, 'nobody is left for an ordinary call');
		assert.equal(await asked(), before, 'and the busy one was not even asked');
		assert.equal(await call('urn:service:sos'), 0, 'but for an emergency');

		// The step ends, and so does what followed from it.
		await busy();
		await level(0, (n) => n === 0, 'level 0 of the first AGW');
		assert.deepEqual(await more(2), [2, 0]);
		await fleet.agws[1].ctl('undrain');
		await fleet.linked(2);
		for (const { c } of calls.splice(0)) {
			const done = c.bye();

			(await core.next('BYE', { callId: c.callId })).reply(200, 'OK');
			assert.equal((await done).status, 200);
		}
	});
