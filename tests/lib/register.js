// SPDX-License-Identifier: Apache-2.0
//
// REGISTER step by step against the scripted S-CSCF: what the core saw and what the WIC got.
import assert from 'node:assert/strict';
import { digestParams } from './sip.js';

/** integrity-protected as the core saw it; undefined when absent. */
export const protectedBy = (item) => digestParams(item.msg.get('Authorization') ?? '')['integrity-protected'];

/** Send a REGISTER (message, or options of registerMsg); `act` is the core. { res, item, sent }. */
export async function exchange({ core }, wic, options, act = (r) => core.accept(r)) {
	const sent = options.start ? options : wic.registerMsg(options);
	const [res, item] = await Promise.all([wic.request(sent),
		core.next('REGISTER', { callId: sent.callId }).then(async (r) => {
			await act(r);
			return r;
		})]);

	// What is registered is deregistered when the test is over.
	if (res.status === 200 && res.has('Service-Route'))
		wic.routes = res.all('Service-Route');
	return { res, item, sent };
}

/** Digest credentials as the test wants them; response '' = no challenge answered. */
export const credentials = (wic, { response = '', nonce = response && 'n1', impi = wic.impi, more = '' } = {}) =>
	`Digest username="${impi}", realm="${wic.domain}", uri="sip:${wic.domain}", nonce="${nonce}", response="${
		response}"${more}`;

export const RESPONSE = '0123456789abcdef0123456789abcdef';

/** A client registered at the scripted core by one accepted REGISTER with credentials. */
export async function registered(env, user = 'alice', { client = {}, register = {}, accept = {} } = {}) {
	const wic = await env.client(user, client);
	const { res, item } = await exchange(env, wic, { auth: credentials(wic, { response: RESPONSE }), ...register },
		(r) => env.core.accept(r, accept));

	assert.equal(res.status, 200);
	return { wic, res, item, path: item.msg.get('Path'), contact: wic.contactUri };
}

/** Deregister; the core says yes. */
export async function leave(env, wic, options = {}) {
	const seen = await exchange(env, wic, { auth: credentials(wic, { response: RESPONSE }), ...options, expires: 0 },
		(r) => env.core.accept(r, { expires: 0 }));

	wic.gone = true;
	return seen;
}

/** A REGISTER that the gateway answers itself; throws when the core sees it. */
export async function refusedLocally({ core }, wic, options) {
	const sent = options.start ? options : wic.registerMsg(options);
	const before = core.log.length;
	const res = await wic.request(sent);

	assert.equal(core.log.slice(before).filter(({ msg }) => msg.callId === sent.callId && msg.cseq === sent.cseq).length, 0,
		`the core saw ${sent.start} answered ${res.start}`);
	return res;
}

/** What the gateway keeps: rows of `reg list`, of one IMPU or IMPI when named. */
export const records = (gw, who) => gw.cscf.ctl('reg list', ...who ? [who] : []);
