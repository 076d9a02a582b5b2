// SPDX-License-Identifier: Apache-2.0
//
// Video that comes and goes in a call: added and removed by the browser or by the core, and added
// once more on the line that was given up. The audio of the call is never touched by it.
import assert from 'node:assert/strict';
import { count } from '../lib/gateway.js';
import { parseSdp } from '../lib/sdp.js';
import { until } from '../lib/wait.js';
import { UE_TONE, browserSuite, callIn, callOut, hangUp, heardAtUe, page, streamOf, talk, talkVideo } from './talk.js';

const test = browserSuite();

const lines = (sdp) => parseSdp(sdp).media.map((m) => `${m.type} ${m.port ? m.dir : 'off'}`);
const streams = async ({ gw }) => count(await gw.agws[0].status(), 'streams');

/** The audio goes on on the transport that it had. */
async function audioUntouched(env, wic, call, before) {
	const now = await streamOf(env, call);

	for (const what of ['access_local', 'core_local', 'access_remote'])
		assert.equal(now[what], before[what], what);
	await wic.heard(UE_TONE);
	await heardAtUe(call);
}

/** No video either way any more, nor a stream for it; the line stays, with port 0. */
async function videoGone(env, wic, call) {
	assert.deepEqual(lines(await wic.do('remoteDescription')), ['audio sendrecv', 'video off']);
	await until(async () => await streams(env) === 1, { what: 'the video stream to go' });
	const { received } = call.video;
	await heardAtUe(call);
	assert.equal(call.video.received, received);
}

test('the browser adds video, removes it, and adds it again on the same line [SDP-12, SDP-13, SDP-29, BUN-10]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	const before = await streamOf(env, call);
	await call.openMedia(['audio', 'video']);
	for (const round of [1, 2]) {
		await wic.do('camera');
		await wic.do('renegotiate');
		assert.deepEqual(lines((await call.request('INVITE')).body), ['audio sendrecv', 'video sendrecv'], `round ${round}`);
		await wic.event('renegotiated');
		assert.doesNotMatch(await wic.do('remoteDescription'), /group:BUNDLE/);
		assert.equal(await streams(env), 2);
		await talkVideo(wic, call);
		await audioUntouched(env, wic, call, before);

		await wic.do('stopVideo');
		await wic.do('renegotiate');
		assert.deepEqual(lines((await call.request('INVITE')).body), ['audio sendrecv', 'video off']);
		await wic.event('renegotiated');
		await videoGone(env, wic, call);
		await audioUntouched(env, wic, call, before);
	}
	await hangUp(wic, call);
});

test('the UE adds video, removes it, and adds it again on the same line [SDP-12, SDP-13, SDP-29, BUN-12]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);

	await talk(wic, call);
	const before = await streamOf(env, call);
	for (const round of [1, 2]) {
		await wic.do('camera');
		await call.openMedia(['audio', 'video']);
		call.video.off = false;
		assert.deepEqual(lines((await call.reinvite()).body), ['audio sendrecv', 'video sendrecv'], `round ${round}`);
		assert.equal(await streams(env), 2);
		await talkVideo(wic, call);
		await audioUntouched(env, wic, call, before);

		call.video.off = true;
		call.video.stop();
		assert.deepEqual(lines((await call.reinvite()).body), ['audio sendrecv', 'video off']);
		await videoGone(env, wic, call);
		await audioUntouched(env, wic, call, before);
	}
	await hangUp(wic, call);
});

test('the UE refuses the video that the browser adds: the audio stays as it was [SDP-29, SDP-35]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	const before = await streamOf(env, call);
	await wic.do('camera');
	await wic.do('renegotiate');
	await wic.event('renegotiated');
	assert.deepEqual(lines(await wic.do('remoteDescription')), ['audio sendrecv', 'video off']);
	assert.equal(await streams(env), 1);
	await audioUntouched(env, wic, call, before);
	await hangUp(wic, call);
});

test('a page without a camera takes the UE\'s video one way [SDP-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);

	await talk(wic, call);
	await call.openMedia(['audio', 'video']);
	assert.deepEqual(lines((await call.reinvite()).body), ['audio sendrecv', 'video recvonly']);
	const { gate_up: up, gate_down: down } = await streamOf(env, call, 'video-');
	assert.deepEqual([up, down], [false, true]);
	await audioUntouched(env, wic, call, await streamOf(env, call));
	await hangUp(wic, call);
});

test.end();
