// SPDX-License-Identifier: Apache-2.0
//
// Registration through the real registrar: SIP Digest relayed, states kept and removed.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { count } from '../lib/gateway.js';
import { uriOf } from '../lib/sip.js';
import { until } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { auth: { fail_close_delay: '1s' } } } });

test('REGISTER with Digest is challenged, accepted and kept [REG-20, REG-21, REG-22, REG-29]',
	async ({ client, core, gw }) => {
		const alice = await client('alice');
		const first = await alice.request(alice.registerMsg());

		assert.equal(first.status, 401);
		assert.match(first.get('WWW-Authenticate'), /^Digest realm="ims\.test"/);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 0);
		const res = await alice.register();
		assert.equal(res.status, 200);
		assert.deepEqual(res.all('P-Associated-URI'), ['<sip:alice@ims.test>', '<tel:+15550101>']);
		assert.equal(res.all('Service-Route').length, 1);
		assert.equal(res.get('P-Charging-Vector'), undefined);
		assert.equal(res.get('P-Charging-Function-Addresses'), undefined);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 1);

		const [contact] = await core.contacts('alice');
		assert.equal(contact.Address.split(';')[0], alice.contactUri.split(';')[0]);
		assert.match(contact.Path, new RegExp(`@${gw.mw.host}:${gw.mw.port};`));
	});

test('deregistration removes the binding here and at the core [DEREG-01, DEREG-02]',
	async ({ wic, core, gw }) => {
		const alice = await wic('alice');
		const res = await alice.unregister();

		assert.equal(res.status, 200);
		assert.deepEqual(await core.contacts('alice'), []);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 0);
	});

test('a wrong password ends in 403 and leaves no state [SEC-12, REG-30]',
	async ({ client, core, gw }) => {
		const alice = await client('alice', { password: 'not-hers' });
		const res = await alice.register();

		assert.equal(res.status, 403);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 0);
		assert.deepEqual(await core.contacts('alice'), []);
		const { code } = await alice.ended();
		assert.ok([1000, 1008].includes(code), `closed with ${code}`);
	});

test('two users on two connections are kept apart; each answer goes to its own socket [REG-20, WS-18]',
	async ({ wic, gw, core }) => {
		const [alice, bob] = await Promise.all([wic('alice'), wic('bob')]);

		assert.equal(count(await gw.cscf.status(), 'registrations'), 2);
		assert.equal(alice.responses.all().length, 0);
		assert.equal(bob.responses.all().length, 0);
		assert.equal((await core.contacts('alice')).length, 1);
		assert.equal((await core.contacts('bob')).length, 1);
	});

test('a lost connection keeps the record until a new one of the same instance takes over [REG-42, DEREG-40]',
	async ({ wic, client, core, gw }) => {
		const alice = await wic('alice');

		await alice.close({ abrupt: true });
		await until(async () => count(await gw.cscf.status(), 'connections') === 0, { what: 'no connection' });
		assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
		assert.equal((await core.contacts('alice')).length, 1);

		const again = await client('alice');
		Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
		assert.equal((await again.register()).status, 200);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
	});

test('a terminating call to a lost flow fails fast with 430 or 480 [WS-19, CALL-21]',
	async ({ wic, client, ue, gw }) => {
		const alice = await wic('alice');
		const bob = await ue('bob');

		await alice.close({ abrupt: true });
		await until(async () => count(await gw.cscf.status(), 'connections') === 0, { what: 'no connection' });
		const call = await bob.call('sip:alice@ims.test');
		const res = await call.answered;
		assert.ok([430, 480].includes(res.status), res.start);

		const again = await client('alice');
		Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
		assert.equal((await again.register()).status, 200);
	});

test('a request before registration is 403 [CALL-01, REG-80]', async ({ client }) => {
	const alice = await client('alice');
	const call = alice.invite('sip:bob@ims.test');

	assert.equal((await call.response()).status, 403);
});

test('REGISTER for a foreign domain and for a third party is 403, the core sees nothing [SEC-22, REG-11]',
	async ({ client, core }) => {
		const alice = await client('alice');
		const foreign = alice.registerMsg();

		foreign.start = 'REGISTER sip:evil.test SIP/2.0';
		assert.equal((await alice.request(foreign)).status, 403);
		const third = alice.registerMsg();
		third.set('From', `<sip:bob@ims.test>;tag=1`);
		assert.equal((await alice.request(third)).status, 403);
		assert.deepEqual(await core.contacts('alice'), []);
	});

test('registration works over plain ws on loopback and in binary frames [WS-04, WS-06]',
	async ({ client, gw }) => {
		const alice = await client('alice', { url: gw.wsUrl });

		alice.send(Buffer.from(alice.registerMsg().toString()));
		const res = await alice.responses.next((r) => r.status >= 200);
		assert.equal(res.status, 401);
		assert.equal((await alice.register()).status, 200);
	});

test('CRLFCRLF is answered by CRLF and never reaches the SIP parser [WS-22]', async ({ client, gw }) => {
	const alice = await client('alice');

	alice.send('\r\n\r\n');
	await until(() => alice.frames.some((f) => f.text === '\r\n'), { what: 'a pong of CRLF' });
	alice.send('\r\n');
	alice.send(Buffer.from('\r\n\r\n'));
	await until(() => alice.frames.filter((f) => f.text === '\r\n').length === 2, { what: 'second pong' });
	assert.equal((await gw.cscf.metrics()).sum(/malformed/), 0);
});

test('a MESSAGE between two WICs passes through the core both ways [CALL-38, WS-19]', async ({ wic }) => {
	const [alice, bob] = await Promise.all([wic('alice'), wic('bob')]);
	const msg = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hello', type: 'text/plain' });

	alice.send(msg);
	const got = await bob.next('MESSAGE');
	assert.equal(got.body, 'hello');
	assert.equal(uriOf(got.get('P-Asserted-Identity') ?? ''), 'sip:alice@ims.test');
	bob.send(got.answer(200, 'OK', { toTag: 'b1' }));
	assert.equal((await alice.response(msg)).status, 200);
});

test.end();
