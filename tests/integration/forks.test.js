// SPDX-License-Identifier: Apache-2.0
//
// Early dialogs of one INVITE, as the AGW has them: a remote end for each, one of them heard, and
// after the 2xx the winner's alone. The core is scripted, so that every order can be played.
import assert from 'node:assert/strict';
import { leave, registered } from '../lib/register.js';
import { audioLine, parseSdp, plainSdp } from '../lib/sdp.js';
import { uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true });

const HOSTS = { one: '127.0.0.11', two: '127.0.0.12' };
const answerOf = (tag, port = 46000) => plainSdp(HOSTS[tag], [audioLine(port)]);

/** Start a call; early(tag, …) and final(tag, …) answer it for one fork. */
async function calling(env) {
	const { core } = env;
	const { wic } = await registered(env);
	const call = wic.invite('sip:far@ims.test', { headers: [['Supported', '100rel']] });
	const item = await core.next('INVITE', { callId: call.callId });
	const reply = (status, tag, { body = '', headers = [] } = {}) => item.reply(status, status < 200 ? 'Progress' : 'OK', {
		toTag: tag, body, headers: [['Contact', `<sip:${tag}@${core.host}:${core.port}>`],
			...(body ? [['Content-Type', 'application/sdp']] : []), ...headers] });
	const early = async (tag, options) => {
		reply(183, tag, options);
		const res = await call.response(101);
		assert.match(res.get('To'), new RegExp(`tag=${tag}`));
		return res;
	};
	const final = async (tag, options) => {
		reply(200, tag, options);
		const res = await call.response();
		await core.next('ACK', { callId: call.callId });
		return res;
	};

	item.reply(100, 'Trying');
	return { wic, call, core, early, final, reply, hangUp: async () => {
		const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);

		assert.equal(bye.status, 200);
		await leave(env, wic);
	} };
}

/** { remotes: { "host:port": active }, gate_down, gate_up } of the call's one stream. */
async function atAgw({ gw }, { callId }) {
	const { streams: [s] } = await gw.agws[0].ctl('context show', callId);

	return { up: s.gate_up, down: s.gate_down,
		remotes: Object.fromEntries(s.core_remotes.map((r) => [r.rtp, r.active])) };
}

const transport = (sdp) => {
	const [m] = parseSdp(sdp).media;

	return [m.port, m.attr('ice-ufrag'), m.attr('ice-pwd'), m.attr('fingerprint'), m.attr('setup')];
};

test('two early dialogs: both known, the later heard, one transport for the WIC; the winner alone stays [CALL-23, RTP-06, RTP-07, DTLS-27]',
	async (env) => {
		const { call, early, final, hangUp } = await calling(env);
		const first = await early('one', { body: answerOf('one') });

		assert.deepEqual(await atAgw(env, call), { up: false, down: true, remotes: { '127.0.0.11:46000': true } });
		const second = await early('two', { body: answerOf('two', 46100) });

		assert.deepEqual(await atAgw(env, call), { up: false, down: true,
			remotes: { '127.0.0.11:46000': false, '127.0.0.12:46100': true } });
		assert.deepEqual(transport(second.body), transport(first.body));
		const answer = await final('one', { body: answerOf('one') });

		assert.equal(answer.body, first.body);
		assert.deepEqual(await atAgw(env, call), { up: true, down: true, remotes: { '127.0.0.11:46000': true } });
		await hangUp();
	});

test('a reliable 183 and its PRACK in one dialog, an answer in another after that: the other wins [CALL-23, CALL-26, CALL-46]',
	async (env) => {
		const { call, core, early, final, reply, hangUp } = await calling(env);
		const first = await early('one', { body: answerOf('one'), headers: [['Require', '100rel'], ['RSeq', '7']] });

		Object.assign(call, { remote: first.get('To'), target: uriOf(first.get('Contact')), routes: first.all('Record-Route').reverse() });
		const [prack] = await Promise.all([call.send('PRACK', { headers: [['RAck', `7 ${first.get('CSeq')}`]] }),
			core.next('PRACK', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
		assert.equal(prack.status, 200);
		const second = await early('two', { body: answerOf('two') });

		assert.deepEqual(transport(second.body), transport(first.body));
		const answer = await final('two', { body: answerOf('two') });

		assert.equal(answer.body, second.body);
		assert.deepEqual((await atAgw(env, call)).remotes, { '127.0.0.12:46000': true });
		// The one that lost answers, too: acknowledged and ended, the WIC hears nothing.
		const seen = call.client.frames.length;

		reply(200, 'one', { body: answerOf('one') });
		await core.next('ACK', { callId: call.callId, match: (m) => m.toTag === 'one' });
		(await core.next('BYE', { callId: call.callId, match: (m) => m.toTag === 'one' })).reply(200, 'OK');
		assert.deepEqual((await atAgw(env, call)).remotes, { '127.0.0.12:46000': true });
		assert.equal(call.client.frames.length, seen);
		await hangUp();
	});

test('199 ends one of two early dialogs: the WIC is told, the other is heard and answers [CALL-23]', async (env) => {
	const { call, early, final, reply, hangUp } = await calling(env);

	await early('one', { body: answerOf('one') });
	await early('two', { body: answerOf('two') });
	reply(199, 'one', { headers: [['Reason', 'SIP;cause=486']] });
	const gone = await call.response(101);

	assert.equal(gone.status, 199);
	assert.equal(gone.toTag, 'one');
	assert.equal(gone.get('Reason'), 'SIP;cause=486');
	assert.equal((await atAgw(env, call)).remotes['127.0.0.12:46000'], true);
	const answer = await final('two', { body: answerOf('two') });

	assert.equal(answer.toTag, 'two');
	assert.deepEqual(await atAgw(env, call), { up: true, down: true, remotes: { '127.0.0.12:46000': true } });
	await hangUp();
});

test('P-Early-Media: who has it is heard, also without a new description [CALL-43, RTP-05]', async (env) => {
	const { call, early, final, hangUp } = await calling(env);
	const pem = (value) => ({ headers: [['P-Early-Media', value]] });

	await early('one', { body: answerOf('one'), ...pem('sendonly') });
	await early('two', { body: answerOf('two') });
	assert.deepEqual((await atAgw(env, call)).remotes, { '127.0.0.11:46000': true, '127.0.0.12:46000': false });
	await early('one', pem('inactive'));
	assert.deepEqual(await atAgw(env, call), { up: false, down: true,
		remotes: { '127.0.0.11:46000': false, '127.0.0.12:46000': true } });
	await early('two', pem('inactive'));
	assert.equal((await atAgw(env, call)).down, false);
	await final('two', { body: answerOf('two') });
	assert.deepEqual(await atAgw(env, call), { up: true, down: true, remotes: { '127.0.0.12:46000': true } });
	await hangUp();
});

test('a 180 and a 183 without a description open nothing, the 200 opens both ways [SDP-37, RTP-04]', async (env) => {
	const { call, early, final, hangUp } = await calling(env);

	await early('one');
	await early('two', { headers: [['P-Early-Media', 'sendrecv']] });
	assert.deepEqual(await atAgw(env, call), { up: false, down: false, remotes: {} });
	await final('two', { body: answerOf('two') });
	assert.deepEqual(await atAgw(env, call), { up: true, down: true, remotes: { '127.0.0.12:46000': true } });
	await hangUp();
});

test('another answer in the 200 than in the unreliable 183: the AGW follows, the WIC\'s text stays [SDP-36]', async (env) => {
	const { call, early, final, hangUp } = await calling(env);
	const first = await early('one', { body: answerOf('one') });
	const answer = await final('one', { body: answerOf('one', 46200).replace('o=ue 1000 1', 'o=ue 1000 2') });

	assert.equal(answer.body, first.body);
	assert.deepEqual((await atAgw(env, call)).remotes, { '127.0.0.11:46200': true });
	await hangUp();
});

test.end();
