// SPDX-License-Identifier: Apache-2.0
//
// Other worlds: a core without the reg event package, an operator who wants no subscriptions, TCP.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Notifier, registered, reginfo } from '../lib/notifier.js';
import { until } from '../lib/wait.js';

const test = {
	core: suite({ gateway: { cscf: { regevent: { enable: true, backoff: '100ms' } } } }),
	off: suite({ scripted: true }),
	tcp: suite({ scripted: true, gateway: { coreTransport: 'tcp', cscf: { mw: { transport: ['tcp'] },
		regevent: { enable: true } } } }),
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

test.tcp('over TCP alone: SUBSCRIBE, a document of 20 kB, a refresh for the full state [REG-60, REG-66]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const sub = await Notifier.accept(core, 'alice');

	assert.equal(sub.item.transport, 'TCP');
	assert.equal(sub.item.msg.get('Contact'), `<sip:${gw.mw.host}:${gw.mw.port};transport=tcp>`);
	const crowd = Array.from({ length: 40 }, (_, i) => ({ uri: `sip:phone${i}@192.0.2.7` }));
	const contacts = [...crowd, { uri: wic.contactUri, event: 'shortened', expires: 60 }];
	const body = reginfo(0, ['sip:alice@ims.test', 'tel:+15550101', 'sip:office@ims.test', 'sip:home@ims.test',
		'sip:car@ims.test'].map((aor) => ({ aor, contacts })));

	assert.ok(body.length > 16000, `${body.length} octets`);
	assert.equal((await sub.notify(body)).status, 200);
	assert.ok((await gw.cscf.ctl('reg show', 'alice'))[0].expires_in_s <= 60);
	await sub.notify(reginfo(2, [], { state: 'partial' }));
	const again = await sub.refresh();
	assert.equal(again.transport, 'TCP');
	sub.ok(again);
});

test.tcp.end();
