// SPDX-License-Identifier: Apache-2.0
//
// P-CSCF restoration: an S-CSCF that died, and one that says itself that it has lost the user.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { registered } from '../lib/notifier.js';
import { SipEndpoint } from '../lib/endpoint.js';
import { uriOf } from '../lib/sip.js';
import { port } from '../lib/ports.js';

const test = suite({ scripted: true });

const BODY = new RegExp('^<\\?xml version="1\\.0" encoding="UTF-8"\\?>\\n<ims-3gpp version="1">\\s*<alternative-service>\\s*' +
	'<type>restoration</type>\\s*<reason>[^<]+</reason>\\s*<action>initial-registration</action>\\s*' +
	'</alternative-service>\\s*</ims-3gpp>\\s*$');

/** An S-CSCF of its own behind the Service-Route, which a test can kill. */
async function serving(core, transport) {
	const node = await SipEndpoint.open({ port: await port() });
	const route = `<sip:orig@${node.host}:${node.port};lr${transport === 'TCP' ? ';transport=tcp' : ''}>`;

	Object.defineProperty(core, 'serviceRoute', { value: route, configurable: true });
	return Object.assign(node, { route, release: () => delete core.serviceRoute });
}

const routeOf = async (gw) => (await gw.cscf.ctl('reg show', 'sip:alice@ims.test'))[0].service_route;

function assertRestoration(res, gw, core, wic) {
	assert.equal(res.status, 504, res.start);
	assert.equal(res.get('Content-Type'), 'application/3gpp-ims+xml');
	assert.match(res.body, BODY);
	const path = uriOf(wic.reg.second.msg.get('Path'));
	assert.equal(res.get('P-Asserted-Identity'), `<sip:${path.split('@')[1].replace(/;ob$/, '')}>`);
	assert.match(path, new RegExp(`@${gw.mw.host}:${gw.mw.port};lr`));
}

for (const transport of ['TCP', 'UDP']) {
	test(`the S-CSCF was killed (${transport}): MESSAGE is 504 with the restoration body, the route is cleared [REG-82]`,
		async (env) => {
			const { core, gw } = env;
			const node = await serving(core, transport);

			try {
				const alice = await registered(env);
				const first = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

				alice.send(first);
				(await node.next('MESSAGE')).reply(200, 'OK', { toTag: 'x' });
				assert.equal((await alice.response(first)).status, 200);
				await node.close();
				const second = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

				assert.deepEqual(await routeOf(gw), [node.route]);
				alice.send(second);
				assertRestoration(await alice.response(second, { ms: 20000 }), gw, core, alice);
				assert.deepEqual(await routeOf(gw), []);
				await gw.cscf.logged('session.restoration', { why: 'unreachable' });

				// Nothing is sent into the void any more; the next 200 brings a way again.
				const third = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });
				alice.send(third);
				assert.equal((await alice.response(third)).status, 500);
				node.release();
				await registered(env, 'alice', { client: alice });
				assert.deepEqual(await routeOf(gw), [core.serviceRoute]);
				const fourth = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });
				alice.send(fourth);
				(await core.next('MESSAGE')).reply(200, 'OK', { toTag: 'x' });
				assert.equal((await alice.response(fourth)).status, 200);
			} finally {
				node.release();
				await node.close().catch(() => {});
			}
		});
}

test('the S-CSCF was killed: INVITE is 504 with the same body, and its media is freed [REG-82]', async (env) => {
	const { core, gw } = env;
	const node = await serving(core, 'TCP');

	try {
		const alice = await registered(env);

		await node.close();
		const call = alice.invite('sip:bob@ims.test');
		assertRestoration(await call.response(), gw, core, alice);
		assert.deepEqual(await routeOf(gw), []);
		const metrics = await gw.cscf.metrics();
		assert.ok(metrics.sum(/^cscf_session_restoration_total/) > 0);
	} finally {
		node.release();
	}
});

test('a Service-Route whose name leads nowhere is no way either [REG-82]', async (env) => {
	const { core, gw } = env;

	Object.defineProperty(core, 'serviceRoute', { value: '<sip:orig@gone.invalid;lr>', configurable: true });
	try {
		const alice = await registered(env);
		const msg = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

		alice.send(msg);
		assertRestoration(await alice.response(msg), gw, core, alice);
	} finally {
		delete core.serviceRoute;
	}
});

const restoration = (action) => '<?xml version="1.0" encoding="UTF-8"?>\n<ims-3gpp version="1"><alternative-service>' +
	`<type>restoration</type><reason>lost</reason>${action}</alternative-service></ims-3gpp>`;

test('the same body from the core is relayed octet for octet and clears the route [REG-83]', async (env) => {
	const { core, gw } = env;
	const alice = await registered(env);
	const body = restoration('<action>initial-registration</action>');
	const answer = async (text, headers = []) => {
		const msg = alice.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

		alice.send(msg);
		(await core.next('MESSAGE')).reply(504, 'Server Time-out', { toTag: 's1', headers: [
			['Content-Type', 'application/3gpp-ims+xml'], ...headers], body: text });
		return alice.response(msg);
	};

	// A 504 that asks for something else, or for nothing that can be read, leaves the route alone.
	for (const other of ['', restoration(''), '<ims-3gpp version="1"', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']) {
		assert.equal((await answer(other)).status, 504);
		assert.deepEqual(await routeOf(gw), [core.serviceRoute]);
	}
	const res = await answer(body, [['P-Asserted-Identity', '<sip:scscf1.ims.test>']]);
	assert.equal(res.status, 504);
	assert.equal(res.body, body);
	assert.equal(res.get('Content-Type'), 'application/3gpp-ims+xml');
	assert.equal(res.get('P-Asserted-Identity'), '<sip:scscf1.ims.test>');
	assert.deepEqual(await routeOf(gw), []);
	await gw.cscf.logged('session.restoration', { why: 'core' });

	await registered(env, 'alice', { client: alice });
	const call = alice.invite('sip:bob@ims.test');
	(await core.next('INVITE')).reply(504, 'Server Time-out', { toTag: 's1', headers: [
		['Content-Type', 'application/3gpp-ims+xml']], body });
	const failed = await call.response();
	assert.equal(failed.status, 504);
	assert.equal(failed.body, body);
	assert.deepEqual(await routeOf(gw), []);
	await core.next('ACK');
});

test.end();
