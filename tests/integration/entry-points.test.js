// SPDX-License-Identifier: Apache-2.0
//
// Entry points of the home network that come and go: asked by OPTIONS when quiet, put last while
// they are down, told to the operator; never a reason to touch a registration.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway } from '../lib/gateway.js';
import { Scscf } from '../lib/scscf.js';
import { SPARE, port } from '../lib/ports.js';
import { SECOND, until } from '../lib/wait.js';
import { WsClient } from '../lib/wsclient.js';

const test = suite({ scripted: true });

/** A second scripted core and a gateway with both as entry points. answers: who answers OPTIONS. */
async function two({ core, own }, home = {}) {
	const other = own(await Scscf.start({ port: await port() }));
	const cores = [core, other];
	const answers = [true, true];

	cores.forEach((c, i) => {
		c.onRequest = (item) => {
			if (item.msg.method !== 'OPTIONS')
				return false;
			if (answers[i])
				item.reply(200, 'OK', { toTag: 'o' });
			return true;
		};
	});
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { home: {
		entry_points: cores.map((c) => `sip:127.0.0.1:${c.port}`), options_interval: '1s', options_timeout: '600ms', ...home } } });
	own({ close: async () => {
		for (const c of cores)
			c.onRequest = undefined;
		await gw.stop();
	} });
	const open = async (user) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN }));
	const states = async () => (await gw.cscf.status()).entry_points.map((p) => p.state);
	const become = (...want) => until(async () => (await states()).join() === want.join(), { what: `entry points ${want}` });

	return { other, cores, answers, gw, open, become };
}

/** REGISTER; which core gets it. The other's inbox is left alone. */
async function whoGets(cores, wic, act) {
	const before = cores.map((c) => c.log.length);
	const started = performance.now();
	const pending = wic.request(wic.registerMsg());
	const got = (i) => cores[i].log.slice(before[i]).find((x) => x.msg.method === 'REGISTER');

	await until(() => got(0) || got(1), { every: 5, what: 'REGISTER at a core' });
	const i = got(0) ? 0 : 1;
	act(cores[i], got(i));
	const res = await pending;
	return { i, res, ms: performance.now() - started, seen: cores.map((c, k) => c.log.slice(before[k]).filter((x) => x.msg.method === 'REGISTER').length) };
}

test('down and up by OPTIONS: later requests go to who answers at once, the operator is told, registrations stay [REG-86, REG-10]',
	async (env) => {
		const { cores, answers, gw, open, become } = await two(env);
		const alice = await open('alice');

		await become('up', 'up');
		const [options] = cores[0].log.filter((x) => x.msg.method === 'OPTIONS');
		assert.equal(options.msg.uri, `sip:127.0.0.1:${cores[0].port}`);
		assert.equal((await whoGets(cores, alice, (c, r) => c.accept(r))).i, 0, 'in order');

		answers[0] = false;
		await become('down', 'up');
		const line = await gw.cscf.logged('core.entry_down', { why: 'silent' });
		assert.equal(line.point, `sip:127.0.0.1:${cores[0].port}`);
		const bob = await open('bob');
		const quick = await whoGets(cores, bob, (c, r) => c.accept(r));
		assert.deepEqual(quick.seen, [0, 1], 'the silent one is not asked first');
		assert.equal(quick.res.status, 200);
		assert.ok(quick.ms < 2 * SECOND, `${quick.ms} ms, not the 6.4 s of timer F`);
		// Longer than a failure is remembered without probes, the point stays last.
		assert.equal((await gw.cscf.metrics()).sum('cscf_entry_points', { state: 'down' }), 1);
		assert.equal((await gw.cscf.http('/readyz')).status, 200);

		answers[1] = false;
		await become('down', 'down');
		const ready = await gw.cscf.http('/readyz');
		assert.equal(ready.status, 503);
		assert.match(ready.text, /entry point/);
		assert.deepEqual((await gw.cscf.ctl('reg list')).map((r) => r.impu).sort(), ['sip:alice@ims.test', 'sip:bob@ims.test'],
			'no OPTIONS answer, or the lack of one, ends a registration');
		assert.equal((await whoGets(cores, alice, (c, r) => c.accept(r))).res.status, 200, 'with nothing else left a down one is tried');

		answers[0] = answers[1] = true;
		await become('up', 'up');
		await gw.cscf.logged('core.entry_up');
		assert.equal((await gw.cscf.http('/readyz')).status, 200);
		assert.equal((await whoGets(cores, alice, (c, r) => c.accept(r))).i, 0, 'the first is the first again');
		const m = await gw.cscf.metrics();
		assert.equal(m.sum('cscf_entry_points', { state: 'up' }), 2);
		assert.ok(m.sum('cscf_entry_point_changes_total', { to: 'down' }) >= 2);
		for (const w of [alice, bob]) {
			const res = await whoGets(cores, { request: () => w.request(w.registerMsg({ expires: 0 })), registerMsg: () => 0 },
				(c, r) => c.accept(r, { expires: 0 }));

			assert.equal(res.res.status, 200);
			w.gone = true;
		}
	});

test('who is heard of in the course of business is not asked [REG-86]', async (env) => {
	const { cores, gw, open, become } = await two(env, { options_interval: '2s' });
	const alice = await open('alice');

	await become('up', 'up');
	const asked = () => cores[0].log.filter((x) => x.msg.method === 'OPTIONS').length;
	const before = asked(), other = cores[1].log.length;
	// REGISTERs for as long as it takes to ask the other one twice.
	await until(async () => {
		assert.equal((await whoGets(cores, alice, (c, r) => c.challenge(r))).res.status, 401);
		return cores[1].log.length >= other + 2;
	}, { every: 200, what: 'two OPTIONS to the idle one' });
	assert.equal(asked() - before, 0);
	assert.ok(gw);
});

test('an entry point that closed its port is down at once, a name without address as well [REG-86]', async ({ core, own }) => {
	core.onRequest = (item) => item.msg.method === 'OPTIONS' && !!item.reply(404, 'Not Found', { toTag: 'o' });
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], waitReady: false, cscf: { home: {
		entry_points: [`sip:127.0.0.1:${await port()};transport=tcp`, 'sip:no.such.name.invalid', `sip:127.0.0.1:${core.port}`],
		options_interval: '1s', options_timeout: '600ms' }, dns: { servers: ['127.0.0.1:9'], timeout: '200ms' } } });
	own({ close: async () => {
		core.onRequest = undefined;
		await gw.stop();
	} });
	await until(async () => (await gw.cscf.status()).entry_points.map((p) => p.state).join() === 'down,down,up', { what: 'states' });
	assert.deepEqual(gw.cscf.log('core.entry_down').map((l) => l.why).sort(), ['no-address', 'unreachable']);
});

test('503 with Retry-After: that entry point is left alone for so long, its 503 never reaches the WIC [SEC-21]', async (env) => {
	const { cores, open } = await two(env, { options_interval: '0' });
	const alice = await open('alice');
	const pending = alice.request(alice.registerMsg());
	const first = await cores[0].next('REGISTER');

	first.reply(503, 'Service Unavailable', { toTag: 't', headers: [['Retry-After', '2 (busy)']] });
	const second = await cores[1].next('REGISTER');
	const until503 = Date.now() + 2 * SECOND;
	cores[1].challenge(second);
	assert.equal((await pending).status, 401);
	await until(async () => {
		const { i, res } = await whoGets(cores, alice, (c, r) => c.challenge(r));

		assert.equal(res.status, 401);
		if (Date.now() < until503 - 300)
			assert.equal(i, 1, 'within Retry-After');
		return Date.now() >= until503 - 300;
	}, { every: 150 });
	await until(async () => (await whoGets(cores, alice, (c, r) => c.challenge(r))).i === 0,
		{ ms: 4 * SECOND, every: 100, what: 'the first one again after it' });
});

test.end();
