// SPDX-License-Identifier: Apache-2.0
//
// A real browser through both processes to the core and a plain-RTP UE, media checked both ways:
// the UE hears the browser's 1 kHz microphone, the browser hears the UE's tone, and the only
// remote candidate the browser ever had is the gateway's.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Baresip } from '../lib/baresip.js';
import { count } from '../lib/gateway.js';
import { UE_RANGE, port } from '../lib/ports.js';
import { parseSdp } from '../lib/sdp.js';
import { TcpProxy } from '../lib/tcp-proxy.js';
import { until } from '../lib/wait.js';
import { MIC_TONE, UE_TONE, browserSuite, page, talk, talkVideo, viaGateway } from './talk.js';

const test = browserSuite({ gateway: { cscf: { flow: { grace: '10s' }, auth: { fail_close_delay: '1s' } } } });

test('browser calls UE, both hear each other, the browser hangs up [CALL-03, ICE-01, DTLS-01, SRTP-01, RTP-02, RTP-03]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

		await wic.do('call', 'sip:bob@ims.test');
		const call = await bob.incoming();
		call.ring();
		await wic.event('progress');
		await call.answer();
		await wic.event('confirmed');
		await talk(wic, call);
		assert.equal(count(await env.gw.agws[0].status(), 'contexts'), 1);
		await wic.do('hangup');
		assert.equal(await call.ended, 'bye received');
		await wic.event('ended');
	});

test('browser calls a tel number, the UE hangs up [CALL-09, REL-01]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:+15550102@ims.test');
	const call = await bob.incoming();
	await call.answer();
	await wic.event('confirmed');
	await talk(wic, call);
	assert.equal((await call.bye()).status, 200);
	const end = await wic.event('ended');
	assert.equal(end.originator, 'remote');
});

test('UE calls browser, which is the DTLS client: both hear each other, the UE hangs up [CALL-02, SDP-07, DTLS-01, DTLS-04, DTLS-12]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');
	const offered = await wic.event('incoming');

	assert.match(offered.sdp, /a=3ge2ae:applied/);
	await call.progress.next((m) => m.status === 180);
	await wic.do('answer');
	assert.equal((await call.answered).status, 200);
	await wic.event('confirmed');
	assert.match(await wic.do('localDescription'), /^a=setup:active\r?$/m);
	await talk(wic, call);
	assert.equal((await call.bye()).status, 200);
	await wic.event('ended');
});

test('UE calls browser, the browser hangs up [CALL-12]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	// JsSIP cannot read a tel URI in To.
	const call = await bob.call('sip:+15550101@ims.test;user=phone');

	await wic.event('incoming');
	await wic.do('answer');
	await call.answered;
	await wic.event('confirmed');
	await talk(wic, call, { tone: 620 });
	await wic.do('hangup');
	assert.equal(await call.ended, 'bye received');
});

test('browser calls browser through the core, each hears the other, by way of the gateway only [RTP-27, CALL-03]',
	async (env) => {
		const [alice, bob] = [await page(env, 'alice'), await page(env, 'bob')];

		await alice.do('call', 'sip:bob@ims.test');
		await bob.event('incoming');
		await bob.do('answer', { tone: 700 });
		await Promise.all([alice.event('confirmed'), bob.event('confirmed')]);
		await alice.heard(700);
		await bob.heard(MIC_TONE);
		await viaGateway(alice);
		await viaGateway(bob);
		assert.equal(count(await env.gw.agws[0].status(), 'contexts'), 2);
		await bob.do('hangup');
		await alice.event('ended');
	});

test('browser cancels a ringing call [CALL-25]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	call.ring();
	await wic.event('progress');
	await wic.do('hangup');
	assert.equal(await call.ended, 'cancelled');
	assert.equal((await wic.event('failed')).cause, 'Canceled');
});

test('UE cancels while the browser rings [CALL-25]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');

	await wic.event('incoming');
	await call.progress.next((m) => m.status === 180);
	assert.equal((await call.cancel()).status, 200);
	assert.equal((await call.answered).status, 487);
	const end = await wic.event('failed');
	assert.equal(end.originator, 'remote');
	assert.equal(end.cause, 'Canceled');
});

test('UE rejects with 486 [REL-01]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	(await bob.incoming()).reject(486, 'Busy Here');
	const end = await wic.event('failed');
	assert.equal(end.status, 486);
	assert.equal(end.cause, 'Busy');
});

test('browser rejects with 486 [REL-01]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');

	await wic.event('incoming');
	await wic.do('reject', 486);
	assert.equal((await call.answered).status, 486);
});

test('audio and video from the browser: two ICE and DTLS transports, video comes back decoded [BUN-02, SDP-03]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

		await wic.do('call', 'sip:bob@ims.test', { video: true });
		const call = await bob.incoming();
		assert.deepEqual(call.offer.media.map((m) => m.type), ['audio', 'video']);
		await call.answer();
		await wic.event('confirmed');
		await talkVideo(wic, call);
		await wic.do('hangup');
		assert.equal(await call.ended, 'bye received');
	});

test('audio and video to the browser [SDP-07, BUN-12]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test', { video: true });

	await wic.event('incoming');
	await wic.do('answer', { video: true });
	assert.equal((await call.answered).status, 200);
	assert.deepEqual(call.remoteSdp.media.map((m) => m.port > 0), [true, true]);
	await wic.event('confirmed');
	await talkVideo(wic, call);
	assert.equal((await call.bye()).status, 200);
	await wic.event('ended');
});

test('a wrong password ends in 403 on the page and leaves no state [SEC-12]', async (env) => {
	const wic = await page(env, 'alice', { password: 'wrong', fails: true });

	assert.equal((await wic.event('registrationFailed')).status, 403);
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
	assert.deepEqual(await env.core.contacts('alice'), []);
});

test('deregistration: the core forgets the user, callers get 480 [DEREG-01]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	assert.equal((await env.core.contacts('alice')).length, 1);
	await wic.do('unregister');
	await wic.event('unregistered');
	assert.deepEqual(await env.core.contacts('alice'), []);
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
	const call = await bob.call('sip:alice@ims.test');
	assert.equal((await call.answered).status, 480);
});

test('registration on the page: service route and both identities, no charging headers [REG-29, REG-27]',
	async (env) => {
		const wic = await page(env, 'alice', { register: false });

		await wic.do('register');
		const e = await wic.event('registered');
		assert.equal(e.serviceRoute.length, 1);
		assert.match(e.associated.join(), /sip:alice@ims\.test.*tel:\+15550101/);
		assert.deepEqual(e.charging, []);
	});

test('WebSocket dropped in mid-call: media goes on, the call moves to the new connection [REL-10, DEREG-43]',
	async (env) => {
		const proxy = env.own(await TcpProxy.start({ host: '127.0.0.1', port: env.gw.wssPort }, { port: await port() }));
		const bob = await env.ue('bob');
		const wic = await page(env, 'alice', { ws: `wss://127.0.0.1:${proxy.port}/sip` });

		await wic.do('call', 'sip:bob@ims.test');
		const call = await bob.incoming();
		await call.answer();
		await wic.event('confirmed');
		await talk(wic, call);
		proxy.cut();
		await wic.event('disconnected');
		call.audio.forget();
		await wic.event('registered');
		await until(() => call.audio.hears(MIC_TONE) > 0.7, { what: 'media after the drop' });
		await wic.heard(UE_TONE);
		assert.equal((await call.bye()).status, 200);
		await wic.event('ended');
	});

test('WebSocket dropped in mid-call and the page gone: the UE gets a BYE, nothing is left [REL-10]',
	async (env) => {
		const bob = await env.ue('bob');
		const instance = randomUUID();
		const wic = await env.browser.wic({ ws: env.gw.wssUrl, uri: 'sip:alice@ims.test', password: 'alice', instance });

		await wic.event('registered');
		await wic.do('call', 'sip:bob@ims.test');
		const call = await bob.incoming();
		await call.answer();
		await wic.event('confirmed');
		await talk(wic, call);
		await wic.context.close();
		assert.equal(await call.ended, 'bye received');
		// The same instance takes the record over and ends it.
		const again = await page(env, 'alice', { instance });
		await again.do('unregister');
		await again.event('unregistered');
	});

test('hold and resume from the browser [SDP-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	await call.answer();
	await wic.event('confirmed');
	await talk(wic, call);
	await wic.do('hold');
	const held = await until(() => call.requests.find((m) => m.method === 'INVITE'), { what: 're-INVITE at the UE' });
	assert.equal(parseSdp(held.body).media[0].dir, 'sendonly');
	await wic.event('hold');
	await wic.do('unhold');
	await wic.event('unhold');
	call.audio.forget();
	await until(() => call.audio.hears(MIC_TONE) > 0.7, { what: '1 kHz after the hold' });
	await wic.heard(UE_TONE);
	await wic.do('hangup');
	assert.equal(await call.ended, 'bye received');
});

test('DTMF from the browser arrives as telephone-event of 8 kHz [RTP-13, SDP-22]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	await call.answer();
	await wic.event('confirmed');
	await talk(wic, call);
	const pt = Number(/a=rtpmap:(\d+) telephone-event\/8000/.exec(call.invited.msg.body)[1]);
	await wic.do('dtmf', '5');
	await until(() => call.audio.byPt.get(pt) > 2, { what: `telephone-event ${pt} at the UE` });
	await wic.do('hangup');
	await call.ended;
});

test('browser calls baresip: it records 1 kHz, the browser hears its tone [CALL-03]', async (env) => {
	const wic = await page(env, 'alice');
	const bob = env.own(await Baresip.start({ user: 'bob', port: await port(), core: env.core, dir: env.dir, tone: 520,
		rtp: [UE_RANGE[1] - 40, UE_RANGE[1] - 1] }));

	await wic.do('call', 'sip:bob@ims.test');
	await wic.event('confirmed');
	await bob.event('established');
	await wic.heard(520);
	await bob.heard(MIC_TONE);
	await viaGateway(wic);
	await wic.do('hangup');
	await bob.event('closed');
});

test.end();
