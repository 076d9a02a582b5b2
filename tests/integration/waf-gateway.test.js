// SPDX-License-Identifier: Apache-2.0
//
// The real WAF and the gateway together without a browser: opaque tokens by introspection, their
// revocation, and a guest whose connection breaks. Core: Kamailio as S-CSCF with a trusted node.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { port } from '../lib/ports.js';
import { suite } from '../lib/suite.js';
import { WafServer } from '../lib/waf-server.js';
import { until } from '../lib/wait.js';

const gateway = { cscf: { auth: { fail_close_delay: '1s' }, dereg: { close_delay: '200ms' }, flow: { lost_dereg_pool: '1s' } } };
const test = suite({ gateway, coreOptions: ['--trusted', '127.0.0.1', '--min-expires', '1'], extra });

async function extra(env) {
	env.waf = await WafServer.start({ port: await port(), dir: join(env.dir, 'waf'), conf: { token: { format: 'opaque', ttl_s: 300 }, pool: { size: 1 } } });
	const { issuer, conf, secret } = env.waf;

	// A few idle connections to a WAF are kept for the next question.
	gateway.links = [env.waf.port];
	gateway.cscf.token = { cache_ttl: '0s', negative_ttl: '0s', issuers: [{ issuer, introspection_url: `${issuer}/token/introspection`,
		client_id: 'epcscf', client_secret: secret, audience: conf.audience }] };
	gateway.cscf.pool = { release_url: `${issuer}/impu-released`, release_token: secret };
	return [env.waf];
}

const registerBy = (wic, token, options = {}) => wic.request(wic.registerMsg({ ...options, auth: `Bearer ${token}` }));

test('an opaque token registers by introspection, and no more once the user has signed out', async (env) => {
	const { access_token, refresh_token } = await env.waf.signIn('alice');
	const wic = await env.client('alice');

	assert.equal(access_token.split('.').length, 1, 'no JWT');
	assert.equal((await registerBy(wic, access_token)).status, 200);
	assert.equal((await env.core.contacts('alice')).length, 1);
	assert.equal((await registerBy(wic, access_token)).status, 200);
	const renewed = await env.waf.refresh(refresh_token);
	assert.equal((await registerBy(wic, renewed.access_token)).status, 200);
	assert.equal((await registerBy(wic, renewed.access_token, { expires: 0 })).status, 200);
	await env.waf.revoke(renewed.refresh_token);
	const late = await env.client('alice');
	const refused = await registerBy(late, renewed.access_token);
	assert.equal(refused.status, 401);
	assert.match(refused.get('WWW-Authenticate'), /^Bearer .*error="invalid_token"/);
	assert.deepEqual(await env.core.contacts('alice'), []);
});

test('a guest whose connection breaks is deregistered by the trusted node; only then is the number free [DEREG-31, DEREG-41]', async (env) => {
	const { access_token } = await env.waf.guest();
	const { ims_impus: [impu] } = await env.waf.introspect(access_token);
	const user = /^sip:(.*)@/.exec(impu)[1];
	const wic = await env.client(user);
	const states = [];

	assert.equal((await registerBy(wic, access_token)).status, 200);
	wic.ws.terminate();
	await until(async () => {
		// Asked in this order, a number that is free while the core still has the contact is seen.
		const { free } = await env.waf.pool();
		const contacts = (await env.core.contacts(user)).length;

		states.push(`${free}${contacts}`);
		return free === 1;
	}, { what: 'the number to come free' });
	assert.equal(states[0], '01', 'held at first');
	assert.equal(states.at(-1), '10');
	assert.ok(!states.includes('11'), states.join(' '));
	await env.waf.process.line((l) => l.includes('waf.impu_released') && l.includes(user) && l.includes('released'));
});

test.end();
