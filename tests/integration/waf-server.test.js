// SPDX-License-Identifier: Apache-2.0
//
// The WAF of deploy/waf by itself, as a browser and as an eP-CSCF see it: what it issues, what it
// refuses, and whose a pool identity is. What the gateway does with its tokens is tested elsewhere.
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Rate, network } from '../../deploy/waf/src/limits.js';
import { Pool } from '../../deploy/waf/src/pool.js';
import { port } from '../lib/ports.js';
import { until } from '../lib/wait.js';
import { AUDIENCE, CLIENT, WafServer, readJwt } from '../lib/waf-server.js';

const REDIRECT = 'https://page.example/phone';
let dir;
let waf;
const others = [];

const start = async (name, conf) => {
	const one = await WafServer.start({ port: await port(), dir: join(dir, name), redirect: REDIRECT, conf });

	others.push(one);
	return one;
};

before(async () => {
	dir = mkdtempSync(join(tmpdir(), 'wicgate-waf-'));
	waf = await start('main', { limits: { failures: 3, window_s: 60, guests_per_window: 100 }, pool: { size: 3, per_address: 3, rest: false } });
});
after(async () => {
	await Promise.all(others.map((w) => w.stop()));
	rmSync(dir, { recursive: true, force: true });
});

/** The signature is that of a published key. */
async function signed(token, issuer = waf) {
	const [head, payload, signature] = token.split('.');
	const { header } = readJwt(token);
	const jwk = (await issuer.jwks()).find((k) => k.kid === header.kid);

	assert.ok(jwk, `key ${header.kid} is published`);
	assert.equal(jwk.d, undefined, 'the private part is not');
	return verify('sha256', Buffer.from(`${head}.${payload}`), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
		Buffer.from(signature, 'base64url'));
}

test('a user gets an access token after RFC 9068 with the IMS identities, by code and PKCE', async () => {
	const tokens = await waf.signIn('alice');
	const { header, payload } = readJwt(tokens.access_token);

	assert.equal(tokens.status, 200);
	assert.equal(tokens.token_type, 'Bearer');
	assert.equal(tokens.location.searchParams.get('state'), tokens.flow.state);
	assert.equal(tokens.location.searchParams.get('iss'), waf.issuer);
	assert.equal(header.typ, 'at+jwt');
	assert.equal(header.alg, 'ES256');
	assert.equal(payload.iss, waf.issuer);
	assert.equal(payload.aud, AUDIENCE);
	assert.equal(payload.client_id, CLIENT);
	assert.equal(payload.scope, 'ims.register');
	assert.equal(payload.ims_impi, 'alice.wic@ims.test');
	assert.deepEqual(payload.ims_impus, ['sip:alice@ims.test', 'tel:+15550101']);
	assert.equal(payload.ims_pool, false);
	assert.equal(payload.exp - payload.iat, 600);
	assert.ok(payload.jti);
	assert.equal(await signed(tokens.access_token), true);
	const id = readJwt(tokens.id_token);
	assert.equal(id.payload.nonce, tokens.flow.nonce);
	assert.notEqual(id.header.typ, 'at+jwt');
	assert.deepEqual(id.payload.ims_impus, payload.ims_impus);
});

for (const [what, query] of [['PKCE', { code_challenge: undefined, code_challenge_method: undefined }],
	['the S256 method', { code_challenge_method: 'plain' }], ['state', { state: undefined }], ['nonce', { nonce: undefined }],
	['the code flow', { response_type: 'token' }], ['a known resource', { resource: 'https://elsewhere.example' }]]) {
	test(`no sign-in without ${what}`, async () => {
		const { uid, response } = await waf.begin({ query });

		assert.equal(uid, undefined, 'no sign-in page');
		assert.ok(response.location?.href.startsWith(REDIRECT) || response.status === 400, String(response.status));
		assert.match(response.location?.href ?? response.text, /error|not possible/);
	});
}

for (const redirect_uri of ['https://page.example/phone/', 'https://page.example/phone?next=x', 'https://page.example/Phone',
	'https://page.example.evil.example/phone', 'https://evil.example/', 'javascript:alert(1)', undefined]) {
	test(`redirect URI ${redirect_uri} is refused on a page of our own, not followed`, async () => {
		const { response, uid } = await waf.begin({ query: { redirect_uri } });

		assert.equal(uid, undefined);
		assert.equal(response.status, 400);
		assert.equal(response.location, null);
		assert.match(response.text, /redirect_uri/);
	});
}

test('an unknown client is refused', async () => {
	const { response } = await waf.begin({ query: { client_id: 'other' } });

	assert.equal(response.status, 400);
	assert.equal(response.location, null);
});

test('a code is good once, with its verifier, for its redirect URI', async () => {
	const flow = await waf.begin();
	const { location } = await waf.submit(flow, 'login', { login: 'bob', password: 'bob-web' });

	assert.equal((await waf.exchange(flow, location, { code_verifier: 'x'.repeat(43) })).error, 'invalid_grant');
	assert.equal((await waf.exchange(flow, location, { redirect_uri: 'https://evil.example/' })).error, 'invalid_grant');
	const first = await waf.exchange(flow, location);
	assert.equal(first.status, 200);
	assert.equal((await waf.exchange(flow, location)).error, 'invalid_grant');
	// Who shows a code twice may have stolen it: what it gave is withdrawn.
	assert.equal((await waf.refresh(first.refresh_token)).error, 'invalid_grant');
});

test('a refresh token gives a new access token of the same user, and is good once', async () => {
	const first = await waf.signIn('carol');
	const second = await waf.refresh(first.refresh_token);

	assert.equal(second.status, 200);
	const [a, b] = [first, second].map((t) => readJwt(t.access_token).payload);
	assert.equal(b.ims_impi, a.ims_impi);
	assert.notEqual(b.jti, a.jti);
	assert.equal(await signed(second.access_token), true);
	assert.equal((await waf.refresh(first.refresh_token)).error, 'invalid_grant');
	assert.equal((await waf.refresh(second.refresh_token)).error, 'invalid_grant', 'reuse ends the whole chain');
});

test('revocation ends the refresh token', async () => {
	const { refresh_token } = await waf.signIn('alice');

	assert.equal((await waf.revoke(refresh_token)).status, 200);
	assert.equal((await waf.refresh(refresh_token)).error, 'invalid_grant');
});

test('a page is asked for each sign-in: an earlier one of the same browser counts for nothing', async () => {
	const first = await waf.signIn('alice');
	const again = await waf.begin();

	again.jar = new Map([...first.flow.jar, ...again.jar]);
	const { location } = await waf.submit(again, 'login', { login: 'bob', password: 'bob-web' });
	assert.equal(readJwt((await waf.exchange(again, location)).access_token).payload.ims_impi, 'bob.wic@ims.test');
});

test('opaque tokens: introspected by the eP-CSCF alone, inactive once revoked', async () => {
	const opaque = await start('opaque', { token: { format: 'opaque', ttl_s: 60 } });
	const { access_token, refresh_token } = await opaque.signIn('alice');
	const facts = await opaque.introspect(access_token);

	assert.equal(facts.active, true);
	assert.equal(facts.iss, opaque.issuer);
	assert.equal(facts.aud, AUDIENCE);
	assert.equal(facts.client_id, CLIENT);
	assert.equal(facts.scope, 'ims.register');
	assert.equal(facts.ims_impi, 'alice.wic@ims.test');
	assert.deepEqual(facts.ims_impus, ['sip:alice@ims.test', 'tel:+15550101']);
	assert.equal((await opaque.introspect('nonsense')).active, false);
	assert.equal((await opaque.introspect(access_token, {})).error, 'invalid_request');
	assert.equal((await opaque.introspect(access_token, { Authorization: `Basic ${Buffer.from('epcscf:wrong').toString('base64')}` })).status, 401);
	await opaque.revoke(refresh_token);
	assert.deepEqual(await opaque.introspect(access_token), { status: 200, active: false });
});

test('rotation: the key that signs was published before, tokens of the old one still verify, a restart keeps both', async () => {
	const rotating = await start('rotating');
	const old = (await rotating.signIn('alice')).access_token;

	const before = (await rotating.jwks()).map((k) => k.kid);
	await rotating.rotate();
	const fresh = (await rotating.signIn('alice')).access_token;
	assert.notEqual(readJwt(fresh).header.kid, readJwt(old).header.kid);
	assert.ok(before.includes(readJwt(fresh).header.kid));
	assert.equal(await signed(old, rotating), true);
	assert.equal(await signed(fresh, rotating), true);
	await rotating.stop();
	await rotating.run();
	assert.equal(await signed(old, rotating), true);
	assert.equal(readJwt((await rotating.signIn('bob')).access_token).header.kid, readJwt(fresh).header.kid);
	assert.equal(statSync(join(rotating.dir, 'state/keys.json')).mode & 0o777, 0o600);
});

test('too many wrong passwords: the right one has to wait as well; an unknown login is told nothing else', async () => {
	const guarded = await start('guarded', { limits: { failures: 3, window_s: 60 } });
	const flow = await guarded.begin();
	const attempt = async (login, password) => guarded.submit(flow, 'login', { login, password });

	const [unknown, wrong] = [await attempt('nobody', 'x'), await attempt('alice', 'x')];
	assert.equal(unknown.status, 401);
	assert.equal(wrong.status, 401);
	assert.equal(/data-testid="waf-problem">([^<]*)</.exec(unknown.text)[1], /data-testid="waf-problem">([^<]*)</.exec(wrong.text)[1]);
	await attempt('alice', 'y');
	const blocked = await attempt('alice', 'alice-web');
	assert.equal(blocked.status, 429);
	assert.ok(Number(blocked.headers['retry-after']) > 0);
	assert.equal(blocked.location, null);
	assert.doesNotMatch(guarded.process.output, /alice-web/);
});

test('wrong passwords from elsewhere keep nobody out; but while they come, one guess is all that an address has', async () => {
	const guarded = await start('elsewhere', { limits: { failures: 3, window_s: 60 } });
	const attempt = async (from, password) => guarded.submit(await guarded.begin({ from }), 'login', { login: 'alice', password });

	for (const from of ['127.0.0.2', '127.0.0.2', '127.0.0.2', '127.0.0.3'])
		assert.equal((await attempt(from, 'x')).status, 401);
	assert.equal((await attempt('127.0.0.2', 'alice-web')).status, 429, 'the guesser');
	assert.equal((await attempt('127.0.0.3', 'alice-web')).status, 429, 'the other one had his guess');
	assert.ok((await attempt('127.0.0.4', 'alice-web')).location, 'alice herself');
});

test('signing in with an account of one\'s own buys no more guesses at another\'s', async () => {
	const guarded = await start('own-account', { limits: { failures: 3, window_s: 60 } });
	const attempt = async (login, password) => guarded.submit(await guarded.begin(), 'login', { login, password });

	for (let i = 0; i < 2; i++)
		assert.equal((await attempt('alice', 'x')).status, 401);
	assert.ok((await attempt('bob', 'bob-web')).location);
	assert.equal((await attempt('alice', 'y')).status, 401);
	assert.equal((await attempt('bob', 'bob-web')).status, 429);
});

test('sign-ins that found the WAF busy were no wrong passwords', async () => {
	const crowded = await start('crowded', { limits: { failures: 20, window_s: 60 } });
	const flows = await Promise.all(Array.from({ length: 16 }, () => crowded.begin()));
	const answers = await Promise.all(flows.map((flow) => crowded.submit(flow, 'login', { login: 'bob', password: 'x' })));
	const [wrong, busy] = [401, 503].map((status) => answers.filter((a) => a.status === status).length);

	assert.ok(busy > 0, 'some found it busy');
	assert.equal(wrong + busy, 16);
	const flow = await crowded.begin();
	for (let i = wrong; i < 20; i++)
		assert.equal((await crowded.submit(flow, 'login', { login: 'bob', password: 'x' })).status, 401, `wrong password ${i + 1}`);
	assert.equal((await crowded.submit(flow, 'login', { login: 'bob', password: 'bob-web' })).status, 429);
});

test('an IPv6 host is its /64', () => {
	for (const [address, name] of [['192.0.2.7', '192.0.2.7'], ['::ffff:192.0.2.7', '192.0.2.7'], ['::1', '0:0:0:0::/64'],
		['2001:db8:0:7::1', '2001:db8:0:7::/64'], ['2001:DB8::7:1:2:3:4', '2001:db8:0:7::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64']])
		assert.equal(network(address), name);
	assert.notEqual(network('2001:db8:0:7::1'), network('2001:db8:0:8::1'));
	const rate = new Rate({ max: 1, window_s: 60, now: () => 0 });
	rate.count(network('2001:db8::1'));
	assert.equal(rate.wait(network('2001:db8::ffff')), 60);
});

test('the page escapes what it is given, allows no script and no frame', async () => {
	const { page, response } = await waf.begin({ query: { login_hint: '"><script>alert(1)</script>' } });

	assert.doesNotMatch(page, /<script/);
	assert.match(page, /&quot;&gt;&lt;script/);
	const csp = response.headers['content-security-policy'];
	assert.match(csp, /default-src 'none'/);
	assert.match(csp, /frame-ancestors 'none'/);
});

test('a form without the browser\'s cookie is refused', async () => {
	const flow = await waf.begin();

	flow.jar.clear();
	const res = await waf.submit(flow, 'login', { login: 'alice', password: 'alice-web' });
	assert.equal(res.status, 400);
	assert.equal(res.location, null);
});

test('cancelling goes back with access_denied', async () => {
	const flow = await waf.begin();
	const { location } = await waf.submit(flow, 'abort');

	assert.equal(location.searchParams.get('error'), 'access_denied');
	assert.equal(location.searchParams.get('state'), flow.state);
});

test('only a client\'s own origin may read the token endpoint', async () => {
	const asked = async (origin) => (await waf.post('/token', { grant_type: 'refresh_token', client_id: CLIENT,
		refresh_token: 'x' }, { Origin: origin })).headers['access-control-allow-origin'];

	assert.equal(await asked('https://page.example'), 'https://page.example');
	assert.equal(await asked('https://evil.example'), undefined);
});

test('pool: each guest has an identity of its own until the eP-CSCF reports it free', async () => {
	const guests = [await waf.guest(), await waf.guest(), await waf.guest()].map((g) => readJwt(g.access_token).payload);

	assert.equal(new Set(guests.map((g) => g.ims_impi)).size, 3);
	assert.equal(new Set(guests.map((g) => g.ims_impus[0])).size, 3);
	assert.ok(guests.every((g) => g.ims_pool === true && /^sip:guest-\d{4}@ims\.test$/.test(g.ims_impus[0])));
	const full = await waf.begin({ view: 'guest' });
	assert.equal((await waf.submit(full, 'guest')).status, 503);

	const [{ ims_impus: [impu], ims_impi: impi }] = guests;
	const notice = { impu, impi, reason: 'deregistered', at: Math.ceil(Date.now() / 1000) };
	assert.equal((await waf.released(notice, {})).status, 401);
	assert.equal((await waf.released({ ...notice, impi: 'other@ims.test' })).result, 'unknown');
	assert.deepEqual(await waf.pool(), { free: 0, lent: 3 });
	assert.equal((await waf.released(notice)).result, 'released');
	assert.equal((await waf.released(notice)).result, 'free', 'said twice, no harm');
	const next = await waf.guest();
	assert.equal(readJwt(next.access_token).payload.ims_impi, impi);
	// The same word again, late: it is about the lease before.
	assert.equal((await waf.released({ ...notice, at: notice.at - 60 })).result, 'newer');
	assert.deepEqual(await waf.pool(), { free: 0, lent: 3 });
});

/** A pool of one with a clock of the test's own. */
function poolOfOne(more = {}) {
	const clock = { s: 1000 };
	const state = { load: () => undefined, save: () => {} };
	const pool = new Pool({ domain: 'ims.test', prefix: 'guest-', size: 1, grace_s: 60, per_address: 5, state, now: () => clock.s, ...more });

	return { clock, pool, take: () => pool.take({ address: '192.0.2.1', hold_s: 60 }) };
}

test('pool: an identity whose JWT is still good is not lent, whatever the eP-CSCF says', async () => {
	const { clock, pool, take } = poolOfOne();
	const lease = take();
	const { impu, impi } = lease;

	pool.extend(lease, clock.s + 600);
	clock.s += 100;
	assert.equal(pool.release({ impu, impi, at: clock.s, key: 'k1' }), 'released');
	assert.equal(pool.find(lease.id), undefined, 'the guest is no more');
	assert.equal(take(), null);
	assert.equal(pool.release({ impu, impi, at: clock.s, key: 'k2' }), 'free');
	clock.s = 1000 + 600 + 59;
	assert.equal(take(), null);
	clock.s += 1;
	assert.equal(take()?.impu, impu);

	const real = await start('resting', { pool: { size: 1, grace_s: 1 }, token: { ttl_s: 3 } });
	const { access_token, refresh_token } = await real.guest();
	const { ims_impus: [own], exp } = readJwt(access_token).payload;
	assert.equal((await real.released({ impu: own, at: Math.ceil(Date.now() / 1000) })).result, 'released');
	assert.equal((await real.refresh(refresh_token)).error, 'invalid_grant');
	const { free } = await real.pool();
	assert.ok(free === 0 || Date.now() / 1000 > exp);
	await until(async () => (await real.pool()).free === 1, { what: 'the end of the token' });
	assert.ok(Date.now() / 1000 >= exp, 'not before');
});

test('pool: opaque tokens end with the lease, so that its identity is free at once', async () => {
	const opaque = await start('opaque-pool', { pool: { size: 1 }, token: { format: 'opaque' } });
	const { access_token, refresh_token } = await opaque.guest();
	const { ims_impus: [impu] } = await opaque.introspect(access_token);

	assert.equal((await opaque.released({ impu, at: Math.ceil(Date.now() / 1000) })).result, 'released');
	assert.deepEqual(await opaque.introspect(access_token), { status: 200, active: false });
	assert.equal((await opaque.refresh(refresh_token)).error, 'invalid_grant');
	assert.deepEqual(await opaque.pool(), { free: 1, lent: 0 });
	assert.ok((await opaque.guest()).access_token);
});

test('pool: a notice that is repeated, or of the same second, does not end the next lease', async () => {
	const { clock, pool, take } = poolOfOne({ rest: false });
	const { impu, impi } = take();
	const notice = { impu, impi, at: 1000.2 };

	clock.s = 1000.4;
	assert.equal(pool.release({ ...notice, key: 'k1' }), 'released');
	const next = take();
	assert.equal(pool.release({ ...notice, key: 'k2' }), 'newer');
	assert.equal(pool.release({ ...notice, at: 1001, key: 'k1' }), 'repeated');
	assert.equal(pool.find(next.id), next);
	clock.s = 1002;
	assert.equal(pool.release({ ...notice, at: 1001.5, key: 'k3' }), 'released');

	const real = await start('repeated', { pool: { size: 1, rest: false } });
	const own = readJwt((await real.guest()).access_token).payload.ims_impus[0];
	const again = { id: 'n-1', impu: own, at: Date.now() / 1000 + 60 };
	const headers = { ...real.basic, 'Idempotency-Key': 'n-1' };
	assert.equal((await real.released(again, headers)).result, 'released');
	await real.guest();
	assert.equal((await real.released(again, headers)).result, 'repeated');
	assert.deepEqual(await real.pool(), { free: 0, lent: 1 });
});

test('pool: a lease ends by itself after its last token, the guest is no more; a restart keeps live ones', async () => {
	const brief = await start('brief', { token: { ttl_s: 2 }, pool: { size: 1, grace_s: 1 } });
	const first = await brief.guest();
	const again = await brief.refresh(first.refresh_token);

	assert.equal(again.status, 200);
	assert.equal(readJwt(again.access_token).payload.ims_impi, readJwt(first.access_token).payload.ims_impi);
	await brief.stop();
	await brief.run();
	assert.deepEqual(await brief.pool(), { free: 0, lent: 1 });
	await until(async () => (await brief.pool()).free === 1, { what: 'the end of the lease' });
	assert.equal((await brief.refresh(again.refresh_token)).error, 'invalid_grant');
});

test('pool: one address holds so many and no more', async () => {
	const few = await start('few', { pool: { size: 5, per_address: 1 } });

	await few.guest();
	const second = await few.begin({ view: 'guest' });
	assert.equal((await few.submit(second, 'guest')).status, 503);
	assert.deepEqual(await few.pool(), { free: 4, lent: 1 });
});

test('input of no sense is refused by name, and the WAF goes on', async () => {
	const flow = await waf.begin();
	const action = `/interaction/${flow.uid}/login`;
	const Cookie = [...flow.jar].map(([k, v]) => `${k}=${v}`).join('; ');
	const json = (body, headers = {}) => waf.ask('/impu-released', { method: 'POST', body, headers: { ...waf.basic, ...headers } });

	assert.equal((await waf.ask(action, { method: 'POST', body: 'x'.repeat(9000), headers: { Cookie, 'Content-Type': 'application/x-www-form-urlencoded' } })).status, 413);
	assert.equal((await waf.ask(action, { method: 'POST', body: '{}', headers: { Cookie, 'Content-Type': 'application/json' } })).status, 415);
	assert.equal((await waf.ask(action, { headers: { Cookie } })).status, 405);
	assert.equal((await waf.ask('/interaction/other/login', { method: 'POST', headers: { Cookie } })).status, 400);
	for (const body of ['', 'null', '[]', '{"impu":1,"at":1}', '{"impu":"sip:a@b"}', '{"impu":"sip:a@b","at":"soon"}', '{'])
		assert.equal((await json(body)).status, 400, body);
	assert.equal((await json('x'.repeat(9000))).status, 413);
	assert.equal((await json('{"impu":"__proto__","at":1}')).status, 404);
	assert.equal((await waf.ask('/impu-released')).status, 405);
	assert.equal((await waf.ask('/no/such/thing')).status, 404);
	assert.equal((await waf.ask('/session/end')).status, 404);
	assert.equal((await waf.ask('/healthz')).status, 200);
});

test('who guesses at the secret of the release notices is slowed down', async () => {
	const guessed = await start('guessed', { limits: { failures: 3, window_s: 60 } });
	const notice = { impu: 'sip:guest-0001@ims.test', at: 1 };

	for (let i = 0; i < 3; i++)
		assert.equal((await guessed.released(notice, { Authorization: 'Bearer wrong' })).status, 401);
	assert.equal((await guessed.released(notice)).status, 429);
});

test('nothing secret is in the log', () => {
	for (const one of others) {
		assert.doesNotMatch(one.process.output, new RegExp(`${one.secret}|-web|eyJ`));
		assert.ok(readFileSync(join(one.dir, 'epcscf.secret'), 'utf8').includes(one.secret));
	}
});
