// SPDX-License-Identifier: Apache-2.0
//
// A fork of the core that answers when the call is over already: it gets its ACK and a BYE.
import assert from 'node:assert/strict';
import { callFromWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, plainSdp } from '../lib/sdp.js';
import { param, uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: { sip: { t1: '200ms' } } } });

test('a 2xx of another fork after the call has ended is ACKed and released, its repeats ACKed again; one of the ended fork is ACKed only [CALL-46, CALL-24]',
	async (env) => {
		const { core, gw } = env;
		const { wic } = await registered(env);
		let invite;

		core.onRequest = (item) => {
			if (item.msg.method === 'INVITE')
				invite = item;
			return false;
		};
		const { call } = await callFromWic(env, wic);
		const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
		assert.equal(bye.status, 200);
		await until(async () => (await gw.cscf.ctl('call list')).length === 0, { what: 'no call' });

		const answer = (tag) => {
			invite.msg.headers = invite.msg.headers.filter(([n, v]) => !(n === 'Record-Route' && v.includes('as@')));
			invite.msg.headers.unshift(['Record-Route', `<sip:as@${core.host}:${core.port};lr>`]);
			invite.reply(200, 'OK', { toTag: tag, headers: [['Contact', `<sip:fork-${tag}@${core.host}:${core.port}>`],
				['Content-Type', 'application/sdp']], body: plainSdp('127.0.0.1', [audioLine(49998)]) });
		};
		for (const tag of ['second', 'third']) {
			answer(tag);
			const ack = await core.next('ACK', { callId: call.callId, match: (m) => m.toTag === tag });
			const end = await core.next('BYE', { callId: call.callId, match: (m) => m.toTag === tag });
			end.reply(200, 'OK');

			assert.equal(ack.msg.uri, `sip:fork-${tag}@${core.host}:${core.port}`);
			assert.equal(ack.msg.cseq, invite.msg.cseq);
			for (const { msg } of [ack, end]) {
				assert.deepEqual(msg.all('Route').map(uriOf), [`sip:as@${core.host}:${core.port};lr`]);
				assert.equal(msg.get('From'), call.invite.get('From'));
			}
			assert.equal(end.msg.uri, ack.msg.uri);
			assert.equal(end.msg.cseq, invite.msg.cseq + 1);
			assert.match(end.msg.get('Reason'), /SIP;cause=487/);
			assert.equal(param(end.msg.get('P-Charging-Vector'), 'icid-value'),
				param(invite.msg.get('P-Charging-Vector'), 'icid-value'));
			answer(tag);
			await core.next('ACK', { callId: call.callId, match: (m) => m.toTag === tag });
			await gw.cscf.logged('call.fork_late', { to_tag: tag });
		}
		// The far end of the call itself, whose ACK was lost, does not get a second BYE.
		answer(call.remote.match(/tag=(\w+)/)[1]);
		await core.next('ACK', { callId: call.callId });
		assert.ok(!core.requests.all().some(({ msg }) => msg.method === 'BYE'));
		assert.ok(!wic.frames.some((f) => /fork-/.test(f.text)));
		assert.ok((await gw.cscf.metrics()).sum('cscf_session_fork_dropped_total') >= 4);
		core.onRequest = undefined;
		await leave(env, wic);
	});

test.end();
