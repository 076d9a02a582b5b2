// SPDX-License-Identifier: Apache-2.0
//
// A browser's video with a core that speaks plain RTP/AVP: no feedback can be agreed with it, and none
// reaches it. What the browser loses on its way down it asks for all the same: the gateway answers.
import assert from 'node:assert/strict';
import { Mirror, parseRtcp } from '../lib/mirror.js';
import { RoughLink } from '../lib/rough-link.js';
import { SECOND, until } from '../lib/wait.js';
import { browserSuite, callIn, hangUp, page, streamOf } from './talk.js';

const RTPFB = 205, PSFB = 206;
const test = browserSuite();

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
		const link = env.own(new RoughLink({ seed: 5 }));
		const [wic, bob] = [await page(env, 'alice', { link }), await env.ue('bob')];
		const call = await callIn(wic, bob, { video: true, avp: true, answer: { video: true } });
		const feedback = feedbackAt(call);
		const video = async () => (await wic.do('report')).find((s) => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
		const offer = await wic.do('remoteDescription');

		assert.match(offer, /a=rtcp-fb:96 nack\r\n/);
		assert.doesNotMatch(offer, /rtcp-fb:96 (nack pli|ccm)/);
		assert.doesNotMatch(call.remoteSdp.media[1].lines.join('\n'), /rtcp-fb/);
		for (const m of call.media)
			env.own(new Mirror(m, { clock: m.type === 'video' ? 90000 : 8000 }));
		await until(async () => (await video()).framesDecoded > 10, { ms: 20 * SECOND, what: 'the mirrored video' });
		const before = await video();
		link.rough({ loss: 0.08, delay: 10, only: 'down' });
		let now, down;
		await until(async () => {
			now = await video();
			({ downlink: down } = await streamOf(env, call, 'video-'));
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
		assert.equal(now.pliCount ?? 0, 0);
		assert.deepEqual(feedback, []);
		await hangUp(wic, call);
	});

test.end();
