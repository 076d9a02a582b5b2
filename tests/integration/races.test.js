// SPDX-License-Identifier: Apache-2.0
//
// CANCEL, BYE and the answers that cross them (calls-and-media 2.6), request by request. The scripted
// S-CSCF is the far end, so that it can be as late, silent or quick as the race wants.
import assert from 'node:assert/strict';
import { CoreDialog, callFromWic, callToWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, browserOffer, plainSdp } from '../lib/sdp.js';
import { SipMessage, token } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { SECOND } from '../lib/wait.js';

// 64*T1 = 3.2 s, so that silence can be waited for.
const test = suite({ scripted: true, gateway: { cscf: { sip: { t1: '50ms' } } } });

const sdp = () => plainSdp('127.0.0.1', [audioLine(49998)]);
const contact = (core) => ['Contact', `<sip:far@${core.host}:${core.port}>`];
const answer = (core, tag) => ({ toTag: tag, headers: [contact(core), ['Content-Type', 'application/sdp']], body: sdp() });
const seen = (core, method, callId) => core.log.filter(({ msg }) => msg.method === method && msg.callId === callId);

/** A registered WIC that the core can call. */
async function reachable(env) {
	const { wic, path, contact: uri } = await registered(env);

	Object.assign(env.core, { path, contact: uri });
	return wic;
}

/** The CANCEL that the core itself sends for its INVITE. */
const cancelOf = (invite) => new SipMessage(`CANCEL ${invite.uri} SIP/2.0`, [['Via', invite.get('Via')],
	['Max-Forwards', 70], ...invite.all('Route').map((r) => ['Route', r]), ['From', invite.get('From')],
	['To', invite.get('To')], ['Call-ID', invite.callId], ['CSeq', `${invite.cseq} CANCEL`],
	['Reason', 'SIP;cause=600;text="elsewhere"']]);

test('CANCEL before the core said anything is held back until it does; branch and Reason are those of the INVITE and the WIC [CALL-25]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const call = wic.invite('sip:far@ims.test');
		const invite = await core.next('INVITE', { callId: call.callId });

		assert.equal((await call.cancel([['Reason', 'SIP;cause=200;text="Call completed elsewhere"']])).status, 200);
		assert.equal((await call.response()).status, 487);
		assert.equal(seen(core, 'CANCEL', call.callId).length, 0);
		invite.reply(180, 'Ringing', { toTag: 'ring' });
		const cancel = await core.next('CANCEL', { callId: call.callId });
		assert.equal(cancel.msg.topBranch, invite.msg.topBranch);
		assert.equal(cancel.msg.cseq, invite.msg.cseq);
		assert.equal(cancel.msg.get('Reason'), 'SIP;cause=200;text="Call completed elsewhere"');
		cancel.reply(200, 'OK', { toTag: 'ring' });
		invite.reply(487, 'Request Terminated', { toTag: 'ring' });
		await core.next('ACK', { callId: call.callId });
		await leave(env, wic);
	});

test('a 200 that crosses the CANCEL: ACK and BYE to the core, 487 to the WIC [CALL-25, CALL-46]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test');
	const invite = await core.next('INVITE', { callId: call.callId });

	invite.reply(180, 'Ringing', { toTag: 'far' });
	await call.response(180);
	const cancelled = call.cancel();
	const cancel = await core.next('CANCEL', { callId: call.callId });
	invite.reply(200, 'OK', answer(core, 'far'));
	cancel.reply(200, 'OK', { toTag: 'far' });
	assert.equal((await cancelled).status, 200);
	assert.equal((await call.response()).status, 487);
	const ack = await core.next('ACK', { callId: call.callId });
	const bye = await core.next('BYE', { callId: call.callId });
	assert.equal(ack.msg.cseq, invite.msg.cseq);
	assert.ok(bye.msg.cseq > ack.msg.cseq);
	assert.equal(bye.msg.toTag, 'far');
	// The ACK was lost.
	invite.reply(200, 'OK', answer(core, 'far'));
	await core.next('ACK', { callId: call.callId });
	bye.reply(200, 'OK');
	assert.equal(seen(core, 'BYE', call.callId).length, 1);
	assert.ok(!wic.frames.some((f) => /^SIP\/2\.0 200 OK[^]*CSeq: 1 INVITE/.test(f.text)));
	await leave(env, wic);
});

test('the core cancels while the WIC answers: ACK and BYE to the WIC, 487 to the core [CALL-25]', async (env) => {
	const { core } = env;
	const wic = await reachable(env);
	const invite = core.terminating('INVITE', { body: sdp() });

	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	call.ring();
	await core.response(invite, { min: 180 });
	await core.send(cancelOf(invite), core.pathTarget);
	const cancel = await call.next('CANCEL');
	assert.equal(cancel.get('Reason'), 'SIP;cause=600;text="elsewhere"');
	call.reply(200, 'OK', { body: browserAnswer(call.invite.body) });
	await call.next('ACK');
	await call.next('BYE');
	const final = await core.response(invite);
	assert.equal(final.msg.status, 487);
	await core.send(new SipMessage(`ACK ${invite.uri} SIP/2.0`, [['Via', invite.get('Via')], ['From', invite.get('From')],
		['To', final.msg.get('To')], ['Call-ID', invite.callId], ['CSeq', `${invite.cseq} ACK`],
		...invite.all('Route').map((r) => ['Route', r])]), core.pathTarget);
	await leave(env, wic);
});

test('a CANCEL that comes after the 200 has no effect: the call goes on until its BYE [CALL-25]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call } = await callFromWic(env, wic);

	assert.ok([200, 481].includes((await call.cancel()).status));
	const info = call.send('INFO');
	(await core.next('INFO', { callId: call.callId })).reply(200, 'OK');
	assert.equal((await info).status, 200);
	assert.equal(seen(core, 'CANCEL', call.callId).length, 0);
	const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
	assert.equal(bye.status, 200);
	await leave(env, wic);
});

test('a cancelled re-INVITE: 487, the call and its media stay, the next one is served [CALL-25, SDP-35, CALL-30]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call, far } = await callFromWic(env, wic);
	const again = call.request('INVITE', { body: browserOffer({ video: true }) });

	wic.send(again);
	const invite = await core.next('INVITE', { callId: call.callId });
	invite.reply(180, 'Ringing');
	await wic.response(again, { min: 180 });
	const cancel = new SipMessage(`CANCEL ${again.uri} SIP/2.0`, [...again.headers.filter(([n]) => /^(Via|Route|From|To|Call-ID|Max-Forwards)$/.test(n)),
		['CSeq', `${again.cseq} CANCEL`]]);
	assert.equal((await wic.request(cancel)).status, 200);
	(await core.next('CANCEL', { callId: call.callId })).reply(200, 'OK');
	invite.reply(487, 'Request Terminated');
	await core.next('ACK', { callId: call.callId });
	assert.equal((await wic.response(again)).status, 487);
	wic.send(new SipMessage(`ACK ${again.uri} SIP/2.0`, [...again.headers.filter(([n]) => /^(Via|Route|From|To|Call-ID|Max-Forwards)$/.test(n)),
		['CSeq', `${again.cseq} ACK`]]));
	// The round is closed: the core may offer.
	const hold = far.send('INVITE', { body: plainSdp('127.0.0.1', [audioLine(49998, 'sendonly')], { version: 2 }) });
	const re = await call.next('INVITE', { ok: false });
	call.reply(200, 'OK', { to: re, body: browserAnswer(re.body).replace('a=sendrecv', 'a=recvonly') });
	const res = await hold;
	assert.equal(res.status, 200);
	await far.ack(far.cseq);
	await call.next('ACK');
	const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
	assert.equal(bye.status, 200);
	await leave(env, wic);
});

test('the core never answers the cancelled INVITE: nothing is left after 64*T1 [CALL-25, REL-01]', async (env) => {
	const { core, gw } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test');
	const invite = await core.next('INVITE', { callId: call.callId });

	invite.reply(180, 'Ringing', { toTag: 'far' });
	await call.response(180);
	assert.equal((await call.cancel()).status, 200);
	assert.equal((await call.response()).status, 487);
	(await core.next('CANCEL', { callId: call.callId })).reply(200, 'OK');
	await gw.cscf.logged('call.record', { call_id: call.callId }, { ms: 10 * SECOND });
	await leave(env, wic);
});

test('a 200 that comes again: to the WIC before its ACK, ACKed for it after; the same for a re-INVITE [CALL-24]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test');
	const finals = (cseq) => wic.frames.filter((f) => new RegExp(`^SIP/2\\.0 200 OK[^]*CSeq: ${cseq} INVITE`).test(f.text)).length;
	const first = await core.next('INVITE', { callId: call.callId });
	const repeat = async (invite, cseq, send) => {
		invite.reply(200, 'OK', answer(core, 'far'));
		const res = await wic.responses.next((r) => r.cseq === cseq && r.cseqMethod === 'INVITE' && r.status === 200);
		invite.reply(200, 'OK', answer(core, 'far'));
		const same = await wic.responses.next((r) => r.cseq === cseq && r.cseqMethod === 'INVITE' && r.status === 200);
		assert.equal(same.body, res.body);
		send(res);
		const ack = await core.next('ACK', { callId: call.callId });
		invite.reply(200, 'OK', answer(core, 'far'));
		const lost = await core.next('ACK', { callId: call.callId });
		assert.equal(lost.msg.cseq, ack.msg.cseq);
		assert.equal(lost.msg.uri, ack.msg.uri);
		assert.equal(finals(cseq), 2);
	};

	await repeat(first, 1, (res) => {
		call.remote = res.get('To');
		call.target = `sip:far@${core.host}:${core.port}`;
		call.routes = res.all('Record-Route').reverse();
		wic.send(call.request('ACK', { cseq: 1 }));
	});
	// A hold: what concerns the core alone would be answered here.
	const re = call.request('INVITE', { body: browserOffer().replace('a=sendrecv', 'a=sendonly') });
	wic.send(re);
	await repeat(await core.next('INVITE', { callId: call.callId }), re.cseq, () => wic.send(call.request('ACK', { cseq: re.cseq })));
	const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
	assert.equal(bye.status, 200);
	await leave(env, wic);
});

test('BYEs that cross: 200 to both, nothing left [REL-14]', async (env) => {
	const { core } = env;
	const wic = await reachable(env);
	const { call, far } = await callToWic(env, wic);
	const ours = call.bye();
	const theirs = await core.next('BYE', { callId: call.callId });
	const crossing = await far.send('BYE');

	assert.equal(crossing.status, 200);
	theirs.reply(200, 'OK');
	assert.equal((await ours).status, 200);
	await leave(env, wic);
});

test('BYE in an early dialog: of the caller it ends the call, of the callee it is 481 [REL-14]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test');
	const invite = await core.next('INVITE', { callId: call.callId });
	const tag = token(4);

	invite.reply(180, 'Ringing', { toTag: tag, headers: [contact(core)] });
	const ringing = await call.response(180);
	const far = new CoreDialog(core, { local: `${invite.msg.get('To')};tag=${tag}`, remote: invite.msg.get('From'),
		callId: call.callId, target: wic.contactUri, routes: invite.msg.all('Record-Route').filter((r) => !r.includes(`:${core.port}`)) });
	assert.equal((await far.send('BYE')).status, 481);
	call.remote = ringing.get('To');
	call.routes = ringing.all('Record-Route').reverse();
	assert.equal((await call.bye()).status, 200);
	assert.equal((await call.response()).status, 487);
	(await core.next('CANCEL', { callId: call.callId })).reply(200, 'OK');
	invite.reply(487, 'Request Terminated', { toTag: tag });
	await core.next('ACK', { callId: call.callId });
	await leave(env, wic);
});

test.end();
