// SPDX-License-Identifier: Apache-2.0
//
// Session timers on the wire where neither party keeps them: the gateway puts an interval,
// refreshes towards the core, and ends what does not answer. What its own requests do to the
// numbering of the parties' is seen from both ends.
import assert from 'node:assert/strict';
import { CoreDialog } from '../lib/corecall.js';
import { count } from '../lib/gateway.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, plainSdp } from '../lib/sdp.js';
import { token, uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { SECOND } from '../lib/wait.js';

const INTERVAL = 4;
const test = suite({ scripted: true, gateway: { cscf: { sip: { session_expires: `${INTERVAL}s`, short_min_se: '1s' } } } });

/** A call of a WIC without timers to a far end without timers; `allow`: what that one takes. */
async function plainCall({ core }, wic, allow) {
	const call = wic.invite('sip:far@ims.test');
	const invite = await core.next('INVITE', { callId: call.callId });
	const tag = token(4);
	const body = plainSdp('127.0.0.1', [audioLine(49998)]);

	assert.equal(invite.msg.get('Session-Expires'), `${INTERVAL}`);
	invite.reply(200, 'OK', { toTag: tag, headers: [['Contact', `<sip:far@${core.host}:${core.port}>`], ['Allow', allow],
		['Content-Type', 'application/sdp']], body });
	const res = await call.response();
	assert.equal(res.status, 200);
	assert.ok(!res.has('Session-Expires'));
	await core.next('ACK', { callId: call.callId });
	const { msg } = invite;
	return { call, body, msg, far: new CoreDialog(core, { local: `${msg.get('To')};tag=${tag}`, remote: msg.get('From'),
		callId: msg.callId, target: uriOf(msg.get('Contact')),
		routes: msg.all('Record-Route').filter((r) => !r.includes(`:${core.port}`)) }) };
}

async function hangUp(env, wic, call) {
	const [bye, seen] = await Promise.all([call.bye(), env.core.next('BYE', { callId: call.callId }).then((r) => {
		r.reply(200, 'OK');
		return r;
	})]);

	assert.equal(bye.status, 200);
	await leave(env, wic);
	return { bye, seen };
}

test('nobody keeps timers, UPDATE is allowed: the gateway refreshes by UPDATE, its CSeq is between those of the WIC and mapped back [CALL-33, CALL-05]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const { call, msg } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL, UPDATE, INFO');
		const frames = wic.frames.length;

		for (let i = 1; i <= 2; i++) { // twice: it begins anew each time
			const update = await core.next('UPDATE', { callId: call.callId });

			assert.equal(update.msg.cseq, msg.cseq + i);
			assert.equal(update.msg.body, '');
			assert.equal(update.msg.get('Session-Expires'), `${INTERVAL};refresher=uac`);
			assert.equal(uriOf(update.msg.get('Contact')), uriOf(msg.get('Contact')));
			assert.equal(update.msg.get('From'), msg.get('From'));
			update.reply(200, 'OK');
		}
		assert.equal(wic.frames.length, frames); // the page heard nothing of it
		const info = call.request('INFO');
		wic.send(info);
		const seen = await core.next('INFO', { callId: call.callId });
		assert.equal(seen.msg.cseq, info.cseq + 2);
		seen.reply(200, 'OK');
		assert.equal((await wic.response(info)).cseq, info.cseq);
		const { seen: bye } = await hangUp(env, wic, call);
		assert.equal(bye.msg.cseq, seen.msg.cseq + 1);
	});

test('UPDATE is not allowed: a re-INVITE with the description that stands, no Modify at the AGW, nothing to the WIC [CALL-33, SDP-11, CALL-24]',
	async (env) => {
		const { core, gw } = env;
		const { wic } = await registered(env);
		const { call, body, msg } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL');
		const frames = wic.frames.length;
		const configured = async () => (await gw.cscf.metrics()).sum('cscf_iq_requests_total', { proc: 'configure' });
		const before = await configured();
		const refresh = await core.next('INVITE', { callId: call.callId });

		assert.ok(before > 0);
		assert.equal(refresh.msg.body, msg.body);
		assert.equal(refresh.msg.cseq, msg.cseq + 1);
		refresh.reply(100, 'Trying');
		refresh.reply(200, 'OK', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
			['Content-Type', 'application/sdp']], body });
		const ack = await core.next('ACK', { callId: call.callId });
		assert.equal(ack.msg.cseq, refresh.msg.cseq);
		// A lost ACK is sent again.
		refresh.reply(200, 'OK', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
			['Content-Type', 'application/sdp']], body });
		await core.next('ACK', { callId: call.callId });
		assert.equal(await configured(), before);
		assert.equal(count(await gw.agws[0].status(), 'contexts'), 1);
		assert.equal(wic.frames.length, frames);
		await hangUp(env, wic, call);
	});

test('a far end that does not answer the refresh is cleared: BYE both ways [CALL-33, CALL-34]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL, UPDATE');
	const up = Date.now();

	await core.next('UPDATE', { callId: call.callId });
	const [theirs, ours] = await Promise.all([core.next('BYE', { callId: call.callId }), call.next('BYE')]);
	theirs.reply(200, 'OK');
	assert.ok(Date.now() - up < INTERVAL * SECOND);
	assert.match(theirs.msg.get('Reason'), /SIP;cause=408;text="session expired"/);
	assert.match(ours.get('Reason'), /SIP;cause=408;text="session expired"/);
	await leave(env, wic);
});

test('a far end that has forgotten the dialog: 481 to the refresh, BYE both ways at once [CALL-33]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL, UPDATE');

	(await core.next('UPDATE', { callId: call.callId })).reply(481, 'Call/Transaction Does Not Exist');
	const [theirs, ours] = await Promise.all([core.next('BYE', { callId: call.callId }), call.next('BYE')]);
	theirs.reply(481, 'Call/Transaction Does Not Exist');
	assert.match(ours.get('Reason'), /SIP;cause=481/);
	await leave(env, wic);
});

test('the WIC offers while our re-INVITE is out: 491 to it, and it is served afterwards [CALL-28, CALL-30]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call, body, far } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL');
	const refresh = await core.next('INVITE', { callId: call.callId });
	const offer = call.invite.body.replace('o=- 5645355810408982095 2', 'o=- 5645355810408982095 3');

	refresh.reply(100, 'Trying');
	assert.equal((await call.send('UPDATE', { body: offer })).status, 491);
	assert.equal((await far.send('UPDATE', { body })).status, 491);
	refresh.reply(200, 'OK', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body });
	await core.next('ACK', { callId: call.callId });
	const update = call.request('UPDATE', { body: offer });
	wic.send(update);
	const seen = await core.next('UPDATE', { callId: call.callId });
	seen.reply(200, 'OK', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']], body });
	assert.equal((await wic.response(update)).status, 200);
	assert.ok(seen.msg.cseq > refresh.msg.cseq);
	await hangUp(env, wic, call);
});

test('the refresh waits for a re-INVITE of the WIC that is under way [CALL-30]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const { call, body } = await plainCall(env, wic, 'INVITE, ACK, BYE, CANCEL');
	const own = call.request('INVITE', { body: call.invite.body.replace('o=- 5645355810408982095 2', 'o=- 5645355810408982095 3') });

	wic.send(own);
	const first = await core.next('INVITE', { callId: call.callId });
	// Rings past the moment at which the refresh is due, and is refused.
	first.reply(180, 'Ringing');
	await new Promise((resolve) => setTimeout(resolve, (INTERVAL / 2 + 0.3) * SECOND));
	assert.equal(core.log.filter(({ msg }) => msg.callId === call.callId && msg.method === 'INVITE').length, 2);
	first.reply(488, 'Not Acceptable Here');
	await core.next('ACK', { callId: call.callId });
	const refresh = await core.next('INVITE', { callId: call.callId });
	assert.equal(refresh.msg.cseq, first.msg.cseq + 1);
	refresh.reply(200, 'OK', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']], body });
	await core.next('ACK', { callId: call.callId });
	const res = await wic.response(own);
	assert.equal(res.status, 488);
	const ack = call.request('ACK', { cseq: own.cseq });
	ack.set('Via', own.get('Via'));
	wic.send(ack);
	await hangUp(env, wic, call);
});

test('who refreshes: the WIC where it alone keeps timers [CALL-33]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test', { headers: [['Supported', 'timer']] });
	const invite = await core.next('INVITE', { callId: call.callId });

	invite.reply(200, 'OK', { toTag: 'far', headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Allow', 'INVITE, UPDATE'], ['Content-Type', 'application/sdp']], body: plainSdp('127.0.0.1', [audioLine(49998)]) });
	const res = await call.response();
	assert.equal(res.get('Session-Expires'), `${INTERVAL};refresher=uac`);
	assert.ok(res.all('Require').includes('timer'));
	await core.next('ACK', { callId: call.callId });
	const update = call.request('UPDATE', { headers: [['Supported', 'timer'], ['Session-Expires', `${INTERVAL};refresher=uac`]] });
	wic.send(update);
	const seen = await core.next('UPDATE', { callId: call.callId });
	assert.equal(seen.msg.cseq, update.cseq);
	seen.reply(200, 'OK');
	assert.equal((await wic.response(update)).get('Session-Expires'), `${INTERVAL};refresher=uac`);
	await hangUp(env, wic, call);
	assert.equal(core.log.filter(({ msg }) => msg.callId === call.callId && msg.method === 'UPDATE').length, 1);
});

test('who refreshes: the core where it alone keeps timers; a WIC that knows none is not told to [CALL-33]', async (env) => {
	const { core } = env;
	const { wic, path, contact } = await registered(env);
	const timer = [['Supported', 'timer']];

	Object.assign(core, { path, contact });
	const invite = core.terminating('INVITE', { body: plainSdp('127.0.0.1', [audioLine(49998)]), headers: timer });
	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	assert.equal(call.invite.get('Session-Expires'), `${INTERVAL}`);
	call.reply(200, 'OK', { body: browserAnswer(call.invite.body) });
	const { msg } = await core.response(invite);
	assert.equal(msg.get('Session-Expires'), `${INTERVAL};refresher=uac`);
	assert.ok(msg.all('Require').includes('timer'));
	const far = new CoreDialog(core, { local: invite.get('From'), remote: msg.get('To'), callId: msg.callId,
		target: uriOf(msg.get('Contact')), routes: msg.all('Record-Route').reverse().filter((r) => !r.includes(`:${core.port}`)) });
	await far.ack(1);
	await call.next('ACK');
	// Twice past the half, so that only the refreshes keep it.
	for (let i = 0; i < 3; i++) {
		await new Promise((resolve) => setTimeout(resolve, INTERVAL / 2 * SECOND));
		const [res] = await Promise.all([far.send('UPDATE', { headers: [...timer, ['Session-Expires', `${INTERVAL};refresher=uac`]] }),
			call.next('UPDATE')]);
		assert.equal(res.get('Session-Expires'), `${INTERVAL};refresher=uac`);
	}
	const [bye] = await Promise.all([far.send('BYE'), call.next('BYE')]);
	assert.equal(bye.status, 200);
	await leave(env, wic);
});

test('a 422 of the core reaches the WIC with its Min-SE [CALL-33]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const small = wic.invite('sip:far@ims.test', { headers: [['Supported', 'timer'], ['Session-Expires', '90']] });

	await core.next('INVITE', { callId: small.callId }).then((r) => r.reply(422, 'Session Interval Too Small', { toTag: 'x', headers: [['Min-SE', '120']] }));
	const res = await small.response();
	assert.equal(res.status, 422);
	assert.equal(res.get('Min-SE'), '120');
	await leave(env, wic);
});

test.end();
