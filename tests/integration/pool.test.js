// SPDX-License-Identifier: Apache-2.0
//
// Scenario 3: identities lent out of a pool. Registered as in scenario 2; one token subject at a
// time; the WAF is told when one is free again, and never before. Core and WAF are scripted.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { count } from '../lib/gateway.js';
import { exchange, protectedBy, records, refusedLocally } from '../lib/register.js';
import { bearer, leaveBy, registerBy, tokenWic, withWaf } from '../lib/webtoken.js';
import { audioLine, plainSdp } from '../lib/sdp.js';
import { SECOND, until } from '../lib/wait.js';

const SECRET = 'release secret';
const gateway = { cscf: { dereg: { close_delay: '400ms' }, flow: { lost_dereg_pool: '700ms', grace: '300ms' },
	reg: { expiry_grace: '100ms' } } };
const prepare = withWaf(gateway);
const test = suite({ scripted: true, gateway, extra: async (env) => {
	const closers = await prepare(env);

	gateway.cscf.pool = { release_url: env.waf.releaseUrl, release_token: SECRET };
	return closers;
} });

let n = 0;
/** A guest of its own for each test: user, claims of a token that lends its identity. */
const guest = () => {
	const user = `guest-${++n}`;

	return { user, impu: `sip:${user}@ims.test`, claims: { user, sub: `visitor-${user}`, ims_pool: true } };
};
const told = (waf, impu, options) => waf.released.next((r) => r.impu === impu, { what: `notice for ${impu}`, ...options });
/** POSTs about an identity so far. */
const posts = (waf, impu) => waf.requests.all().filter((r) => r.endpoint === 'released' && r.body.includes(`"${impu}"`));

test('a pool identity registers like any other, and for one token subject only [TOK-31, TOK-15]', async (env) => {
	const { waf, client, gw } = env;
	const { user, impu, claims } = guest();
	const { wic, item } = await tokenWic(env, user, { claims });

	assert.equal(item.msg.get('Authorization'), `Digest username="${user}.wic@ims.test",realm="ims.test",uri="sip:ims.test",` +
		'nonce="",response="",integrity-protected="auth-done"');
	const [row] = await records(gw, impu);
	assert.equal(row.scenario, '3');
	const thief = await client(user);
	const res = await refusedLocally(env, thief, { auth: bearer(waf.mint({ ...claims, sub: 'thief' })) });
	assert.equal(res.status, 403);
	assert.equal((await refusedLocally(env, thief, { auth: bearer(waf.mint({ ...claims, sub: 'thief' })), expires: 0 })).status, 403,
		'nor may he end it');
	assert.equal((await records(gw, impu)).length, 1);
	const second = await client(user); // the same visitor with a fresh token on a second device
	assert.equal((await registerBy(env, second, waf.mint(claims))).res.status, 200);
	await leaveBy(env, wic);
	assert.equal((await refusedLocally(env, thief, { auth: bearer(waf.mint({ ...claims, sub: 'thief' })) })).status, 403,
		'one binding is left');
	await leaveBy(env, second);
	const next = await client(user);
	assert.equal((await registerBy(env, next, waf.mint({ ...claims, sub: 'next-visitor' }))).res.status, 200, 'reused when free');
	assert.ok((await gw.cscf.metrics()).sum('cscf_register_tokens_total', { outcome: 'pool-in-use' }) >= 3);
});

test('who asks first has it, also before the core has answered [TOK-31]', async (env) => {
	const { waf, client, core } = env;
	const { user, claims } = guest();
	const [first, second] = await Promise.all([client(user), client(user)]);
	const sent = first.registerMsg({ auth: bearer(waf.mint(claims)) });

	first.send(sent);
	const item = await core.next('REGISTER', { callId: sent.callId });
	const other = bearer(waf.mint({ ...claims, sub: 'other' }));
	assert.equal((await refusedLocally(env, second, { auth: other })).status, 403);
	item.reply(403, 'Forbidden', { toTag: 'x' });
	assert.equal((await first.response(sent)).status, 403);
	assert.equal((await registerBy(env, second, other.slice(7))).res.status, 200, 'the refused claim is over');
	assert.equal(posts(waf, `sip:${user}@ims.test`).length, 0, 'and was no use of it');
});

test('after deregistration the WAF is told once, when the connection has gone too [DEREG-30, DEREG-31]', async (env) => {
	const { waf, gw } = env;
	const { user, impu, claims } = guest();
	const { wic } = await tokenWic(env, user, { claims });
	const began = Date.now();

	await leaveBy(env, wic);
	assert.equal(count(await gw.cscf.status(), 'connections') >= 1, true);
	assert.equal(posts(waf, impu).length, 0, 'its WebSocket is still there');
	assert.equal((await wic.ended()).code, 1000);
	assert.equal(posts(waf, impu).length, 0, 'told after the close, not before');
	const notice = await told(waf, impu);
	assert.deepEqual(Object.keys(notice).sort(), ['at', 'id', 'impi', 'impu', 'reason']);
	assert.equal(notice.impi, `${user}.wic@ims.test`);
	assert.equal(notice.reason, 'deregistered');
	assert.ok(Math.abs(Date.parse(notice.at) - began) < 20 * SECOND);
	const [post] = posts(waf, impu);
	assert.equal(post.method, 'POST');
	assert.equal(post.headers.authorization, `Bearer ${SECRET}`);
	assert.equal(post.headers['idempotency-key'], notice.id);
	assert.equal(post.headers['content-type'], 'application/json');
	assert.ok(!gw.cscf.process.lines.join('\n').includes(SECRET), 'our secret is not logged');
	await gw.cscf.logged('pool.released', { id: notice.id });
	assert.equal(posts(waf, impu).length, 1);
});

test('a lost guest is deregistered by the trusted node, and told of when the core said yes [DEREG-41, DEREG-31, DEREG-40]',
	async (env) => {
		const { waf, core, gw } = env;
		const { user, impu, claims } = guest();
		const { wic, path } = await tokenWic(env, user, { claims });

		await wic.close({ abrupt: true });
		await until(async () => (await records(gw, impu))[0]?.state === 'flow-lost', { what: 'the lost flow' });
		const item = await core.next('REGISTER');
		assert.equal(protectedBy(item), 'auth-done');
		assert.match(item.msg.get('Contact'), new RegExp(`^<${wic.contactUri.replace(/[.;]/g, '\\$&')}>;reg-id=1;` +
			`\\+sip\\.instance="${wic.instance}";expires=0$`));
		assert.match(item.msg.get('To'), new RegExp(`^<${impu}>$`));
		assert.equal(item.msg.get('Path'), path, 'the flow that was registered');
		assert.equal(item.msg.get('Require'), 'path');
		assert.ok(item.msg.has('P-Visited-Network-ID') && item.msg.has('P-Charging-Vector'));
		assert.equal((await records(gw, impu)).length, 1, 'until the core has answered');
		assert.equal(posts(waf, impu).length, 0, 'and while the S-CSCF may still have it');
		core.accept(item, { expires: 0 });
		const notice = await told(waf, impu);
		assert.equal(notice.impi, `${user}.wic@ims.test`);
		assert.equal((await records(gw, impu)).length, 0);
	});

test('in scenario 2 the record of a lost flow is left to expire [DEREG-40, DEREG-41]', async (env) => {
	const { core, gw, client, waf } = env;
	const { user, impu } = guest();
	const { wic, token } = await tokenWic(env, user, { claims: { user } });

	await wic.close({ abrupt: true });
	await gw.cscf.logged('fsm.state', { to: 'STRANDED' }); // flow.grace is over
	// A guest lost later has been deregistered: the time for this one has passed as well.
	const late = guest();
	const other = await tokenWic(env, late.user, { claims: late.claims });
	await other.wic.close({ abrupt: true });
	const item = await core.next('REGISTER');
	assert.ok(item.msg.get('To').includes(late.impu));
	core.accept(item, { expires: 0 });
	await told(waf, late.impu);
	assert.equal((await records(gw, impu))[0].state, 'flow-lost');
	const again = await client(user);
	Object.assign(again, { instance: wic.instance, contactUri: wic.contactUri });
	assert.equal((await registerBy(env, again, token)).res.status, 200);
});

test('while a call of it lasts an identity is not free [DEREG-31]', async (env) => {
	const { waf, core, gw } = env;
	const { user, impu, claims } = guest();
	const { wic } = await tokenWic(env, user, { claims });
	const call = wic.invite('sip:bob@ims.test');
	const item = await core.next('INVITE', { callId: call.callId });

	item.reply(200, 'OK', { toTag: 'core1', headers: [['Contact', `<sip:bob@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: plainSdp('127.0.0.1', [audioLine(gw.core.port + 2)]) });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK', { callId: call.callId });
	await leaveBy(env, wic);
	const bye = await core.next('BYE', { callId: call.callId });
	await call.next('BYE');
	assert.equal((await wic.ended()).code, 1000);
	// The WebSocket has gone and the core has no binding, but the BYE is still under way there.
	await until(async () => count(await gw.cscf.status(), 'connections') === 0, { what: 'no connection' });
	assert.equal(posts(waf, impu).length, 0);
	bye.reply(200, 'OK', {});
	await told(waf, impu);
});

test('an identity whose registration ran out is free when its WebSocket has gone [DEREG-31, REG-47]', async (env) => {
	const { waf, gw } = env;
	const { user, impu, claims } = guest();
	const { wic } = await tokenWic(env, user, { claims, accept: { expires: 1 } });

	wic.gone = true;
	await until(async () => (await records(gw, impu)).length === 0, { what: 'the expiry' });
	assert.equal((await wic.request(wic.message('OPTIONS', 'sip:bob@ims.test'))).status, 403, 'its flow is still there');
	assert.equal(posts(waf, impu).length, 0);
	await wic.close();
	await told(waf, impu);
});

test('the notice is repeated under the same id until the WAF takes it [DEREG-30]', async (env) => {
	const { waf, gw } = env;
	const { user, impu, claims } = guest();
	const { wic } = await tokenWic(env, user, { claims });

	waf.faults.released = { status: 503 };
	try {
		await leaveBy(env, wic);
		await until(() => posts(waf, impu).length === 2, { what: 'a second attempt', ms: 10 * SECOND });
		waf.faults = {};
		const notice = await told(waf, impu);
		const ids = posts(waf, impu).map((p) => p.headers['idempotency-key']);
		assert.deepEqual(ids, [notice.id, notice.id, notice.id]);
		assert.ok((await gw.cscf.metrics()).sum('cscf_pool_release_notices_total', { result: 'retry' }) >= 2);
	} finally {
		waf.faults = {};
	}
});

test('a notice that the WAF calls wrong is not repeated [DEREG-30]', async (env) => {
	const { waf, gw } = env;
	const { user, impu, claims } = guest();
	const { wic } = await tokenWic(env, user, { claims });

	waf.faults.released = { status: 400 };
	try {
		await leaveBy(env, wic);
		await gw.cscf.logged('pool.release_failed', { status: '400' });
	} finally {
		waf.faults = {};
	}
	// Another notice has come and gone: there was no second attempt, nor is one waiting.
	const other = guest();
	await leaveBy(env, (await tokenWic(env, other.user, { claims: other.claims })).wic);
	await told(waf, other.impu);
	assert.equal(posts(waf, impu).length, 1);
	assert.equal((await gw.cscf.metrics()).sum('cscf_pool_release_notices_total', { result: 'failed' }), 1);
});

test('an identity that is used again is not told of, and is told of when it is free again [DEREG-30, DEREG-31]', async (env) => {
	const { waf, client, gw } = env;
	const { user, impu, claims } = guest();
	const { wic, token } = await tokenWic(env, user, { claims });
	const retries = async () => (await gw.cscf.metrics()).sum('cscf_pool_release_notices_total', { result: 'retry' });
	const before = await retries();

	waf.faults.released = { status: 503 };
	try {
		await leaveBy(env, wic);
		await until(async () => await retries() === before + 1, { what: 'the first attempt, and that it came to nothing' });
		assert.equal(posts(waf, impu).length, 1);
		const back = await client(user);
		const failed = await exchange(env, back, { auth: bearer(token) }, (r) => r.reply(500, 'Server Internal Error', { toTag: 'x' }));
		assert.equal(failed.res.status, 500);
		await until(async () => await retries() === before + 2, { what: 'a notice again: the claim came to nothing', ms: 10 * SECOND });
		assert.equal(posts(waf, impu).length, 2);
		assert.equal((await registerBy(env, back, token)).res.status, 200);
		waf.faults = {};
		// Another identity's notice goes through the same queue, later, and arrives: none was left of the first.
		const other = guest();
		const wic2 = (await tokenWic(env, other.user, { claims: other.claims })).wic;
		await leaveBy(env, wic2);
		await told(waf, other.impu);
		assert.equal(posts(waf, impu).length, 2);
		await leaveBy(env, back);
		const notice = await told(waf, impu);
		assert.notEqual(notice.id, posts(waf, impu)[0].headers['idempotency-key']);
	} finally {
		waf.faults = {};
	}
});

test.end();
