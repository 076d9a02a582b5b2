// SPDX-License-Identifier: Apache-2.0
//
// Offers within a call, against the scripted S-CSCF and with real contexts on the AGW: refused ones
// leave no trace, ICE restarts that are none of the core's business stay here, offers and answers
// stand wherever SIP lets them.
import assert from 'node:assert/strict';
import { callFromWic, callToWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, parseSdp, plainSdp, videoLine } from '../lib/sdp.js';
import { uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { becomes } from '../lib/wait.js';

const test = suite({ scripted: true });

const far = (port, { version = 2, dir, video } = {}) => plainSdp('127.0.0.11', [audioLine(port, dir), ...(video ? [videoLine(video)] : [])],
	{ version });
const bump = (sdp, n) => sdp.replace(/^o=(\S+ \S+) \d+/m, `o=$1 ${n}`);
const restarted = (sdp, n) => bump(sdp, n).replace(/a=ice-ufrag:\S+/g, `a=ice-ufrag:new${n}`)
	.replace(/a=ice-pwd:\S+/g, `a=ice-pwd:${'p'.repeat(22)}${n}`);
const origin = (sdp) => /^o=.*$/m.exec(sdp)[0];

/** What the AGW keeps of the call's streams, without counters and clocks. */
async function atAgw({ gw }, { callId }) {
	const { state, streams } = await gw.agws[0].ctl('context show', callId);

	return { state, streams: streams.map((s) => ({ id: s.stream_id, up: s.gate_up, down: s.gate_down, remotes: s.core_remotes,
		access: s.access_local, core: s.core_local })) };
}

async function hangUp(env, wic, call) {
	const [bye] = await Promise.all([call.bye(), env.core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);

	assert.equal(bye.status, 200);
	await leave(env, wic);
}

/** A request of the WIC in the call, answered by the core with `act`: [final answer, as the core saw it]. */
async function passed({ core }, call, method, options, act) {
	const sent = call.request(method, options);
	const [res, seen] = await Promise.all([call.client.request(sent), core.next(method, { callId: call.callId }).then((r) => {
		act(r);
		return r.msg;
	})]);

	if (method === 'INVITE')
		call.client.send(ackFor(call, sent, res));
	return [res, seen];
}

function ackFor(call, sent, res) {
	const ack = call.request('ACK', { cseq: sent.cseq });

	if (res.status >= 300) {
		ack.set('Via', sent.get('Via'));
		ack.set('To', res.get('To'));
	}
	return ack;
}

const ok = (port, options) => (item) => item.reply(200, 'OK', { body: far(port, options),
	headers: [['Contact', '<sip:far@127.0.0.1>'], ['Content-Type', 'application/sdp']] });

test('the core\'s offer with video and another address, refused by the WIC: AGW and descriptions as before [SDP-35, SDP-12]', async (env) => {
	const { wic } = await registered(env);
	const { call, far: dialog } = await callFromWic(env, wic);
	const before = await atAgw(env, call);

	for (const status of [488, 603]) {
		const [res] = await Promise.all([dialog.send('INVITE', { body: far(46500, { version: status, video: 46502 }) }), call.next('INVITE', { ok: false }).then(async (msg) => {
			// In flight: the old is in force, the new stream has its ports and nothing else.
			const now = await atAgw(env, call);

			assert.equal(now.state, 'PREPARED');
			assert.deepEqual(now.streams[0], before.streams[0]);
			assert.deepEqual([now.streams.length, now.streams[1].up, now.streams[1].down], [2, false, false]);
			wic.send(msg.answer(status, 'No'));
		})]);

		assert.equal(res.status, status);
		await becomes(() => atAgw(env, call), before);
	}
	// The next one finds the same lines.
	const [res] = await Promise.all([dialog.send('INVITE', { body: far(46600, { version: 700 }) }),
		call.next('INVITE', { ok: false }).then((msg) => {
			assert.equal(parseSdp(msg.body).media.length, 1);
			wic.send(msg.answer(200, 'OK', { headers: [['Contact', `<${wic.contactUri};ob>`], ['Content-Type', 'application/sdp']],
				body: bump(browserAnswer(msg.body), 9) }));
		})]);

	assert.equal(res.status, 200);
	await dialog.ack(dialog.cseq);
	await call.next('ACK');
	const after = await atAgw(env, call);
	assert.equal(after.state, 'ACTIVE');
	assert.deepEqual(after.streams[0].remotes.map((r) => [r.rtp, r.active]), [['127.0.0.11:46600', true]]);
	await hangUp(env, wic, call);
});

test('the WIC\'s offer refused by the core: AGW as before, and the next one passes [SDP-35]', async (env) => {
	const { wic } = await registered(env);
	const { call } = await callFromWic(env, wic);
	const before = await atAgw(env, call);
	const hold = bump(call.invite.body, 3).replaceAll('a=sendrecv', 'a=sendonly');
	const [res] = await passed(env, call, 'INVITE', { body: hold }, (r) => r.reply(488, 'Not Acceptable Here'));

	assert.equal(res.status, 488);
	await becomes(() => atAgw(env, call), before); // nobody waits for the rollback
	const [again] = await passed(env, call, 'UPDATE', { body: bump(hold, 4) }, ok(46700, { dir: 'recvonly' }));

	assert.equal(again.status, 200);
	const [s] = (await atAgw(env, call)).streams;
	assert.deepEqual([s.up, s.down, s.remotes[0].rtp], [true, false, '127.0.0.11:46700']);
	await hangUp(env, wic, call);
});

test('an ICE restart by re-INVITE and by UPDATE: answered here, new credentials on the old port, the core hears nothing [ICE-17, SDP-10]', async (env) => {
	const { wic } = await registered(env);
	const { call, invite } = await callFromWic(env, wic);
	const [first] = parseSdp((wic.frames.findLast((f) => /^SIP\/2.0 200[^]*CSeq: \d+ INVITE/.test(f.text))).text.split('\r\n\r\n')[1]).media;
	const log = env.core.requests.all().length;
	let last = first.attr('ice-ufrag');

	for (const [n, method] of ['INVITE', 'UPDATE', 'INVITE'].entries()) {
		const sent = call.request(method, { body: restarted(call.invite.body, n + 3) });
		const res = await wic.request(sent);
		const [m] = parseSdp(res.body).media;

		assert.equal(res.status, 200);
		if (method === 'INVITE')
			wic.send(ackFor(call, sent, res));
		assert.notEqual(m.attr('ice-ufrag'), last);
		assert.deepEqual([m.port, m.attr('fingerprint'), m.attr('setup'), m.pts], [first.port, first.attr('fingerprint'), 'active', first.pts]);
		last = m.attr('ice-ufrag');
	}
	assert.equal((await env.gw.cscf.metrics()).sum('cscf_session_local_answers_total') >= 3, true);
	// More than that, and the core is asked; its numbers go on, its o= line is the next one.
	const [res, seen] = await passed(env, call, 'UPDATE', { body: restarted(call.invite.body, 8).replaceAll('a=sendrecv', 'a=sendonly') },
		ok(49998, { dir: 'recvonly' }));

	assert.equal(res.status, 200);
	assert.equal(env.core.requests.all().length, log);
	assert.equal(Number(origin(seen.body).split(' ')[2]), Number(origin(invite.body).split(' ')[2]) + 1);
	await hangUp(env, wic, call);
});

test('UPDATE of the core without a description changes nothing, with one its media moves [CALL-28]', async (env) => {
	const { wic } = await registered(env);
	const { call, far: dialog } = await callFromWic(env, wic);
	const before = await atAgw(env, call);
	const [plain] = await Promise.all([dialog.send('UPDATE'), call.next('UPDATE')]);
	assert.deepEqual([plain.status, plain.body], [200, '']);
	assert.deepEqual(await atAgw(env, call), before);
	const [moved] = await Promise.all([dialog.send('UPDATE', { body: far(46800) }),
		call.next('UPDATE', { ok: false }).then((msg) => wic.send(msg.answer(200, 'OK', { body: bump(browserAnswer(msg.body), 5),
			headers: [['Contact', `<${wic.contactUri};ob>`], ['Content-Type', 'application/sdp']] })))]);
	assert.equal(moved.status, 200);
	assert.equal((await atAgw(env, call)).streams[0].remotes[0].rtp, '127.0.0.11:46800');
	await hangUp(env, wic, call);
});

test('re-INVITE without an offer from either side: the offer in the 200, the answer in the ACK [CALL-31]', async (env) => {
	const { wic } = await registered(env);
	const { call, far: dialog } = await callFromWic(env, wic);
	const [res] = await Promise.all([dialog.send('INVITE'), call.next('INVITE', { ok: false }).then((msg) => {
		assert.equal(msg.body, '');
		wic.send(msg.answer(200, 'OK', { body: bump(call.invite.body, 6),
			headers: [['Contact', `<${wic.contactUri};ob>`], ['Content-Type', 'application/sdp']] }));
	})]);

	assert.equal(res.status, 200);
	assert.equal(parseSdp(res.body).media[0].proto, 'RTP/AVP');
	await env.core.send(dialog.request('ACK', { cseq: dialog.cseq, body: far(46900) }), dialog.hop);
	const ack = await call.next('ACK');
	assert.equal(parseSdp(ack.body).media[0].proto, 'UDP/TLS/RTP/SAVPF');
	assert.equal((await atAgw(env, call)).streams[0].remotes[0].rtp, '127.0.0.11:46900');

	const sent = call.request('INVITE');
	const [offer] = await Promise.all([wic.request(sent), env.core.next('INVITE', { callId: call.callId }).then((r) => {
		assert.equal(r.msg.body, '');
		ok(46950, { version: 7 })(r);
	})]);
	const answer = call.request('ACK', { cseq: sent.cseq, body: bump(browserAnswer(offer.body), 7) });
	wic.send(answer);
	const got = await env.core.next('ACK', { callId: call.callId });
	assert.equal(parseSdp(got.msg.body).media[0].proto, 'RTP/AVP');
	assert.equal((await atAgw(env, call)).streams[0].remotes[0].rtp, '127.0.0.11:46950');
	await hangUp(env, wic, call);
});

test('INVITE of a WIC without an offer: the offer in a reliable 183, the answer in the PRACK [CALL-31, CALL-26]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test', { sdp: '', headers: [['Supported', '100rel']] });
	const item = await core.next('INVITE', { callId: call.callId });

	assert.equal(item.msg.body, '');
	item.reply(183, 'Session Progress', { toTag: 'one', body: far(46000, { version: 1 }), headers: [['Contact', `<sip:one@${core.host}:${core.port}>`],
		['Require', '100rel'], ['RSeq', '1'], ['Content-Type', 'application/sdp']] });
	const res = await call.response(101);
	assert.equal(parseSdp(res.body).media[0].attr('setup'), 'actpass');
	Object.assign(call, { remote: res.get('To'), target: uriOf(res.get('Contact')), routes: res.all('Record-Route').reverse() });
	const [prack, seen] = await passed(env, call, 'PRACK', { headers: [['RAck', `1 ${res.get('CSeq')}`]], body: browserAnswer(res.body) },
		(r) => r.reply(200, 'OK'));
	assert.equal(prack.status, 200);
	assert.equal(parseSdp(seen.body).media[0].proto, 'RTP/AVP');
	const early = await atAgw(env, call);
	assert.deepEqual([early.streams[0].up, early.streams[0].down, early.streams[0].remotes[0].rtp], [false, true, '127.0.0.11:46000']);
	item.reply(200, 'OK', { toTag: 'one', headers: [['Contact', `<sip:one@${core.host}:${core.port}>`]] });
	assert.equal((await call.response()).body, '');
	await core.next('ACK', { callId: call.callId });
	assert.equal((await atAgw(env, call)).streams[0].up, true);
	await hangUp(env, wic, call);
});

test('INVITE of the core without an offer: the offer in the WIC\'s reliable 183, the answer in the PRACK [CALL-31, CALL-26]', async (env) => {
	const { core } = env;
	const { wic, path, contact } = await registered(env);

	Object.assign(core, { path, contact });
	const { call: other, far: otherDialog } = await callToWic(env, wic); // a call of the ordinary kind beside it
	const invite = core.terminating('INVITE', { headers: [['Supported', '100rel']] });

	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	assert.equal(call.invite.body, '');
	call.reply(183, 'Session Progress', { headers: [['Require', '100rel'], ['RSeq', '5'], ['Contact', `<${wic.contactUri};ob>`]],
		body: other.invite.body && bump(browserAnswer(other.invite.body).replace(/a=setup:\S+/, 'a=setup:actpass'), 1) });
	const { msg: early } = await core.response(invite, { min: 101 });
	assert.equal(parseSdp(early.body).media[0].proto, 'RTP/AVP');
	const dialog = new otherDialog.constructor(core, { local: invite.get('From'), remote: early.get('To'), callId: early.callId,
		target: uriOf(early.get('Contact')), routes: otherDialog.routes });
	dialog.routes = early.all('Record-Route').reverse().filter((r) => !r.includes(`:${core.port}`));
	const [prack] = await Promise.all([dialog.send('PRACK', { cseq: 2, headers: [['RAck', '5 1 INVITE']], body: far(46300) }),
		call.next('PRACK')]);
	assert.equal(prack.status, 200);
	call.reply(200, 'OK', {});
	assert.equal((await core.response(invite)).msg.status, 200);
	await dialog.ack(1);
	await call.next('ACK');
	assert.deepEqual((await atAgw(env, call)).streams.map((s) => [s.up, s.down, s.remotes[0].rtp]), [[true, true, '127.0.0.11:46300']]);
	for (const c of [call, other])
		await Promise.all([c.bye(), core.next('BYE', { callId: c.callId }).then((r) => r.reply(200, 'OK'))]);
	await leave(env, wic);
});

test.end();
