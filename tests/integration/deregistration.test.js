// SPDX-License-Identifier: Apache-2.0
//
// Deregistration in every shape and lost flows (section 9), with calls up: what goes, what stays,
// who hears of it, when the WebSocket is closed, and how a call survives a reconnect.
import assert from 'node:assert/strict';
import { callFromWic, callToWic } from '../lib/corecall.js';
import { count } from '../lib/gateway.js';
import { RESPONSE, credentials, exchange, leave, protectedBy, records, refusedLocally, registered } from '../lib/register.js';
import { suite } from '../lib/suite.js';
import { uriOf } from '../lib/sip.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: { dereg: { close_delay: '700ms' }, reg: { expiry_grace: '1s' }, flow: { grace: '4s' },
	assoc: { replace_delay: '300ms' } } } });
const answered = (wic) => ({ auth: credentials(wic, { response: RESPONSE }) });
const contexts = async (gw) => count(await gw.agws[0].status(), 'contexts');
const connections = async (gw) => count(await gw.cscf.status(), 'connections');

async function messageStatus({ core }, wic) {
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' });

	wic.send(sent);
	return Promise.race([wic.response(sent).then((r) => r.status), core.next('MESSAGE', { callId: sent.callId }).then((r) =>
		r.reply(200, 'OK', { toTag: 't' }) && wic.response(sent).then((x) => x.status))]);
}

/** Register and tell the core's side where the WIC is. */
async function present(env, options) {
	const who = await registered(env, 'alice', options);

	Object.assign(env.core, { path: who.path, contact: who.wic.contactUri });
	return who;
}

/** The same device on a new connection. */
async function back(env, wic) {
	return Object.assign(await env.client('alice'), { instance: wic.instance, contactUri: wic.contactUri });
}

test('deregistration on the associated socket is protected, on a new one it is not; the 200 removes everything of it [DEREG-01, DEREG-02]',
	async (env) => {
		const { wic } = await present(env);
		const { item, res } = await leave(env, wic);

		assert.equal(res.status, 200);
		assert.equal(protectedBy(item), 'tls-yes');
		for (const name of ['Path', 'P-Visited-Network-ID', 'P-Charging-Vector', 'Require'])
			assert.ok(item.msg.has(name), name);
		assert.deepEqual(await records(env.gw), []);

		const old = await present(env);
		await old.wic.close({ abrupt: true });
		const again = await back(env, old.wic);
		for (const [auth, expected] of [[credentials(again), undefined], [answered(again).auth, 'tls-pending']]) {
			const challenged = await exchange(env, again, { auth, expires: 0 }, (r) => env.core.challenge(r));

			assert.equal(protectedBy(challenged.item), expected);
			assert.equal((await records(env.gw)).length, 1);
		}
		assert.equal(protectedBy((await leave(env, again)).item), 'tls-pending');
		assert.deepEqual(await records(env.gw), []);
	});

test('Contact: * with Expires: 0 removes all of this WIC for that IMPU, with any other expiry it is 400 [DEREG-03]',
	async (env) => {
		const { wic } = await present(env);
		const star = (expires) => {
			const msg = wic.registerMsg(answered(wic));

			msg.set('Contact', '*');
			return expires === undefined ? msg : msg.set('Expires', expires);
		};

		for (const expires of ['60', undefined])
			assert.equal((await refusedLocally(env, wic, star(expires))).status, 400);
		assert.equal((await records(env.gw)).length, 1);
		const { item } = await exchange(env, wic, star('0'), (r) => env.core.accept(r, { expires: 0 }));
		assert.equal(item.msg.get('Contact'), '*');
		assert.deepEqual(await records(env.gw), []);
		wic.gone = true;
	});

test('after the last IMPU: no association, no Service-Route, requests 403, terminating ones 404 [DEREG-05, REG-81]',
	async (env) => {
		const { wic } = await present(env);

		await leave(env, wic);
		assert.equal(await messageStatus(env, wic), 403);
		assert.equal((await env.core.request(env.core.terminating('MESSAGE'), env.core.pathTarget)).status, 404);
		assert.equal(wic.requests.all().length, 0);
	});

test('a WIC that stays is closed 1000 after dereg.close_delay; a REGISTER within it is served and keeps the connection [DEREG-06]',
	async (env) => {
		const lazy = await present(env);

		await leave(env, lazy.wic);
		assert.equal((await lazy.wic.ended()).code, 1000);

		const quick = await present(env);
		await leave(env, quick.wic);
		const again = await exchange(env, quick.wic, answered(quick.wic));
		assert.equal(again.res.status, 200);
		assert.equal(protectedBy(again.item), 'tls-pending'); // The association had gone.
		quick.wic.gone = false;
		// A third user deregisters later and is closed: by then the second would have been, too.
		const other = await registered(env, 'bob');
		await leave(env, other.wic);
		assert.equal((await other.wic.ended()).code, 1000);
		assert.equal(quick.wic.ws.readyState, quick.wic.ws.OPEN);
		assert.equal(await messageStatus(env, quick.wic), 200);
		await leave(env, quick.wic);
	});

test('a refused deregistration is relayed; 481 and 404 end the record, any other leaves it [DEREG-07]', async (env) => {
	for (const [status, left] of [[403, 1], [500, 1], [423, 1], [481, 0], [404, 0]]) {
		const { wic } = await present(env);
		const { res } = await exchange(env, wic, { ...answered(wic), expires: 0 }, (r) =>
			r.reply(status, 'No', { toTag: 't' }));

		assert.equal(res.status, status);
		assert.equal((await records(env.gw)).length, left);
		if (left)
			await leave(env, wic);
		wic.gone = true;
	}
});

test('one of two flows goes: the call on the other goes on, its context and media untouched [DEREG-08, DEREG-04]',
	async (env) => {
		const stays = await present(env);
		const { call, far } = await callToWic(env, stays.wic);
		const goes = await registered(env);

		assert.equal(await contexts(env.gw), 1);
		const before = await env.gw.agws[0].ctl('context list');
		await leave(env, goes.wic);
		assert.equal((await goes.wic.ended()).code, 1000);
		assert.equal((await records(env.gw)).length, 1);
		assert.deepEqual(withoutClock(await env.gw.agws[0].ctl('context list')), withoutClock(before));
		const [info] = await Promise.all([far.send('INFO'), call.next('INFO')]);
		assert.equal(info.status, 200);
		const [bye] = await Promise.all([call.bye(), env.core.next('BYE', { callId: call.callId }).then((r) =>
			r.reply(200, 'OK'))]);
		assert.equal(bye.status, 200);
		await leave(env, stays.wic);
	});

/** Contexts without what moves by itself: times, ages, packet counts. */
function withoutClock(list) {
	return JSON.parse(JSON.stringify(list, (k, v) => /age|_ms|_s$|packets|bytes|since|time/.test(k) ? undefined : v));
}

test('deregistration in mid-call: BYE with Reason both ways, the context freed; a ringing call is cancelled [DEREG-09]',
	async (env) => {
		const { core, gw } = env;

		for (const make of [callFromWic, callToWic]) {
			const { wic } = await present(env);
			const { call } = await make(env, wic);

			assert.equal(await contexts(gw), 1);
			const [, toCore, toWic] = await Promise.all([leave(env, wic),
				core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK') && r.msg), call.next('BYE')]);
			for (const bye of [toCore, toWic])
				assert.match(bye.get('Reason') ?? '', /;cause=\d+;text="[^"]+"/);
			await until(async () => await contexts(gw) === 0, { what: 'no context' });
			await until(async () => count(await gw.cscf.status(), 'dialogs') === 0, { what: 'no dialog' });
		}

		const { wic } = await present(env);
		const call = wic.invite('sip:far@ims.test');
		const item = await core.next('INVITE', { callId: call.callId });
		item.reply(180, 'Ringing', { toTag: 'far' });
		await call.response(180);
		const [, res] = await Promise.all([leave(env, wic), call.response(),
			core.next('CANCEL', { callId: call.callId }).then((r) => {
				r.reply(200, 'OK');
				item.reply(487, 'Request Terminated', { toTag: 'far' });
			})]);
		assert.ok(res.status >= 400, res.start);
		await core.next('ACK', { callId: call.callId });
		await until(async () => await contexts(gw) === 0, { what: 'no context' });
	});

test('an eIMS-AGW that does not answer keeps no registration alive [DEREG-09]', async (env) => {
	const { core, gw } = env;
	const { wic } = await present(env);
	const { call } = await callFromWic(env, wic);
	const { pid } = gw.agws[0].process;

	process.kill(pid, 'SIGSTOP');
	try {
		const [{ res }] = await Promise.all([leave(env, wic), core.next('BYE', { callId: call.callId }).then((r) =>
			r.reply(200, 'OK')), call.next('BYE')]);

		assert.equal(res.status, 200);
		assert.deepEqual(await records(gw), []);
		assert.equal(await messageStatus(env, wic), 403);
	} finally {
		process.kill(pid, 'SIGCONT');
	}
	await until(async () => await contexts(gw) === 0, { what: 'no context' });
});

test('requests to a lost flow: INVITE and MESSAGE 430 with outbound, 480 without; nothing is deregistered for the user [DEREG-42, DEREG-40]',
	async (env) => {
		const { core, gw } = env;

		for (const [outbound, status] of [[true, 430], [false, 480]]) {
			const { wic } = await present(env, { accept: { outbound } });
			const seen = core.log.length;

			await wic.close({ abrupt: true });
			await until(async () => await connections(gw) === 0, { what: 'no connection' });
			for (const method of ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'FOO'])
				assert.equal((await core.request(core.terminating(method), core.pathTarget)).status, status, method);
			assert.equal((await records(gw))[0].state, 'flow-lost');
			assert.ok(!core.log.slice(seen).some(({ msg }) => msg.method === 'REGISTER'));
			const again = await back(env, wic);
			await leave(env, again);
			await again.close();
		}
	});

test('a lost flow in mid-call: a request of the core waits and gets 480 with the release, a BYE ends the call at once [DEREG-42]',
	async (env) => {
		const { core, gw } = env;
		const first = await present(env);
		const one = await callToWic(env, first.wic);

		await first.wic.close({ abrupt: true });
		await until(async () => await connections(gw) === 0, { what: 'no connection' });
		const info = await one.far.send('INFO');
		assert.equal(info.status, 480);
		await until(async () => await contexts(gw) === 0, { what: 'no context' });
		const again = await back(env, first.wic);
		await leave(env, again);
		await again.close();

		// Nobody comes back in time: the gateway releases it, to the core with a Reason.
		const second = await present(env);
		const two = await callFromWic(env, second.wic);
		await second.wic.close({ abrupt: true });
		const released = await core.next('BYE', { callId: two.call.callId });
		released.reply(200, 'OK');
		assert.match(released.msg.get('Reason'), /SIP;cause=503/);
		await until(async () => await contexts(gw) === 0, { what: 'no context' });
		const third = await back(env, second.wic);
		await leave(env, third);
		await third.close();

		// A BYE of the core does not wait.
		const last = await present(env);
		const over = await callToWic(env, last.wic);
		await last.wic.close({ abrupt: true });
		await until(async () => await connections(gw) === 0, { what: 'no connection' });
		const bye = await over.far.send('BYE');
		assert.ok([200, 408, 480].includes(bye.status), bye.start);
		await until(async () => await contexts(gw) === 0, { what: 'no context' });
		await leave(env, await back(env, last.wic));
	});

test('reconnect within flow.grace: only the 200 re-attaches; then requests pass both ways, media contexts untouched, BYE works [DEREG-43, REG-42, REL-10]',
	async (env) => {
		const { core, gw } = env;

		for (const make of [callFromWic, callToWic]) {
			for (const hangUp of ['wic', 'core']) {
				const { wic } = await present(env);
				const { call, far } = await make(env, wic);
				const before = withoutClock(await gw.agws[0].ctl('context list'));
				assert.equal(before.length, 1);

				await wic.close({ abrupt: true });
				await until(async () => await connections(gw) === 0, { what: 'no connection' });
				const again = await back(env, wic);
				call.client = again;
				// Not yet: neither before the REGISTER nor by its 401.
				assert.equal((await again.request(call.request('INFO'))).status, 403);
				await exchange(env, again, { auth: credentials(again) }, (r) => core.challenge(r));
				assert.equal((await again.request(call.request('INFO'))).status, 403);
				// Nor by another instance of the same user.
				const stranger = await registered(env);
				assert.equal((await stranger.wic.request(call.request('INFO'))).status, 403);
				await leave(env, stranger.wic);

				const { item } = await exchange(env, again, answered(again));
				assert.equal(protectedBy(item), 'tls-pending');
				const [fromCore] = await Promise.all([far.send('INFO'), call.next('INFO')]);
				assert.equal(fromCore.status, 200);
				const [fromWic] = await Promise.all([call.send('INFO'), core.next('INFO', { callId: call.callId }).then((r) =>
					r.reply(200, 'OK'))]);
				assert.equal(fromWic.status, 200);
				assert.deepEqual(withoutClock(await gw.agws[0].ctl('context list')), before);
				assert.equal(count(await gw.cscf.status(), 'dialogs'), 1);

				const [done] = await (hangUp === 'wic' ? Promise.all([call.bye(), core.next('BYE', { callId: call.callId })
					.then((r) => r.reply(200, 'OK'))]) : Promise.all([far.send('BYE'), call.next('BYE')]));
				assert.equal(done.status, 200);
				await until(async () => await contexts(gw) === 0, { what: 'no context' });
				await leave(env, again);
			}
		}
	});

test('the flow replaced in a call while the old socket is still open: the call moves, the old socket is closed, nothing is released [REG-42, DEREG-43]',
	async (env) => {
		const { core, gw } = env;
		const { wic } = await present(env);
		const { call, far } = await callToWic(env, wic);
		const fresh = await back(env, wic);

		await exchange(env, fresh, answered(fresh));
		assert.equal((await wic.request(call.request('INFO'))).status, 403);
		assert.equal((await wic.ended()).code, 1000);
		call.client = fresh;
		const [info] = await Promise.all([far.send('INFO'), call.next('INFO')]);
		assert.equal(info.status, 200);
		assert.equal(await contexts(gw), 1);
		const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
		assert.equal(bye.status, 200);
		await leave(env, fresh);
	});

test('the same IMPU and IMPI but another instance does not take a call over [DEREG-43]', async (env) => {
	const { core, gw } = env;
	const { wic } = await present(env);
	const { call } = await callFromWic(env, wic);

	await wic.close({ abrupt: true });
	await until(async () => await connections(gw) === 0, { what: 'no connection' });
	const other = await registered(env);
	assert.equal((await other.wic.request(call.request('BYE'))).status, 403);
	assert.equal(await contexts(gw), 1);
	const bye = await core.next('BYE', { callId: call.callId }); // flow.grace is over
	bye.reply(200, 'OK');
	await until(async () => await contexts(gw) === 0, { what: 'no context' });
	assert.deepEqual((await records(gw)).map((r) => r.state).sort(), ['flow-lost', 'registered']);
	await leave(env, other.wic);
	const again = await back(env, wic);
	await leave(env, again);
	assert.equal(uriOf(again.contactUri), wic.contactUri.split(';')[0]);
});

test('a registration that runs out takes its calls along, those of another device of the user stay [REL-11, DEREG-09]', async (env) => {
	const { core, gw } = env;
	const { wic: other } = await present(env);
	const stays = await callFromWic(env, other, { rtp: 49996 });
	const { wic } = await present(env, { accept: { expires: 2 } });
	const { call } = await callFromWic(env, wic);
	const [bye, atCore] = await Promise.all([call.next('BYE'), core.next('BYE', { callId: call.callId })]);

	atCore.reply(200, 'OK');
	for (const msg of [bye, atCore.msg])
		assert.match(msg.get('Reason') ?? '', /registration ended/);
	await gw.cscf.logged('call.record', { call_id: call.callId, cause: 'deregistered' });
	wic.gone = true;
	assert.equal(await contexts(gw), 1);
	const ended = stays.call.bye();
	(await core.next('BYE', { callId: stays.call.callId })).reply(200, 'OK');
	assert.equal((await ended).status, 200);
	await leave(env, other);
});

test.end();
