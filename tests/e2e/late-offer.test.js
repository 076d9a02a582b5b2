// SPDX-License-Identifier: Apache-2.0
//
// INVITEs without an offer from the core: the browser offers in its 200 and is answered in the
// ACK, at the call's beginning and within the call.
import assert from 'node:assert/strict';
import { parseSdp } from '../lib/sdp.js';
import { browserSuite, callIn, callOut, hangUp, page, streamOf, talk, talkVideo } from './talk.js';

const test = browserSuite();

const count = async (wic, name) => (await wic.events()).filter((e) => e.name === name).length;

test('INVITE without an offer: the browser offers in its 200, both hear each other [CALL-31]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test', { lateOffer: true });

	assert.equal((await wic.event('incoming')).sdp, '');
	await wic.do('answer');
	const final = await call.answered;
	assert.equal(final.status, 200);
	const [audio] = parseSdp(final.body).media;
	assert.equal(audio.proto, 'RTP/AVP');
	await wic.event('confirmed');
	await talk(wic, call);
	assert.equal((await call.bye()).status, 200);
	await wic.event('ended');
});

test('INVITE without an offer, answered with audio and video [CALL-31, DTLS-26]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test', { lateOffer: true, video: true });

	await wic.event('incoming');
	await wic.do('answer', { video: true });
	assert.deepEqual(parseSdp((await call.answered).body).media.map((m) => m.type), ['audio', 'video']);
	await wic.event('confirmed');
	await talkVideo(wic, call);
	await hangUp(wic, call);
});

test('a call of the browser, then a re-INVITE without an offer: media goes on where it was [CALL-31, DTLS-19]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	const before = await streamOf(env, call);
	for (const dir of ['sendrecv', 'sendrecv']) {
		const final = await call.reinvite(dir, { lateOffer: true });
		assert.equal(final.status, 200);
		assert.equal(parseSdp(final.body).media[0].port, Number(before.core_local.split(':')[1]));
		await talk(wic, call);
	}
	const after = await streamOf(env, call);
	for (const what of ['access_local', 'core_local', 'access_remote', 'srtp'])
		assert.equal(after[what], before[what], what);
	assert.equal(await count(wic, 'ice.connected'), 1);
	await hangUp(wic, call);
});

test('the UE takes a call off hold by a re-INVITE without an offer [CALL-31, SDP-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);

	await talk(wic, call);
	await call.reinvite('inactive');
	await wic.event('hold');
	const final = await call.reinvite('', { lateOffer: true });
	assert.equal(final.status, 200);
	await wic.event('unhold');
	await talk(wic, call);
	await hangUp(wic, call);
});

test.end();
