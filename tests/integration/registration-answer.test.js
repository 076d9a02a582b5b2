// SPDX-License-Identifier: Apache-2.0
//
// The core's answers to a REGISTER: what of them the WIC gets (table 4.3) and what the gateway
// keeps (section 7.2), seen on the wire, in `reg list` and by the requests that follow.
import assert from 'node:assert/strict';
import { count } from '../lib/gateway.js';
import { RESPONSE, credentials, exchange, leave, records, registered } from '../lib/register.js';
import { digestParams, token, uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: { auth: { fail_close_delay: '500ms' } } } });
const answered = (wic) => ({ auth: credentials(wic, { response: RESPONSE }) });

/** A MESSAGE of the WIC as the core sees it. */
async function message({ core }, wic, headers = []) {
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { headers, body: 'x', type: 'text/plain' });
	const [res, item] = await Promise.all([wic.request(sent), core.next('MESSAGE', { callId: sent.callId }).then((r) => {
		r.reply(200, 'OK', { toTag: 't' });
		return r;
	})]);

	assert.equal(res.status, 200);
	return item.msg;
}

/** The gateway's own answer to a MESSAGE. */
async function refusedMessage({ core }, wic) {
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' });
	const res = await wic.request(sent);

	assert.ok(!core.log.some(({ msg }) => msg.callId === sent.callId));
	return res;
}

test('401s that cross: each on the TLS session of its REGISTER, the challenge unchanged [REG-20, REG-22, WS-18]',
	async (env) => {
		const [a, b] = [await env.client('alice'), await env.client('bob')];
		const sent = [a, b].map((w) => w.registerMsg());

		a.send(sent[0]);
		const first = await env.core.next('REGISTER', { callId: sent[0].callId });
		b.send(sent[1]);
		const second = await env.core.next('REGISTER', { callId: sent[1].callId });
		const challenge = (n) => `Digest  realm="ims.test",nonce="${n}" , qop="auth,auth-int",algorithm=SHA-256,userhash=true`;
		second.reply(401, 'Unauthorized', { toTag: 'b', headers: [['WWW-Authenticate', challenge('for-bob')]] });
		first.reply(401, 'Unauthorized', { toTag: 'a', headers: [['WWW-Authenticate', challenge('for-alice')]] });

		for (const [wic, msg, n] of [[a, sent[0], 'for-alice'], [b, sent[1], 'for-bob']]) {
			assert.equal((await wic.response(msg)).get('WWW-Authenticate'), challenge(n));
			assert.equal(wic.frames.length, 1);
		}
		assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
	});

test('200: the association is peer, IMPI, all IMPUs, Service-Route; the answer comes on the same session and no other [REG-21, REG-22, REG-24, REG-25]',
	async (env) => {
		const bystander = await env.client('bob');
		const { wic } = await registered(env, 'alice', { accept: {
			associated: '"Alice" <sip:alice@ims.test>, <tel:+15550101>, <sip:work@ims.test>;x=1' } });
		const [row, ...more] = await records(env.gw);

		assert.equal(more.length, 0);
		assert.equal(row.peer, `127.0.0.1:${wic.ws._socket.localPort}`);
		assert.equal(row.impi, 'alice');
		assert.deepEqual(row.impus, ['sip:alice@ims.test', 'tel:+15550101', 'sip:work@ims.test']);
		assert.deepEqual(row.service_route, [env.core.serviceRoute]);
		assert.equal(row.state, 'registered');
		assert.equal(bystander.frames.length, 0);
		await leave(env, wic);
	});

test('of three Contacts in the 200 only ours counts; without its parameter the Expires header [REG-23]', async (env) => {
	const wic = await env.client('alice');
	const other = (n, s) => ['Contact', `<sip:${n}@${n}.invalid;transport=ws>;+sip.instance="<urn:uuid:${n}>";reg-id=1;expires=${s}`];
	const ours = (msg, more) => ['Contact', `${msg.get('Contact').replace(/;expires=\d+/, '')}${more}`];

	for (const [more, header, expected] of [[';expires=900', 7000, 900], ['', 1200, 1200]]) {
		await exchange(env, wic, answered(wic), (r) => r.reply(200, 'OK', { toTag: 't', headers: [other('x', 5000),
			ours(r.msg, more), other('y', 60), ['Expires', header], ['Service-Route', env.core.serviceRoute]] }));
		const rows = await records(env.gw);

		assert.equal(rows.length, 1);
		assert.equal(rows[0].contact, wic.contactUri);
		assert.ok(Math.abs(rows[0].expires_in_s - expected) < 5, `${rows[0].expires_in_s} s`);
	}
	await leave(env, wic);
});

test('Service-Route: order kept, replaced by each 200, and without one requests are 500 [REG-24, ID-06]', async (env) => {
	const { core } = env;
	const wic = await env.client('alice');
	const lists = [['a', 'b'], ['c']].map((users) => users.map((u) => `<sip:${u}@${core.host}:${core.port};lr>`));
	const accept = (routes) => (r) => r.reply(200, 'OK', { toTag: 't', headers: [['Contact', r.msg.get('Contact')],
		...routes.map((s) => ['Service-Route', s])] });

	for (const list of lists) {
		await exchange(env, wic, answered(wic), accept(list));
		assert.deepEqual((await message(env, wic)).all('Route'), list);
	}
	await exchange(env, wic, answered(wic), accept([]));
	assert.equal((await refusedMessage(env, wic)).status, 500);
	await env.gw.cscf.logged('reg.no_service_route');
	await leave(env, wic);
});

test('the first associated URI is the default identity, with its display name; a barred To is never asserted [REG-25, REG-26, ID-04]',
	async (env) => {
		const wic = await env.client('alice');

		await exchange(env, wic, answered(wic), (r) => env.core.accept(r, {
			associated: '"A, \\"B\\"" <tel:+15550101>, <sip:alice@ims.test>' }));
		assert.deepEqual((await message(env, wic)).all('P-Asserted-Identity'),
			['"A, \\"B\\"" <tel:+15550101>', '<sip:alice@ims.test>']);

		// Barred: the To-IMPU is not among them.
		await exchange(env, wic, answered(wic), (r) => env.core.accept(r, { associated: '<sip:other@ims.test>' }));
		for (const preferred of [[], [['P-Preferred-Identity', '<sip:alice@ims.test>']]])
			assert.deepEqual((await message(env, wic, preferred)).all('P-Asserted-Identity'), ['<sip:other@ims.test>']);

		// No P-Associated-URI at all: the To-IMPU alone.
		await exchange(env, wic, answered(wic), (r) => r.reply(200, 'OK', { toTag: 't', headers: [
			['Contact', r.msg.get('Contact')], ['Service-Route', env.core.serviceRoute]] }));
		assert.deepEqual((await message(env, wic)).all('P-Asserted-Identity'), ['<sip:alice@ims.test>']);
		await leave(env, wic);
	});

test('P-Charging headers stay inside; Authentication-Info, GRUUs, Feature-Caps, Date and the rest pass [REG-27, REG-29]',
	async (env) => {
		const wic = await env.client('alice');
		const pass = [['Authentication-Info', 'qop=auth,rspauth="aa",nextnonce="N2",cnonce="c",nc=00000001'],
			['Feature-Caps', '*;+g.3gpp.atcf="<sip:x@y>"'], ['Date', 'Sun, 22 Nov 2026 10:00:00 GMT'], ['X-New', 'a,b']];
		const contact = (r) => `${r.msg.get('Contact')};pub-gruu="sip:alice@ims.test;gr=urn:uuid:1"` +
			';temp-gruu="sip:tgruu.7hs@ims.test;gr"';
		let given;
		const { res } = await exchange(env, wic, answered(wic), (r) => {
			given = contact(r);
			r.reply(200, 'OK', { toTag: 't', headers: [['Contact', given], ['Service-Route', env.core.serviceRoute],
				['P-Associated-URI', '<sip:alice@ims.test>'], ['P-Charging-Vector', 'icid-value="z";term-ioi="ims.test"'],
				['P-Charging-Function-Addresses', 'ccf=192.0.2.60'], ['Path', r.msg.get('Path')], ...pass] });
		});

		for (const [name, value] of [...pass, ['Contact', given], ['Service-Route', env.core.serviceRoute],
			['P-Associated-URI', '<sip:alice@ims.test>']])
			assert.equal(res.get(name), value);
		assert.ok(!res.headers.some(([n]) => /^P-Charging/i.test(n)));
		await leave(env, wic);
	});

test('Require: outbound in the 200 decides how the WIC is reached, 430 or 480 when its flow is lost; Flow-Timer only then [REG-28, WS-23, DEREG-42, REG-81]',
	async (env) => {
		const { core } = env;

		for (const [outbound, lost] of [[true, 430], [false, 480]]) {
			const { wic, res, item } = await registered(env, 'alice', { accept: { outbound } });

			assert.equal(res.get('Flow-Timer') !== undefined, outbound);
			Object.assign(core, { path: item.msg.get('Path'), contact: wic.contactUri });
			// By the Path's token, and without outbound by the bound Contact as well.
			for (const routes of outbound ? [[core.path]] : [[core.path], []]) {
				const [answer] = await Promise.all([core.request(core.terminating('OPTIONS', { routes }), core.pathTarget),
					wic.next('OPTIONS').then((m) => wic.send(m.answer(200, 'OK', { toTag: 'w' })))]);
				assert.equal(answer.status, 200);
			}
			await wic.close({ abrupt: true });
			await until(async () => (await records(env.gw))[0].state === 'flow-lost', { what: 'the flow to be lost' });
			assert.equal((await core.request(core.terminating('MESSAGE'), core.pathTarget)).status, lost);

			const again = await env.client('alice');
			Object.assign(again, { instance: wic.instance, contactUri: wic.contactUri });
			await leave(env, again);
			assert.deepEqual(await records(env.gw), []);
		}
	});

/** Table 4.3: final answers that the WIC gets as the core gave them. */
const RELAYED = [[404, 'Not Found'], [405, 'Method Not Allowed', ['Allow', 'OPTIONS']],
	[420, 'Bad Extension', ['Unsupported', 'path']], [423, 'Interval Too Brief', ['Min-Expires', '3600']],
	[439, 'First Hop Lacks Outbound Support'], [481, 'Call/Transaction Does Not Exist'],
	[494, 'Security Agreement Required'], [500, 'Server Internal Error', ['Retry-After', '7']], [502, 'Bad Gateway'],
	[504, 'Server Time-out'], [600, 'Busy Everywhere'], [606, 'Not Acceptable']];

test('table 4.3: answers that are relayed with their headers, once, without any state or retry [REG-30]', async (env) => {
	const wic = await env.client('alice');

	for (const [status, reason, header = ['X-Why', 'because']] of RELAYED) {
		const before = env.core.log.length;
		const { res } = await exchange(env, wic, {}, (r) => r.reply(status, reason, { toTag: 't', headers: [header] }));

		assert.equal(res.start, `SIP/2.0 ${status} ${reason}`);
		assert.equal(res.get(header[0]), header[1]);
		assert.equal(env.core.log.length, before + 1, 'no retry with other values');
	}
	assert.deepEqual(await records(env.gw), []);
	for (const status of ['439', '494'])
		await env.gw.cscf.logged('reg.unexpected', { status });
});

test('100 stays here; 401 stale=true is relayed and the connection kept [REG-30, SEC-13]', async (env) => {
	const wic = await env.client('alice');
	const failed = async () => (await env.gw.cscf.metrics()).sum('cscf_registers_total', { result: 'auth-failed' });
	const failures = await failed();

	assert.ok((await env.gw.cscf.metrics()).has('cscf_registers_total'));
	for (const stale of [false, true]) {
		const { res } = await exchange(env, wic, answered(wic), (r) => {
			r.reply(100, 'Trying');
			env.core.challenge(r, { stale });
		});

		assert.equal(res.status, 401);
		assert.equal(digestParams(res.get('WWW-Authenticate')).stale, stale ? 'true' : undefined);
	}
	assert.ok(!wic.frames.some((f) => f.text.startsWith('SIP/2.0 100')));
	assert.equal(await failed(), failures);
	assert.equal((await exchange(env, wic, answered(wic))).res.status, 200);
	await leave(env, wic);
});

test('403 to a re-REGISTER is relayed and the association goes on; the same after a challenge answered [REG-31, SEC-12]',
	async (env) => {
		const { wic } = await registered(env);

		for (const auth of [credentials(wic), credentials(wic, { response: RESPONSE })]) {
			const { res } = await exchange(env, wic, { auth }, (r) => r.reply(403, 'Maximum flows reached', { toTag: 't' }));

			assert.equal(res.start, 'SIP/2.0 403 Maximum flows reached');
			assert.equal((await records(env.gw)).length, 1);
		}
		assert.deepEqual((await message(env, wic)).all('P-Asserted-Identity').map(uriOf)[0], 'sip:alice@ims.test');
		await leave(env, wic);
	});

test('a 200 for a connection that has gone: kept as a lost flow, terminating requests fail fast [REG-32]', async (env) => {
	const { core } = env;
	const wic = await env.client('alice');
	const sent = wic.registerMsg(answered(wic));

	wic.send(sent);
	const item = await core.next('REGISTER');
	await wic.close({ abrupt: true });
	await until(async () => count(await env.gw.cscf.status(), 'connections') === 0, { what: 'no connection' });
	core.accept(item);
	const [row] = await until(async () => {
		const rows = await records(env.gw);
		return rows.length && rows;
	}, { what: 'a record' });
	assert.equal(row.state, 'flow-lost');
	Object.assign(core, { path: item.msg.get('Path'), contact: wic.contactUri });
	assert.equal((await core.request(core.terminating('INVITE'), core.pathTarget)).status, 430);

	const again = await env.client('alice');
	Object.assign(again, { instance: wic.instance, contactUri: wic.contactUri });
	await leave(env, again);
});

test('several challenges of all algorithms pass in the order of the core, none is chosen here [REG-33]', async (env) => {
	const wic = await env.client('alice');
	const challenges = ['SHA-512-256', 'SHA-256', 'MD5', 'AKAv2-SHA-256'].map((a, i) => `Digest realm="ims.test", nonce="n${i}", ` +
		`algorithm=${a}, qop="auth", opaque="${token(4)}", userhash=${i % 2 === 0}`);
	const { res } = await exchange(env, wic, {}, (r) => r.reply(401, 'Unauthorized', { toTag: 't',
		headers: challenges.map((c) => ['WWW-Authenticate', c]) }));

	assert.deepEqual(res.all('WWW-Authenticate'), challenges);
	for (const algorithm of ['SHA-512-256', 'SHA-256', 'MD5']) {
		const auth = credentials(wic, { response: RESPONSE, more: `, algorithm=${algorithm}, userhash=true` });
		const { item } = await exchange(env, wic, { auth }, (r) => env.core.challenge(r));

		assert.equal(item.msg.get('Authorization'), `${auth},integrity-protected="tls-pending"`);
	}
});

test.end();
