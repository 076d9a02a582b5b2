// SPDX-License-Identifier: Apache-2.0
//
// consent.mode: active. The gateway asks the WIC's pair every 4 to 6 s whether it may send on, and
// stops when no answer comes, or a no. The limit is short here, so that a call longer than that
// stays up by answers alone.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { suite, ORIGIN } from '../lib/suite.js';
import { HOST } from '../lib/gateway.js';
import { NativeWic } from '../lib/nativewic.js';
import { browserOffer, parseSdp } from '../lib/sdp.js';
import { bindingAnswer, bindingRequest, isIntegral, parseStun } from '../lib/stun.js';
import { leavesTrace } from '../lib/trace-of.js';
import { Inbox, SECOND } from '../lib/wait.js';

const test = suite({ gateway: { agw: { consent: { mode: 'active', timeout: '8s' } } } });
const native = (env, user, options) => env.own(new NativeWic(env.gw.wssUrl, { user, origin: ORIGIN, ...options }));

/** A call that is up, its pair nominated from a socket of ours that then only does what the test says. */
async function nominated({ wic, ue, own }) {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const sock = dgram.createSocket('udp4');
	const inbox = new Inbox();

	sock.on('message', (data) => inbox.push({ data, at: performance.now() }));
	await new Promise((resolve) => sock.bind(0, HOST, resolve));
	own({ close: () => new Promise((resolve) => sock.close(resolve)) });
	const offer = browserOffer({ port: sock.address().port });
	const call = alice.invite('sip:bob@ims.test', { sdp: offer });
	const at = await bob.incoming();
	const [res] = await Promise.all([call.response(), at.answer()]);
	const [theirs, mine] = [parseSdp(res.body).media[0], parseSdp(offer).media[0]];
	const creds = (m) => ({ ufrag: m.attr('ice-ufrag'), pwd: m.attr('ice-pwd') });
	const access = { host: theirs.host, port: theirs.port };
	const c = { call, at, access, local: creds(mine), remote: creds(theirs),
		send: (data) => sock.send(data, access.port, access.host),
		check: () => c.send(bindingRequest(c)),
		next: (type, ms = 8 * SECOND) => inbox.next(({ data }) => parseStun(data)?.type === type,
			{ ms, what: `STUN of type 0x${type.toString(16)}` }) };

	c.check();
	await c.next(0x0101);
	return c;
}

test('the pair is asked, each time anew; a forged answer is dropped, a 403 ends consent at once [ICE-22, ICE-23]',
	async (env) => {
		const agw = env.gw.agws[0];
		const c = await nominated(env);
		let last = performance.now();
		const seen = new Set();

		for (let i = 0; i < 2; i++) {
			const { data, at } = await c.next(0x0001);

			assert.ok(at - last > 3900 && at - last < 7000, `asked after ${at - last} ms`);
			last = at;
			assert.equal(parseStun(data).username, `${c.local.ufrag}:${c.remote.ufrag}`);
			assert.ok(isIntegral(data, c.local.pwd));
			seen.add(parseStun(data).transaction.toString('hex'));
			assert.equal(seen.size, i + 1);
			await leavesTrace(agw, { counter: { name: 'agw_media_drop_total', labels: { reason: 'stun-bad' } } },
				async () => c.send(bindingAnswer(data, { pwd: c.remote.pwd, from: c.access, error: 403 })));
			if (i < 1)
				c.send(bindingAnswer(data, { pwd: c.local.pwd, from: c.access }));
			else
				c.send(bindingAnswer(data, { pwd: c.local.pwd, from: c.access, error: 403 }));
		}
		await agw.logged('consent-lost', { call_id: c.call.callId });
		assert.equal((await c.call.bye()).status, 200);
	});

test('checks alone do not keep consent when we ask: it is lost at consent.timeout [ICE-22]', async (env) => {
	const c = await nominated(env);
	const began = performance.now();
	const checks = setInterval(c.check, 500);

	try {
		await env.gw.agws[0].logged('consent-lost', { call_id: c.call.callId }, { ms: 15 * SECOND });
	} finally {
		clearInterval(checks);
	}
	assert.ok(performance.now() - began > 7900);
	assert.equal((await c.call.bye()).status, 200);
});

test('a WIC that answers keeps a call up for longer than consent.timeout, no packet lost [ICE-22]', async (env) => {
	const agw = env.gw.agws[0];
	const lost = ['agw_media_event_total', { event: 'consent-lost' }];
	const before = (await agw.metrics()).sum(...lost);

	const bob = native(env, 'bob', { answer: true, calls: 1, payload: 'echo' });
	await bob.event('all-registered');
	for (const wic of [native(env, 'alice', { call: 'bob', duration: 12, payload: 'check' }), bob]) {
		const { code, result, output } = await wic.done();

		assert.equal(code, 0, output);
		assert.equal(result.media.lost, 0);
	}
	assert.equal((await agw.metrics()).sum(...lost), before);
});

test.end();
