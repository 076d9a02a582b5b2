// SPDX-License-Identifier: Apache-2.0
//
// The operator's say about web tokens: which scheme a domain takes, tokens in every request, what
// becomes of a registration whose token is over, one connection per token, third-party WAFs, and
// a WAF that is down from the start.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from '../lib/suite.js';
import { count } from '../lib/gateway.js';
import { port } from '../lib/ports.js';
import { exchange, protectedBy, records, refusedLocally, credentials } from '../lib/register.js';
import { assertNoToken, bearer, registerBy, tokenWic } from '../lib/webtoken.js';
import { Waf } from '../lib/waf.js';
import { SECOND, until } from '../lib/wait.js';

const gateway = {};
const test = suite({ scripted: true, gateway, extra: async (env) => {
	const make = async (name, issuer) => Waf.start({ port: await port(), dir: join(env.dir, name), name, ...issuer });

	env.waf = await make('waf');
	env.partner = await make('partner', { issuer: 'https://waf.partner.test' });
	env.barred = await make('barred', { issuer: 'https://waf.barred.test' });
	env.absent = await make('absent', { issuer: 'https://waf.absent.test' });
	await env.absent.down();
	// One CA file for all: each WAF has a CA of its own.
	const ca = join(env.dir, 'cas.pem');
	writeFileSync(ca, [env.waf, env.partner, env.barred, env.absent].map((w) => readFileSync(w.ca)).join(''));
	const third = (name) => ({ domain: 'third-party', entity_name: name, impu_allow: ['sip:p-*@ims.test'] });
	gateway.cscf = { auth: { schemes: ['digest', 'bearer', 'aka.test=aka', 'web.test=bearer'], default_scheme: 'bearer' },
		home: { domains: ['ims.test', 'aka.test', 'web.test'] },
		token: { issuers: [env.waf.issuerConf(), env.partner.issuerConf({ ...third('waf.partner.test'), entity_value: 'both' }),
			env.barred.issuerConf(third('waf.barred.test')), env.absent.issuerConf()],
		tls_ca: ca, on_requests: 'require', lifetime_policy: 'terminate', clock_skew: '1s', single_connection: true,
		barred_entities: ['waf.barred.test'], http_timeout: '1s', challenge_authz_server: 'https://waf.ims.test' },
		identity: { from_check: 'reject' }, charging: { send_cfa: true }, reg: { expiry_grace: '100ms' } };
	return [env.waf, env.partner, env.barred];
} });

const message = (wic, headers = []) => wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain', headers });
const CHALLENGE = 'Bearer realm="ims.test", authz_server="https://waf.ims.test", scope="ims.register"';
const plain = (text) => text.replace(/,\s*/g, ', ');

async function passes(env, wic, msg) {
	const [res] = await Promise.all([wic.request(msg), env.core.next(msg.method, { callId: msg.callId })
		.then((r) => r.reply(200, 'OK', { toTag: 'x' }))]);

	assert.equal(res.status, 200);
}

test('a REGISTER without credentials is challenged here, the core sees nothing [TOK-03, REG-16]', async (env) => {
	const alice = await env.client('alice');

	for (const headers of [[], [['Authorization', 'Basic YTpi']]]) {
		const res = await refusedLocally(env, alice, { headers });

		assert.equal(res.status, 401);
		assert.equal(plain(res.get('WWW-Authenticate')), CHALLENGE);
	}
	const digest = await exchange(env, alice, { auth: credentials(alice) }, (r) => env.core.challenge(r));
	assert.equal(digest.res.status, 401);
	assert.match(digest.res.get('WWW-Authenticate'), /^Digest /);
});

test('each domain takes the schemes its policy names [SEC-18, SEC-08, REG-16, TOK-13]', async (env) => {
	const { client, waf } = env;
	const ask = async (domain, options) => {
		const wic = await client('alice', { domain });

		return refusedLocally(env, wic, options(wic));
	};
	const md5 = (wic) => ({ auth: credentials(wic, { impi: `alice@${wic.domain}` }) });

	assert.equal((await ask('aka.test', md5)).status, 403, 'aka refuses MD5');
	assert.equal((await ask('aka.test', () => ({ auth: bearer(waf.mint()) }))).status, 403);
	assert.equal((await ask('web.test', md5)).status, 403);
	assert.equal((await ask('web.test', () => ({}))).status, 401);
	const v1 = (wic) => ({ auth: credentials(wic, { impi: `alice@${wic.domain}`, more: ', algorithm=AKAv1-MD5' }) });
	assert.equal((await ask('aka.test', v1)).status, 403, 'AKAv1 is refused by default');
	const aka = await client('alice', { domain: 'aka.test' });
	const { item } = await exchange(env, aka, { auth: credentials(aka, { impi: 'alice@aka.test',
		more: ', algorithm=AKAv2-SHA-256' }) }, (r) => env.core.challenge(r));
	assert.equal(protectedBy(item), 'tls-connected');
	const bare = await client('alice', { domain: 'aka.test' });
	assert.equal((await exchange(env, bare, {}, (r) => env.core.challenge(r))).item.msg.has('Authorization'), false);
	// Digest and Bearer together: the token counts where tokens are the default, or alone allowed.
	for (const domain of ['ims.test', 'web.test']) {
		const both = await client('alice', { domain });
		const impu = `sip:alice@${domain}`;
		const seen = await registerBy(env, both, waf.mint({ ims_impi: `alice.wic@${domain}`, ims_impus: [impu] }),
			{ headers: [['Authorization', credentials(both)]] });

		assert.equal(protectedBy(seen.item), 'auth-done');
		assert.equal(seen.item.msg.all('Authorization').length, 1);
		assert.match(seen.item.msg.get('Authorization'), new RegExp(`^Digest username="alice\\.wic@${domain}"`));
	}
});

test('every request needs a token where the operator says so [TOK-24]', async (env) => {
	const { waf, core } = env;
	const { wic, token } = await tokenWic(env);
	const without = message(wic);
	const res = await wic.request(without);

	assert.equal(res.status, 401);
	assert.equal(plain(res.get('WWW-Authenticate')), CHALLENGE);
	assert.equal(core.log.filter((i) => i.msg.callId === without.callId).length, 0);
	const invite = wic.invite('sip:bob@ims.test');
	assert.equal((await invite.response()).status, 401);
	await passes(env, wic, message(wic, [['Authorization', bearer(token)]]));
	await passes(env, wic, message(wic, [['Proxy-Authorization', bearer(token)]]));
	assert.equal((await wic.request(message(wic, [['Authorization', bearer(waf.mint({ aud: 'x' }))]]))).status, 401);
	const emergency = await wic.request(wic.message('INVITE', 'urn:service:sos', { body: 'v=0\r\n' }));
	assert.equal(emergency.status, 380);
	const digest = await env.client('bob');
	assert.equal((await exchange(env, digest, { auth: credentials(digest, { response: 'ab'.repeat(16) }) })).res.status, 200);
	await passes(env, digest, message(digest)); // no token was ever asked of a user of Digest
	digest.unregister = () => digest.request(digest.registerMsg({ expires: 0, auth: credentials(digest) }));
});

test('a From that is nobody of the connection is 403, an anonymous one is not [ID-18]', async (env) => {
	const { wic, token } = await tokenWic(env);
	const from = (uri) => message(wic, [['Authorization', bearer(token)]]).set('From', `<${uri}>;tag=f`);

	for (const uri of ['sip:bob@ims.test', 'sip:alice@evil.test', 'sip:anonymous@ims.test'])
		assert.equal((await wic.request(from(uri))).status, 403, uri);
	for (const uri of ['sip:alice@ims.test', 'sip:alice@IMS.test:5060', 'tel:+1-555-0101', 'sip:anonymous@anonymous.invalid'])
		await passes(env, wic, from(uri));
});

test('the charging addresses of the registration go with requests where the operator says so [ID-09]', async (env) => {
	const { wic, token } = await tokenWic(env);
	const auth = [['Authorization', bearer(token)]];
	const forged = message(wic, [...auth, ['P-Charging-Function-Addresses', 'ccf=evil']]);
	const call = wic.invite('sip:bob@ims.test', { headers: auth });
	const invite = await env.core.next('INVITE', { callId: call.callId });

	assert.equal(invite.msg.get('P-Charging-Function-Addresses'), 'ccf=192.0.2.60');
	invite.reply(486, 'Busy Here', { toTag: 'x', headers: [['P-Charging-Function-Addresses', 'ccf=192.0.2.60']] });
	assert.equal((await call.response()).has('P-Charging-Function-Addresses'), false);
	wic.send(forged);
	const item = await env.core.next('MESSAGE', { callId: forged.callId });
	item.reply(200, 'OK', { toTag: 'x' });
	assert.deepEqual(item.msg.all('P-Charging-Function-Addresses'), ['ccf=192.0.2.60']);
	await wic.response(forged);
});

test('under terminate the association is blocked when its token is over, until a new one comes [TOK-22]', async (env) => {
	const { waf, gw, core } = env;
	const short = waf.mint({ user: 'alice', exp: Math.floor(Date.now() / 1000) + 2 });
	const { wic, item } = await tokenWic(env, 'alice', { token: short, register: { expires: 6000 } });

	assert.match(item.msg.get('Contact'), /;expires=6000$/);
	await passes(env, wic, message(wic, [['Authorization', bearer(short)]]));
	const fresh = waf.mint({ user: 'alice' });
	await until(async () => {
		const msg = message(wic, [['Authorization', bearer(fresh)]]);
		const seen = core.next('MESSAGE', { callId: msg.callId, ms: 5 * SECOND }).then((r) => r.reply(200, 'OK', { toTag: 'x' }))
			.catch(() => {});
		const res = await wic.request(msg);

		if (res.status !== 401) {
			await seen;
			return false;
		}
		assert.match(res.get('WWW-Authenticate'), /error="invalid_token"/);
		return true;
	}, { ms: 10 * SECOND, every: 200, what: 'the block' });
	assert.equal((await records(gw, 'alice.wic@ims.test')).length, 1, 'the registration itself runs on');
	assert.equal((await registerBy(env, wic, fresh)).res.status, 200);
	await passes(env, wic, message(wic, [['Authorization', bearer(fresh)]]));
});

test('one live connection per token [TOK-33]', async (env) => {
	const { client, waf } = env;
	const { wic, token } = await tokenWic(env);
	const second = await client('alice');

	assert.equal((await refusedLocally(env, second, { auth: bearer(token) })).status, 403);
	const other = await client('alice');
	assert.equal((await registerBy(env, other, waf.mint({ user: 'alice' }))).res.status, 200);
	// The same instance on a new connection takes its registration along.
	const moved = await client('alice');
	Object.assign(moved, { instance: wic.instance, contactUri: wic.contactUri });
	assert.equal((await registerBy(env, moved, token)).res.status, 200);
	wic.gone = true;
});

test('a third-party WAF is named to the core, held to its range, and barred by name [TOK-17, TOK-18, TOK-32]', async (env) => {
	const { client, partner, barred, waf } = env;
	const claims = { ims_impi: 'p-1.wic@ims.test', ims_impus: ['sip:p-1@ims.test'], client_id: 'wwsf-p' };
	const user = await client('p-1');
	const { item, res } = await registerBy(env, user, partner.mint(claims));

	assert.equal(res.status, 200);
	assert.match(item.msg.get('Authorization'),
		/integrity-protected="auth-done",authorization-entity="waf\.partner\.test,wwsf-p"$/);
	const outside = await client('alice');
	assert.equal((await refusedLocally(env, outside, { auth: bearer(partner.mint({ user: 'alice' })) })).status, 403);
	const closed = await client('p-1');
	assert.equal((await refusedLocally(env, closed, { auth: bearer(barred.mint(claims)) })).status, 403);
	const own = await client('alice');
	const seen = await registerBy(env, own, waf.mint({ user: 'alice' }));
	assert.ok(!seen.item.raw.includes('authorization-entity'), 'our own WAF is not named');
});

test('a WAF that never was there is 503, one that went is not missed [TOK-27]', async (env) => {
	const { client, absent, waf, gw } = env;
	const cold = await client('alice');
	const res = await refusedLocally(env, cold, { auth: bearer(absent.mint({ user: 'alice' })) });

	assert.equal(res.status, 503);
	assert.match(res.get('Retry-After'), /^\d+$/);
	assert.equal(res.has('WWW-Authenticate'), false);
	await waf.down();
	try {
		const warm = await client('alice');

		assert.equal((await registerBy(env, warm, waf.mint({ user: 'alice' }))).res.status, 200);
	} finally {
		await waf.up();
	}
	assert.ok((await gw.cscf.metrics()).sum('cscf_register_tokens_total', { outcome: 'unavailable' }) >= 1);
	assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
});

test('each outcome of a token is counted [SEC-26]', async ({ gw, core }) => {
	const metrics = await gw.cscf.metrics();

	for (const outcome of ['good', 'denied', 'unavailable', 'in-use'])
		assert.ok(metrics.sum('cscf_register_tokens_total', { outcome }) > 0, outcome);
	assert.ok(metrics.sum('cscf_session_refused_total', { why: 'token' }) > 0);
	assert.ok(metrics.sum('cscf_session_refused_total', { why: 'from' }) > 0);
	assertNoToken(core.log.map((i) => i.raw).join('\n'), ['eyJ'], 'what the core got');
});

test.end();
