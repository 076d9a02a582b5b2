// SPDX-License-Identifier: Apache-2.0
//
// Where the core has no reg event package, and where the operator wants no subscriptions.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Notifier, registered, reginfo } from '../lib/notifier.js';
import { until } from '../lib/wait.js';

const test = {
	core: suite({ gateway: { cscf: { regevent: { enable: true, backoff: '100ms' } } } }),
	off: suite({ scripted: true }),
};

test.core('a core without the package: one line, no second attempt, registrations as ever [REG-63]',
	async ({ wic, gw }) => {
		const alice = await wic('alice');

		await until(async () => (await gw.cscf.ctl('reg show', 'alice'))[0].subscription === 'gave-up',
			{ what: 'giving up' });
		for (let i = 0; i < 3; i++)
			assert.equal((await alice.register()).status, 200);
		await gw.cscf.logged('regevent.gave_up', { status: '489' });
		assert.equal(gw.cscf.log().filter((l) => l.event.startsWith('regevent.')).length, 1);
		const metrics = await gw.cscf.metrics();
		assert.equal(metrics.sum('cscf_regevent_subscribes_total', { result: 'refused' }), 1);
		assert.equal(metrics.sum('cscf_regevent_alarms_total'), 0);
		const bob = await wic('bob');
		const msg = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hello', type: 'text/plain' });
		alice.send(msg);
		bob.send((await bob.next('MESSAGE')).answer(200, 'OK', { toTag: 'b1' }));
		assert.equal((await alice.response(msg)).status, 200);
		assert.equal(bob.requests.all().length, 0, 'no SUBSCRIBE of ours came round to a WIC');
	});

test.core.end();

test.off('regevent.enable=false: no SUBSCRIBE, and NOTIFYs to us are for nobody [REG-60]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

	wic.send(msg);
	(await core.next('MESSAGE')).reply(200, 'OK', { toTag: 'x' });
	assert.equal((await wic.response(msg)).status, 200);
	assert.equal(core.log.filter((item) => item.msg.method === 'SUBSCRIBE').length, 0);
	assert.equal((await gw.cscf.ctl('reg show', 'alice'))[0].subscription, 'none');
	const forged = new Notifier(core);
	const notify = forged.message(reginfo(1, [{ aor: 'sip:alice@ims.test', state: 'terminated' }]),
		{ uri: `sip:${gw.mw.host}:${gw.mw.port}`, toTag: 'x' });
	assert.equal((await core.request(notify, gw.mw)).status, 481);
	assert.equal((await gw.cscf.ctl('reg show', 'alice')).length, 1);
});

test.off.end();
