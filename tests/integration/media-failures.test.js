// SPDX-License-Identifier: Apache-2.0
//
// The WIC's media never comes up: no check of its ICE agent arrives (a firewall, a dead browser).
// What each side is told, before the call is answered and after.
import assert from 'node:assert/strict';
import { callFromWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, plainSdp } from '../lib/sdp.js';
import { token } from '../lib/sip.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true, gateway: { agw: { ice: { timeout: '1s' } } } });

const LOST = /SIP;cause=503;text="media path lost"/;
const far = plainSdp('127.0.0.1', [audioLine(49998)]);

test('no check from a WIC that calls, the answer came in a 183: CANCEL with Reason to the core, 500 to the WIC [REL-07]', async (env) => {
	const { core, gw } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test');
	const item = await core.next('INVITE', { callId: call.callId });
	const toTag = token(4);

	item.reply(183, 'Session Progress', { toTag, body: far, headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']] });
	assert.equal((await call.response(101)).status, 183);
	const cancel = await core.next('CANCEL', { callId: call.callId });
	assert.match(cancel.msg.get('Reason') ?? '', LOST);
	cancel.reply(200, 'OK', { toTag });
	item.reply(487, 'Request Terminated', { toTag });
	assert.equal((await call.response()).status, 500);
	await gw.cscf.logged('call.media_event', { call_id: call.callId, name: 'ICE_FAILED' });
	await gw.cscf.logged('call.record', { call_id: call.callId, cause: 'media-lost', status: '500' });
	await leave(env, wic);
});

test('no check from a WIC that is called, its answer came in a 183: CANCEL with Reason to the WIC, 500 to the core [REL-07]', async (env) => {
	const { core, gw } = env;
	const { wic, path, contact } = await registered(env);

	Object.assign(core, { path, contact });
	const invite = core.terminating('INVITE', { body: far });
	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	call.reply(183, 'Session Progress', { body: browserAnswer(call.invite.body) });
	assert.equal((await core.response(invite, { min: 101 })).msg.status, 183);
	const cancel = await call.next('CANCEL');
	assert.match(cancel.get('Reason') ?? '', LOST);
	call.reply(487, 'Request Terminated');
	assert.equal((await core.response(invite)).msg.status, 500);
	await gw.cscf.logged('call.record', { call_id: call.callId, cause: 'media-lost', status: '500' });
	await leave(env, wic);
});

test('no check from a WIC in an answered call: one BYE to each side with the Reason [REL-07]', async (env) => {
	const { core, gw } = env;
	const { wic } = await registered(env);
	const { call } = await callFromWic(env, wic);
	const [atWic, atCore] = await Promise.all([call.next('BYE'), core.next('BYE', { callId: call.callId }).then((r) => {
		r.reply(200, 'OK');
		return r.msg;
	})]);

	for (const bye of [atWic, atCore])
		assert.match(bye.get('Reason') ?? '', LOST);
	await gw.cscf.logged('call.record', { call_id: call.callId, cause: 'media-lost' });
	await leave(env, wic);
});

test.end();
