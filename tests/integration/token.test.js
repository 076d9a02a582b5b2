// SPDX-License-Identifier: Apache-2.0
//
// Scenario 2: a WIC registers by a web token, the eP-CSCF acts as the trusted node. The core and
// the WAF are scripted; what the core got is asserted on the wire.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { count } from '../lib/gateway.js';
import { protectedBy, exchange, records, refusedLocally, registered, credentials, leave } from '../lib/register.js';
import { assertNoToken, bearer, introspected, leaveBy, registerBy, tokenWic, withWaf } from '../lib/webtoken.js';
import { audioLine, plainSdp } from '../lib/sdp.js';
import { SECOND, until } from '../lib/wait.js';

const gateway = { cscf: { token: { http_timeout: '2s' }, dereg: { close_delay: '300ms' } } };
const test = suite({ scripted: true, gateway, extra: withWaf(gateway, introspected) });

const TNA = (user, more = '') => `Digest username="${user}.wic@ims.test",realm="ims.test",uri="sip:ims.test",nonce="",` +
	`response="",integrity-protected="auth-done"${more}`;
const minted = [];

/** Every token of this file, to be looked for in the end. */
const mint = (waf, ...args) => {
	const token = waf.mint(...args);

	minted.push(token);
	return token;
};

test('a token registers its user without a challenge [TOK-01, TOK-15, TOK-20, REG-07, REG-21]', async (env) => {
	const { core, gw, waf, client } = env;
	const alice = await client('alice');
	const { res, item } = await registerBy(env, alice, mint(waf, { user: 'alice' }));

	assert.equal(res.status, 200);
	assert.deepEqual(item.msg.all('Authorization'), [TNA('alice')]);
	assert.equal(item.msg.has('Proxy-Authorization'), false);
	assert.equal(item.msg.get('Require'), 'path');
	assert.match(item.msg.get('Path'), /;lr;ob>$/);
	assert.equal(item.msg.get('P-Visited-Network-ID'), '"ims.test"');
	assert.match(item.msg.get('P-Charging-Vector'), /^icid-value="[0-9a-f]{32}";/);
	assert.deepEqual(res.all('P-Associated-URI'), ['<sip:alice@ims.test>', '<tel:+15550101>']);
	assert.equal(res.has('P-Charging-Vector'), false);
	const [row] = await records(gw, 'sip:alice@ims.test');
	assert.equal(row.impi, 'alice.wic@ims.test');
	assert.equal(row.scenario, '2');
	assert.equal(row.issuer, waf.issuer);
	assert.equal(row.wwsf, 'wwsf-portal');
	assert.ok(row.token_expires_in_s > 500 && row.token_expires_in_s <= 600);
	assertNoToken(JSON.stringify(row), minted, 'reg list');
	assert.equal(core.requests.all().length, 0);
	const gone = await leaveBy(env, alice);
	assert.deepEqual(gone.item.msg.all('Authorization'), [TNA('alice')]);
	assert.equal(gone.res.status, 200);
});

test('after the last deregistration nothing but REGISTER is served [DEREG-05, DEREG-06]', async (env) => {
	const { wic } = await tokenWic(env);

	await leaveBy(env, wic);
	const res = await wic.request(wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' }));
	assert.equal(res.status, 403);
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
	assert.equal((await wic.ended()).code, 1000);
});

test('both spellings of the credential are the same, odd places of it go nowhere [TOK-02, TOK-16, SEC-07, SEC-09]',
	async (env) => {
		const { waf, client } = env;
		const token = mint(waf, { user: 'alice' });
		const spellings = [`Bearer access_token="${token}"`, `bEaReR ${token}`, `Bearer\r\n ${token}`, `Bearer   ${token}`];

		for (const auth of spellings) {
			const alice = await client('alice');
			const { item } = await exchange(env, alice, { auth, headers: [['Proxy-Authorization', bearer(token)],
				['proxy-authorization', bearer(token)], ['Proxy-Authorization', `Bearer access_token="${token}"`]] },
			(r) => r.reply(500, 'Server Internal Error', { toTag: 'x' }));

			assert.deepEqual(item.msg.all('Authorization'), [TNA('alice')], auth.slice(0, 20));
			assert.equal(item.msg.has('Proxy-Authorization'), false);
			assertNoToken(item.raw, [token], 'the REGISTER on Mw');
		}
	});

test('a token behind a scheme that nobody knows is no credential and goes nowhere [TOK-16, SEC-07]', async (env) => {
	const { waf, client } = env;
	const token = mint(waf, { user: 'alice' });
	const alice = await client('alice');

	for (const auth of [`Foo Bearer,${token}`, `Foo token=${token}`, `Foo x=y, Digest username="alice.wic@ims.test", token="${token}"`]) {
		const { item } = await exchange(env, alice, { auth, headers: [['Proxy-Authorization', auth]] },
			(r) => r.reply(401, 'Unauthorized', { toTag: 'x' }));

		assert.equal(item.msg.has('Authorization'), false, auth.slice(0, 20));
		assert.equal(item.msg.has('Proxy-Authorization'), false);
		assertNoToken(item.raw, [token], 'the REGISTER on Mw');
	}
});

test('a good-bye binds nothing, with whatever lifetime the core may answer [TOK-22, TOK-23, REG-21]', async (env) => {
	const { core, gw, waf, client } = env;
	const token = mint(waf, { user: 'alice' });
	const alice = await client('alice');
	const twice = alice.registerMsg({ auth: bearer(token), expires: 0 });

	twice.set('Contact', `${twice.get('Contact')};expires=600000`);
	assert.equal((await refusedLocally(env, alice, twice)).status, 400);
	const { res } = await exchange(env, alice, { auth: bearer(token), expires: 0 }, (r) => core.accept(r, { expires: 600000 }));
	assert.equal(res.status, 500);
	assert.equal((await records(gw, 'sip:alice@ims.test')).length, 0);
});

test('a Digest beside a token: the default scheme counts, and the token goes nowhere [SEC-07, SEC-08, TOK-16]', async (env) => {
	const { waf, client } = env;
	const alice = await client('alice');
	const { item, res } = await registerBy(env, alice, mint(waf, { user: 'alice' }), { headers: [
		['Authorization', 'Digest username="bob.wic@ims.test", realm="ims.test", uri="sip:ims.test", nonce="", response="", ' +
			'integrity-protected="tls-yes", authorization-entity="evil"'],
		['P-Asserted-Identity', '<sip:bob@ims.test>']] });

	// Both schemes are allowed and Digest is the default.
	assert.equal(res.status, 200);
	assert.equal(protectedBy(item), undefined);
	assert.equal(item.msg.all('Authorization').length, 1);
	assert.match(item.msg.get('Authorization'), /^Digest username="bob/);
	assert.doesNotMatch(item.raw, /integrity-protected|authorization-entity|P-Asserted-Identity/i);
	assertNoToken(item.raw, minted, 'the REGISTER on Mw');
	alice.unregister = () => alice.request(alice.registerMsg({ expires: 0, auth: credentials(alice, { impi: 'bob.wic@ims.test' }) }));
});

test('only the identities of the token can be registered [TOK-13, TOK-16]', async (env) => {
	const { waf, client } = env;
	const bob = await client('bob');
	const res = await refusedLocally(env, bob, { auth: bearer(mint(waf, { user: 'alice' })) });

	assert.equal(res.status, 403);
	const alice = await client('alice');
	const seen = await registerBy(env, alice, mint(waf, { user: 'alice', ims_impus: ['sip:ALICE@ims.test', 'sip:alice@IMS.test;x=y'] }));
	assert.equal(seen.res.status, 200);
});

test('each bad token is refused here as its kind wants [TOK-04, TOK-11, SEC-08, SEC-23]', async (env) => {
	const { waf, client } = env;
	const now = Math.floor(Date.now() / 1000);
	const cases = [
		['wrong signature', `${mint(waf, { user: 'alice' }).slice(0, -6)}AAAAAA`, 401],
		['expired', mint(waf, { user: 'alice', exp: now - 60 }), 401],
		['other audience', mint(waf, { user: 'alice', aud: 'else' }), 401],
		['foreign issuer', mint(waf, { user: 'alice', iss: 'https://evil.test' }), 401],
		['alg none', mint(waf, { user: 'alice' }, { header: { alg: 'none' } }), 401],
		['no scope', mint(waf, { user: 'alice', scope: 'openid' }), 403],
		['no IMPI', mint(waf, { user: 'alice', ims_impi: undefined }), 403],
		['no IMPU', mint(waf, { user: 'alice', ims_impus: undefined }), 403],
		['injection', mint(waf, { user: 'alice', ims_impus: ['sip:alice@ims.test', 'sip:a@ims.test\r\nX: y'] }), 401],
	];
	const alice = await client('alice');

	for (const [name, token, status] of cases) {
		const res = await refusedLocally(env, alice, { auth: bearer(token) });

		assert.equal(res.status, status, name);
		assertNoToken(res.toString(), [token], 'the answer');
		if (status === 401)
			assert.match(res.get('WWW-Authenticate'), /^Bearer realm="ims\.test".*error="invalid_token"/);
	}
	for (const auth of ['Bearer', 'Bearer ', 'Bearer a,b', 'Bearer a b', `Bearer ${'x'.repeat(9000)}`,
		`Bearer ${'x'.repeat(8100)}é`])
		assert.equal((await refusedLocally(env, alice, { auth })).status, 400, auth.slice(0, 12));
	const two = await refusedLocally(env, alice, { auth: bearer(mint(waf, { user: 'alice' })),
		headers: [['AUTHORIZATION', bearer(mint(waf, { user: 'alice' }))]] });
	assert.equal(two.status, 400, 'SEC-08');
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
});

test('a token on plain ws is 403, a Digest there is not [WS-04]', async (env) => {
	const { waf, gw, client } = env;
	const alice = await client('alice', { url: gw.wsUrl });

	assert.equal((await refusedLocally(env, alice, { auth: bearer(mint(waf, { user: 'alice' })) })).status, 403);
	const { wic } = await registered(env, 'alice', { client: { url: gw.wsUrl } });
	const res = await wic.request(wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain',
		headers: [['Authorization', bearer(mint(waf, { user: 'alice' }))]] }));
	assert.equal(res.status, 403);
	await leave(env, wic);
});

test('a core that challenges the trusted node is 403 and an alarm, its challenge stays there [TOK-19]', async (env) => {
	const { core, gw, waf, client } = env;
	const alice = await client('alice');
	const before = (await gw.cscf.metrics()).sum('cscf_tna_refused_total');
	const { res } = await exchange(env, alice, { auth: bearer(mint(waf, { user: 'alice' })) }, (r) => core.challenge(r));

	assert.equal(res.status, 403);
	assert.match(res.get('Warning'), /^399 \S+ "core requires authentication"$/);
	assert.equal(res.has('WWW-Authenticate'), false);
	assert.equal((await gw.cscf.metrics()).sum('cscf_tna_refused_total'), before + 1);
	assert.equal((await gw.cscf.logged('reg.tna_not_accepted', { status: '401' })).level, 'error');
	assert.equal(count(await gw.cscf.status(), 'registrations'), 0);
});

test('the core\'s 403 and other refusals are relayed, without any challenge [TOK-18, REG-30]', async (env) => {
	const { waf, client } = env;
	const alice = await client('alice');

	for (const [status, reason, headers] of [[403, 'Forbidden', [['Warning', '399 scscf "barred"']]],
		[404, 'Not Found', []], [500, 'Server Internal Error', [['Retry-After', '9']]]]) {
		const { res } = await exchange(env, alice, { auth: bearer(mint(waf, { user: 'alice' })) }, (r) => r.reply(status, reason,
			{ toTag: 'x', headers: [...headers, ['WWW-Authenticate', 'Digest realm="ims.test", nonce="n"']] }));

		assert.equal(res.status, status);
		for (const [name, value] of headers)
			assert.equal(res.get(name), value);
		assert.equal(res.has('WWW-Authenticate'), false);
	}
});

test('each re-REGISTER needs a good token of the same user [TOK-20, TOK-21, REG-40]', async (env) => {
	const { gw, waf } = env;
	const { wic, token } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice' }) });
	const expired = Math.floor(Date.now() / 1000) - 60;
	const same = await registerBy(env, wic, token);

	assert.deepEqual(same.item.msg.all('Authorization'), [TNA('alice')]);
	const fresh = await registerBy(env, wic, mint(waf, { user: 'alice', client_id: 'other-wwsf' }));
	assert.equal(fresh.res.status, 200);
	assert.equal((await records(gw, 'alice.wic@ims.test'))[0].wwsf, 'other-wwsf');
	for (const [what, options, status] of [
		['expired', { auth: bearer(mint(waf, { user: 'alice', exp: expired })) }, 401],
		['another IMPI', { auth: bearer(mint(waf, { user: 'alice', ims_impi: 'eve.wic@ims.test' })) }, 403],
		['Digest', { auth: credentials(wic, { response: 'ab'.repeat(16), impi: 'alice.wic@ims.test' }) }, 403],
		['nothing', {}, 401]]) {
		const res = await refusedLocally(env, wic, options);

		assert.equal(res.status, status, what);
		if (status === 401)
			assert.match(res.get('WWW-Authenticate'), /^Bearer /);
		assert.equal((await records(gw, 'alice.wic@ims.test')).length, 1, `${what}: the association stays`);
	}
});

test('an expired token still says goodbye where it registered, and only there [TOK-23]', async (env) => {
	const { waf, client, gw } = env;
	const { wic } = await tokenWic(env);
	const late = mint(waf, { user: 'alice', exp: Math.floor(Date.now() / 1000) - 100 });
	const stranger = await client('alice');

	assert.equal((await refusedLocally(env, stranger, { auth: bearer(late), expires: 0 })).status, 401);
	const { res, item } = await leaveBy(env, wic, late);
	assert.equal(res.status, 200);
	assert.deepEqual(item.msg.all('Authorization'), [TNA('alice')]);
	assert.equal(count(await gw.cscf.status(), 'registrations'), 0);
});

test('the expiry asked for is capped to the token\'s life; a core that wants more is 401 [TOK-22]', async (env) => {
	const { waf, client } = env;
	const alice = await client('alice');
	const token = mint(waf, { user: 'alice', exp: Math.floor(Date.now() / 1000) + 100 });
	const { item, res } = await exchange(env, alice, { auth: bearer(token), expires: 600000 },
		(r) => r.reply(423, 'Interval Too Brief', { toTag: 'x', headers: [['Min-Expires', '600']] }));
	const asked = Number(/;expires=(\d+)$/.exec(item.msg.get('Contact'))?.[1]);

	assert.ok(asked > 80 && asked <= 100, `asked for ${asked}`);
	assert.equal(res.status, 401);
	assert.match(res.get('WWW-Authenticate'), /error="invalid_token"/);
	const own = await exchange(env, alice, { auth: bearer(token), expires: 30 },
		(r) => r.reply(423, 'Interval Too Brief', { toTag: 'x', headers: [['Min-Expires', '60']] }));
	assert.equal(own.res.status, 423);
	assert.equal(own.res.get('Min-Expires'), '60');
	assert.match(own.item.msg.get('Contact'), /;expires=30$/);
});

test('a WAF that hangs holds its own REGISTER and nobody else\'s, then it is 503 [TOK-27, TOK-28, REG-14]', async (env) => {
	const { waf, client } = env;
	const [alice, digest] = await Promise.all([client('alice'), client('bob')]);
	const token = waf.mintOpaque({ user: 'alice' });

	waf.faults.introspect = { hang: true };
	try {
		const sent = alice.registerMsg({ auth: bearer(token) });

		alice.send(sent);
		await until(() => waf.counts.introspect > 0, { what: 'the WAF is asked' });
		assert.equal((await alice.request(alice.registerMsg({ auth: bearer(token) }))).status, 500, 'one is under way');
		const started = Date.now();
		const other = await exchange(env, digest, { auth: credentials(digest, { response: 'ab'.repeat(16) }) });
		assert.equal(other.res.status, 200);
		assert.ok(Date.now() - started < SECOND, 'others do not wait');
		await leave(env, digest);
		const res = await alice.response(sent, { ms: 6 * SECOND });
		assert.equal(res.status, 503);
		assert.match(res.get('Retry-After'), /^\d+$/);
	} finally {
		waf.faults = {};
	}
	assert.equal((await registerBy(env, alice, waf.mintOpaque({ user: 'alice' }))).res.status, 200);
});

const message = (wic, headers = []) => wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain', headers });

/** The core answers a request of the WIC; resolves with what it got and what the WIC got. */
async function passes(env, wic, msg, [status, reason] = [200, 'OK']) {
	const [res, item] = await Promise.all([wic.request(msg), env.core.next(msg.method, { callId: msg.callId })
		.then((r) => {
			r.reply(status, reason, { toTag: 'x' });
			return r;
		})]);

	assert.equal(res.status, status);
	assertNoToken(item.raw, minted, `the ${msg.method} on Mw`);
	assert.equal(item.msg.has('Authorization'), false);
	assert.equal(item.msg.has('Proxy-Authorization'), false);
	assert.equal(item.msg.has('P-Charging-Function-Addresses'), false);
	return item;
}

/** Answered here: the core does not see it. */
async function stopped(env, wic, msg, status) {
	const res = await wic.request(msg);

	assert.equal(res.status, status);
	assert.equal(env.core.log.filter((i) => i.msg.callId === msg.callId).length, 0);
	return res;
}

test('a request passes with a good token and with none, never with a bad one; no token reaches Mw [TOK-16, TOK-24]',
	async (env) => {
		const { waf } = env;
		const { wic, token } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice' }) });
		const bad = mint(waf, { user: 'alice', aud: 'else' });

		await passes(env, wic, message(wic));
		await passes(env, wic, message(wic, [['Authorization', bearer(token)]]));
		await passes(env, wic, message(wic, [['Authorization', `bearer access_token="${token}"`]]));
		await passes(env, wic, message(wic, [['PROXY-AUTHORIZATION', bearer(mint(waf, { user: 'alice' }))]]));
		await passes(env, wic, message(wic, [['Authorization', `Bearer\r\n ${token}`], ['Proxy-Authorization', bearer(token)]]));
		const unauthorized = await stopped(env, wic, message(wic, [['Authorization', bearer(bad)]]), 401);
		assert.match(unauthorized.get('WWW-Authenticate'), /^Bearer realm="ims\.test".*error="invalid_token"/);
		const proxied = await stopped(env, wic, message(wic, [['Proxy-Authorization', bearer(bad)]]), 407);
		assert.match(proxied.get('Proxy-Authenticate'), /^Bearer realm="ims\.test"/);
		assert.equal(proxied.has('WWW-Authenticate'), false);
		await stopped(env, wic, message(wic, [['Authorization', bearer(mint(waf, { user: 'bob' }))]]), 403);
		await stopped(env, wic, message(wic, [['Authorization', bearer(mint(waf, { user: 'alice', scope: 'x' }))]]), 403);
		await stopped(env, wic, message(wic, [['Authorization', 'Bearer a,b']]), 400);
		await stopped(env, wic, message(wic, [['Authorization', bearer(token)], ['authorization', bearer(token)]]), 400);
	});

test('an INVITE shows its token, its ACK, CANCEL and BYE are never asked for one [TOK-16, TOK-24]', async (env) => {
	const { waf, core } = env;
	const { wic, token } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice' }) });
	const bad = [['Authorization', bearer(mint(waf, { user: 'alice', aud: 'else' }))]];
	const refused = wic.invite('sip:bob@ims.test', { headers: bad });

	assert.equal((await refused.response()).status, 401);
	const call = wic.invite('sip:bob@ims.test', { headers: [['Authorization', bearer(token)]] });
	const item = await core.next('INVITE', { callId: call.callId });
	assertNoToken(item.raw, minted, 'the INVITE on Mw');
	item.reply(180, 'Ringing', { toTag: 'bob', headers: [['Contact', `<sip:bob@${core.host}:${core.port}>`]] });
	await call.response(180);
	assert.equal((await call.cancel(bad)).status, 200);
	const cancel = await core.next('CANCEL', { callId: call.callId });
	cancel.reply(200, 'OK', {});
	assertNoToken(cancel.raw, minted, 'the CANCEL on Mw');
	item.reply(487, 'Request Terminated', { toTag: 'bob' });
	assert.equal((await call.response(300)).status, 487);
	const second = wic.invite('sip:bob@ims.test');
	const answered = await core.next('INVITE', { callId: second.callId });
	answered.reply(200, 'OK', { toTag: 'bob', headers: [['Contact', `<sip:bob@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: plainSdp('127.0.0.1', [audioLine(env.gw.core.port + 2)]) });
	assert.equal((await second.response()).status, 200);
	await core.next('ACK', { callId: second.callId });
	assert.equal((await second.send('INFO', { headers: bad })).status, 401, 'in the dialog, too');
	second.client.send(second.request('ACK', { cseq: second.invite.cseq, headers: bad }));
	const ack = await core.next('ACK', { callId: second.callId });
	assertNoToken(ack.raw, minted, 'the ACK on Mw');
	const [hungUp] = await Promise.all([second.bye(bad), core.next('BYE', { callId: second.callId }).then((r) => {
		assertNoToken(r.raw, minted, 'the BYE on Mw');
		r.reply(200, 'OK', {});
	})]);
	assert.equal(hungUp.status, 200);
	const emergency = await wic.request(wic.message('INVITE', 'urn:service:sos', { headers: bad, body: 'v=0\r\n' }));
	assert.equal(emergency.status, 380, 'an emergency is not asked for a token');
});

test('no challenge of the core reaches a token WIC in other requests either [TOK-19]', async (env) => {
	const { core, gw } = env;
	const { wic } = await tokenWic(env);
	const challenge = (r, status) => r.reply(status, 'Authenticate', { toTag: 'x', headers: [
		[status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate', 'Digest realm="ims.test", nonce="n"']] });
	const call = wic.invite('sip:bob@ims.test');

	challenge(await core.next('INVITE', { callId: call.callId }), 407);
	const answers = [await call.response()];
	for (const status of [401, 407]) {
		const msg = message(wic);

		wic.send(msg);
		challenge(await core.next('MESSAGE', { callId: msg.callId }), status);
		answers.push(await wic.response(msg));
	}
	for (const res of answers) {
		assert.equal(res.status, 403);
		assert.match(res.get('Warning'), /"core requires authentication"/);
		assert.equal(res.has('Proxy-Authenticate') || res.has('WWW-Authenticate'), false);
	}
	assert.equal((await gw.cscf.metrics()).sum('cscf_session_tna_refused_total'), 3);
	// A user of Digest can answer: it is his.
	const digest = await registered(env, 'bob');
	const msg = message(digest.wic);
	digest.wic.send(msg);
	challenge(await core.next('MESSAGE', { callId: msg.callId }), 407);
	assert.match((await digest.wic.response(msg)).get('Proxy-Authenticate'), /^Digest /);
	await leave(env, digest.wic);
});

test('a CANCEL ends an INVITE whose token is still asked about [TOK-24, TOK-28]', async (env) => {
	const { waf, core } = env;
	const { wic } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice' }) });
	const asked = waf.counts.introspect;

	waf.faults.introspect = { hang: true };
	try {
		const call = wic.invite('sip:bob@ims.test', { headers: [['Authorization', bearer(waf.mintOpaque({ user: 'alice' }))]] });

		await until(() => waf.counts.introspect > asked, { what: 'the WAF is asked' });
		assert.equal((await call.cancel()).status, 200);
		assert.equal((await call.response()).status, 487);
		assert.equal(core.log.filter((i) => i.msg.callId === call.callId).length, 0);
	} finally {
		waf.faults = {};
	}
});

test('a request whose WAF does not answer is 503, and passes once it does [TOK-24, TOK-27]', async (env) => {
	const { waf } = env;
	const { wic } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice' }) });

	waf.faults.introspect = { status: 500 };
	const down = await stopped(env, wic, message(wic, [['Authorization', bearer(waf.mintOpaque({ user: 'alice' }))]]), 503);
	assert.match(down.get('Retry-After'), /^\d+$/);
	waf.faults = {};
	await passes(env, wic, message(wic, [['Authorization', bearer(waf.mintOpaque({ user: 'alice' }))]]));
});

test('a token that is taken back blocks its association [TOK-29]', async (env) => {
	const { waf, gw } = env;
	const { wic, token } = await tokenWic(env, 'alice', { token: mint(waf, { user: 'alice', jti: 'revoked-1' }) });

	await passes(env, wic, message(wic));
	await gw.cscf.ctl('token revoke', 'revoked-1');
	await stopped(env, wic, message(wic), 403);
	await stopped(env, wic, message(wic, [['Authorization', bearer(token)]]), 403);
	assert.equal((await refusedLocally(env, wic, { auth: bearer(token) })).status, 403);
	const fresh = mint(waf, { user: 'alice' });
	assert.equal((await registerBy(env, wic, fresh)).res.status, 200);
	await passes(env, wic, message(wic));
});

test('a user of Digest needs no token, and one that is there goes nowhere [SEC-08, TOK-16]', async (env) => {
	const { wic } = await registered(env, 'alice');

	await passes(env, wic, message(wic, [['Authorization', bearer(mint(env.waf, { user: 'bob', aud: 'else' }))]]));
	await leave(env, wic);
});

test('no token stands on Mw, in the log, in reg list or in the metrics [TOK-16, SEC-10]', async ({ core, gw, client }) => {
	await client('alice'); // the suite has begun
	assert.ok(minted.length > 20 && core.log.length > 20);
	assertNoToken(core.log.map((i) => i.raw).join('\n'), minted, 'what the core got');
	assertNoToken(gw.cscf.process.lines.join('\n'), minted, 'the log');
	assertNoToken((await gw.cscf.metrics()).text, minted, 'the metrics');
	assert.ok(!/\bBearer\s+[A-Za-z0-9]/.test(gw.cscf.process.lines.join('\n')), 'credentials in the log');
});

test.end();
