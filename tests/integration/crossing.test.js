// SPDX-License-Identifier: Apache-2.0
//
// Requests that cross or come too early, both ways, against a far end that answers when the test
// says so: glare of UPDATE and re-INVITE, a 491 that is relayed and not retried for anybody,
// PRACKs for what there is and for what there is not.
import assert from 'node:assert/strict';
import { callFromWic, callToWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, plainSdp } from '../lib/sdp.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true });

const sdp = (version = 1, dir) => plainSdp('127.0.0.1', [audioLine(49998, dir)], { version });
const withSdp = (core) => [['Contact', `<sip:far@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']];
/** The browser's description again, as a new offer. */
const offer = (call, version) => call.invite.body.replace(/(o=- \d+) \d+/, `$1 ${version}`);
const seen = (core, method, callId) => core.log.filter(({ msg }) => msg.method === method && msg.callId === callId);

async function up(env) {
	const { wic, path, contact } = await registered(env);

	Object.assign(env.core, { path, contact });
	return { wic, ...await callFromWic(env, wic) };
}

async function down(env, wic, call) {
	const [bye] = await Promise.all([call.bye(), env.core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);

	assert.equal(bye.status, 200);
	await leave(env, wic);
}

for (const [first, second] of [['INVITE', 'UPDATE'], ['UPDATE', 'INVITE'], ['UPDATE', 'UPDATE'], ['INVITE', 'INVITE']]) {
	test(`${first} of the WIC is crossed by ${second} of the core: 491 to the core, the WIC's is served [CALL-28, CALL-29, CALL-30]`,
		async (env) => {
			const { core } = env;
			const { wic, call, far } = await up(env);
			const own = call.request(first, { body: offer(call, 3) });

			wic.send(own);
			const item = await core.next(first, { callId: call.callId });
			assert.equal((await far.send(second, { body: sdp(2) })).status, 491);
			item.reply(200, 'OK', { headers: withSdp(core), body: sdp(2) });
			assert.equal((await wic.response(own)).status, 200);
			if (first === 'INVITE') {
				wic.send(call.request('ACK', { cseq: own.cseq }));
				await core.next('ACK', { callId: call.callId });
			}
			assert.ok(!wic.requests.all().some((m) => m.method === second));
			await down(env, wic, call);
		});

	test(`${first} of the core is crossed by ${second} of the WIC: 491 to the WIC, the core's is served [CALL-28, CALL-29, CALL-30]`,
		async (env) => {
			const { core } = env;
			const { wic, call, far } = await up(env);
			const own = far.send(first, { body: sdp(2, 'sendonly') });
			const at = await call.next(first, { ok: false });
			const before = seen(core, second, call.callId).length;

			assert.equal((await call.send(second, { body: offer(call, 3) })).status, 491);
			call.reply(200, 'OK', { to: at, headers: first === 'UPDATE' ? [['Contact', `<${wic.contactUri};ob>`]] : [],
				body: browserAnswer(at.body).replace('a=sendrecv', 'a=recvonly') });
			assert.equal((await own).status, 200);
			if (first === 'INVITE') {
				await far.ack(far.cseq);
				await call.next('ACK');
			}
			assert.equal(seen(core, second, call.callId).length, before);
			await down(env, wic, call);
		});
}

test('an offer of the same side before its last one is answered: 500 with Retry-After [CALL-28]', async (env) => {
	const { core } = env;
	const { wic, call } = await up(env);
	const first = call.request('UPDATE', { body: offer(call, 3) });

	wic.send(first);
	const item = await core.next('UPDATE', { callId: call.callId });
	const res = await call.send('UPDATE', { body: offer(call, 4) });
	assert.equal(res.status, 500);
	assert.match(res.get('Retry-After'), /^([0-9]|10)$/);
	item.reply(200, 'OK', { headers: withSdp(core), body: sdp(2) });
	assert.equal((await wic.response(first)).status, 200);
	await down(env, wic, call);
});

test('a 491 of the core is the WIC\'s to deal with: relayed once, not tried again for it [CALL-29]', async (env) => {
	const { core } = env;
	const { wic, call, far } = await up(env);
	const own = call.request('UPDATE', { body: offer(call, 3) });

	wic.send(own);
	(await core.next('UPDATE', { callId: call.callId })).reply(491, 'Request Pending');
	assert.equal((await wic.response(own)).status, 491);
	// The round is gone with it: the core's own offer goes through.
	const theirs = far.send('UPDATE', { body: sdp(2, 'sendonly') });
	const at = await call.next('UPDATE', { ok: false });
	call.reply(200, 'OK', { to: at, body: browserAnswer(at.body).replace('a=sendrecv', 'a=recvonly') });
	assert.equal((await theirs).status, 200);
	assert.equal(seen(core, 'UPDATE', call.callId).length, 1);
	await down(env, wic, call);
});

test('PRACK: what names no response is 481 here, what does passes with its numbers; an offer in it is a round [CALL-26, CALL-28]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const call = wic.invite('sip:far@ims.test', { headers: [['Supported', '100rel']] });
		const invite = await core.next('INVITE', { callId: call.callId });
		const prack = (rack, body) => call.request('PRACK', { headers: [['RAck', rack]], body });

		assert.ok(invite.msg.all('Supported').includes('100rel'));
		invite.reply(183, 'Session Progress', { toTag: 'far', headers: [['Require', '100rel'], ['RSeq', 4711], ...withSdp(core)], body: sdp() });
		const early = await call.response(183);
		assert.equal(early.get('RSeq'), '4711');
		call.remote = early.get('To');
		call.target = `sip:far@${core.host}:${core.port}`;
		call.routes = early.all('Record-Route').reverse();
		for (const bad of ['4712 1 INVITE', '4711 9 INVITE', '4711 1 UPDATE', '4711', 'x y z'])
			assert.equal((await wic.request(prack(bad))).status, 481, bad);
		assert.equal(seen(core, 'PRACK', call.callId).length, 0);
		const good = prack('4711 1 INVITE', offer(call, 3));
		wic.send(good);
		const item = await core.next('PRACK', { callId: call.callId });
		assert.equal(item.msg.get('RAck'), '4711 1 INVITE');
		assert.match(item.msg.body, /RTP\/AVP/);
		item.reply(200, 'OK', { headers: withSdp(core), body: sdp(2) });
		assert.match((await wic.response(good)).body, /UDP\/TLS\/RTP\/SAVPF/);
		invite.reply(200, 'OK', { toTag: 'far', headers: withSdp(core) });
		assert.equal((await call.response()).status, 200);
		await core.next('ACK', { callId: call.callId });
		await down(env, wic, call);
	});

test('a re-INVITE that crosses our BYE is 481 or 487, and the call ends [REL-15]', async (env) => {
	const { core } = env;
	const { wic, path, contact } = await registered(env);

	Object.assign(core, { path, contact });
	const { call, far } = await callToWic(env, wic);
	// Deregistered in mid-call: the gateway ends it, the core does not know yet.
	const gone = leave(env, wic);
	const bye = await core.next('BYE', { callId: call.callId });
	const crossing = await far.send('INVITE', { body: sdp(2) });
	assert.ok([481, 487].includes(crossing.status), crossing.start);
	bye.reply(200, 'OK');
	await call.next('BYE');
	await gone;
});

test.end();
