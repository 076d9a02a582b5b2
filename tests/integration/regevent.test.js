// SPDX-License-Identifier: Apache-2.0
//
// The eP-CSCF's own reg-event subscription against a scripted S-CSCF: SUBSCRIBE and its life.
// What a NOTIFY does to registrations: regevent-notify.test.js.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Notifier, reginfo, registered } from '../lib/notifier.js';
import { param, uriOf } from '../lib/sip.js';
import { count } from '../lib/gateway.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: {
	regevent: { enable: true, backoff: '200ms', max_failures: 3 }, dereg: { close_delay: '700ms' } } } });


const subscription = async (gw, impi) => (await gw.cscf.ctl('reg show', impi))[0].subscription;

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

test.end();
