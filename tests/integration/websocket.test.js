// SPDX-License-Identifier: Apache-2.0
//
// SIP over WebSocket as a transport (section 5), seen from both ends: frames, keep-alive, which
// connection a message takes, loops, late and forged answers, rates. Malformed input: bad-*.
import assert from 'node:assert/strict';
import { Gateway, count } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { RESPONSE, credentials, exchange, leave, records, registered } from '../lib/register.js';
import { SipMessage, branch, param, token } from '../lib/sip.js';
import { ORIGIN, suite } from '../lib/suite.js';
import { leavesTrace } from '../lib/trace-of.js';
import { SECOND, until, within } from '../lib/wait.js';

const test = suite({ scripted: true });

async function present(env, options) {
	const who = await registered(env, 'alice', options);

	Object.assign(env.core, { path: who.path, contact: who.wic.contactUri });
	return who;
}

async function gateway({ core, own }, cscf) {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf });

	own({ close: () => gw.stop() });
	return gw;
}

/** A terminating MESSAGE answered by the WIC. */
async function delivered({ core }, wic) {
	const sent = core.terminating('MESSAGE');
	const [res] = await Promise.all([core.request(sent, core.pathTarget), wic.requests.next((m) => m.callId === sent.callId)
		.then((m) => wic.send(m.answer(200, 'OK', { toTag: 'w' })))]);

	return res.status;
}

test('a message goes out as text when it is UTF-8, else in a binary frame, each alone in its frame [WS-06, WS-07, WS-12]',
	async (env) => {
		const { core } = env;
		const { wic } = await present(env);

		for (const [body, binary] of [[Buffer.from('gr\u00fcn \u{1F600}'), false], [Buffer.from([0x66, 0xfc, 0x72]), true],
			[Buffer.from([0xed, 0xa0, 0x80]), true], [Buffer.alloc(0), false]]) {
			const msg = core.terminating('MESSAGE', { headers: [['Content-Type', 'text/plain'], ['Content-Length', body.length]] });
			const n = wic.frames.length;

			core.udp.send(Buffer.concat([Buffer.from(msg.toString()), body]), core.pathTarget.port, core.pathTarget.host);
			const got = await wic.requests.next((m) => m.callId === msg.callId);
			assert.equal(wic.frames.length, n + 1);
			assert.equal(wic.frames[n].isBinary, binary, body.toString('hex'));
			wic.send(got.answer(200, 'OK', { toTag: 'w' }));
			assert.equal((await core.response(msg)).msg.status, 200);
		}
		await leave(env, wic);
	});

test('a request to a Contact under .invalid asks no name server [WS-15]', async (env) => {
	const { wic } = await present(env);
	const asked = async () => (await env.gw.cscf.metrics()).sum('cscf_sip_dns_queries_total');
	const before = await asked();

	assert.ok((await env.gw.cscf.metrics()).has('cscf_sip_dns_queries_total'));
	assert.equal(await delivered(env, wic), 200);
	const invite = env.core.terminating('INVITE');
	await env.core.send(invite, env.core.pathTarget);
	const call = await wic.incoming();
	call.reply(486, 'Busy Here');
	assert.equal((await env.core.response(invite)).msg.status, 486);
	await env.core.send(new SipMessage(`ACK ${invite.uri} SIP/2.0`, [['Via', invite.get('Via')], ['Route', env.core.path],
		['From', invite.get('From')], ['To', `${invite.get('To')};tag=${/tag=(\w+)/.exec(call.local)[1]}`],
		['Call-ID', invite.callId], ['CSeq', '1 ACK']]), env.core.pathTarget);
	assert.equal(await asked(), before);
	await leave(env, wic);
});

test('the socket is gone before the answer: it is dropped, no connection is opened, others go on [WS-18]', async (env) => {
	const { core, gw } = env;
	const { wic } = await present(env);
	const other = await registered(env, 'bob');
	const sent = wic.message('MESSAGE', 'sip:x@ims.test', { body: 'x', type: 'text/plain' });

	wic.send(sent);
	const item = await core.next('MESSAGE', { callId: sent.callId });
	await wic.close({ abrupt: true });
	await until(async () => count(await gw.cscf.status(), 'connections') === 1, { what: 'one connection' });
	item.reply(200, 'OK', { toTag: 't' });
	Object.assign(core, { path: other.path, contact: other.wic.contactUri });
	assert.equal(await delivered(env, other.wic), 200);
	assert.ok(!other.wic.frames.some((f) => f.text.includes(sent.callId)));
	assert.equal(count(await gw.cscf.status(), 'connections'), 1);
	await leave(env, other.wic);
	const again = Object.assign(await env.client('alice'), { instance: wic.instance, contactUri: wic.contactUri });
	await leave(env, again);
});

test('a WIC that never pongs is lost after ws.ping_max_missed; one that does stays, Flow-Timer and 10 s of silence long [WS-20, WS-21, WS-23, DEREG-40]',
	async (env) => {
		const gw = await gateway(env, { ws: { ping_interval: '2s', ping_max_missed: 2, flow_timer: '1s' } });
		const mute = await registered(env, 'alice', { client: { url: gw.wssUrl, tls: { autoPong: false } } });
		const good = await registered(env, 'bob', { client: { url: gw.wssUrl } });
		let pings = 0;
		const enough = new Promise((resolve) => {
			good.wic.ws.on('ping', () => ++pings === 6 && resolve());
		});

		assert.equal(mute.res.get('Flow-Timer'), '1');
		await mute.wic.ended();
		assert.deepEqual((await records(gw, 'alice')).map((r) => r.state), ['flow-lost']);
		await within(enough, 20 * SECOND, 'six pings'); // 12 s without a word of SIP.
		assert.equal(good.wic.ws.readyState, good.wic.ws.OPEN);
		assert.deepEqual((await records(gw, 'bob')).map((r) => r.state), ['registered']);
		await leave(env, good.wic);
		const again = Object.assign(await env.client('alice', { url: gw.wssUrl }), { instance: mute.wic.instance,
			contactUri: mute.wic.contactUri });
		await leave(env, again);
	});

test('keep in Via gets a value, only when asked for [WS-23]', async (env) => {
	const wic = await env.client('alice');

	for (const ask of [true, false]) {
		const msg = wic.registerMsg();

		if (ask)
			msg.set('Via', `${msg.get('Via')};keep`);
		const { res } = await exchange(env, wic, msg, (r) => env.core.challenge(r));
		const keep = param(res.get('Via'), 'keep');
		assert.ok(ask ? /^\d+$/.test(keep) : keep === undefined, res.get('Via'));
	}
});

test('over the message rate: 503 with Retry-After, then close 1008; the core sees no more than the burst [WS-25]', async (env) => {
	const gw = await gateway(env, { ws: { rate: 5, burst: 20 } });
	const wic = await env.client('alice', { url: gw.wssUrl });
	const seen = env.core.log.length;

	env.core.onRequest = (r) => {
		r.reply(200, 'OK', { toTag: 't' });
		return true;
	};
	for (let i = 0; i < 1000 && wic.ws.readyState === wic.ws.OPEN; i++)
		wic.send(wic.registerMsg({ headers: [['X-N', i]] }).set('Call-ID', token()).set('To', `<sip:alice@ims.test;n=${i}>`));
	assert.equal((await wic.ended()).code, 1008);
	const busy = await wic.responses.next((r) => r.status === 503);
	assert.match(busy.get('Retry-After'), /^\d+$/);
	assert.ok(env.core.log.length - seen <= 40, `${env.core.log.length - seen} reached the core`);
	env.core.onRequest = undefined;
});

test('a loop is 482, a spiral to another Request-URI is not [WS-30]', async (env) => {
	const { core } = env;
	const { wic } = await present(env);
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' });

	wic.send(sent);
	const item = await core.next('MESSAGE', { callId: sent.callId });
	// The core sends it back as it came, through itself: our own Via stands in it.
	const back = (uri, route) => {
		const m = SipMessage.parse(item.raw);

		m.start = `MESSAGE ${uri} SIP/2.0`;
		[m.method, m.uri] = ['MESSAGE', uri];
		m.set('Route', route);
		m.headers.unshift(['Via', `SIP/2.0/UDP ${core.host}:${core.port};branch=${branch()}`]);
		return m;
	};
	const loop = await core.request(back(item.msg.uri), { host: env.gw.mw.host, port: env.gw.mw.port });
	assert.equal(loop.status, 482);
	const spiral = back(wic.contactUri, core.path);
	const [res, got] = await Promise.all([core.request(spiral, core.pathTarget), wic.next('MESSAGE').then((m) => {
		wic.send(m.answer(200, 'OK', { toTag: 'w' }));
		return m;
	})]);
	assert.equal(res.status, 200);
	assert.equal(got.body, 'x');
	item.reply(200, 'OK', { toTag: 't' });
	assert.equal((await wic.response(sent)).status, 200);
	await leave(env, wic);
});

test('a core that is slow: repeats on Mw only, one answer on W2, a repeat of the WIC changes nothing [WS-33]', async (env) => {
	const { core } = env;
	const { wic } = await present(env);
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' });
	const repeats = async () => (await env.gw.cscf.metrics()).sum('cscf_sip_retransmissions_total', { dir: 'out' });
	const before = await repeats();
	const frames = wic.frames.length;

	wic.send(sent);
	const item = await core.next('MESSAGE', { callId: sent.callId });
	wic.send(sent); // The very same, as over UDP.
	await until(async () => await repeats() >= before + 3, { what: 'repeats on Mw' });
	assert.equal(wic.frames.length, frames);
	item.reply(200, 'OK', { toTag: 't' });
	item.reply(200, 'OK', { toTag: 't' });
	assert.equal((await wic.response(sent)).status, 200);
	assert.equal(await delivered(env, wic), 200); // Whatever else came would have come before this.
	assert.equal(wic.frames.filter((f) => f.text.includes(sent.callId)).length, 1);
	assert.equal(core.log.filter(({ msg }) => msg.callId === sent.callId && msg.method === 'MESSAGE').length, 1);
	await leave(env, wic);
});

test('an answer from another socket, or to nothing, is dropped and counted; the right one still passes [WS-34]', async (env) => {
	const { core, gw } = env;
	const { wic } = await present(env);
	const mallory = await registered(env, 'mallory');
	const sent = core.terminating('MESSAGE');

	await core.send(sent, core.pathTarget);
	const got = await wic.next('MESSAGE');
	for (const [who, forged] of [[mallory.wic, got.answer(200, 'OK', { toTag: 'evil' })],
		[wic, got.answer(200, 'OK', { toTag: 'evil' }).set('Via', got.get('Via').replace(/branch=[^;]+/, `branch=${branch()}`))],
		[wic, got.answer(200, 'OK', { toTag: 'evil' }).set('Via', wic.via())]])
		await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_refused_total', labels: { reason: 'stray-response' } } },
			async () => who.send(forged));
	wic.send(got.answer(202, 'Accepted', { toTag: 'good' }));
	const { msg } = await core.response(sent);
	assert.equal(msg.status, 202);
	assert.equal(msg.toTag, 'good');
	await leave(env, mallory.wic);
	await leave(env, wic);
});

test('two connections of one user: a request takes the one that its Path names, a lost one is not replaced by the other [WS-19, DEREG-42]',
	async (env) => {
		const { core } = env;
		const one = await present(env);
		const two = await registered(env);

		for (const { wic, path } of [one, two]) {
			Object.assign(core, { path, contact: wic.contactUri });
			assert.equal(await delivered(env, wic), 200);
		}
		await two.wic.close({ abrupt: true });
		await until(async () => (await records(env.gw)).some((r) => r.state === 'flow-lost'), { what: 'a lost flow' });
		assert.equal((await core.request(core.terminating('MESSAGE'), core.pathTarget)).status, 430);
		assert.equal(one.wic.requests.all().length, 0);
		await leave(env, one.wic);
		const again = Object.assign(await env.client('alice'), { instance: two.wic.instance, contactUri: two.wic.contactUri });
		await exchange(env, again, { auth: credentials(again, { response: RESPONSE }), expires: 0 }, (r) =>
			core.accept(r, { expires: 0 }));
		again.gone = true;
	});

test.end();
