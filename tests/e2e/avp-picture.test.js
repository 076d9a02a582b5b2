// SPDX-License-Identifier: Apache-2.0
//
// rtcp.avp_pli=info: a browser that lost its picture, and a core that speaks plain RTP/AVP. Either side
// asks the other for a picture by SIP INFO (RFC 5168) on Mw, by PLI on W3.
import assert from 'node:assert/strict';
import { parseRtcp } from '../lib/mirror.js';
import { SECOND, until } from '../lib/wait.js';
import { avpVideoCall } from './avp.js';
import { browserSuite, hangUp } from './talk.js';

const PSFB = 206, MEDIA_CONTROL = 'application/media_control+xml';
const WISH = '<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder><picture_fast_update/>' +
	'</to_encoder></vc_primitive></media_control>';
const test = browserSuite({ gateway: { cscf: { rtcp: { avp_pli: 'info' } } } });

test('a lost picture: the browser\'s PLI is an INFO at an AVP core, the core\'s INFO a PLI at the browser; what is broken is 400 [RTCP-24, SDP-42]',
	async (env) => {
		const { link, wic, call } = await avpVideoCall(env, 6);
		const video = async (type) => (await wic.do('report')).find((s) => s.type === `${type}-rtp` && s.kind === 'video') ?? {};
		const feedback = [];

		for (const socket of call.media.flatMap((m) => [m.rtp, m.rtcp]))
			socket.on('message', (buf) => feedback.push(...buf[1] >= 192 ? parseRtcp(buf).filter((p) => p.type === PSFB) : []));
		assert.match(await wic.do('remoteDescription'), /a=rtcp-fb:96 nack pli\r\n/);
		// Twice a second at most is a WIC asked: the rest is answered and forgotten.
		const picture = async () => assert.equal((await call.send('INFO', { body: WISH, type: MEDIA_CONTROL })).status, 200);
		await until(async () => {
			await picture();
			return (await video('inbound')).framesDecoded > 10;
		}, { ms: 20 * SECOND, every: SECOND, what: 'the mirrored video' });

		// The core asks: the browser makes a picture.
		const before = await video('outbound');
		await until(async () => {
			await picture();
			const now = await video('outbound');

			return now.pliCount > (before.pliCount ?? 0) && now.keyFramesEncoded > before.keyFramesEncoded;
		}, { ms: 20 * SECOND, every: SECOND, what: 'a picture of the browser' });
		assert.equal((await call.send('INFO', { body: '<media_control>', type: MEDIA_CONTROL })).status, 400);

		// The browser asks: what was lost is gone for good.
		const { rtp: lost = 0 } = link.down.lost;
		for (const early of call.requests)
			early.taken = true;
		link.rough({ loss: 1, only: 'down' });
		await until(() => link.down.lost.rtp > lost + 300, { ms: 30 * SECOND, what: () => `loss: ${link}` });
		link.clean();
		const info = await call.request('INFO');
		assert.equal(info.get('Content-Type'), MEDIA_CONTROL);
		assert.match(info.body, /<picture_fast_update>/);
		// The UE's camera is the browser's own: it sends back what it asks for.
		const { keyFramesDecoded } = await video('inbound');
		await until(async () => {
			await picture();
			return (await video('inbound')).keyFramesDecoded > keyFramesDecoded;
		}, { ms: 20 * SECOND, every: SECOND, what: 'a picture at the browser' });
		assert.deepEqual(feedback, []);
		assert.ok((await video('inbound')).pliCount > 0);
		await hangUp(wic, call);
	});

test.end();
