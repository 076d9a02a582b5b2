// SPDX-License-Identifier: Apache-2.0
//
// The eP-CSCF's own reg-event subscription against a scripted S-CSCF: SUBSCRIBE and its life.
// What a NOTIFY does to registrations: regevent-notify.test.js.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Notifier, reginfo, registered } from '../lib/notifier.js';
import { token, uriOf } from '../lib/sip.js';
import { count } from '../lib/gateway.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: {
	regevent: { enable: true, backoff: '200ms', max_failures: 3 }, dereg: { close_delay: '700ms' } } } });


async function subscription(gw, impi) {
	const [row] = await gw.cscf.ctl('reg show', impi);

	return { state: row.subscription, expires_in_s: row.subscription_expires_in_s, version: row.subscription_version,
		failures: row.subscription_failures };
}

test('SUBSCRIBE after the first 200, field by field [REG-60]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env, 'alice', { grant: { expires: 3600 } });
	const { msg, raw } = await core.next('SUBSCRIBE');

	assert.equal(msg.start, 'SUBSCRIBE sip:alice@ims.test SIP/2.0');
	assert.equal(msg.get('To'), '<sip:alice@ims.test>');
	assert.match(msg.get('From'), /^<sip:127\.0\.0\.1>;tag=[0-9a-f]{16}$/);
	assert.equal(msg.get('P-Asserted-Identity'), '<sip:127.0.0.1>');
	assert.equal(msg.get('Contact'), `<sip:${gw.mw.host}:${gw.mw.port}>`);
	assert.equal(msg.get('Event'), 'reg');
	assert.equal(msg.get('Accept'), 'application/reginfo+xml');
	assert.equal(msg.get('Expires'), '4200');
	assert.equal(msg.get('Max-Forwards'), '70');
	assert.match(msg.get('P-Charging-Vector'),
		/^icid-value="[0-9a-f]{32}";icid-generated-at=127\.0\.0\.1;orig-ioi="Type 1ims\.test"$/);
	assert.doesNotMatch(raw, /term-ioi/);
	assert.equal(msg.get('Route'), undefined, 'not over the Service-Route of the user');
	assert.equal(msg.all('Via').length, 1);
	assert.notEqual(msg.get('P-Charging-Vector'), wic.reg.second.msg.get('P-Charging-Vector'));
});

test('one SUBSCRIBE per IMPI: not for a re-REGISTER, nor for a second device [REG-61]', async (env) => {
	const { core, gw } = env;
	const before = core.log.length;
	const one = await registered(env);

	await Notifier.accept(core, 'alice');
	await Promise.all([one.register(), core.registration()]);
	await registered(env);
	await until(async () => count(await gw.cscf.status(), 'registrations') === 2, { what: 'two bindings' });
	await registered(env, 'bob'); // what comes after: nothing is on its way any more
	await Notifier.accept(core, 'bob');
	const to = core.log.slice(before).filter(({ msg }) => msg.method === 'SUBSCRIBE').map(({ msg }) => uriOf(msg.get('To')));
	assert.deepEqual(to, ['sip:alice@ims.test', 'sip:bob@ims.test']);
});

const ALICE = 'sip:alice@ims.test';

/** Answer the SUBSCRIBEs for alice with that status, n times. */
async function refuse(core, status, n, headers = []) {
	const items = [];

	for (let i = 0; i < n; i++) {
		const item = await core.next('SUBSCRIBE');

		item.at = Date.now();
		item.reply(status, 'No', { toTag: token(4), headers });
		items.push(item);
	}
	return items;
}

test('a tel URI first in P-Associated-URI: the first SIP URI is watched [REG-61]', async (env) => {
	const { core } = env;

	await registered(env, 'alice', { grant: {
		associated: '<tel:+15550101>, "Alice" <sip:alice.a@ims.test>, <sip:alice@ims.test>' } });
	const { msg } = await core.next('SUBSCRIBE');
	assert.equal(msg.uri, 'sip:alice.a@ims.test');
	assert.equal(msg.get('To'), '<sip:alice.a@ims.test>');
});

test('refreshed at half time in the same dialog, along its routes, with the next CSeq [REG-62]', async (env) => {
	const { core, gw } = env;
	const since = Date.now();

	await registered(env);
	const item = await core.next('SUBSCRIBE');
	const route = `<sip:${core.host}:${core.port};lr;proxy=1>`;
	item.reply(200, 'OK', { toTag: 'n1', headers: [['Expires', '4'], ['Record-Route', route],
		['Contact', `<sip:notifier@${core.host}:${core.port}>`]] });
	const again = await core.next('SUBSCRIBE', { callId: item.msg.callId });
	const took = Date.now() - since;
	assert.ok(took > 1500 && took < 3500, `after ${took} ms`);
	assert.equal(again.msg.uri, `sip:notifier@${core.host}:${core.port}`);
	assert.deepEqual(again.msg.all('Route'), [route]);
	assert.equal(again.msg.toTag, 'n1');
	assert.equal(again.msg.fromTag, item.msg.fromTag);
	assert.equal(again.msg.cseq, item.msg.cseq + 1);
	assert.equal(again.msg.get('Expires'), '1200', 'granted 600 + 600');
	for (const name of ['Event', 'Accept', 'Contact', 'P-Asserted-Identity'])
		assert.equal(again.msg.get(name), item.msg.get(name));
	assert.notEqual(again.msg.get('P-Charging-Vector'), item.msg.get('P-Charging-Vector'));
	again.reply(200, 'OK', { headers: [['Expires', '1200'], ['Contact', `<sip:notifier@${core.host}:${core.port}>`]] });
	await until(async () => (await subscription(gw, 'alice')).state === 'active', { what: 'an active subscription' });
	assert.ok((await subscription(gw, 'alice')).expires_in_s > 1100);
});

test('481 to a refresh: a fresh dialog by the home entry point [REG-62]', async (env) => {
	const { core, gw } = env;

	await registered(env);
	const sub = await Notifier.accept(core, 'alice', { expires: 2 });
	await sub.tell([{ aor: ALICE, contacts: [] }], { state: 'active;expires=2' });
	(await sub.refresh()).reply(481, 'Gone');
	const fresh = await Notifier.accept(core, 'alice', { match: (m) => m.callId !== sub.callId });
	assert.equal(fresh.item.msg.uri, ALICE);
	assert.notEqual(fresh.item.msg.fromTag, sub.item.msg.fromTag);
	assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
	assert.equal((await sub.tell([])).status, 481);
});

test('no answer to a refresh: a fresh dialog as well [REG-62]', async (env) => {
	const { core } = env;

	await registered(env);
	const sub = await Notifier.accept(core, 'alice', { expires: 2 });
	await sub.refresh(); // and nothing: 64*T1 is 6.4 s here
	await Notifier.accept(core, 'alice', { match: (m) => m.callId !== sub.callId });
});

test('500: the registration stays, attempts come further and further apart, then the alarm [REG-63]', async (env) => {
	const { core, gw } = env;
	const before = await gw.cscf.metrics();
	const wic = await registered(env);
	const items = await refuse(core, 500, 4);
	const gaps = items.slice(1).map((item, i) => item.at - items[i].at);

	// 200, 400, 800 ms less at most a quarter
	[150, 300, 600].forEach((ms, i) => assert.ok(gaps[i] >= ms - 20, `gap ${i}: ${gaps[i]} ms`));
	assert.equal(new Set(items.map((i) => i.msg.callId)).size, 4, 'each is a dialog of its own');
	await gw.cscf.logged('regevent.alarm', { failures: '3' });
	const after = await gw.cscf.metrics();
	assert.equal(after.sum('cscf_regevent_alarms_total') - before.sum('cscf_regevent_alarms_total'), 1);
	assert.equal((await subscription(gw, 'alice')).failures, 4);
	const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });
	wic.send(msg);
	(await core.next('MESSAGE')).reply(200, 'OK', { toTag: 'x' });
	assert.equal((await wic.response(msg)).status, 200);
	await Notifier.accept(core, 'alice');
	await until(async () => (await subscription(gw, 'alice')).failures === 0, { what: 'no failures counted' });
});

test('Retry-After and Min-Expires are heeded [REG-63]', async (env) => {
	const { core } = env;

	await registered(env);
	const [first] = await refuse(core, 503, 1, [['Retry-After', '1']]);
	const [second] = await refuse(core, 423, 1, [['Min-Expires', '7200']]);
	assert.ok(second.at - first.at >= 950, `${second.at - first.at} ms`);
	const third = await Notifier.accept(core, 'alice');
	assert.equal(third.item.msg.get('Expires'), '7200');
});

for (const status of [489, 403]) {
	test(`${status}: no further attempt until the user registers from nothing [REG-63]`, async (env) => {
		const { core, gw } = env;
		const wic = await registered(env);

		await refuse(core, status, 1);
		await until(async () => (await subscription(gw, 'alice')).state === 'gave-up', { what: 'giving up' });
		await registered(env, 'alice', { client: wic });
		await registered(env, 'bob');
		// what comes next is bob's: alice has none
		const { msg } = await core.next('SUBSCRIBE');
		assert.equal(uriOf(msg.get('To')), 'sip:bob@ims.test');
		await Promise.all([wic.unregister(), core.registration({ expires: 0 })]);
		await registered(env, 'alice', { client: wic });
		assert.equal(uriOf((await core.next('SUBSCRIBE')).msg.get('To')), ALICE);
	});
}

test('the first NOTIFY may come before the 200 [REG-64]', async (env) => {
	const { core, gw } = env;

	await registered(env);
	const sub = new Notifier(core, await core.next('SUBSCRIBE'));
	assert.equal((await sub.tell([], { full: false })).status, 200);
	assert.equal((await sub.tell([], { full: false, fromTag: 'another' })).status, 481);
	sub.ok(sub.item);
	await until(async () => (await subscription(gw, 'alice')).state === 'active', { what: 'an active subscription' });
	assert.equal((await subscription(gw, 'alice')).version, 0);
});

test('the state is shown to the operator and counted [REG-60]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);

	await until(async () => (await subscription(gw, 'alice')).state === 'subscribing', { what: 'subscribing' });
	const sub = await Notifier.accept(core, 'alice');
	await sub.tell([{ aor: ALICE, contacts: [{ uri: wic.contactUri }] }]);
	const row = await subscription(gw, 'alice');
	assert.equal(row.state, 'active');
	assert.equal(row.version, 0);
	assert.ok(row.expires_in_s > 500);
	assert.equal((await gw.cscf.ctl('reg list'))[0].subscription, 'active');
	assert.equal((await gw.cscf.status()).subscriptions, 1);
	assert.equal((await gw.cscf.metrics()).sum('cscf_regevent_subscriptions'), 1);
});

test.end();
