// SPDX-License-Identifier: Apache-2.0
//
// Media through both processes with the native WIC: ICE, DTLS-SRTP and RTP with a payload that is
// checked packet by packet, every SRTP profile, the tone UE and SIPp's echo, and how media ends.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { Baresip } from '../lib/baresip.js';
import { NativeWic } from '../lib/nativewic.js';
import { Sipp } from '../lib/sipp.js';
import { count } from '../lib/gateway.js';
import { UE_RANGE, port, ports } from '../lib/ports.js';
import { SECOND, until } from '../lib/wait.js';

const answer = await port();
const test = suite({
	coreOptions: ['--fixed', `answer=sip:answer@127.0.0.1:${answer}`],
});

const native = (env, options) => env.own(new NativeWic(env.gw.wssUrl, { user: 'alice', password: 'alice', origin: ORIGIN,
	...options }));

async function ok(wic) {
	const { code, result, output } = await wic.done();

	assert.equal(code, 0, output);
	return result;
}

for (const profile of ['SRTP_AEAD_AES_128_GCM', 'SRTP_AEAD_AES_256_GCM', 'SRTP_AES128_CM_SHA1_80']) {
	test(`every packet comes back unchanged over ${profile} [DTLS-01, SRTP-01, RTP-02]`, async (env) => {
		env.own(await Sipp.start('uas-answer', { port: answer, mediaPort: (await ports(1))[0], dir: env.dir }));
		await ok(native(env, { call: 'sip:answer@ims.test', duration: 2, payload: 'check', pt: 0, 'dtls-profile': profile }));
	});
}

test('setup:active and setup:passive of the WIC are both served [DTLS-02]', async (env) => {
	env.own(await Sipp.start('uas-answer', { port: answer, mediaPort: (await ports(1))[0], calls: 2, dir: env.dir }));
	for (const setup of ['active', 'passive']) {
		await ok(native(env, { call: 'sip:answer@ims.test', duration: 1, payload: 'check', pt: 0, setup }));
		await until(async () => count(await env.gw.agws[0].status(), 'contexts') === 0, { what: 'no context' });
	}
});

test('tones both ways: native WIC calls the scripted UE, packets counted at both ends [RTP-02, RTP-03]',
	async (env) => {
		const bob = await env.ue('bob');
		const wic = native(env, { call: 'sip:bob@ims.test', duration: 3, payload: 'tone:1000', 'expect-tone': 440, pt: 0 });
		const call = await bob.incoming();

		await call.answer();
		call.audio.tone(440);
		await until(() => call.audio.hears(1000) > 0.8, { what: '1 kHz at the UE' });
		assert.equal(await call.ended, 'bye received');
		await ok(wic);
		assert.equal(call.audio.sources.size, 1);
		assert.deepEqual([...call.audio.byPt.keys()], [0]);
	});

test('the UE calls the native WIC, tones both ways [CALL-02]', async (env) => {
	const bob = await env.ue('bob');
	const wic = native(env, { answer: true, calls: 1, payload: 'tone:1000', 'expect-tone': 440 });

	await wic.event('registered');
	const call = await bob.call('sip:alice@ims.test');
	assert.equal((await call.answered).status, 200);
	call.audio.tone(440);
	await until(() => call.audio.hears(1000) > 0.8, { what: '1 kHz at the UE' });
	await until(() => call.audio.received > 100, { what: 'two seconds of audio' });
	assert.equal((await call.bye()).status, 200);
	await ok(wic);
});

test('native WIC calls baresip: it records the tone, its own tone is heard', async (env) => {
	const bob = env.own(await Baresip.start({ user: 'bob', port: await port(), core: env.core, dir: env.dir, tone: 520,
		rtp: [UE_RANGE[1] - 40, UE_RANGE[1] - 1] }));
	const wic = native(env, { call: 'sip:bob@ims.test', duration: 3, payload: 'tone:1000', 'expect-tone': 520, pt: 0 });

	await bob.event('established');
	await bob.heard(1000);
	await ok(wic);
});

test('a certificate that is not the offer\'s: no media, BYE both ways, warned [DTLS-07, REL-06]', async (env) => {
	const bob = await env.ue('bob');
	const wic = native(env, { call: 'sip:bob@ims.test', duration: 10, misbehave: 'wrong-fingerprint' });
	const call = await bob.incoming();

	await call.answer();
	call.audio.tone(440);
	assert.equal(await call.ended, 'bye received');
	assert.equal(call.audio.received, 0);
	assert.notEqual((await wic.done()).code, 0);
	await env.gw.agws[0].logged('dtls-failed', { call_id: call.callId, level: 'warn' });
	await env.gw.cscf.logged('call.dtls_failed', { call_id: call.callId });
});

test('plain RTP from a WIC never reaches the core [DTLS-01]', async (env) => {
	const bob = await env.ue('bob');
	const before = await env.gw.agws[0].metrics();
	const wic = native(env, { call: 'sip:bob@ims.test', duration: 2, misbehave: 'plain-rtp', 'no-media': true });
	const call = await bob.incoming();

	await call.answer();
	await call.ended;
	await wic.done();
	assert.equal(call.audio.received, 0);
	const plain = ['agw_media_drop_total', { reason: 'not-ready' }];
	const after = await env.gw.agws[0].metrics();
	assert.ok(after.sum(...plain) > before.sum(...plain), JSON.stringify(after.grownSince(before).map((m) => [m.name, m.labels])));
});

test('two calls in a row: nothing of the first reaches the second', async (env) => {
	env.own(await Sipp.start('uas-answer', { port: answer, mediaPort: (await ports(1))[0], calls: 2, dir: env.dir }));
	for (let i = 0; i < 2; i++) {
		const result = await ok(native(env, { call: 'sip:answer@ims.test', duration: 1, payload: 'check', pt: 0 }));

		assert.ok(result.media.returned > 0);
		assert.equal(result.media.foreign, 0);
	}
});

test('the UE is silent for two seconds: the call stays up', async (env) => {
	const bob = await env.ue('bob');
	const wic = native(env, { call: 'sip:bob@ims.test', duration: 3, payload: 'tone:1000', pt: 0, 'no-media': true });
	const call = await bob.incoming();

	await call.answer();
	await until(() => call.audio.received > 100, { ms: 10 * SECOND, what: 'two seconds of audio at the UE' });
	assert.equal(await call.ended, 'bye received');
	await ok(wic);
});

test.end();
