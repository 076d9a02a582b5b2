// SPDX-License-Identifier: Apache-2.0
//
// What somebody may try to wear the eP-CSCF or the core behind it out, or to learn from its log:
// wrong passwords, floods of registrations, overload, identities in log lines.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway, HOST } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { browserOffer, plainSdp, audioLine } from '../lib/sdp.js';
import { SECOND, until } from '../lib/wait.js';
import { WsClient } from '../lib/wsclient.js';

const BLOCK = 3;
const test = suite({ scripted: true, gateway: { cscf: {
	auth: { max_failures: 5, block_time: `${BLOCK}s`, fail_close_delay: '2s' },
	overload: { retry_after: '11s', retry_after_max: '19s' }, ws: { rate: 1000, burst: 1000 },
	emergency: { country: 'de', lists: ['de=112'] } } } });

/** Registered at the scripted core. */
async function registered({ client, core }, user = 'alice', options = {}) {
	const wic = await client(user, options);
	const [res] = await Promise.all([wic.register(), core.registration()]);

	assert.equal(res.status, 200);
	return wic;
}

/** One REGISTER with an answer to a challenge, right or wrong, which the core judges. */
async function attempt(core, wic, judge) {
	const auth = wic.authorize('Digest realm="ims.test", nonce="n", qop="auth"');
	const answer = wic.request(wic.registerMsg({ auth }));
	const item = await core.next('REGISTER');

	judge(item);
	return answer;
}

const wrong = (item) => item.reply(403, 'Forbidden', { toTag: 't' });

/** REGISTERs that the core has seen. */
const asked = (core) => core.log.filter((i) => i.msg.method === 'REGISTER').length;

test('brute force from one socket: 403 without the core, the socket closed; the victim is served everywhere else [SEC-14, SEC-12, SEC-26]',
	async (env) => {
		const { gw, core, client } = env;
		const victim = await registered(env);
		const evil = await client('alice');
		const before = await gw.cscf.metrics();

		for (let i = 0; i < 5; i++)
			assert.equal((await attempt(core, evil, wrong)).status, 403);
		const seen = asked(core);
		for (let i = 0; i < 10; i++) {
			const auth = evil.authorize('Digest realm="ims.test", nonce="n", qop="auth"');

			assert.equal((await evil.request(evil.registerMsg({ auth }))).status, 403);
		}
		assert.equal((await evil.request(evil.registerMsg())).status, 403, 'the question is not passed on either');
		const another = await client('alice');
		assert.equal((await another.request(another.registerMsg())).status, 403, 'nor from a new socket');
		assert.equal(asked(core), seen, 'the core saw nothing of it');

		const grown = (await gw.cscf.metrics()).grownSince(before);
		assert.equal(grown.find((m) => m.labels.reason === 'failed-identity')?.by, 12);
		const event = await gw.cscf.logged('reg.security', { what: 'throttled-identity' });
		assert.match(event.source, /^127\.0\.0\.1:\d+$/);
		assert.equal(event.origin, ORIGIN);
		assert.match(event.conn, /^\d+$/);
		assert.match(event.impi, /^~[0-9a-f]{8}$/);

		// The victim: refresh, the same device on a new connection, a new device from elsewhere.
		const [again] = await Promise.all([victim.request(victim.registerMsg()),
			core.next('REGISTER').then((r) => core.accept(r))]);
		assert.equal(again.status, 200);
		const moved = await client('alice');
		Object.assign(moved, { instance: victim.instance });
		const [back] = await Promise.all([moved.register(), core.registration()]);
		assert.equal(back.status, 200);
		await registered(env, 'alice', { localAddress: '127.0.0.2' });
		await registered(env, 'bob');

		assert.equal((await evil.ended()).code, 1000);
		core.onRequest = (item) => !!core.challenge(item);
		const late = await client('alice');
		await until(async () => (await late.request(late.registerMsg())).status === 401,
			{ ms: (BLOCK + 5) * SECOND, every: 300, what: 'the end of auth.block_time' });
		core.onRequest = undefined;
	});

test('stale nonces are no failures [SEC-13]', async (env) => {
	const { core, client } = env;
	const wic = await client('carol');

	for (let i = 0; i < 8; i++) {
		const res = await attempt(core, wic, (item) => core.challenge(item, { stale: true }));

		assert.equal(res.status, 401);
		assert.match(res.get('WWW-Authenticate'), /stale=true/);
	}
	const res = await attempt(core, wic, (item) => core.accept(item));
	assert.equal(res.status, 200, 'on the same TLS session');
	wic.routes = [];
});

test('passwords tried on many users from one address block that address, not another [SEC-14]', async (env) => {
	const { core, client, gw } = env;
	const before = await gw.cscf.metrics();

	for (let i = 0; i < 20; i++) {
		const evil = await client(`user${i}`, { localAddress: '127.0.0.3' });

		assert.equal((await attempt(core, evil, wrong)).status, 403);
	}
	const seen = asked(core);
	const evil = await client('user99', { localAddress: '127.0.0.3' });
	assert.equal((await evil.request(evil.registerMsg())).status, 403);
	assert.equal(asked(core), seen);
	assert.equal((await gw.cscf.metrics()).grownSince(before).find((m) => m.labels.reason === 'failed-source')?.by, 1);
	await registered(env, 'bob');
});

const RATE = 10;

test('a mass reconnect reaches the core at reg.max_initial_rate; the rest is told when to come back, and does [REG-85]',
	async ({ core, own }) => {
		const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { reg: { max_initial_rate: RATE },
			overload: { retry_after: '1s', retry_after_max: '4s' } } });
		own({ close: () => gw.stop() });
		const wics = await Promise.all(Array.from({ length: 6 * RATE }, async (_, i) =>
			own(await WsClient.open(gw.wssUrl, { user: `user${i}`, origin: ORIGIN }))));
		const times = [];

		core.onRequest = (item) => {
			if (item.msg.method !== 'REGISTER')
				return false;
			if (item.msg.has('Authorization')) {
				core.accept(item);
			} else {
				times.push(performance.now());
				core.challenge(item);
			}
			return true;
		};
		const waits = [];
		const reconnect = async (wic) => {
			for (;;) {
				const res = await wic.register();

				if (res.status === 200)
					return;
				assert.equal(res.status, 503);
				const seconds = Number(res.get('Retry-After'));
				assert.ok(seconds >= 1 && seconds <= 4, res.get('Retry-After'));
				waits.push(seconds);
				await new Promise((resolve) => setTimeout(resolve, seconds * SECOND));
			}
		};
		await Promise.all(wics.map(reconnect));
		assert.ok(waits.length >= 5 * RATE - RATE, `${waits.length} were put off`);
		assert.ok(new Set(waits).size > 1, 'not all at the same time');
		// A bucket of a second's worth: never more than that and what a second brings. The core's
		// clock is not the gateway's: a few may slide into the next second.
		for (const from of times)
			assert.ok(times.filter((t) => t >= from && t < from + SECOND).length <= 2 * RATE + 2);
		// Refreshes pass whatever the rate says, all at once.
		const all = await Promise.all(wics.map((w) => w.register()));
		assert.ok(all.every((r) => r.status === 200));
		core.onRequest = undefined;
		core.serve(true);
		for (const w of wics) {
			assert.equal((await w.unregister()).status, 200);
			w.gone = true;
		}
		core.serve(false);
	});

/** 503 with our own random Retry-After. */
function shed(res, what) {
	assert.equal(res.status, 503, what);
	const after = Number(res.get('Retry-After'));
	assert.ok(after >= 11 && after <= 19, `Retry-After ${res.get('Retry-After')}`);
	return after;
}

test('overload sheds new users, then new calls, then refreshes; dialogs and emergencies never [SEC-19, SEC-26, EMG-17]',
	async (env) => {
		const { gw, core, client } = env;
		const alice = await registered(env);
		const call = alice.invite('sip:bob@ims.test', { sdp: browserOffer() });
		const invite = await core.next('INVITE');
		invite.reply(200, 'OK', { toTag: 'b', body: plainSdp(HOST, [audioLine(44000)]), headers: [
			['Contact', `<sip:bob@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']] });
		assert.equal((await call.response()).status, 200);
		await core.next('ACK');
		const mallory = await client('mallory');

		const newUser = () => mallory.request(mallory.registerMsg());
		const message = () => alice.request(alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' }));
		const refresh = async () => {
			core.onRequest = (item) => item.msg.method === 'REGISTER' && !!core.accept(item);
			return alice.request(alice.registerMsg()).finally(() => {
				core.onRequest = undefined;
			});
		};
		const info = async () => (await Promise.all([call.send('INFO'), core.next('INFO').then((i) => i.reply(200, 'OK'))]))[0];
		const emergency = () => alice.request(alice.message('MESSAGE', 'urn:service:sos', { body: 'x', type: 'text/plain' }));
		const before = await gw.cscf.metrics();

		await gw.cscf.ctl('overload', '86');
		const waits = [];
		for (let i = 0; i < 20; i++)
			waits.push(shed(await newUser(), 'a new user'));
		assert.ok(new Set(waits).size > 1, 'random');
		shed(await alice.request(alice.message('SUBSCRIBE', 'sip:bob@ims.test', { headers: [['Event', 'presence']] })));
		const [passed] = await Promise.all([message(), core.next('MESSAGE').then((m) => m.reply(200, 'OK', { toTag: 'x' }))]);
		assert.equal(passed.status, 200);

		await gw.cscf.ctl('overload', '92');
		shed(await newUser());
		shed(await message(), 'a new message');
		const refused = alice.invite('sip:bob@ims.test', { sdp: browserOffer() });
		shed(await refused.response());
		assert.equal((await refresh()).status, 200);

		await gw.cscf.ctl('overload', '100');
		shed(await refresh(), 'a refresh');
		assert.equal((await info()).status, 200);
		assert.equal((await emergency()).status, 380);
		const status = (await gw.cscf.status()).overload;
		assert.deepEqual([status.load_percent, status.level, status.forced], [100, 3, true]);
		await until(async () => (await gw.cscf.metrics()).sum('cscf_overload_level') === 3, { what: 'the gauge' });
		assert.equal((await gw.cscf.http('/readyz')).status, 200, 'a balancer must not push the load elsewhere');

		// Hysteresis: below high is not enough.
		await gw.cscf.ctl('overload', '71');
		shed(await newUser());
		await gw.cscf.ctl('overload', 'auto');
		const [res] = await Promise.all([newUser(), core.next('REGISTER').then((r) => core.challenge(r))]);
		assert.equal(res.status, 401);
		await until(async () => (await gw.cscf.metrics()).sum('cscf_overload_level') === 0, { what: 'the gauge' });
		const grown = (await gw.cscf.metrics()).grownSince(before);
		assert.deepEqual(['new-user', 'new-call', 'refresh'].map((work) => grown.find((m) => m.labels.work === work)?.by),
			[23, 2, 1]);
		assert.ok(grown.find((m) => m.labels.reason === 'overload').by === 26);
		await gw.cscf.logged('sip.overload_level', { level_now: '3' });
		await assert.rejects(gw.cscf.ctl('overload', '101'), /0 to 100/);
		await assert.rejects(gw.cscf.ctl('overload', 'much'), /0 to 100/);
		await Promise.all([call.bye(), core.next('BYE').then((b) => b.reply(200, 'OK'))]);
	});

test('a flood that the core leaves unanswered fills the table: new work is shed, the call still ends [SEC-19]', async ({ core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { sip: { max_server_transactions: 100 },
		ws: { rate: 1000, burst: 1000 } } });
	own({ close: () => gw.stop() });
	const env = { core, client: async (user) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN })) };
	const alice = await registered(env);
	const call = alice.invite('sip:bob@ims.test', { sdp: browserOffer() });
	const invite = await core.next('INVITE');
	invite.reply(200, 'OK', { toTag: 'b', body: plainSdp(HOST, [audioLine(44000)]), headers: [
		['Contact', `<sip:bob@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']] });
	assert.equal((await call.response()).status, 200);
	const answers = [];
	const messages = Array.from({ length: 150 }, () => alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' }));

	// The core answers only those that the table had room for, when the flood is over.
	for (const m of messages) {
		alice.send(m);
		answers.push(alice.response(m, { ms: 30 * SECOND }));
	}
	await until(() => alice.responses.all().length + answers.length >= 150);
	const bye = call.bye();
	const seen = await core.next('BYE');
	seen.reply(200, 'OK');
	assert.equal((await bye).status, 200, 'a dialog ends in the middle of it');
	const passed = core.requests.all().filter((i) => i.msg.method === 'MESSAGE');
	assert.ok(passed.length >= 80 && passed.length <= 90, `${passed.length} passed`);
	for (const item of passed)
		item.reply(200, 'OK', { toTag: 'x' });
	const statuses = (await Promise.all(answers)).map((r) => r.status);
	assert.equal(statuses.filter((s) => s === 200).length, passed.length);
	assert.equal(statuses.filter((s) => s === 503).length, 150 - passed.length);
	await until(async () => (await gw.cscf.status()).overload.level === 0, { ms: 20 * SECOND, what: 'the end of the overload' });
	const [res] = await Promise.all([alice.unregister(), core.next('REGISTER').then((r) => core.accept(r, { expires: 0 }))]);
	assert.equal(res.status, 200);
	alice.gone = true;
});

test('no identity and no secret stands in the log of a whole run; the operator is told who is who [SEC-10]', async ({ core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { log: { level: 'trace' } }, agw: { log: { level: 'trace' } } });
	own({ close: () => gw.stop() });
	const open = async (user, o) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN, ...o }));
	const env = { core, client: open };
	const alice = await registered(env, 'zaphod');
	const evil = await open('trillian');
	const nonce = 'thenoncethatnobodymaysee';

	await Promise.all([evil.request(evil.registerMsg()), core.next('REGISTER').then((r) => core.challenge(r, { nonce }))]);
	const auth = evil.authorize(`Digest realm="ims.test", nonce="${nonce}", qop="auth"`);
	await Promise.all([evil.request(evil.registerMsg({ auth })), core.next('REGISTER').then(wrong)]);
	await Promise.all([evil.request(evil.registerMsg({ headers: [['Authorization', 'Bearer averysecrettoken']] }))]);
	const call = alice.invite('sip:marvin@ims.test', { sdp: browserOffer() });
	const invite = await core.next('INVITE');
	invite.reply(200, 'OK', { toTag: 'b', body: plainSdp(HOST, [audioLine(44000)]), headers: [
		['Contact', `<sip:marvin@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']] });
	assert.equal((await call.response()).status, 200);
	await Promise.all([call.bye(), core.next('BYE').then((b) => b.reply(200, 'OK'))]);
	for (const uri of ['tel:+49301234567', 'sip:marvin@nowhere.invalid'])
		await Promise.all([alice.request(alice.message('MESSAGE', uri, { body: 'hello', type: 'text/plain' })),
			core.next('MESSAGE').then((m) => m.reply(404, 'Not Found', { toTag: 'x' }))]);
	alice.send('MESSAGE sip:marvin@ims.test SIP/2.0\r\nnonsense\r\n\r\n');
	const ready = await alice.request(alice.message('MESSAGE', 'gopher:marvin'));
	assert.equal(ready.status, 416);

	const who = await gw.cscf.ctl('mask', 'sip:zaphod@ims.test');
	assert.equal(who.masking, true);
	const list = JSON.stringify(await gw.cscf.ctl('reg list'));
	assert.match(list, /sip:zaphod@ims\.test/, 'the operator sees identities as they are');
	const [res] = await Promise.all([alice.unregister(), core.next('REGISTER').then((r) => core.accept(r, { expires: 0 }))]);
	assert.equal(res.status, 200);
	alice.gone = true;

	const response = /response="([^"]+)"/.exec(auth)[1], cnonce = /cnonce="([^"]+)"/.exec(auth)[1];
	for (const d of gw.daemons) {
		for (const secret of ['zaphod', 'trillian', 'marvin', '49301234567', '+15550101', nonce, response, cnonce, 'averysecrettoken'])
			assert.deepEqual(d.process.lines.filter((l) => l.toLowerCase().includes(secret)), [], `${d.kind}: ${secret}`);
	}
	const accepted = gw.cscf.log('reg.accepted');
	assert.ok(accepted.some((l) => l.to === who.logged_as), `${who.logged_as} in ${accepted.map((l) => l.to)}`);
	assert.equal((await gw.cscf.logged('call.record')).caller, who.logged_as);
});

test('log.mask_identities=false shows users, and still no secret [SEC-10]', async ({ core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { log: { mask_identities: false } } });
	own({ close: () => gw.stop() });
	const alice = await registered({ core, client: async (user) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN })) }, 'zaphod');

	assert.equal((await gw.cscf.logged('reg.accepted')).to, 'sip:zaphod@ims.test');
	assert.ok(!gw.cscf.process.lines.some((l) => l.includes('response=')));
	const [res] = await Promise.all([alice.unregister(), core.next('REGISTER').then((r) => core.accept(r, { expires: 0 }))]);
	assert.equal(res.status, 200);
	alice.gone = true;
});

test.end();
