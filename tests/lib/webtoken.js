// SPDX-License-Identifier: Apache-2.0
//
// WICs that register by a web token of the scripted WAF (waf.js), and what their eP-CSCF said on
// Mw and in its log about it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { port } from './ports.js';
import { exchange } from './register.js';
import { Waf } from './waf.js';

export const bearer = (token) => `Bearer ${token}`;

/**
 * A scripted WAF for a suite: `extra` of suite(); `gateway` is the options object of the suite and
 * gets the token block with more(waf) in it.
 */
export const withWaf = (gateway, more = () => ({})) => async (env) => {
	env.waf = await Waf.start({ port: await port(), dir: join(env.dir, 'waf') });
	gateway.cscf = { ...gateway.cscf, token: env.waf.conf({ ...more(env.waf), ...gateway.cscf?.token }) };
	return [env.waf];
};

/** Register with a token; `act` is the core. The client deregisters with the same one at the end. */
export async function registerBy(env, wic, token, options = {}, act = (r) => env.core.accept(r)) {
	const seen = await exchange(env, wic, { auth: bearer(token), ...options }, act);

	if (seen.res.status === 200)
		keep(wic, token);
	return seen;
}

/** What a client says when the suite closes it. */
export function keep(wic, token) {
	wic.token = token;
	wic.unregister = () => wic.request(wic.registerMsg({ expires: 0, auth: bearer(wic.token) }));
}

/** A client registered by a fresh token of its user. */
export async function tokenWic(env, user = 'alice', { claims = {}, client = {}, token = env.waf.mint({ user, ...claims }),
	accept = {}, register = {} } = {}) {
	const wic = await env.client(user, client);
	const { res, item } = await registerBy(env, wic, token, register, (r) => env.core.accept(r, accept));

	assert.equal(res.status, 200);
	return { wic, token, item, res, path: item.msg.get('Path') };
}

/** Deregister; the core says yes. */
export async function leaveBy(env, wic, token = wic.token) {
	const seen = await exchange(env, wic, { auth: bearer(token), expires: 0 },
		(r) => env.core.accept(r, { expires: 0 }));

	wic.gone = true;
	return seen;
}

/** Tokens that are no JWT are asked about one by one. */
export const introspected = (waf) => ({ issuer: { introspection_url: waf.introspectionUrl, client_id: waf.clientId,
	client_secret: waf.clientSecret } });

/** No trace of a token, whole or any of its parts, in text. */
export function assertNoToken(text, tokens, where) {
	for (const token of tokens)
		for (const part of [token, ...token.split('.').filter((p) => p.length > 30)])
			assert.ok(!text.includes(part), `a token, or a part of it, stands in ${where}`);
}
