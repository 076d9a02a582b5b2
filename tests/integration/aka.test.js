// SPDX-License-Identifier: Apache-2.0
//
// Scenario 1b, IMS AKA over the WebSocket's TLS (AKAv2-SHA-256, TS 33.203 X.2.3): a card and an
// authentication centre talk through the gateway, which relays, protects and strips the keys.
import assert from 'node:assert/strict';
import { test as plain } from 'node:test';
import { AuthCentre, Usim, akav2Password, answerChallenge } from '../lib/aka.js';
import { Gateway, count } from '../lib/gateway.js';
import { milenage, opc } from '../lib/milenage.js';
import { SPARE } from '../lib/ports.js';
import { RESPONSE, credentials, exchange, protectedBy, refusedLocally } from '../lib/register.js';
import { digestParams } from '../lib/sip.js';
import { ORIGIN, suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const hex = (text) => Buffer.from(text, 'hex');
const URI = 'sip:ims.test';
const IMPI = 'alice@ims.test';

/** TS 35.207/35.208: K, RAND, SQN, AMF, OP, OPc, f1, f1*, f2, f5, f3, f4, f5*. Sets 1, 3, 4. */
const SETS = [
	['465b5ce8b199b49faa5f0a2ee238a6bc', '23553cbe9637a89d218ae64dae47bf35', 'ff9bb4d0b607', 'b9b9',
		'cdc202d5123e20f62b6d676ac72cb318', 'cd63cb71954a9f4e48a5994e37a02baf', '4a9ffac354dfafb3',
		'01cfaf9ec4e871e9', 'a54211d5e3ba50bf', 'aa689c648370', 'b40ba9a3c58b2a05bbf0d987b21bf8cb',
		'f769bcd751044604127672711c6d3441', '451e8beca43b'],
	['fec86ba6eb707ed08905757b1bb44b8f', '9f7c8d021accf4db213ccff0c7f71a6a', '9d0277595ffc', '725c',
		'dbc59adcb6f9a0ef735477b7fadf8374', '1006020f0a478bf6b699f15c062e42b3', '9cabc3e99baf7281',
		'95814ba2b3044324', '8011c48c0c214ed2', '33484dc2136b', '5dbdbb2954e8f3cde665b046179a5098',
		'59a92d3b476a0443487055cf88b2307b', 'deacdd848cc6'],
	['9e5944aea94b81165c82fbf9f32db751', 'ce83dbc54ac0274a157c17f80d017bd6', '0b604a81eca8', '9e09',
		'223014c5806694c007ca1eeef57f004f', 'a64a507ae1a2a98bb88eb4210135dc87', '74a58220cba84c49',
		'ac2cc74a96871837', 'f365cd683cd92e96', 'f0b9c08ad02e', 'e203edb3971574f5a94b0d61b816345d',
		'0c4524adeac041c4dd830d20854fc46b', '6085a86c6f63'],
];
const [[K, , , , OP]] = SETS.map((s) => s.map(hex));

plain('Milenage agrees with the published test sets, AKAv2 with RFC 4169\'s formula', () => {
	for (const [k, rand, sqn, amf, op, opcKey, ...want] of SETS.map((s) => s.map(hex))) {
		const f = milenage({ k, opc: opc(k, op), rand, sqn, amf });

		assert.deepEqual(opc(k, op), opcKey);
		assert.deepEqual([f.macA, f.macS, f.res, f.ak, f.ck, f.ik, f.akStar], want);
	}
	// base64 of 32 octets, and it depends on each of RES, IK, CK.
	const keys = { res: hex('aa'), ik: hex('bb'), ck: hex('cc') };
	assert.match(akav2Password(keys), /^[\w+/]{43}=$/);
	for (const name of ['res', 'ik', 'ck'])
		assert.notEqual(akav2Password({ ...keys, [name]: hex('00') }), akav2Password(keys));
});

const test = suite({ scripted: true, gateway: { cscf: { auth: { fail_close_delay: '1s' } } } });

const empty = (more = '') => `Digest username="${IMPI}", realm="ims.test", uri="${URI}", nonce="", response="", ` +
	`algorithm=AKAv2-SHA-256${more}`;

/** A card, its centre and a client whose IMPI it is. */
async function subscriber({ client }) {
	return { wic: await client('alice', { impi: IMPI }), usim: new Usim({ k: K, op: OP }),
		centre: new AuthCentre({ k: K, op: OP }) };
}

/** Accept right credentials, refuse others: what an S-CSCF does with the second REGISTER. */
const judge = ({ core }, centre, options) => (item) => centre.accepts(item.msg.get('Authorization'))
	? core.accept(item, options) : item.reply(403, 'Forbidden', { toTag: 'f' });

async function register(env, { wic, usim, centre }, options = {}) {
	const first = await exchange(env, wic, { auth: empty(), ...options }, (r) => centre.ask(r));
	const { authorization, keys } = answerChallenge(usim, first.res.get('WWW-Authenticate'), { username: IMPI, uri: URI,
		nc: 1 });
	const second = await exchange(env, wic, { ...options, auth: authorization }, judge(env, centre,
		{ expires: options.expires ?? 600 }));

	return { first, second, authorization, keys };
}

test('AKAv2-SHA-256: tls-connected on every REGISTER from the first to the last, keys only between core and card [REG-07, REG-20, REG-21, REG-40, DEREG-01, SEC-10]',
	async (env) => {
		const { gw } = env;
		const who = await subscriber(env);
		const { wic, centre } = who;
		const { first, second, authorization, keys } = await register(env, who);

		assert.equal(first.res.status, 401);
		assert.equal(protectedBy(first.item), 'tls-connected');
		assert.equal(first.item.msg.get('Authorization'), `${empty()},integrity-protected="tls-connected"`);
		const challenge = first.res.get('WWW-Authenticate');
		assert.doesNotMatch(challenge, /\b[ic]k\s*=/i);
		assert.doesNotMatch(wic.frames.map((f) => f.text).join(), new RegExp(`${keys.ik.toString('hex')}|${
			keys.ck.toString('hex')}`, 'i'));
		assert.equal(digestParams(challenge).algorithm, 'AKAv2-SHA-256');

		assert.equal(second.res.status, 200);
		assert.equal(second.item.msg.get('Authorization'), `${authorization},integrity-protected="tls-connected"`);
		assert.equal(count(await gw.cscf.status(), 'registrations'), 1);

		// Refresh: challenged again meanwhile, the association stays; then accepted.
		const again = await exchange(env, wic, { auth: authorization }, (r) => centre.ask(r));
		assert.equal(again.res.status, 401);
		assert.equal(protectedBy(again.item), 'tls-connected');
		assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
		const answer = answerChallenge(who.usim, again.res.get('WWW-Authenticate'), { username: IMPI, uri: URI, nc: 1 });
		const refreshed = await exchange(env, wic, { auth: answer.authorization }, judge(env, centre));
		assert.equal(refreshed.res.status, 200);
		assert.equal(protectedBy(refreshed.item), 'tls-connected');

		const bye = await exchange(env, wic, { auth: answer.authorization, expires: 0 }, (r) =>
			env.core.accept(r, { expires: 0 }));
		assert.equal(bye.res.status, 200);
		assert.equal(protectedBy(bye.item), 'tls-connected');
		await until(async () => count(await gw.cscf.status(), 'registrations') === 0, { what: 'no registration' });

		const log = gw.cscf.process.output;
		for (const v of centre.vectors.values())
			for (const secret of [v.ik.toString('hex'), v.ck.toString('hex'), v.res.toString('hex'), v.nonce])
				assert.ok(!log.includes(secret), 'a key, RES or nonce in the log');
		assert.ok(!log.includes(digestParams(authorization).response), 'a Digest response in the log');
		wic.gone = true;
	});

test('ik and ck never reach the WIC: any case, quoted or not, any place, in each of several challenges [REG-20, REG-33, SEC-10]',
	async (env) => {
		const wic = await env.client('alice', { impi: IMPI });
		const KEY = '00112233445566778899aabbccddeeff';
		const cases = [
			[[`Digest ik="${KEY}", realm="ims.test", nonce="n1", ck="${KEY}", algorithm=AKAv2-SHA-256, qop="auth"`],
				['Digest realm="ims.test", nonce="n1", algorithm=AKAv2-SHA-256, qop="auth"']],
			[[`Digest realm="ims.test",IK=${KEY},nonce="n1",Ck = "${KEY}",algorithm=AKAv2-SHA-256`],
				['Digest realm="ims.test",nonce="n1",algorithm=AKAv2-SHA-256']],
			[[`Digest realm="ims.test", nonce="a,ik=x", algorithm=AKAv2-SHA-256, ik="${KEY}", ik="${KEY}"`,
				`Digest realm="ims.test", nonce="n2", algorithm=SHA-256, qop="auth", cK="${KEY}"`,
				'Digest realm="ims.test", nonce="n3", algorithm=MD5, qop="auth", stale=false'],
			['Digest realm="ims.test", nonce="a,ik=x", algorithm=AKAv2-SHA-256',
				'Digest realm="ims.test", nonce="n2", algorithm=SHA-256, qop="auth"',
				'Digest realm="ims.test", nonce="n3", algorithm=MD5, qop="auth", stale=false']],
			// Several in one field, as HTTP has it and SIP has not: not readable, so it goes whole.
			[[`Digest realm="ims.test", nonce="n1", Digest ik="${KEY}", realm="ims.test", nonce="n2"`,
				`Digest realm="ims.test", nonce="n4", algorithm=AKAv2-SHA-256, ik="${KEY}`,
				'Digest realm="ims.test", nonce="n3", algorithm=SHA-256'],
			['Digest realm="ims.test", nonce="n3", algorithm=SHA-256']],
		];

		for (const [sent, expected] of cases) {
			const { res } = await exchange(env, wic, { auth: empty() }, (r) => r.reply(401, 'Unauthorized', { toTag: 't',
				headers: sent.map((c) => ['WWW-Authenticate', c]) }));

			assert.equal(res.status, 401);
			assert.deepEqual(res.all('WWW-Authenticate'), expected);
		}
		assert.ok(!wic.frames.some((f) => f.text.includes(KEY)));
		await env.gw.cscf.logged('trust.bad_challenge');
	});

test('resynchronisation: auts passes untouched, the centre takes the card\'s SQN, the next vector is accepted [REG-07, REG-33]',
	async (env) => {
		const who = await subscriber(env);
		const { wic, usim, centre } = who;

		usim.sqn = 0x1000n; // Ahead of the home.
		const first = await exchange(env, wic, { auth: empty() }, (r) => centre.ask(r));
		const stale = answerChallenge(usim, first.res.get('WWW-Authenticate'), { username: IMPI, uri: URI, nc: 1 });
		assert.ok(stale.resync);
		const second = await exchange(env, wic, { auth: stale.authorization }, (r) => {
			centre.resynchronise(r.msg.get('Authorization'));
			centre.ask(r);
		});
		assert.equal(second.item.msg.get('Authorization'), `${stale.authorization},integrity-protected="tls-connected"`);
		assert.equal(second.res.status, 401);
		assert.ok(centre.sqn > 0x1000n);
		assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);

		const fresh = answerChallenge(usim, second.res.get('WWW-Authenticate'), { username: IMPI, uri: URI, nc: 1 });
		assert.ok(!fresh.resync);
		const third = await exchange(env, wic, { auth: fresh.authorization }, judge(env, centre));
		assert.equal(third.res.status, 200);
		assert.equal(protectedBy(third.item), 'tls-connected');
		assert.ok(!env.gw.cscf.process.output.includes(digestParams(stale.authorization).auts), 'auts in the log');
	});

test('a wrong RES reaches the core as it is, is refused there, and the connection is closed [SEC-11, SEC-12, REG-30]',
	async (env) => {
		const { wic, usim, centre } = await subscriber(env);
		const first = await exchange(env, wic, { auth: empty() }, (r) => centre.ask(r));
		const bad = answerChallenge(usim, first.res.get('WWW-Authenticate'), { username: IMPI, uri: URI, nc: 1,
			tamper: (keys) => ({ ...keys, res: Buffer.alloc(8) }) });
		const second = await exchange(env, wic, { auth: bad.authorization }, judge(env, centre));

		// The gateway has nothing to compare it with: it relays, and the centre decides.
		assert.equal(second.item.msg.get('Authorization'), `${bad.authorization},integrity-protected="tls-connected"`);
		assert.equal(second.res.status, 403);
		assert.equal(count(await env.gw.cscf.status(), 'registrations'), 0);
		assert.equal((await wic.ended()).code, 1000);
	});

test('a second connection of the same card is tls-connected as well, and has its own association [REG-07, REG-41, REG-45]',
	async (env) => {
		const one = await subscriber(env);
		const two = { ...one, wic: await env.client('alice', { impi: IMPI }) };

		assert.equal((await register(env, one)).second.res.status, 200);
		const { first, second } = await register(env, two);
		assert.equal(protectedBy(first.item), 'tls-connected');
		assert.equal(protectedBy(second.item), 'tls-connected');
		assert.equal(second.res.status, 200);
		assert.equal(count(await env.gw.cscf.status(), 'registrations'), 2);
	});

test('spoofed integrity-protected, ik and ck in AKA credentials do not survive [SEC-07]', async (env) => {
	const wic = await env.client('alice', { impi: IMPI });

	for (const more of [', integrity-protected="auth-done"', ', Integrity-Protected=tls-yes', ', ik="aa", CK=bb',
		', authorization-entity="waf.evil"']) {
		const { item } = await exchange(env, wic, { auth: empty(more) }, (r) => env.core.challenge(r));

		assert.equal(item.msg.get('Authorization'), `${empty()},integrity-protected="tls-connected"`);
	}
});

test('without TLS there is no tls-connected [REG-07]', async (env) => {
	const wic = await env.client('alice', { impi: IMPI, url: env.gw.wsUrl });
	const { item } = await exchange(env, wic, { auth: empty() }, (r) => env.core.challenge(r));

	assert.equal(protectedBy(item), undefined);
});

const V1 = empty().replace('AKAv2-SHA-256', 'AKAv1-MD5');

test('AKAv1 is refused 403 in any spelling and the core sees nothing; with aka.allow_v1 it is relayed as a Digest [REG-07, SEC-18]',
	async (env) => {
		const wic = await env.client('alice', { impi: IMPI });

		for (const name of ['AKAv1-MD5', '"AKAv1-MD5"', 'akaV1-md5', 'AKAv1-SHA-256'])
			assert.equal((await refusedLocally(env, wic, { auth: V1.replace('AKAv1-MD5', name) })).status, 403, name);

		const gw = await Gateway.start({ core: env.core, ...SPARE, origins: [ORIGIN], cscf: { aka: { allow_v1: true } } });
		env.own({ close: () => gw.stop() });
		const old = await env.client('alice', { impi: IMPI, url: gw.wssUrl });
		const centre = new AuthCentre({ k: K, op: OP, algorithm: 'AKAv1-MD5' });
		const first = await exchange(env, old, { auth: V1 }, (r) => centre.ask(r));
		assert.equal(protectedBy(first.item), undefined); // Not bound to the TLS connection: not tls-connected.
		assert.doesNotMatch(first.res.get('WWW-Authenticate'), /\b[ic]k\s*=/i);
		const { authorization } = answerChallenge(new Usim({ k: K, op: OP }), first.res.get('WWW-Authenticate'),
			{ username: IMPI, uri: URI, nc: 1 });
		const second = await exchange(env, old, { auth: authorization }, judge(env, centre));
		assert.equal(protectedBy(second.item), 'tls-pending');
		assert.equal(second.res.status, 200);
		await exchange(env, old, { auth: authorization, expires: 0 }, (r) => env.core.accept(r, { expires: 0 }));
		old.gone = true;
	});

test('auth.schemes=aka: a password Digest is 403 here, AKA is served [SEC-18]', async (env) => {
	const gw = await Gateway.start({ core: env.core, ...SPARE, origins: [ORIGIN], cscf: { auth: { schemes: ['aka'] } } });
	env.own({ close: () => gw.stop() });
	const wic = await env.client('alice', { impi: IMPI, url: gw.wssUrl });
	const centre = new AuthCentre({ k: K, op: OP });

	for (const algorithm of ['', ', algorithm=MD5', ', algorithm=SHA-256'])
		assert.equal((await refusedLocally(env, wic, { auth: credentials(wic, { response: RESPONSE, more: algorithm }) })).status,
			403);
	const who = { wic, usim: new Usim({ k: K, op: OP }), centre };
	const { second, authorization } = await register(env, who);
	assert.equal(second.res.status, 200);
	await exchange(env, wic, { auth: authorization, expires: 0 }, (r) => env.core.accept(r, { expires: 0 }));
	wic.gone = true;
});

test.end();
