// SPDX-License-Identifier: Apache-2.0
//
// The softphone with a web identity, in a real browser: sign-in at the WAF's page, REGISTER with
// the token, the eP-CSCF as trusted node in front of Kamailio, calls to a plain-RTP UE judged by
// tone. Scenario 2 (a user), scenario 3 (guests of a pool), and each way in which a token is bad.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { execFileSync } from 'node:child_process';
import { Caller, TONE_HZ } from '../../deploy/run/browser-call.mjs';
import { makeCerts } from '../lib/conf.js';
import { ROOT, count } from '../lib/gateway.js';
import { port } from '../lib/ports.js';
import { Process } from '../lib/proc.js';
import { SipMessage } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { WafServer } from '../lib/waf-server.js';
import { SECOND, until, within } from '../lib/wait.js';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/* Long enough for a registration that the core takes, short enough to see it renewed. */
const TOKEN_S = 14;
const gateway = { cscf: { auth: { fail_close_delay: '1s' }, dereg: { close_delay: '1s' } } };

const test = suite({ timeout: 90 * SECOND, gateway, coreOptions: ['--trusted', '127.0.0.1', '--min-expires', '1'], extra });

const issuer = (waf, more = {}) => ({ issuer: waf.issuer, jwks_url: `${waf.issuer}/jwks`, audience: waf.conf.audience, domain: 'own', ...more });

/** The page and the WAFs: the page's own, one whose tokens end at once, one that nobody trusts, one that is down. */
async function extra(env) {
	const certs = join(env.dir, 'page-certs');
	const pagePort = await port();
	const page = `https://localhost:${pagePort}/`;
	const start = async (name, conf, tls) => WafServer.start({ port: await port(), dir: join(env.dir, name), redirect: page, conf, tls });

	execFileSync('make', ['--no-print-directory', 'softphone'], { cwd: ROOT, stdio: 'ignore' });
	mkdirSync(certs);
	const tls = makeCerts(certs);
	env.waf = await start('waf', { token: { ttl_s: TOKEN_S }, pool: { size: 2, grace_s: 60, rest: false } }, tls);
	env.brief = await start('brief', { token: { ttl_s: 1 } });
	env.foreign = await start('foreign');
	// Down before the gateway comes up: it never had its keys.
	env.down = await start('down');
	env.orphan = (await env.down.signIn('alice')).access_token;
	await env.down.stop();
	env.web = new Process('page', process.execPath, ['deploy/softphone/serve.mjs', '--listen', `127.0.0.1:${pagePort}`,
		'--cert', tls.cert, '--key', tls.key, '--config', JSON.stringify({ domain: 'ims.test',
			waf: { issuer: env.waf.issuer, client_id: 'wicgate-softphone' } })], { cwd: ROOT });
	await env.web.line('serving');
	env.page = page;
	env.origins = [new URL(page).origin];
	gateway.links = [env.waf, env.brief, env.foreign, env.down].map((w) => w.port);
	gateway.cscf.token = { clock_skew: '0s', http_timeout: '1s', tls_ca: tls.ca,
		issuers: [issuer(env.waf), issuer(env.brief), issuer(env.down)] };
	gateway.cscf.pool = { release_url: `${env.waf.issuer}/impu-released`, release_token: env.waf.secret };
	env.first = await Caller.launch();
	return [env.waf, env.brief, env.foreign, env.web, env.first];
}

/** A browser with the page open; nobody signed in. */
async function open({ own, page, gw, first }) {
	const caller = Caller.beside(first);

	own({ async close() {
		const state = await caller.state().catch(() => ({}));

		if (state.registration === 'registered')
			await caller.signOut();
		await caller.close();
	} });

	await caller.open(page, { wss: gw.wssUrl });
	return caller;
}

const click = (caller, id) => caller.page.click(`[data-testid="${id}"]`);
const registered = (caller) => caller.until((s) => s.registration === 'registered', 'registration');
const shown = (caller) => caller.page.locator('[data-testid=error]').innerText();

/** On the WAF's page now: fill it in. */
async function passWaf(caller, login, password = `${login}-web`) {
	await caller.page.fill('[data-testid=waf-login]', login);
	await caller.page.fill('[data-testid=waf-password]', password);
	await click(caller, 'waf-submit');
}

async function signInWeb(caller, login = 'alice') {
	await caller.signInWeb(login, `${login}-web`);
	return caller.state();
}

async function signInGuest(caller) {
	await caller.signInGuest();
	return caller.state();
}

/** The browser hears its tone come back, and the UE hears it arrive. */
async function talk(caller, call) {
	call.audio.echo();
	const { heard, audio } = await caller.media();

	assert.ok(Math.abs(heard.hz - TONE_HZ) < 40, `${heard.hz} Hz`);
	assert.ok(audio.sent > 0 && audio.received > 0);
	await until(() => call.audio.hears(TONE_HZ) > 0.7, { what: 'the tone at the UE' });
}

async function callUe(caller, ue) {
	const placed = caller.call('bob');
	const call = await ue.incoming();

	await call.answer();
	await placed;
	return call;
}

/** The same token with another signature. */
function spoil(token) {
	const [head, payload, signature] = token.split('.');

	return [head, payload, (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)].join('.');
}

/** Sign out on the page, and wait for the WAF's part of it too. */
async function signOut(caller) {
	await caller.signOut();
	await until(async () => (await caller.page.locator('[data-testid=events]').innerText()).includes('signed out of the web identity'),
		{ what: 'revocation' });
}

/** Register with that token and nothing else: what a page with a bad one would see. */
async function registerWith(caller, gw, token, user = 'alice') {
	await caller.page.evaluate((settings) => window.softphone.register(settings), { wss: gw.wssUrl, domain: 'ims.test', user, token });
	await until(async () => (await caller.state()).registration === 'failed', { what: 'refusal' });
	return shown(caller);
}

test('scenario 2: web sign-in, REGISTER with the token, a call with media both ways, sign-out [TOK-01]', async (env) => {
	const [caller, bob] = [await open(env), await env.ue('bob')];
	const revoked = caller.page.waitForResponse((r) => r.url() === `${env.waf.issuer}/token/revocation`);
	const state = await signInWeb(caller);

	assert.equal(state.user, 'alice@ims.test');
	assert.equal(new URL(caller.page.url()).search.includes('code='), false, 'the code is gone from the address');
	assert.equal((await env.core.contacts('alice')).length, 1);
	const call = await callUe(caller, bob);
	await talk(caller, call);
	await caller.hangup();
	assert.equal(await call.ended, 'bye received');
	await signOut(caller);
	assert.equal((await revoked).status(), 200);
	assert.deepEqual(await env.core.contacts('alice'), []);
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
});

test('the token is renewed before its end and registered with, in the middle of a call', async (env) => {
	const [caller, bob] = [await open(env), await env.ue('bob')];

	await signInWeb(caller);
	const [first] = await env.core.contacts('alice');
	const call = await callUe(caller, bob);
	await until(async () => (await caller.log()).includes('info: sign-in renewed'), { ms: TOKEN_S * SECOND, what: 'a renewed token' });
	const [again] = await until(async () => {
		const list = await env.core.contacts('alice');

		return list[0]?.CSeq > first.CSeq && list;
	}, { what: 'a REGISTER with it at the core' });
	assert.equal(again['Call-ID'], first['Call-ID']);
	await talk(caller, call);
	assert.equal((await caller.state()).registration, 'registered');
	await caller.hangup();
	await signOut(caller);
});

test('a wrong password at the WAF is said there; the right one then goes on', async (env) => {
	const caller = await open(env);

	await click(caller, 'web-signin');
	await passWaf(caller, 'alice', 'wrong');
	assert.match(await caller.page.locator('[data-testid=waf-problem]').innerText(), /Login or password is wrong/);
	await passWaf(caller, 'alice');
	await registered(caller);
	await signOut(caller);
});

test('a sign-in that is cancelled says so and registers nothing', async (env) => {
	const caller = await open(env);

	await click(caller, 'web-signin');
	await click(caller, 'waf-abort');
	await until(async () => /Sign-in cancelled/.test(await shown(caller)), { what: 'a sentence on the page' });
	assert.equal((await caller.state()).connection, 'off');
});

test('scenario 3: each guest has a number of its own while there are some, calls with it, gives it back [DEREG-30]', async (env) => {
	const [one, two, bob] = [await open(env), await open(env), await env.ue('bob')];
	const users = [(await signInGuest(one)).user, (await signInGuest(two)).user];

	assert.match(users[0], /^guest-\d{4}@ims\.test$/);
	assert.notEqual(users[0], users[1]);
	assert.deepEqual(await env.waf.pool(), { free: 0, lent: 2 });
	for (const user of users)
		assert.equal((await env.core.contacts(user.split('@')[0])).length, 1);
	const third = await env.waf.begin({ view: 'guest' });
	assert.match((await env.waf.submit(third, 'guest')).text, /All guest numbers are in use/);
	const call = await callUe(one, bob);
	assert.match(call.invited.msg.get('From'), new RegExp(users[0].split('@')[0]));
	await talk(one, call);
	await one.hangup();
	await signOut(one);
	await env.waf.process.line((l) => l.includes('waf.impu_released') && l.includes(users[0]) && l.includes('result="released"'));
	assert.deepEqual(await env.waf.pool(), { free: 1, lent: 1 });
	assert.equal((await env.core.contacts(users[1].split('@')[0])).length, 1, 'the other guest is untouched');
	// The number that came free is lent again.
	assert.equal((await signInGuest(one)).user, users[0]);
	await signOut(one);
	await signOut(two);
	await until(async () => (await env.waf.pool()).free === 2, { what: 'both numbers free' });
	// Two guests had the first number, one after the other: two notices, no repetition.
	const notices = env.waf.process.lines.filter((l) => l.includes('waf.impu_released') && l.includes(users[0]));
	assert.deepEqual(notices.map((l) => /result="(\w+)"/.exec(l)[1]), ['released', 'released']);
});

test('a registration refused for its token is tried once more with a fresh one, unasked', async (env) => {
	const caller = await open(env);
	let spoilt = 0;

	// What a machine that slept past the token's end would send: here the first token is made a bad one.
	await caller.page.route(`${env.waf.issuer}/token`, async (route) => {
		const response = await route.fetch();
		const tokens = await response.json();

		if (spoilt++ === 0)
			tokens.access_token = spoil(tokens.access_token);
		await route.fulfill({ response, json: tokens });
	});
	await caller.page.click('[data-testid=web-signin]');
	await passWaf(caller, 'alice');
	await until(async () => (await caller.state()).registration === 'registered', { what: 'registration' });
	const log = await caller.log();
	assert.ok(log.includes('bad: registration failed: 401'), log.join('\n'));
	assert.ok(log.includes('info: sign-in renewed'), log.join('\n'));
	assert.equal((await caller.state()).error, null);
	assert.equal((await env.core.contacts('alice')).length, 1);
	await signOut(caller);
});

test('a WAF that is away when the token is due is told, asked again, and the sentence goes', async (env) => {
	const caller = await open(env);
	const token = `${env.waf.issuer}/token`;

	await signInWeb(caller);
	await caller.page.route(token, (route) => route.abort());
	await until(async () => /Sign-in service not reached/.test(await shown(caller)), { ms: TOKEN_S * SECOND, what: 'a sentence on the page' });
	assert.equal((await caller.state()).registration, 'registered', 'the token at hand is still good');
	await caller.page.unroute(token);
	await until(async () => (await caller.state()).error === null, { what: 'the sentence to go' });
	assert.ok((await caller.log()).includes('info: sign-in renewed'));
	await signOut(caller);
});

test('an expired token is said in a sentence; signing in again helps', async (env) => {
	const caller = await open(env);
	const { access_token, expires_in } = await env.brief.signIn('alice');

	assert.equal(expires_in, 1);
	await until(() => JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url')).exp < Date.now() / 1000, { what: 'its end' });
	assert.match(await registerWith(caller, env.gw, access_token), /Sign-in expired[\s\S]*\(401\)[\s\S]*Sign in again/);
	await click(caller, 'notice-action');
	await passWaf(caller, 'alice');
	await registered(caller);
	assert.equal((await caller.state()).error, null);
	await signOut(caller);
});

test('a forged, a foreign and somebody else\'s token are each said in a sentence of their own [TOK-13]', async (env) => {
	const caller = await open(env);
	const good = (await env.waf.signIn('bob')).access_token;

	assert.match(await registerWith(caller, env.gw, spoil(good), 'bob'), /Sign-in not valid[\s\S]*\(401\)[\s\S]*damaged or forged/);
	assert.match(await registerWith(caller, env.gw, (await env.foreign.signIn('alice')).access_token),
		/Sign-in not accepted here[\s\S]*\(401\)[\s\S]*does not know the service/);
	assert.match(await registerWith(caller, env.gw, good, 'alice'), /Not your number[\s\S]*\(403\)[\s\S]*as its owner/);
	assert.equal(await caller.page.locator('[data-testid=notice-action]').innerText(), 'Sign in again');
	assert.deepEqual(await env.core.contacts('alice'), []);
});

test('a WAF that is down is not taken for a bad token', async (env) => {
	const caller = await open(env);

	assert.match(await registerWith(caller, env.gw, env.orphan), /cannot be checked[\s\S]*\(503\)[\s\S]*in a moment/);
	assert.equal(await caller.page.locator('[data-testid=notice-action]').innerText(), 'Try again');
});

test('the WAF rotates its key: old and new tokens are good', async (env) => {
	const [caller, other] = [await open(env), await open(env)];

	await signInWeb(caller);
	await env.waf.rotate();
	await signInWeb(other, 'bob');
	assert.equal((await caller.state()).registration, 'registered');
	await signOut(caller);
	await signOut(other);
});

test('SIP password and web identity are the same user to the core, one after the other', async (env) => {
	const caller = await open(env);

	await signInWeb(caller);
	await signOut(caller);
	await caller.page.fill('[data-testid=user]', 'alice');
	await caller.page.fill('[data-testid=password]', 'alice');
	await caller.register();
	assert.equal((await env.core.contacts('alice')).length, 1);
	await caller.signOut();
});

test('only the eP-CSCF is the core\'s trusted node: the same REGISTER from elsewhere is 403', async (env) => {
	const sock = dgram.createSocket('udp4');
	const answer = new Promise((resolve) => sock.once('message', (m) => resolve(SipMessage.parse(m.toString()))));

	await new Promise((resolve) => sock.bind(0, '127.0.0.9', resolve));
	const me = `127.0.0.9:${sock.address().port}`;
	sock.send(['REGISTER sip:ims.test SIP/2.0', `Via: SIP/2.0/UDP ${me};branch=z9hG4bK1`, 'From: <sip:alice@ims.test>;tag=1',
		'To: <sip:alice@ims.test>', 'Call-ID: elsewhere', 'CSeq: 1 REGISTER', 'Max-Forwards: 70', `Contact: <sip:alice@${me}>`,
		'Authorization: Digest username="alice.wic@ims.test",realm="ims.test",uri="sip:ims.test",nonce="",response="",integrity-protected="auth-done"',
		'Content-Length: 0', '', ''].join('\r\n'), env.core.port, '127.0.0.1');
	assert.equal((await within(answer, 5 * SECOND, 'an answer')).status, 403);
	sock.close();
	assert.deepEqual(await env.core.contacts('alice'), []);
});

test.end();
