// SPDX-License-Identifier: Apache-2.0
//
// GStreamer's webrtcbin (libnice, GStreamer's DTLS, libsrtp) as a WIC: its offers and its answers, both
// DTLS roles, audio and video, each bundle policy. The UE sends every packet back, so that what
// webrtcbin hears and decodes is its own tone and picture, by way of gateway and core.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Mirror } from '../lib/mirror.js';
import { parseSdp, plainSdp } from '../lib/sdp.js';
import { until } from '../lib/wait.js';
import { Webrtcbin } from '../lib/webrtcbin.js';

const test = suite();
const OPUS = ['a=rtpmap:111 opus/48000/2'];
const VP8 = ['a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 nack pli', 'a=rtcp-fb:96 ccm fir'];

/** The UE's lines for its open ports: opus or PCMU, VP8. */
function lines(call, codec) {
	return plainSdp(call.ue.host, call.media.map((m) => m.type === 'video' ? { type: 'video', port: m.port, proto: 'RTP/AVPF', pts: ['96'], lines: VP8 }
		: codec === 'opus' ? { type: 'audio', port: m.port, pts: ['111'], lines: OPUS }
			: { type: 'audio', port: m.port, pts: ['0'], lines: ['a=rtpmap:0 PCMU/8000'] }));
}

const mirror = (env, call) => call.media.map((m) => env.own(new Mirror(m, { clock: m.type === 'video' ? 90000 : 48000 })));

/** webrtcbin's offer in an INVITE; change: what the test makes of the offer. */
async function callOut(env, peer, { codec = 'opus', back = true, change = (sdp) => sdp } = {}) {
	const [wic, ue] = [await env.wic('alice'), await env.ue('bob')];
	const out = wic.invite('sip:bob@ims.test', { sdp: change(await peer.offer()) });
	const call = await ue.incoming();

	await call.openMedia(call.offer.media.map((m) => m.type));
	const answered = call.answer(back ? { sdp: lines(call, codec) } : {});
	const res = await out.response();
	assert.equal(res.status, 200);
	await answered;
	if (back)
		mirror(env, call);
	peer.answered(res.body);
	return { out, call, answer: res.body };
}

/** The UE's INVITE, webrtcbin's answer; change: what the test makes of our offer. */
async function callIn(env, peer, { video = false, change = (sdp) => sdp } = {}) {
	const [wic, ue] = [await env.wic('alice'), await env.ue('bob')];
	const call = await ue.call('sip:alice@ims.test', { video });
	const into = await wic.incoming();
	const answer = await peer.answer(change(into.invite.body));

	into.reply(200, 'OK', { body: answer });
	assert.equal((await call.answered).status, 200);
	await into.next('ACK');
	mirror(env, call);
	return { into, call, answer };
}

const streamsOf = async ({ gw }, { callId }) => (await gw.agws[0].ctl('context show', callId)).streams;
const UP = ['connected', 'established', 'AES128_CM_SHA1_80'];
const state = (s) => [s.ice, s.dtls, s.srtp];

for (const [setup, ours] of [['actpass', 'active'], ['active', 'passive'], ['passive', 'active']]) {
	test(`webrtcbin offers audio and video, setup:${setup}: it hears and sees itself, we are ${ours} [DTLS-02, SRTP-02, ICE-01, ICE-09, BUN-02]`,
		async (env) => {
			const peer = env.own(await Webrtcbin.start({ video: true }));
			const { out, call, answer } = await callOut(env, peer, { change: (sdp) => sdp.replaceAll('a=setup:actpass', `a=setup:${setup}`) });

			assert.deepEqual(parseSdp(answer).media.map((m) => m.attr('setup')), [ours, ours]);
			await peer.heard();
			await peer.seen(15);
			assert.deepEqual((await streamsOf(env, call)).map(state), [UP, UP]);
			assert.equal((await out.bye()).status, 200);
			assert.equal(await call.ended, 'bye received');
		});
}

for (const [offered, answered] of [['actpass', 'active'], ['active', 'passive']]) {
	test(`webrtcbin answers audio and video, setup:${answered}: it hears and sees itself [DTLS-04, SRTP-02, SDP-07, BUN-12]`, async (env) => {
		const peer = env.own(await Webrtcbin.start({ codec: 'pcmu', video: true }));
		const { into, call, answer } = await callIn(env, peer, { video: true, change: (sdp) => sdp.replaceAll('a=setup:actpass', `a=setup:${offered}`) });

		assert.deepEqual(parseSdp(answer).media.map((m) => m.attr('setup')), [answered, answered]);
		await peer.heard();
		await peer.seen(15);
		assert.deepEqual((await streamsOf(env, call)).map(state), [UP, UP]);
		const bye = call.bye();
		await into.next('BYE');
		assert.equal((await bye).status, 200);
	});
}

test('webrtcbin with PCMU and the UE with a tone of its own: each hears the other [CALL-03, RTP-02]', async (env) => {
	const peer = env.own(await Webrtcbin.start({ codec: 'pcmu', hear: 440 }));
	const { out, call } = await callOut(env, peer, { codec: 'pcmu', back: false });

	call.audio.tone(440);
	await peer.heard();
	await until(() => call.audio.hears(1000) > 0.7, { what: '1 kHz at the UE' });
	assert.equal((await out.bye()).status, 200);
});

test('webrtcbin with bundle-policy balanced offers without a group: as with none [BUN-02]', async (env) => {
	const peer = env.own(await Webrtcbin.start({ bundle: 'balanced', video: true }));
	const { out, call } = await callOut(env, peer);

	await peer.heard();
	await peer.seen(15);
	assert.deepEqual((await streamsOf(env, call)).map(state), [UP, UP]);
	await out.bye();
});

// Its max-compat (1.22) has one transport for both lines, its max-bundle a bundle-only line: we refuse the video,
// and it will not take a refused line without a fingerprint. A page's operator must say "none".
for (const bundle of ['max-compat', 'max-bundle']) {
	test(`webrtcbin with bundle-policy ${bundle}: video is refused; it cannot take that and says so [BUN-01, BUN-02, BUN-04]`, async (env) => {
		const peer = env.own(await Webrtcbin.start({ bundle, video: true }));
		const { out, answer } = await callOut(env, peer);

		assert.deepEqual(parseSdp(answer).media.map((m) => m.port > 0), [true, false]);
		assert.doesNotMatch(answer, /a=group:/);
		await assert.rejects(peer.heard(), /No fingerprint lines in sdp for media 1/);
		await out.bye();
	});
}

test('webrtcbin with bundle-policy max-bundle, audio alone: good both ways [BUN-02]', async (env) => {
	const peer = env.own(await Webrtcbin.start({ bundle: 'max-bundle' }));
	const { out, call, answer } = await callOut(env, peer);

	assert.doesNotMatch(answer, /a=group:/);
	await peer.heard();
	assert.deepEqual((await streamsOf(env, call)).map(state), [UP]);
	await out.bye();
});

test.end();
