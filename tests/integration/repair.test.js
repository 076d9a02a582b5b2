// SPDX-License-Identifier: Apache-2.0
//
// Alone: dozens of calls with media, and how long their silence lasts is the subject.
// AGWs and eP-CSCFs that die, hang and are cut off under calls: which calls go on, how long
// nothing is heard, and that nothing is left anywhere.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { Daemon, Gateway, count } from '../lib/gateway.js';
import { NativeWic } from '../lib/nativewic.js';
import { Sipp } from '../lib/sipp.js';
import { TcpProxy } from '../lib/tcp-proxy.js';
import { ACCESS_RANGE, CORE_RANGE, port, ports } from '../lib/ports.js';
import { SECOND, until, within } from '../lib/wait.js';

const follow = await port();
const test = suite({
	coreOptions: [...Array.from({ length: 6 }, (_, i) => ['--user', `echo${i}:echo`]).flat(), '--fixed', `follow=sip:follow@127.0.0.1:${follow}`],
	gateway: { coreRange: [CORE_RANGE[0], CORE_RANGE[0] + 19], accessRange: [ACCESS_RANGE[0], ACCESS_RANGE[0] + 19] },
});

const range = ([from, to]) => [from + 20, to];
const FEW = { log: { level: 'info' } };

/** A gateway of its own: what is killed cannot be the suite's. */
async function gateway(env, { cscf = {}, agw = {}, ...options } = {}) {
	const gw = await Gateway.start({ core: env.core, origins: [ORIGIN], agws: 2, coreRange: range(CORE_RANGE),
		accessRange: range(ACCESS_RANGE), cscf: { ...FEW, ...cscf }, agw: { ...FEW, ...agw }, ...options });

	env.own({ close: () => gw.stop({ killed: true }) });
	return gw;
}

const native = (env, gw, options) => env.own(new NativeWic(gw.wssUrl, { user: 'load%d', password: 'load', origin: ORIGIN,
	...options }));
const contexts = (gw) => Promise.all(gw.agws.map(async (d) => d.process.exit ? 0 : count(await d.status(), 'contexts')));
const sum = (list) => list.reduce((a, b) => a + b, 0);
const ok = async (wic) => {
	const { code, result, output } = await within(wic.done(), 40 * SECOND, 'the native WIC to end');

	assert.equal(code, 0, output);
	return result;
};
const nothingOn = (gw) => until(async () => {
	const left = await Promise.all(gw.agws.filter((d) => !d.process.exit).map((d) => d.status()));

	return left.every((s) => count(s, 'contexts') + count(s, 'streams') + count(s, 'ports_in_use') === 0);
}, { what: 'no context, stream or port' });

/** That native WIC has had media in so many calls. */
const hears = (wic, calls) => until(() => wic.process.lines.filter((l) => l.startsWith('event=media ')).length === calls, {
	ms: 20 * SECOND, what: () => `media of ${calls} calls\n${wic.process.tail(5)}` });

/** `calls` calls up whose every packet comes back from the core. */
async function echoed(env, gw, calls, options = {}) {
	env.own(await Sipp.start('uas-follow', { port: follow, mediaPort: (await ports(1))[0], calls, dir: env.dir,
		options: ['-l', '1000'] }));
	const wic = native(env, gw, { call: 'sip:follow@ims.test', count: calls, calls, total: calls, rate: 20, 'reg-rate': 100,
		duration: 7, payload: 'check', pt: 0, 'max-loss': 90, ...options });

	await hears(wic, calls);
	return wic;
}

async function moved(gw) {
	const m = await gw.cscf.metrics();
	const of = (result) => m.sum('cscf_call_moves_total', { result });

	return { moved: of('moved'), failed: of('failed'), released: of('released'), pending: m.sum('cscf_call_moves_pending'),
		ms: m.sum('cscf_call_move_milliseconds_total') };
}

test('kill -9 of one of two AGWs under 30 calls: every call goes on at the other, nothing is left [REL-12, IQ-22]', async (env) => {
	const gw = await gateway(env);
	const wic = await echoed(env, gw, 30);
	const spread = await contexts(gw);
	const serving = spread[0] > 0 ? 0 : 1;

	await gw.agws[serving].process.stop('SIGKILL');
	await until(async () => (await moved(gw)).moved === spread[serving], { what: 'every call of it moved' });
	const { ms, ...counts } = await moved(gw);
	assert.deepEqual(counts, { moved: spread[serving], failed: 0, released: 0, pending: 0 });
	assert.equal((await contexts(gw))[1 - serving], 30);
	const { answered, released, gap_ms: gap } = await ok(wic);
	assert.deepEqual([answered, released], [30, { local: 30, remote: 0, error: 0 }]);
	console.log(`# ${spread[serving]} of 30 calls moved, ${Math.round(ms / spread[serving])} ms each; longest silence p50 ${
		gap.p50} p99 ${gap.p99} ms`);
	assert.ok(gap.max < 5 * SECOND, JSON.stringify(gap));
	await until(() => gw.cscf.log('call.record').length === 30, { what: 'the records' });
	assert.equal(gw.cscf.log('call.record').filter((r) => r.moves === '1' && r.media_incomplete === 'agw-lost').length, spread[serving]);
	await nothingOn(gw);
});

test('the only AGW is killed and started again: its calls go on there [REL-12]', async (env) => {
	const gw = await gateway(env, { agws: 1 });
	const wic = await echoed(env, gw, 10);

	await gw.agws[0].process.stop('SIGKILL');
	gw.agws[0] = new Daemon('agw0', gw.agws[0].dir, gw.agws[0].conf);
	await gw.agws[0].live();
	await until(async () => (await moved(gw)).moved === 10, { what: 'ten calls moved' });
	const { released, gap_ms: gap } = await ok(wic);
	assert.equal(released.local, 10);
	console.log(`# an AGW that is back: longest silence p50 ${gap.p50} p99 ${gap.p99} ms`);
	await nothingOn(gw);
});

test('SIGTERM of an AGW whose calls outlast its grace: they leave before that is over, and their records are whole [REL-12, IQ-14, REL-16, REL-18]',
	async (env) => {
		const gw = await gateway(env, { agw: { ...FEW, shutdown: { grace: '4s' } } });
		const wic = await echoed(env, gw, 10, { duration: 9 });
		const spread = await contexts(gw);
		const serving = spread[0] > 0 ? 0 : 1;
		const at = Date.now();

		process.kill(gw.agws[serving].process.pid, 'SIGTERM');
		const { code } = await within(gw.agws[serving].process.ended, 10 * SECOND, 'it to end');
		const took = Date.now() - at;
		assert.equal(code, 0);
		assert.ok(took >= 2900, `three quarters of the drain are the calls': ${took} ms`);
		await until(async () => (await moved(gw)).moved === spread[serving], { what: 'every call of it moved' });
		assert.equal(gw.cscf.log('iq.context_lost').length, 0); /* they left, nothing was taken from them */
		const { released, gap_ms: gap } = await ok(wic);
		assert.deepEqual(released, { local: 10, remote: 0, error: 0 });
		console.log(`# ${spread[serving]} calls left a draining AGW, it ended after ${took} ms; longest silence p50 ${gap.p50} p99 ${gap.p99} ms`);
		await until(() => gw.cscf.log('call.record').length === 10, { what: 'the records' });
		for (const record of gw.cscf.log('call.record'))
			assert.equal(record.media_incomplete, undefined);
		assert.equal(gw.cscf.log('call.record').filter((r) => r.moves === '1').length, spread[serving]);
		await nothingOn(gw);
	});

test('WIC to WIC, both ends lose their AGW at once: both calls move, without 491 to each other [REL-12, CALL-28]', async (env) => {
	const pairs = 6;
	const gw = await gateway(env, { agws: 1 });
	const bob = native(env, gw, { user: 'echo%d', password: 'echo', count: pairs, 'reg-rate': 100, answer: true, calls: pairs, payload: 'echo', duration: 60,
		'max-loss': 90 });

	await bob.event('all-registered');
	const alice = native(env, gw, { call: 'echo%d', count: pairs, calls: pairs, total: pairs, rate: 20, 'reg-rate': 100, duration: 6,
		payload: 'check', 'max-loss': 90 });

	await Promise.all([alice, bob].map((w) => hears(w, pairs)));
	await gw.agws[0].process.stop('SIGKILL');
	gw.agws[0] = new Daemon('agw0', gw.agws[0].dir, gw.agws[0].conf);
	await gw.agws[0].live();
	await until(async () => (await moved(gw)).moved === 2 * pairs, { what: 'both ends moved' });
	const { released, gap_ms: gap } = await ok(alice);
	assert.equal(released.local, pairs);
	assert.ok(gap.max < 5 * SECOND, JSON.stringify(gap));
	console.log(`# WIC to WIC: longest silence p50 ${gap.p50} p99 ${gap.p99} ms`);
	await ok(bob);
	await nothingOn(gw);
});

/** A gateway whose only AGW is reached through a proxy. */
async function behindProxy(env, cscf = {}) {
	const [iq] = await ports(1);
	const proxy = env.own(await TcpProxy.start({ host: '127.0.0.1', port: iq }));
	const gw = await gateway(env, { agws: 1, agw: { iq: { listen: `127.0.0.1:${iq}` } },
		cscf: { agw: { list: [`127.0.0.1:${proxy.port}`] }, iq: { heartbeat: '300ms' }, ...cscf } });

	return { gw, proxy };
}

test('a partition shorter than T_agwdead: the media never notices, no call ends or moves, an audit follows [REL-12, IQ-15, IQ-21]',
	async (env) => {
		const { gw, proxy } = await behindProxy(env);
		const wic = await echoed(env, gw, 5);

		proxy.stall();
		await gw.cscf.logged('iq.link_down');
		const relayed = (await gw.agws[0].metrics()).sum('agw_rtp_packets_relayed_total');
		await until(async () => (await gw.agws[0].metrics()).sum('agw_rtp_packets_relayed_total') > relayed + 500,
			{ what: 'a second of media of five calls' });
		proxy.flow();
		await gw.cscf.logged('iq.link_up', { contexts: '5', new_boot: '0' });
		const { released, gap_ms: gap, media } = await ok(wic);
		assert.equal(released.local, 5);
		assert.ok(gap.max < 1 * SECOND, JSON.stringify(gap));
		assert.equal(media.lost, 0);
		assert.deepEqual(await moved(gw), { moved: 0, failed: 0, released: 0, pending: 0, ms: 0 });
		await nothingOn(gw);
	});

test('an AGW that hangs: lost within three heartbeats, its calls move after T_agwdead; what it still has is released when it is back [REL-12, IQ-15]',
	async (env) => {
		const gw = await gateway(env, { cscf: { iq: { heartbeat: '300ms' }, T_agwdead: '1s' }, agw: { iq: { heartbeat: '300ms' } } });
		const wic = await echoed(env, gw, 10);
		const spread = await contexts(gw);
		const serving = spread[0] > 0 ? 0 : 1;
		const { pid } = gw.agws[serving].process;
		const at = performance.now();

		process.kill(pid, 'SIGSTOP');
		try {
			await gw.cscf.logged('iq.link_down');
			assert.ok(performance.now() - at < 3 * SECOND);
			await until(async () => (await moved(gw)).moved === spread[serving], { what: 'its calls moved' });
		} finally {
			process.kill(pid, 'SIGCONT');
		}
		await until(async () => (await contexts(gw))[serving] === 0, { what: 'nothing on the one that hung' });
		assert.equal((await ok(wic)).released.local, 10);
		await nothingOn(gw);
	});

test('kill -9 of the eP-CSCF under calls: media runs on for T_orphan, then every context and port is free [REL-13, IQ-13]', async (env) => {
	const gw = await gateway(env, { agws: 1, agw: { T_orphan: '2s' } });
	// The WICs do not hear that their connection has gone.
	const proxy = env.own(await TcpProxy.start({ host: '127.0.0.1', port: gw.wssPort }, { hold: true }));
	const calls = 20;
	const url = gw.wssUrl;

	gw.wssUrl = url.replace(/:\d+\//, `:${proxy.port}/`);
	const wic = await echoed(env, gw, calls, { duration: 60 });

	await gw.cscf.process.stop('SIGKILL');
	const before = (await gw.agws[0].metrics()).sum('agw_rtp_packets_relayed_total');
	assert.equal((await contexts(gw))[0], calls);
	await until(async () => (await gw.agws[0].metrics()).sum('agw_rtp_packets_relayed_total') > before + 25 * calls,
		{ what: 'media without any eP-CSCF' });
	assert.equal((await contexts(gw))[0], calls);
	await nothingOn(gw);
	await gw.agws[0].logged('iq.orphaned', { contexts: String(calls) });
	await wic.process.stop('SIGKILL'); // nobody is there to say BYE to
});

test.end();
