// SPDX-License-Identifier: Apache-2.0
//
// A core that wants reliable provisional responses and preconditions, a WIC that knows neither:
// interwork.100rel and interwork.precondition set to local.
import assert from 'node:assert/strict';
import { CoreDialog } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, parseSdp, plainSdp } from '../lib/sdp.js';
import { uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true, gateway: { cscf: { interwork: { '100rel': 'local', precondition: 'local' } } } });

const qos = (local) => [`a=curr:qos local ${local}`, 'a=curr:qos remote none', 'a=des:qos mandatory local sendrecv',
	'a=des:qos mandatory remote sendrecv'];
const sdp = (more = [], version = 1) => {
	const line = audioLine(49998);

	return plainSdp('127.0.0.1', [{ ...line, lines: [...line.lines, ...more] }], { version });
};

test('the core rings reliably, the WIC has no 100rel: PRACKed here, plain 1xx to the WIC, the answer again in the 200 [CALL-27, CALL-18, CALL-05]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const call = wic.invite('sip:far@ims.test');
		const invite = await core.next('INVITE', { callId: call.callId });
		const contact = ['Contact', `<sip:far@${core.host}:${core.port}>`];
		const reliable = (rseq) => [['Require', '100rel'], ['RSeq', rseq], contact];

		assert.ok(invite.msg.all('Supported').includes('100rel'));
		for (let i = 0; i < 2; i++) // as UDP has it
			invite.reply(183, 'Session Progress', { toTag: 'far', headers: [...reliable(77), ['Content-Type', 'application/sdp']], body: sdp() });
		const prack = await core.next('PRACK', { callId: call.callId });
		assert.equal(prack.msg.get('RAck'), `77 ${invite.msg.cseq} INVITE`);
		assert.equal(prack.msg.toTag, 'far');
		assert.equal(prack.msg.uri, `sip:far@${core.host}:${core.port}`);
		prack.reply(200, 'OK');
		const early = await call.response(183);
		assert.ok(!early.has('RSeq') && !early.all('Require').includes('100rel'));
		invite.reply(180, 'Ringing', { toTag: 'far', headers: reliable(78) });
		const second = await core.next('PRACK', { callId: call.callId });
		assert.equal(second.msg.get('RAck'), `78 ${invite.msg.cseq} INVITE`);
		assert.ok(second.msg.cseq > prack.msg.cseq);
		second.reply(200, 'OK');
		assert.equal((await call.response(180)).status, 180);
		invite.reply(200, 'OK', { toTag: 'far', headers: [contact] });
		const res = await call.response();
		assert.equal(res.body, early.body);
		assert.equal((await core.next('ACK', { callId: call.callId })).msg.cseq, invite.msg.cseq);
		assert.equal(wic.frames.filter((f) => f.text.startsWith('SIP/2.0 183')).length, 1);
		const [bye, item] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => {
			r.reply(200, 'OK');
			return r;
		})]);
		assert.equal(bye.status, 200);
		assert.ok(item.msg.cseq > second.msg.cseq);
		await leave(env, wic);
	});

test('a VoLTE UE that demands preconditions: ours are met, its own is confirmed by UPDATE without the WIC [CALL-32, CALL-18]',
	async (env) => {
		const { core } = env;
		const { wic, path, contact } = await registered(env);

		Object.assign(core, { path, contact });
		const invite = core.terminating('INVITE', { body: sdp(qos('none')), headers: [['Require', 'precondition'], ['Supported', '100rel, timer']] });
		await core.send(invite, core.pathTarget);
		const call = await wic.incoming();
		assert.ok(!/precondition|qos/.test(call.invite.toString()));
		// A WIC that knows 100rel: the answer is there before anybody picks up.
		call.reply(183, 'Session Progress', { headers: [['Require', '100rel'], ['RSeq', 1]], body: browserAnswer(call.invite.body) });
		const { msg } = await core.response(invite, { min: 183 });
		const lines = parseSdp(msg.body).media[0].lines;
		for (const line of ['a=curr:qos local sendrecv', 'a=curr:qos remote none', 'a=des:qos mandatory local sendrecv',
			'a=des:qos mandatory remote sendrecv', 'a=conf:qos remote sendrecv'])
			assert.ok(lines.includes(line), `${line} in ${lines}`);
		const far = new CoreDialog(core, { local: invite.get('From'), remote: msg.get('To'), callId: msg.callId,
			target: uriOf(msg.get('Contact')), routes: msg.all('Record-Route').reverse().filter((r) => !r.includes(`:${core.port}`)) });
		const [prack] = await Promise.all([far.send('PRACK', { headers: [['RAck', '1 1 INVITE']] }), call.next('PRACK')]);
		assert.equal(prack.status, 200);
		const update = await far.send('UPDATE', { headers: [['Require', 'precondition']], body: sdp(qos('sendrecv'), 2) });
		assert.equal(update.status, 200);
		const after = parseSdp(update.body);
		assert.ok(after.media[0].lines.includes('a=curr:qos remote sendrecv'));
		assert.ok(!after.media[0].lines.some((l) => l.startsWith('a=conf:')));
		assert.equal(after.media[0].port, parseSdp(msg.body).media[0].port);
		assert.ok(!wic.requests.all().some((m) => m.method === 'UPDATE'));
		call.ring();
		await core.response(invite, { min: 180 });
		call.reply(200, 'OK');
		const final = (await core.response(invite)).msg;
		assert.equal(final.status, 200);
		await far.ack(1);
		await call.next('ACK');
		const [bye] = await Promise.all([far.send('BYE'), call.next('BYE')]);
		assert.equal(bye.status, 200);
		await leave(env, wic);
	});

test.end();
