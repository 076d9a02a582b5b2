// SPDX-License-Identifier: Apache-2.0
//
// Descriptions that cannot be served: who is told what, on the wire of both sides, and that the
// call is gone from both legs and from the AGW whichever end spoilt it.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { browserAnswer, browserOffer, parseSdp, plainSdp } from '../lib/sdp.js';
import { count } from '../lib/gateway.js';
import { until } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { codec: { deny: ['rtx', 'red', 'ulpfec', 'flexfec', 'G729'], early_488: true },
	media: { max_kbps: { audio: 200 } } } } });

const idle = async ({ gw }) => until(async () => count(await gw.agws[0].status(), 'contexts') === 0,
	{ what: 'no context' });

/** The UE calls, the WIC answers with something spoilt. */
async function spoiltAnswer(env, spoil) {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const at = await bob.call('sip:alice@ims.test');
	const call = await alice.incoming();

	call.reply(200, 'OK', { body: spoil(browserAnswer(call.invite.body)) });
	const [ack, bye, refused] = await Promise.all([alice.requests.next((m) => m.method === 'ACK'), call.next('BYE'),
		at.answered]);
	assert.equal(ack.callId, call.callId);
	await idle(env);
	await alice.unregister();
	await bob.unregister();
	return { bye, refused };
}

test('a WIC that answers without DTLS: ACK and BYE to it, 488 to the core [SDP-09]', async (env) => {
	for (const spoil of [(s) => s.replaceAll(/a=fingerprint.*\r\n/g, ''), (s) => s.replace('UDP/TLS/RTP/SAVPF', 'RTP/AVP'),
		(s) => s.replaceAll('sha-256', 'md5')]) {
		const { bye, refused } = await spoiltAnswer(env, spoil);

		assert.match(bye.get('Reason'), /cause=488/);
		assert.equal(refused.status, 488);
	}
});

test('rtcp-mux was demanded and is not in the answer: the same [BUN-18]', async (env) => {
	const { bye, refused } = await spoiltAnswer(env, (s) => s.replaceAll('a=rtcp-mux\r\n', ''));

	assert.match(bye.get('Reason'), /cause=488/);
	assert.equal(refused.status, 488);
});

test('a WIC that answers with another number of lines: the same [SDP-25]', async (env) => {
	const { bye, refused } = await spoiltAnswer(env, (s) => `${s}m=video 0 UDP/TLS/RTP/SAVPF 96\r\n`);

	assert.match(bye.get('Reason'), /cause=488/);
	assert.equal(refused.status, 488);
});

const broken = {
	'a line too many': (o) => plainSdp('127.0.0.1', [{ type: 'audio', port: 41000, pts: ['0'] },
		{ type: 'video', port: 0, proto: o.media[0].proto, pts: ['96'] }]),
	'no line at all': () => plainSdp('127.0.0.1', []),
	'a codec that was not offered': () => plainSdp('127.0.0.1', [{ type: 'audio', port: 41000, pts: ['3'] }]),
	'another profile': () => plainSdp('127.0.0.1', [{ type: 'audio', port: 41000, proto: 'RTP/SAVP', pts: ['0'] }]),
	'nonsense': () => 'this is no description\r\n',
};

test('a broken answer of the core in the 200: ACK and BYE to it with the reason, 488 to the WIC [SDP-25]', async (env) => {
	for (const [what, make] of Object.entries(broken)) {
		const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		const [res] = await Promise.all([call.response(), at.answer({ sdp: make(at.offer) })]);

		assert.equal(res.status, 488, what);
		assert.equal(await at.ended, 'bye received', what);
		assert.match(at.requests.find((m) => m.method === 'BYE').get('Reason'), /cause=488/, what);
		await idle(env);
		await alice.unregister();
		await bob.unregister();
	}
});

test('a broken answer of the core in a 183: CANCEL to it, 488 to the WIC [SDP-25]', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.early(broken['a line too many'](at.offer));
	assert.equal((await call.response()).status, 488);
	assert.equal(await at.ended, 'cancelled');
	await idle(env);
});

test('the callee\'s own 488 comes through as it is [SDP-23]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.reject(488, 'Not Acceptable Here', [['Warning', '305 ue "Incompatible media format"']]);
	const res = await call.response();
	assert.equal(res.status, 488);
	assert.equal(res.get('Warning'), '305 ue "Incompatible media format"');
});

test('only codecs that the operator denies: 488 with Warning 305 and what would be taken [SDP-23, SDP-24]', async (env) => {
	const alice = await env.wic('alice');
	const offer = browserOffer().replace('SAVPF 111 0 8 126', 'SAVPF 18').replace('a=rtpmap:0 PCMU', 'a=rtpmap:18 G729');
	const call = alice.invite('sip:bob@ims.test', { sdp: offer });
	const res = await call.response();
	const taken = parseSdp(res.body);

	assert.equal(res.status, 488);
	assert.match(res.get('Warning'), /^305 \S+ "/);
	assert.equal(res.get('Content-Type'), 'application/sdp');
	assert.deepEqual(taken.media.map((m) => [m.type, m.port]), [['audio', 0], ['video', 0], ['text', 0]]);
	assert.ok(taken.media[0].lines.includes('a=rtpmap:111 opus/48000/2'));
	assert.ok(!res.body.includes('G729'));
	await idle(env);
});

test('more bandwidth than the operator allows: 488 with Warning 370 [SDP-24]', async (env) => {
	const alice = await env.wic('alice');
	const call = alice.invite('sip:bob@ims.test', { sdp: browserOffer().replace('c=IN IP4 127.0.0.1\r\na=rtcp',
		'c=IN IP4 127.0.0.1\r\nb=AS:256\r\na=rtcp') });
	const res = await call.response();

	assert.equal(res.status, 488);
	assert.match(res.get('Warning'), /^370 /);
	assert.match(res.body, /m=audio 0 .*\r\nb=AS:200\r\n/);
	await idle(env);
});

test('the core offers no codec that a browser has: 488 with Warning 305, the WIC hears nothing [SDP-23, RTP-28]', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const at = await bob.call('sip:alice@ims.test', { sdp: plainSdp('127.0.0.1', [{ type: 'audio', port: 41000, pts: ['104'],
		lines: ['a=rtpmap:104 AMR-WB/16000'] }]) });
	const res = await at.answered;

	assert.equal(res.status, 488);
	assert.match(res.get('Warning'), /^305 /);
	assert.equal(alice.frames.some((f) => f.text.startsWith('INVITE')), false);
	await idle(env);
});

test.end();
