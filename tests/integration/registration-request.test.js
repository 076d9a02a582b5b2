// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a REGISTER of a WIC on its way to the core: section 7.1 row by row, seen by a
// scripted S-CSCF. What the gateway refuses, the core never sees.
import assert from 'node:assert/strict';
import { Gateway, count } from '../lib/gateway.js';
import { SPARE, port } from '../lib/ports.js';
import { RESPONSE, credentials, exchange, leave, protectedBy, records, refusedLocally, registered } from '../lib/register.js';
import { Scscf } from '../lib/scscf.js';
import { param, parseUri, token, uriOf } from '../lib/sip.js';
import { suite, ORIGIN } from '../lib/suite.js';
import { SECOND } from '../lib/wait.js';

const test = suite({ scripted: true });
const challenge = (env) => (r) => env.core.challenge(r);

/** A second gateway with other knobs; stopped with the test. */
async function gateway({ core, own }, cscf) {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf });

	own({ close: () => gw.stop() });
	return gw;
}

test('an emergency Contact is 403, as URI or header parameter [REG-01]', async (env) => {
	const wic = await env.client('alice');

	for (const change of [(c) => c.replace(';transport=ws', ';transport=ws;sos'), (c) => `${c};sos`]) {
		const msg = wic.registerMsg();

		msg.set('Contact', change(msg.get('Contact')));
		assert.equal((await refusedLocally(env, wic, msg)).status, 403);
	}
});

test('a Digest that says a parameter twice is 400: nobody registers another on his own association [SEC-07, REG-40]',
	async (env) => {
		const { wic } = await registered(env);
		const digest = (more) => credentials(wic) + more;

		for (const more of [', username="bob"', ', USERNAME = bob', ', username*=UTF-8\'\'bob', `, response="${RESPONSE}"`,
			', realm="ims.test"', ', algorithm=AKAv2-SHA-256, Algorithm=MD5']) {
			const msg = wic.registerMsg({ auth: digest(more) });

			for (const name of ['From', 'To'])
				msg.set(name, msg.get(name).replace('alice', 'bob'));
			assert.equal((await refusedLocally(env, wic, msg)).status, 400, more);
		}
		assert.equal((await records(env.gw, 'sip:bob@ims.test')).length, 0);
		await leave(env, wic);
	});

test('a Contact or Expires that says its lifetime twice is 400 [REG-15, REG-19, TOK-22]', async (env) => {
	const wic = await env.client('alice');
	const contact = wic.registerMsg().get('Contact');

	for (const value of [`${contact};expires=0`, `${contact};EXPIRES=600000`, `${contact};reg-id=2`,
		contact.replace(';transport=ws', ';transport=ws;transport=tcp'), contact.replace(/expires=\d+/, 'expires=0;x=<;expires=9>')]) {
		const msg = wic.registerMsg();

		msg.set('Contact', value);
		assert.equal((await refusedLocally(env, wic, msg)).status, 400, value);
	}
	const twice = wic.registerMsg({ headers: [['Expires', '0'], ['Expires', '600000']] });
	assert.equal((await refusedLocally(env, wic, twice)).status, 400);
	assert.equal((await records(env.gw, 'sip:alice@ims.test')).length, 0);
});

test('one Path, ours: the WIC\'s own is deleted; Require: path with or without its Supported [REG-02, REG-04]',
	async (env) => {
		const wic = await env.client('alice');

		for (const supported of ['path, outbound', 'outbound', undefined]) {
			const msg = wic.registerMsg({ headers: [['Path', '<sip:evil@192.0.2.9;lr>, <sip:more@192.0.2.9;lr>']] });

			msg.set('Supported', supported);
			const { item } = await exchange(env, wic, msg, challenge(env));
			const uri = parseUri(uriOf(item.msg.get('Path')));

			assert.equal(item.msg.all('Path').length, 1);
			assert.deepEqual([uri.host, uri.port], [env.gw.mw.host, env.gw.mw.port]);
			assert.match(uri.params, /;lr\b/);
			assert.equal(item.msg.get('Require'), 'path');
			assert.ok(!item.raw.includes('192.0.2.9'));
		}
	});

test('ob in Path exactly with reg-id, +sip.instance and Supported: outbound together [REG-03]', async (env) => {
	const wic = await env.client('alice');

	for (let bits = 0; bits < 8; bits++) {
		const [regId, instance, outbound] = [bits & 1, bits & 2, bits & 4];
		const msg = wic.registerMsg({ outbound: false });

		msg.set('Supported', outbound ? 'gruu, outbound' : 'gruu');
		msg.set('Contact', `<${wic.contactUri}>${regId ? ';reg-id=1' : ''}${instance
			? `;+sip.instance="${wic.instance}"` : ''};expires=600`);
		const { item } = await exchange(env, wic, msg, challenge(env));
		assert.equal(/;ob\b/.test(item.msg.get('Path')), bits === 7, `case ${bits}: ${item.msg.get('Path')}`);
	}
});

test('visited network, ioi and its prefix by knob; reg.tls_protected_value=tls-protected as the seed prints it [REG-05, REG-06, REG-07, DEREG-01]',
	async (env) => {
		const gw = await gateway(env, { home: { visited_network_id: 'visited.example' },
			charging: { orig_ioi: 'op.example', ioi_prefix: '' }, reg: { tls_protected_value: 'tls-protected' } });
		const { wic, item } = await registered(env, 'alice', { client: { url: gw.wssUrl } });

		assert.equal(item.msg.get('P-Visited-Network-ID'), '"visited.example"');
		assert.equal(param(item.msg.get('P-Charging-Vector'), 'orig-ioi'), 'op.example');
		assert.equal(param(item.msg.get('P-Charging-Vector'), 'term-ioi'), undefined);
		assert.equal(protectedBy(item), 'tls-pending'); // First: no association yet.
		for (const response of ['', RESPONSE]) {
			const again = await exchange(env, wic, { auth: credentials(wic, { response }) });
			assert.equal(protectedBy(again.item), 'tls-protected');
		}
		assert.equal(protectedBy((await leave(env, wic)).item), 'tls-protected');
	});

test('tls-yes on an association with or without a response; nothing to set without Authorization [REG-07, REG-16, REG-40]',
	async (env) => {
		const { wic } = await registered(env);

		for (const [auth, expected] of [[credentials(wic), 'tls-yes'], [credentials(wic, { response: RESPONSE }), 'tls-yes'],
			[credentials(wic, { response: RESPONSE, more: ', algorithm=SHA-256' }), 'tls-yes']]) {
			const { item } = await exchange(env, wic, { auth });
			assert.equal(protectedBy(item), expected);
		}
		const bare = await exchange(env, wic, {}, challenge(env));
		assert.equal(bare.item.msg.get('Authorization'), undefined);
		assert.equal(bare.res.status, 401);
	});

test('Contact with its feature tags, User-Agent, Supported, Allow and unknown headers arrive octet for octet; host stays .invalid [REG-08, REG-19]',
	async (env) => {
		const wic = await env.client('alice');
		const contact = `"A \\"B\\" C" <${wic.contactUri};x=a%3Bb>;+sip.instance="${wic.instance}";reg-id=1` +
			';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";audio;video;+g.odd.tag="<x,y>";Expires=77';
		const headers = [['User-Agent', 'JsSIP 3.10  (with  blanks)'], ['Allow', 'INVITE,ACK, BYE'],
			['X-Odd', 'a,  b;c="d, e"']];
		const msg = wic.registerMsg({ headers });

		msg.set('Contact', contact);
		msg.set('Supported', 'path,gruu ,  outbound');
		const { item } = await exchange(env, wic, msg, challenge(env));
		for (const [name, value] of [['Contact', contact], ['Supported', 'path,gruu ,  outbound'], ...headers])
			assert.equal(item.msg.get(name), value);
		assert.match(item.msg.get('Contact'), /\.invalid;transport=ws/);
	});

test('a Route of the WIC has no effect on a REGISTER [REG-09]', async (env) => {
	const wic = await env.client('alice');
	const evil = env.own(await Scscf.start({ port: await port() }));
	const { item } = await exchange(env, wic, { headers: [['Route', `<sip:${evil.host}:${evil.port};lr>`],
		['Route', `<sip:${evil.host}:${evil.port};lr;transport=tcp>`]] }, challenge(env));

	assert.equal(item.msg.get('Route'), undefined);
	assert.equal(evil.log.length, 0);
});

test('entry points: dead, 480 and 302 are passed over, each asked once, and marked; nothing of it reaches the WIC [REG-10, REG-30]',
	async (env) => {
		const [busy, moved] = [await Scscf.start({ port: await port() }), await Scscf.start({ port: await port() })];

		env.own(busy);
		env.own(moved);
		busy.onRequest = (r) => {
			r.reply(480, 'Temporarily Unavailable', { toTag: 'b' });
			return true;
		};
		moved.onRequest = (r) => {
			r.reply(302, 'Moved', { toTag: 'm', headers: [['Contact', '<sip:inner@192.0.2.7>']] });
			return true;
		};
		const gw = await gateway(env, { home: { entry_points: [`sip:127.0.0.1:${await port()};transport=tcp`,
			`sip:127.0.0.1:${busy.port}`, `sip:127.0.0.1:${moved.port}`, `sip:127.0.0.1:${env.core.port}`] } });
		const wic = await env.client('alice', { url: gw.wssUrl });
		const { res } = await exchange(env, wic, {}, challenge(env));

		assert.equal(res.status, 401);
		assert.equal(busy.log.length, 1);
		assert.equal(moved.log.length, 1);
		// Both have the last place now: the next REGISTER goes to the good one at once.
		await exchange(env, wic, {}, challenge(env));
		assert.equal(busy.log.length + moved.log.length, 2);
		assert.ok(!wic.frames.some((f) => /192\.0\.2\.7|SIP\/2\.0 (480|302)/.test(f.text)));
	});

test('every entry point refuses or is silent: 504, and the core\'s own answer stays inside [REG-10, REG-30, SEC-21]',
	async (env) => {
		const silent = env.own(await Scscf.start({ port: await port() }));
		const mute = env.own(await Scscf.start({ port: await port() }));
		const gw = await gateway(env, { home: { entry_points: [`sip:127.0.0.1:${silent.port};transport=udp`,
			`sip:127.0.0.1:${mute.port};transport=udp`] }, sip: { t1: '50ms', t2: '200ms', t4: '500ms' } });
		const wic = await env.client('alice', { url: gw.wssUrl });
		const msg = wic.registerMsg();
		const res = await wic.request(msg, { ms: 12 * SECOND });

		assert.equal(res.status, 504);
		assert.equal(silent.log.length, 1);
		assert.equal(mute.log.length, 1);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 0);

		const last = await gateway(env, { home: { entry_points: [`sip:127.0.0.1:${env.core.port}`] } });
		const bob = await env.client('bob', { url: last.wssUrl });
		for (const [status, reason] of [[480, 'Temporarily Unavailable'], [305, 'Use Proxy']]) {
			const { res: answer } = await exchange(env, bob, {}, (r) => r.reply(status, reason, { toTag: 't',
				headers: [['Contact', '<sip:inner@192.0.2.7>']] }));

			assert.equal(answer.status, 504);
			assert.equal(answer.get('Contact'), undefined);
		}
	});

test('503 with Retry-After: the entry point is left alone that long, the other serves [SEC-21]', async (env) => {
	const busy = env.own(await Scscf.start({ port: await port() }));

	busy.onRequest = (r) => {
		r.reply(503, 'Service Unavailable', { toTag: 'b', headers: [['Retry-After', '120 (maintenance)']] });
		return true;
	};
	const gw = await gateway(env, { home: { entry_points: [`sip:127.0.0.1:${busy.port}`,
		`sip:127.0.0.1:${env.core.port}`] } });
	const wic = await env.client('alice', { url: gw.wssUrl });

	for (let i = 0; i < 3; i++)
		assert.equal((await exchange(env, wic, {}, challenge(env))).res.status, 401);
	assert.equal(busy.log.length, 1);
	// The other one falls too: the first is not even asked while its time runs.
	const { res } = await exchange(env, wic, {}, (r) => r.reply(503, 'Service Unavailable', { toTag: 't' }));
	assert.equal(res.status, 504);
	assert.equal(res.get('Retry-After'), undefined);
	assert.equal(busy.log.length, 1);
});

test('third-party registration and foreign identities are 403 [REG-11, REG-17, SEC-22]', async (env) => {
	const wic = await env.client('alice');
	const cases = [
		(m) => m.set('From', '<sip:bob@ims.test>;tag=1'),
		(m) => m.set('From', '<sip:alice@evil.test>;tag=1').set('To', '<sip:alice@evil.test>'),
		(m) => m.set('From', '<tel:+15550109>;tag=1'),
		(m) => m.set('Authorization', credentials(wic, { impi: 'alice@evil.test' })),
		(m) => m.set('Authorization', credentials(wic).replace('realm="ims.test"', 'realm="evil.test"')),
	];

	for (const change of cases)
		assert.equal((await refusedLocally(env, wic, change(wic.registerMsg()))).status, 403);
});

test('a REGISTER without Contact is a query: relayed, creates nothing; two Contacts of two instances are 400 [REG-12]',
	async (env) => {
		const wic = await env.client('alice');
		const query = wic.registerMsg({ auth: credentials(wic, { response: RESPONSE }) });

		query.set('Contact', undefined);
		const { res } = await exchange(env, wic, query, (r) => r.reply(200, 'OK', { toTag: 'q', headers: [
			['Contact', '<sip:other@other.invalid;transport=ws>;expires=99'], ['Service-Route', '<sip:x@192.0.2.1;lr>']] }));
		assert.equal(res.status, 200);
		assert.equal(res.get('Contact'), '<sip:other@other.invalid;transport=ws>;expires=99');
		assert.deepEqual(await records(env.gw), []);
		wic.gone = true;

		const two = wic.registerMsg();
		two.add('Contact', '<sip:b@b.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:other>"');
		assert.equal((await refusedLocally(env, wic, two)).status, 400);
	});

test('the old Contact with expires=0 and the new one of the same instance in one REGISTER: the new one is bound, in either order [REG-12, REG-43]',
	async (env) => {
		for (const newFirst of [false, true]) {
			const { wic } = await registered(env);
			const tags = `;reg-id=1;+sip.instance="${wic.instance}"`;
			const old = `<${wic.contactUri}>${tags};expires=0`;
			const uri = wic.contactUri.replace(/sip:\w+@/, `sip:${token(4)}@`);
			const fresh = `<${uri}>${tags};expires=600`;
			const msg = wic.registerMsg({ auth: credentials(wic, { response: RESPONSE }) });

			msg.set('Contact', newFirst ? fresh : old);
			msg.add('Contact', newFirst ? old : fresh);
			const { item, res } = await exchange(env, wic, msg, (r) => r.reply(200, 'OK', { toTag: 't', headers: [
				['Contact', fresh], ['Service-Route', env.core.serviceRoute], ['Require', 'outbound'],
				['P-Associated-URI', '<sip:alice@ims.test>']] }));
			assert.deepEqual(item.msg.all('Contact'), msg.all('Contact'));
			assert.equal(res.status, 200);
			const [row, ...more] = await records(env.gw);
			assert.deepEqual([row.contact, more.length], [uri, 0]);

			// The core reaches it under the new Contact, no longer under the old.
			env.core.path = item.msg.get('Path');
			env.core.contact = wic.contactUri;
			assert.equal((await env.core.request(env.core.terminating('OPTIONS'), env.core.pathTarget)).status, 404);
			env.core.contact = uri;
			const sent = env.core.terminating('OPTIONS');
			const [answer] = await Promise.all([env.core.request(sent, env.core.pathTarget), wic.next('OPTIONS').then((m) =>
				wic.send(m.answer(200, 'OK', { toTag: 'w' })))]);
			assert.equal(answer.status, 200);
			wic.contactUri = uri;
			await leave(env, wic);
		}
	});

test('a Contact that points elsewhere is 403, one that is no SIP URI 400 [REG-13]', async (env) => {
	const wic = await env.client('alice');

	for (const uri of ['sip:victim@198.51.100.1', 'sip:victim@198.51.100.1:5060;transport=udp',
		'tel:+15550101', 'https://victim.example/']) {
		const msg = wic.registerMsg();

		msg.set('Contact', `<${uri}>;expires=60`);
		assert.equal((await refusedLocally(env, wic, msg)).status, uri.startsWith('sip:') ? 403 : 400);
	}
});

test('a second REGISTER while one is outstanding, and an old CSeq, are 500 [REG-14]', async (env) => {
	const wic = await env.client('alice');
	const first = wic.registerMsg();

	wic.send(first);
	const item = await env.core.next('REGISTER');
	const busy = await refusedLocally(env, wic, {});
	assert.equal(busy.status, 500);
	assert.match(busy.get('Retry-After'), /^\d+$/);
	env.core.challenge(item);
	assert.equal((await wic.response(first)).status, 401);
	const old = wic.registerMsg();
	old.set('CSeq', '1 REGISTER');
	assert.equal((await refusedLocally(env, wic, old)).status, 500);
	assert.equal((await exchange(env, wic, {}, challenge(env))).res.status, 401);
});

test('Expires passes as the WIC wrote it, up to 2^32-1; a malformed one counts as an hour [REG-15]', async (env) => {
	const wic = await env.client('alice');

	for (const [value, granted] of [['4294967295', 600], ['0600', 600], ['abc', 3600]]) {
		const msg = wic.registerMsg({ auth: credentials(wic, { response: RESPONSE }) });

		msg.set('Contact', msg.get('Contact').replace(/;expires=\d+/, ''));
		msg.add('Expires', value);
		const { item } = await exchange(env, wic, msg, (r) => r.reply(200, 'OK', { toTag: 't', headers: [
			['Contact', `${msg.get('Contact')}${granted === 600 ? ';expires=600' : ''}`],
			['Service-Route', env.core.serviceRoute]] }));

		assert.equal(item.msg.get('Expires'), value);
		const [{ expires_in_s: left }] = await records(env.gw);
		assert.ok(left > granted - 5 && left <= granted, `${value}: ${left} s`);
	}
	await leave(env, wic);
});

test('one IMPI per connection: another is 403 and the first stays; assoc.multi_impi serves both [REG-18, ID-02]',
	async (env) => {
		const { wic } = await registered(env);
		const other = (w) => {
			const msg = w.registerMsg({ auth: credentials(w, { impi: 'bob', response: RESPONSE }) });

			return msg.set('From', '<sip:bob@ims.test>;tag=b').set('To', '<sip:bob@ims.test>').set('Call-ID', token());
		};

		assert.equal((await refusedLocally(env, wic, other(wic))).status, 403);
		assert.deepEqual((await records(env.gw)).map((r) => r.impi), ['alice']);
		await leave(env, wic);

		const gw = await gateway(env, { assoc: { multi_impi: true } });
		const { wic: both } = await registered(env, 'alice', { client: { url: gw.wssUrl } });
		const { item, res } = await exchange(env, both, other(both), (r) => env.core.accept(r,
			{ associated: '<sip:bob@ims.test>' }));
		assert.equal(res.status, 200);
		assert.equal(protectedBy(item), 'tls-pending'); // No association of that IMPI yet.
		assert.deepEqual((await records(gw)).map((r) => r.impi).sort(), ['alice', 'bob']);
		const sent = both.message('MESSAGE', 'sip:x@ims.test', { headers: [['P-Preferred-Identity', '<sip:bob@ims.test>']] });
		const [, seen] = await Promise.all([both.request(sent), env.core.next('MESSAGE').then((r) => {
			r.reply(200, 'OK', { toTag: 't' });
			return r;
		})]);
		assert.deepEqual(seen.msg.all('P-Asserted-Identity').map(uriOf), ['sip:bob@ims.test']);
		both.gone = true;
	});

test('a REGISTER carries nothing but what the WIC said and the gateway vouches for: a wrong Digest response reaches the core untouched [SEC-11]',
	async (env) => {
		const wic = await env.client('alice');
		const auth = credentials(wic, { response: RESPONSE, more: ',qop=auth, nc=00000001,cnonce="c" , opaque="o"' });
		const { item, res } = await exchange(env, wic, { auth }, (r) => r.reply(403, 'Forbidden', { toTag: 't' }));

		assert.equal(item.msg.get('Authorization'), `${auth},integrity-protected="tls-pending"`);
		assert.equal(res.status, 403);
		assert.ok(!env.gw.cscf.process.output.includes(RESPONSE));
	});

test.end();
