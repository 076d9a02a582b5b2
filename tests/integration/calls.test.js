// SPDX-License-Identifier: Apache-2.0
//
// Call control through both processes and the real core, every way a call can go and end.
// The WIC here has signalling only; media is asserted in media.test.js and e2e.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { count } from '../lib/gateway.js';
import { browserAnswer, browserOffer, parseSdp } from '../lib/sdp.js';
import { Sipp } from '../lib/sipp.js';
import { port, ports } from '../lib/ports.js';
import { until } from '../lib/wait.js';

const fixed = { answer: await port(), busy: await port(), nobody: await port() };
const test = suite({
	coreOptions: Object.entries(fixed).flatMap(([name, p]) => ['--fixed', `${name}=sip:${name}@127.0.0.1:${p}`]),
	gateway: { cscf: { flow: { grace: '3s' } } },
});

const contexts = async (gw) => count(await gw.agws[0].status(), 'contexts');

/** A WIC's call to a UE that is up; { wic, bob, call, answered }. */
async function upCall({ wic, ue }) {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.ring();
	const [res] = await Promise.all([call.response(), at.answer()]);
	assert.equal(res.status, 200);
	return { alice, bob, call, at };
}

test('WIC calls, UE answers, WIC hangs up: the context goes with the BYE [CALL-01, IQ-02, REL-01, REL-02]',
	async (env) => {
		const { call, at } = await upCall(env);

		assert.equal(await contexts(env.gw), 1);
		assert.equal(count(await env.gw.cscf.status(), 'dialogs'), 1);
		assert.equal((await call.bye()).status, 200);
		assert.equal(await at.ended, 'bye received');
		await until(async () => await contexts(env.gw) === 0, { what: 'no context' });
	});

test('WIC calls, UE hangs up [CALL-09, REL-01]', async (env) => {
	const { call, at } = await upCall(env);
	const [res] = await Promise.all([at.bye(), call.next('BYE')]);

	assert.equal(res.status, 200);
});

test('180 reaches the WIC before the answer, with the UE\'s tag [CALL-23]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.ring();
	const ringing = await call.response(180);
	assert.equal(ringing.status, 180);
	assert.equal(ringing.toTag, at.localTag);
	const [res] = await Promise.all([call.response(), at.answer()]);
	assert.equal(res.toTag, at.localTag);
	await call.bye();
});

test('UE calls, WIC answers, UE hangs up [CALL-02, CALL-15]', async ({ wic, ue, gw }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = await bob.call('sip:alice@ims.test');
	const at = await alice.incoming();

	at.ring();
	assert.equal((await call.progress.next((m) => m.status === 180)).status, 180);
	const [res] = await Promise.all([call.answered, at.answer()]);
	assert.equal(res.status, 200);
	assert.equal(call.remoteSdp.media[0].proto, 'RTP/AVP');
	assert.equal(await contexts(gw), 1);
	const [bye] = await Promise.all([call.bye(), at.next('BYE')]);
	assert.equal(bye.status, 200);
});

test('UE calls, WIC hangs up [CALL-12]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = await bob.call('tel:+15550101');
	const at = await alice.incoming();

	await Promise.all([call.answered, at.answer()]);
	assert.equal((await at.bye()).status, 200);
	assert.equal(await call.ended, 'bye received');
});

test('WIC calls WIC through the core: two contexts, each side sees only the gateway [RTP-27]', async ({ wic, gw }) => {
	const [alice, bob] = [await wic('alice'), await wic('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();
	const [res] = await Promise.all([call.response(), at.answer()]);

	assert.equal(res.status, 200);
	assert.equal(await contexts(gw), 2);
	assert.notEqual(parseSdp(at.invite.body).media[0].attr('fingerprint'),
		parseSdp(call.invite.body).media[0].attr('fingerprint'));
	const [bye] = await Promise.all([call.bye(), at.next('BYE')]);
	assert.equal(bye.status, 200);
});

test('WIC cancels while the UE rings: CANCEL to the core, 487 back [CALL-25, REL-04]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.ring();
	await call.response(180);
	assert.equal((await call.cancel()).status, 200);
	assert.equal((await call.response()).status, 487);
	assert.equal(await at.ended, 'cancelled');
});

test('UE cancels while the WIC rings: the WIC gets CANCEL, the UE 487 [CALL-25]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = await bob.call('sip:alice@ims.test');
	const at = await alice.incoming();

	at.ring();
	await call.progress.next((m) => m.status === 180);
	const cancelled = at.next('CANCEL').then(() => at.reply(487, 'Request Terminated'));
	assert.equal((await call.cancel()).status, 200);
	assert.equal((await call.answered).status, 487);
	await cancelled;
	await at.next('ACK');
});

test('UE rejects with 486, WIC gets 486 [REL-01]', async ({ wic, ue, gw }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');

	(await bob.incoming()).reject(486, 'Busy Here');
	assert.equal((await call.response()).status, 486);
	await until(async () => await contexts(gw) === 0, { what: 'no context' });
});

test('WIC rejects with 486, UE gets 486 [REL-01]', async ({ wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = await bob.call('sip:alice@ims.test');
	const at = await alice.incoming();

	at.reply(486, 'Busy Here');
	assert.equal((await call.answered).status, 486);
	await at.next('ACK');
});

test('callee unknown or not registered: 404 and 480 pass [CALL-35]', async ({ wic, gw }) => {
	const alice = await wic('alice');

	assert.equal((await alice.invite('sip:stranger@ims.test').response()).status, 404);
	assert.equal((await alice.invite('sip:carol@ims.test').response()).status, 480);
	await until(async () => await contexts(gw) === 0, { what: 'no context' });
});

test('SIPp answers and hears nothing more after the BYE [CALL-05]', async ({ wic, own, dir }) => {
	const mediaPort = (await ports(1))[0];
	const sipp = own(await Sipp.start('uas-answer', { port: fixed.answer, mediaPort, dir }));
	const alice = await wic('alice');
	const call = alice.invite('sip:answer@ims.test');

	assert.equal((await call.response()).status, 200);
	assert.equal((await call.bye()).status, 200);
	assert.equal(await sipp.done(), 0);
});

test('SIPp rings and rejects', async ({ wic, own, dir }) => {
	const sipp = own(await Sipp.start('uas-reject', { port: fixed.busy, mediaPort: (await ports(1))[0], dir }));
	const alice = await wic('alice');
	const call = alice.invite('sip:busy@ims.test');

	assert.equal((await call.response(180)).status, 180);
	assert.equal((await call.response()).status, 486);
	assert.equal(await sipp.done(), 0);
});

test('SIPp calls a WIC and hangs up', async ({ wic, own, dir, core }) => {
	const alice = await wic('alice');
	const [sip, mediaPort] = await ports(2);
	const sipp = own(await Sipp.start('uac', { port: sip, mediaPort, dir, service: 'alice',
		target: `${core.host}:${core.port}` }));
	const at = await alice.incoming();

	await at.answer();
	await at.next('BYE');
	assert.equal(await sipp.done(), 0);
});

test('offerless INVITE from the core: the WIC offers in its 200, the core answers in ACK [CALL-31]',
	async ({ wic, ue }) => {
		const [alice, bob] = [await wic('alice'), await ue('bob')];
		const call = await bob.call('sip:alice@ims.test', { lateOffer: true });
		const at = await alice.incoming();

		assert.equal(at.invite.body, '');
		at.reply(200, 'OK', { body: browserOffer() });
		const res = await call.answered;
		assert.equal(res.status, 200);
		assert.equal(parseSdp(res.body).media[0].proto, 'RTP/AVP');
		const ack = await at.next('ACK');
		assert.equal(parseSdp(ack.body).media[0].proto, 'UDP/TLS/RTP/SAVPF');
		const [bye] = await Promise.all([call.bye(), at.next('BYE')]);
		assert.equal(bye.status, 200);
	});

test('hold and resume from the core: direction passes, fingerprint and ICE stay [SDP-28]',
	async ({ wic, ue }) => {
		const [alice, bob] = [await wic('alice'), await ue('bob')];
		const call = await bob.call('sip:alice@ims.test');
		const at = await alice.incoming();
		const first = parseSdp(at.invite.body);

		await Promise.all([call.answered, at.answer()]);
		for (const [dir, answer] of [['sendonly', 'recvonly'], ['sendrecv', 'sendrecv']]) {
			const done = call.reinvite(dir);
			const re = await at.next('INVITE', { ok: false });
			const sdp = parseSdp(re.body);

			assert.equal(sdp.media[0].dir, dir);
			for (const a of ['fingerprint', 'ice-ufrag', 'ice-pwd'])
				assert.equal(sdp.media[0].attr(a), first.media[0].attr(a));
			assert.equal(sdp.media[0].port, first.media[0].port);
			at.reply(200, 'OK', { to: re, body: browserAnswer(re.body)
				.replace('a=sendrecv', `a=${answer}`) });
			assert.equal((await done).status, 200);
			assert.equal(call.remoteSdp.media[0].dir, answer);
			await at.next('ACK');
		}
		const [bye] = await Promise.all([call.bye(), at.next('BYE')]);
		assert.equal(bye.status, 200);
	});

test('INFO and OPTIONS inside a dialog pass both ways [CALL-38]', async (env) => {
	const { call, at } = await upCall(env);

	assert.equal((await call.send('INFO', { headers: [['Content-Type', 'application/dtmf-relay']] })).status, 200);
	assert.ok(at.requests.some((m) => m.method === 'INFO'));
	const [res] = await Promise.all([at.send('OPTIONS'), call.next('OPTIONS')]);
	assert.equal(res.status, 200);
	await call.bye();
});

test('a BYE for nobody\'s dialog is 481, for somebody else\'s 403 [CALL-12]', async (env) => {
	const { call } = await upCall(env);
	const mallory = await env.wic('carol');
	const forged = call.request('BYE', { cseq: 900 });

	assert.equal((await mallory.request(forged)).status, 403);
	const lost = call.request('BYE', { cseq: 901 });
	lost.set('Call-ID', 'no-such-call');
	lost.set('Route', undefined);
	assert.equal((await mallory.request(lost)).status, 481);
	assert.equal((await call.bye()).status, 200);
});

test('WebSocket dropped in mid-call and not back in time: BYE with a Reason to the core, nothing left [REL-10, CALL-10]',
	async (env) => {
		const { alice, at, call } = await upCall(env);

		await alice.close({ abrupt: true });
		assert.equal(await at.ended, 'bye received');
		const bye = at.requests.find((m) => m.method === 'BYE');
		assert.match(bye.get('Reason') ?? '', /SIP;cause=503/);
		assert.equal(bye.callId, call.callId);
		const again = await env.client('alice');
		Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
		assert.equal((await again.register()).status, 200);
	});

test('WebSocket dropped in mid-call and back in time: the call moves to the new connection [DEREG-43]',
	async (env) => {
		const { alice, at, call } = await upCall(env);
		const again = await env.client('alice');

		await alice.close({ abrupt: true });
		Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
		assert.equal((await again.register()).status, 200);
		assert.equal(await contexts(env.gw), 1);
		call.client = again;
		const [bye] = await Promise.all([at.bye(), call.next('BYE')]);
		assert.equal(bye.status, 200);
	});

test('WebSocket dropped while the callee rings: CANCEL to the core [REL-10]', async ({ wic, ue, client }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.ring();
	await call.response(180);
	await alice.close({ abrupt: true });
	assert.equal(await at.ended, 'cancelled');
	const again = await client('alice');
	Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
	assert.equal((await again.register()).status, 200);
});

test('deregistration in mid-call releases the call [DEREG-09, REL-11]', async (env) => {
	const { alice, at } = await upCall(env);

	assert.equal((await alice.unregister()).status, 200);
	alice.gone = true;
	assert.equal(await at.ended, 'bye received');
});

test.end();
