// SPDX-License-Identifier: Apache-2.0
//
// A browser's video with a core that speaks plain RTP/AVP: no feedback can be agreed with it, and none
// reaches it. What the browser loses on its way down it asks for all the same: the gateway answers.
import assert from 'node:assert/strict';
import { parseRtcp } from '../lib/mirror.js';
import { SECOND, until } from '../lib/wait.js';
import { avpVideoCall } from './avp.js';
import { browserSuite, hangUp, streamOf } from './talk.js';

const RTPFB = 205, PSFB = 206;
// Pictures by INFO, so that a first one that came before the gates were open is asked for again.
const test = browserSuite({ gateway: { cscf: { rtcp: { avp_pli: 'info' } } } });

/** A picture of the browser, as this core asks for it (RFC 5168). */
const picture = (call) => call.send('INFO', { type: 'application/media_control+xml',
	body: '<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>' });

/** Every feedback packet that comes to the UE, on whichever port. */
function feedbackAt(call) {
	const seen = [];

	for (const socket of call.media.flatMap((m) => [m.rtp, m.rtcp])) {
		socket.on('message', (buf) => {
			if (buf[1] >= 192 && buf[1] <= 223)
				seen.push(...parseRtcp(buf).filter((p) => p.type === RTPFB || p.type === PSFB));
		});
	}
	return seen;
}

test('8 % of the way down is lost: the gateway answers the browser\'s NACKs, an AVP core sees no feedback [RTCP-20, RTCP-21, SDP-41, SDP-42]',
	async (env) => {
		const { link, wic, call } = await avpVideoCall(env, 5);
		const feedback = feedbackAt(call);
		const video = async () => (await wic.do('report')).find((s) => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
		const offer = await wic.do('remoteDescription');

		assert.match(offer, /a=rtcp-fb:96 nack\r\n/);
		assert.doesNotMatch(offer, /rtcp-fb:96 ccm/);
		assert.doesNotMatch(call.remoteSdp.media[1].lines.join('\n'), /rtcp-fb/);
		await until(async () => (await picture(call)).status === 200 && (await video()).framesDecoded > 10,
			{ ms: 20 * SECOND, every: SECOND, what: 'the mirrored video' });
		const before = await video();
		link.rough({ loss: 0.08, delay: 10, only: 'down' });
		let now, down;
		await until(async () => {
			now = await video();
			({ downlink: down } = await streamOf(env, call, 'video-'));
			if (call.requests.some((m) => m.method === 'INFO' && !m.taken))
				(await call.request('INFO'), await picture(call));
			return down.resent >= 12 && now.framesDecoded >= before.framesDecoded + 20;
		}, { ms: 30 * SECOND, every: 100, what: () => `repairs: ${JSON.stringify(down)} ${JSON.stringify(now)} ${link}` });
		// What was lost first is repaired as well: every NACK found its packet, but for some asked for twice.
		assert.ok(down.resent >= 0.5 * down.nacked, `${down.resent} of ${down.nacked}`);
		link.clean();
		const after = await video();
		await until(async () => (await video()).framesDecoded > after.framesDecoded + 10, { ms: 20 * SECOND, what: 'video goes on' });
		now = await video();
		env.t.diagnostic(`decoded ${now.framesDecoded}, NACKs ${now.nackCount}, asked for ${down.nacked}, sent again ${down.resent}, freezes ${
			now.freezeCount}; ${link}`);
		assert.ok(now.nackCount > 0);
		assert.deepEqual(feedback, []);
		await hangUp(wic, call);
	});

test.end();
