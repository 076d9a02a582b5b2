// SPDX-License-Identifier: Apache-2.0
//
// What the eP-CSCF asks of the WAF and how often: key rotation, floods, introspection, tokens
// that were taken back. The WAF is scripted and counts; the core is scripted.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { suite } from '../lib/suite.js';
import { exchange, refusedLocally } from '../lib/register.js';
import { assertNoToken, bearer, introspected, keep, leaveBy, registerBy, tokenWic, withWaf } from '../lib/webtoken.js';
import { until } from '../lib/wait.js';

const INTERVAL = 400;
const gateway = { cscf: { token: { jwks_min_refetch: `${INTERVAL}ms` }, dereg: { close_delay: '300ms' } } };
const test = suite({ scripted: true, gateway, extra: withWaf(gateway, introspected) });

/** The next fetch of keys is allowed again: that is what the interval is about. */
const intervalOver = async (waf) => {
	const seen = waf.counts.jwks;
	const from = Date.now();

	await until(() => waf.counts.jwks !== seen || Date.now() - from > INTERVAL + 100, { what: 'the interval' });
};

test('a flood of unknown kids asks the WAF once per interval, each token is 401 [TOK-06]', async (env) => {
	const { waf, client } = env;
	const { wic } = await tokenWic(env, 'alice'); // the keys are here now
	const eve = await client('eve');

	await intervalOver(waf);
	const before = waf.counts.jwks;
	const from = Date.now();
	for (let i = 0; i < 30; i++) {
		const res = await refusedLocally(env, eve, { auth: bearer(waf.mint({ user: 'eve' }, { header: { kid: randomUUID() } })) });

		assert.equal(res.status, 401);
		assert.match(res.get('WWW-Authenticate'), /^Bearer .*error="invalid_token"/);
	}
	const intervals = Math.floor((Date.now() - from) / INTERVAL) + 1;
	assert.ok(waf.counts.jwks - before >= 1 && waf.counts.jwks - before <= intervals,
		`${waf.counts.jwks - before} fetches in ${intervals} intervals`);
	await leaveBy(env, wic);
});

test('a new signing key is fetched when its first token comes, the old one is no longer good [TOK-06]', async (env) => {
	const { waf } = env;
	const old = await tokenWic(env, 'alice');
	const oldKey = waf.keys[0];

	waf.rotate();
	await intervalOver(waf);
	const before = waf.counts.jwks;
	const { wic } = await tokenWic(env, 'bob');
	assert.equal(waf.counts.jwks, before + 1);
	const res = await refusedLocally(env, wic, { auth: bearer(waf.mint({ user: 'bob' }, { key: oldKey })) });
	assert.equal(res.status, 401);
	keep(old.wic, waf.mint({ user: 'alice' }));
	await leaveBy(env, old.wic);
	await leaveBy(env, wic);
});

test('introspection is asked once per token and counts only when active and for us [TOK-25, TOK-26]', async (env) => {
	const { waf, client } = env;
	const alice = await client('alice');
	const token = waf.mintOpaque({ user: 'alice' });
	const before = waf.counts.introspect;

	for (let i = 0; i < 3; i++)
		assert.equal((await registerBy(env, alice, token)).res.status, 200);
	assert.equal(waf.counts.introspect, before + 1);
	const asked = waf.requests.all().findLast((r) => r.endpoint === 'introspect');
	assert.equal(asked.method, 'POST');
	assert.equal(asked.form.get('token'), token);
	assert.match(asked.headers.authorization, /^Basic /);
	await leaveBy(env, alice);

	const eve = await client('eve');
	const dead = waf.mintOpaque({ user: 'eve' });
	waf.revoke(dead);
	for (const bad of [dead, waf.mintOpaque({ user: 'eve', aud: 'other' }), waf.mintOpaque({ user: 'eve', iss: 'https://x' })]) {
		const res = await refusedLocally(env, eve, { auth: bearer(bad) });

		assert.equal(res.status, 401);
		assert.match(res.get('WWW-Authenticate'), /error="invalid_token"/);
	}
});

test('a token that is taken back is refused from then on, its association blocked [TOK-29]', async (env) => {
	const { gw, waf } = env;
	const jti = randomUUID();
	const { wic, token } = await tokenWic(env, 'alice', { claims: { jti } });

	assert.deepEqual(await gw.cscf.ctl('token revoke', jti), { done: 'ok' });
	const res = await refusedLocally(env, wic, { auth: bearer(token) });
	assert.equal(res.status, 403);
	assert.match(res.start, /Token Revoked/);
	const message = await wic.request(wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' }));
	assert.equal(message.status, 403);
	// Another token of the same user lifts it.
	const fresh = await exchange(env, wic, { auth: bearer(waf.mint({ user: 'alice' })) });
	assert.equal(fresh.res.status, 200);
	await leaveBy(env, wic, waf.mint({ user: 'alice' }));
	await assert.rejects(gw.cscf.ctl('token revoke'), /needs a jti/);
});

test('token show tells keys, ages and errors, and neither token nor secret [SEC-10]', async (env) => {
	const { gw, waf } = env;
	const { wic, token } = await tokenWic(env, 'alice');
	const facts = await gw.cscf.ctl('token show');
	const [issuer] = facts.issuers;

	assert.equal(issuer.issuer, waf.issuer);
	assert.deepEqual(issuer.keys.map((k) => k.kid), waf.keys.map((k) => k.kid));
	assert.ok(issuer.keys_age_s >= 0 && issuer.fetches >= 1);
	assert.equal(issuer.last_error, '');
	assert.ok(facts.cached_tokens >= 1);
	assertNoToken(JSON.stringify(facts), [token], 'token show');
	assert.ok(!JSON.stringify(facts).includes(waf.clientSecret));
	await leaveBy(env, wic);
});

test.end();
