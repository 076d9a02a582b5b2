// SPDX-License-Identifier: Apache-2.0
//
// Re-registration, contact changes, several identities, devices and connections (section 7.3),
// restart (7.5), and what a TLS association is: one socket and one IMPI, nothing else.
import assert from 'node:assert/strict';
import { Gateway, count } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { RESPONSE, credentials, exchange, leave, protectedBy, records, refusedLocally, registered } from '../lib/register.js';
import { token, uriOf } from '../lib/sip.js';
import { ORIGIN, suite } from '../lib/suite.js';
import { until, within } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: { assoc: { max_per_impi: 2, replace_delay: '500ms' },
	dereg: { close_delay: '500ms' } } } });
const answered = (wic) => ({ auth: credentials(wic, { response: RESPONSE }) });

/** The core asks along a Path; the WIC that gets it answers. Resolves with that WIC. */
async function reached({ core }, path, contact, wics) {
	Object.assign(core, { path, contact });
	const sent = core.terminating('OPTIONS');
	const [answer, who] = await Promise.all([core.request(sent, core.pathTarget), Promise.race(wics.map((w) =>
		w.requests.next((m) => m.callId === sent.callId).then((m) => {
			w.send(m.answer(200, 'OK', { toTag: 'w' }));
			return w;
		}, () => new Promise(() => {}))))]);

	assert.equal(answer.status, 200);
	return who;
}

async function notReached({ core }, path, contact) {
	Object.assign(core, { path, contact });
	return (await core.request(core.terminating('OPTIONS'), core.pathTarget)).status;
}

async function message({ core }, wic, headers = []) {
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { headers, body: 'x', type: 'text/plain' });
	const [res, item] = await Promise.all([wic.request(sent), core.next('MESSAGE', { callId: sent.callId }).then((r) => {
		r.reply(200, 'OK', { toTag: 't' });
		return r;
	})]);

	assert.equal(res.status, 200);
	return item.msg;
}

/** Another socket of the same device. */
async function sameDevice(env, wic, options) {
	const again = await env.client('alice', options);

	return Object.assign(again, { instance: wic.instance, contactUri: wic.contactUri });
}

test('another socket of the user starts unprotected, also with a resumed TLS session; its association exists after its 200 only [REG-41, SEC-03, REG-07]',
	async (env) => {
		// TLS 1.2: the session that the client resumes is the very one, by its id or ticket.
		for (const version of ['TLSv1.3', 'TLSv1.2']) {
			const tls = { minVersion: version, maxVersion: version };
			const { wic } = await registered(env, 'alice', { client: { tls } });
			const socket = wic.ws._socket;
			const session = version === 'TLSv1.2' ? socket.getSession()
				: await within(new Promise((resolve) => {
					socket.once('session', resolve);
					if (socket.getTLSTicket())
						resolve(socket.getSession());
				}), 5000, 'a TLS 1.3 ticket').catch(() => undefined);

			assert.ok(session);
			for (const resume of [undefined, session]) {
				const other = await env.client('alice', { tls: { ...tls, session: resume } });
				assert.equal(other.ws._socket.isSessionReused(), Boolean(resume));
				const bare = await exchange(env, other, { auth: credentials(other) }, (r) => env.core.challenge(r));
				assert.equal(protectedBy(bare.item), undefined);
				for (const expected of ['tls-pending', 'tls-pending']) { // The 401 made no association.
					const { item } = await exchange(env, other, answered(other), (r) => env.core.challenge(r));
					assert.equal(protectedBy(item), expected);
				}
				assert.equal(protectedBy((await exchange(env, other, answered(other))).item), 'tls-pending');
				assert.equal(protectedBy((await exchange(env, other, answered(other))).item), 'tls-yes');
				await leave(env, other);
			}
			await leave(env, wic);
		}
	});

test('same instance and reg-id on a new socket: the flow is replaced, the old socket closed 1000 after assoc.replace_delay [REG-42]',
	async (env) => {
		const old = await registered(env);
		const fresh = await sameDevice(env, old.wic);
		const { item } = await exchange(env, fresh, answered(fresh));

		const [row, ...more] = await records(env.gw);
		assert.equal(more.length, 0);
		assert.equal(row.peer, `127.0.0.1:${fresh.ws._socket.localPort}`);
		// The old socket has no rights from now on, and the core reaches the new one.
		assert.equal((await old.wic.request(old.wic.message('MESSAGE', 'sip:bob@ims.test'))).status, 403);
		assert.equal(await reached(env, item.msg.get('Path'), fresh.contactUri, [fresh]), fresh);
		assert.equal(await notReached(env, old.path, fresh.contactUri), 404);
		assert.equal((await old.wic.ended()).code, 1000);
		assert.equal(fresh.ws.readyState, fresh.ws.OPEN);
		await leave(env, fresh);
	});

test('another reg-id or another instance: both flows live, each Path leads to its own socket and no other [REG-42, WS-19, DEREG-08]',
	async (env) => {
		for (const change of [(m, w) => m.replace('reg-id=1', 'reg-id=2').replace(w.own, w.instance), (m) => m]) {
			const one = await registered(env);
			const two = await env.client('alice');

			two.own = two.instance;
			two.instance = one.wic.instance;
			const msg = two.registerMsg(answered(two));
			msg.set('Contact', change(msg.get('Contact').replace(one.wic.instance, two.own), two));
			const second = await exchange(env, two, msg);

			assert.equal((await records(env.gw)).length, 2);
			const wics = [one.wic, two];
			assert.equal(await reached(env, one.path, one.wic.contactUri, wics), one.wic);
			assert.equal(await reached(env, second.item.msg.get('Path'), two.contactUri, wics), two);
			// A Contact of the other flow under this Path is nobody's.
			assert.equal(await notReached(env, one.path, two.contactUri), 404);

			const bye = two.registerMsg({ ...answered(two), expires: 0 });
			bye.set('Contact', msg.get('Contact').replace(/expires=\d+/, 'expires=0'));
			await exchange(env, two, bye, (r) => env.core.accept(r, { expires: 0 }));
			two.gone = true;
			assert.equal((await records(env.gw)).length, 1);
			assert.equal(await reached(env, one.path, one.wic.contactUri, [one.wic]), one.wic);
			await leave(env, one.wic);
		}
	});

test('without outbound the same Contact replaces its binding, another one lives beside it [REG-42]', async (env) => {
	for (const [same, n] of [[true, 1], [false, 2]]) {
		const one = await registered(env, 'alice', { register: { outbound: false } });
		const two = await env.client('alice');

		if (same)
			two.contactUri = one.wic.contactUri;
		await exchange(env, two, { ...answered(two), outbound: false });
		assert.equal((await records(env.gw)).length, n);
		if (same)
			assert.equal((await one.wic.ended()).code, 1000);
		else
			await leave(env, one.wic, { outbound: false });
		await leave(env, two, { outbound: false });
	}
});

test('a changed Contact on the same connection: bound by a 200, the old one kept by a 403 [REG-43]', async (env) => {
	const { wic, path } = await registered(env, 'alice', { register: { outbound: false } });
	const first = wic.contactUri;

	wic.contactUri = first.replace(/sip:\w+@/, `sip:${token(4)}@`);
	const refused = await exchange(env, wic, { ...answered(wic), outbound: false }, (r) =>
		r.reply(403, 'Forbidden', { toTag: 't' }));
	assert.equal(refused.res.status, 403);
	assert.equal(await reached(env, path, first, [wic]), wic);
	assert.equal(await notReached(env, path, wic.contactUri), 404);

	const { item } = await exchange(env, wic, { ...answered(wic), outbound: false });
	assert.equal(protectedBy(item), 'tls-yes');
	assert.equal(await reached(env, path, wic.contactUri, [wic]), wic);
	assert.equal(await notReached(env, path, first), 404);
	assert.deepEqual((await records(env.gw)).map((r) => r.contact), [wic.contactUri]);
	await leave(env, wic, { outbound: false });
});

/** A REGISTER of the client's IMPI for another IMPU. */
const forImpu = (wic, aor, options) => {
	const msg = wic.registerMsg({ ...answered(wic), ...options });

	return msg.set('From', `<${aor}>;tag=2`).set('To', `<${aor}>`).set('Call-ID', `${wic.regCallId}-2`);
};

test('a second IMPU of the same IMPI maps to the association, is added by its 200, and goes alone [REG-44, DEREG-04, REG-24, ID-03]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const route = `<sip:second@${core.host}:${core.port};lr>`;
		const { item } = await exchange(env, wic, forImpu(wic, 'sip:work@ims.test'), (r) => r.reply(200, 'OK', { toTag: 't',
			headers: [['Contact', r.msg.get('Contact')], ['P-Associated-URI', '<sip:work@ims.test>'], ['Service-Route', route]] }));

		assert.equal(protectedBy(item), 'tls-yes');
		assert.deepEqual((await records(env.gw)).map((r) => r.impu).sort(), ['sip:alice@ims.test', 'sip:work@ims.test']);
		// Each with the Service-Route that its own 200 gave.
		const work = await message(env, wic, [['P-Preferred-Identity', '<sip:work@ims.test>']]);
		assert.deepEqual(work.all('P-Asserted-Identity').map(uriOf), ['sip:work@ims.test']);
		assert.deepEqual(work.all('Route'), [route]);
		const alice = await message(env, wic);
		assert.deepEqual(alice.all('P-Asserted-Identity').map(uriOf), ['sip:alice@ims.test', 'tel:+15550101']);
		assert.deepEqual(alice.all('Route'), [core.serviceRoute]);

		const drop = await exchange(env, wic, forImpu(wic, 'sip:work@ims.test', { expires: 0 }), (r) =>
			core.accept(r, { expires: 0 }));
		assert.equal(protectedBy(drop.item), 'tls-yes');
		assert.deepEqual((await records(env.gw)).map((r) => r.impu), ['sip:alice@ims.test']);
		const after = await message(env, wic, [['P-Preferred-Identity', '<sip:work@ims.test>']]);
		assert.equal(uriOf(after.all('P-Asserted-Identity')[0]), 'sip:alice@ims.test');
		assert.equal(protectedBy((await leave(env, wic)).item), 'tls-yes'); // The association stayed all the time.
	});

test('assoc.max_per_impi connections of one IMPI, one more is 403 here and disturbs nobody [REG-45]', async (env) => {
	const [one, two] = [await registered(env), await registered(env)];
	const three = await env.client('alice');

	assert.equal((await refusedLocally(env, three, answered(three))).status, 403);
	assert.equal((await records(env.gw)).length, 2);
	assert.equal(await reached(env, one.path, one.wic.contactUri, [one.wic]), one.wic);
	assert.equal(await reached(env, two.path, two.wic.contactUri, [two.wic]), two.wic);
	// A refresh and a device that comes back are not one more.
	assert.equal((await exchange(env, one.wic, answered(one.wic))).res.status, 200);
	const back = await sameDevice(env, two.wic);
	assert.equal((await exchange(env, back, answered(back))).res.status, 200);
	await leave(env, one.wic);
	await leave(env, back);
});

test('the limit holds for REGISTERs that are under way at the same time [REG-45]', async (env) => {
	const { core } = env;
	const wics = await Promise.all([1, 2, 3].map(() => env.client('alice')));
	const items = [];

	for (const wic of wics) {
		wic.sent = wic.registerMsg(answered(wic));
		wic.send(wic.sent);
		items.push(await core.next('REGISTER', { callId: wic.sent.callId }));
	}
	// Anybody can send them in her name, so nobody is kept out before the core has said 200.
	for (const [i, item] of items.entries()) {
		core.accept(item);
		assert.equal((await wics[i].response(wics[i].sent)).status, i < 2 ? 200 : 403);
	}
	assert.equal((await records(env.gw)).length, 2);
	await leave(env, wics[0]);
	// One that the core has refused takes no place.
	await exchange(env, wics[0], answered(wics[0]), (r) => core.challenge(r));
	assert.equal((await exchange(env, wics[2], answered(wics[2]))).res.status, 200);
	await leave(env, wics[1]);
	await leave(env, wics[2]);
});

test('one IMPU of two IMPIs: records, Service-Routes and fates stay apart [REG-46]', async (env) => {
	const { core } = env;
	const routes = ['one', 'two'].map((u) => `<sip:${u}@${core.host}:${core.port};lr>`);
	const wics = [await env.client('alice', { impi: 'alice-phone' }), await env.client('alice', { impi: 'alice-pc' })];

	for (const [i, wic] of wics.entries())
		await exchange(env, wic, answered(wic), (r) => r.reply(200, 'OK', { toTag: 't', headers: [
			['Contact', r.msg.get('Contact')], ['P-Associated-URI', '<sip:alice@ims.test>'], ['Service-Route', routes[i]]] }));
	assert.deepEqual((await records(env.gw)).map((r) => r.impi).sort(), ['alice-pc', 'alice-phone']);
	for (const [i, wic] of wics.entries())
		assert.deepEqual((await message(env, wic)).all('Route'), [routes[i]]);
	await leave(env, wics[0]);
	assert.deepEqual((await message(env, wics[1])).all('Route'), [routes[1]]);
	await leave(env, wics[1]);
});

test('a registration that lapses: kept until expiry and grace, then 403, the connection open for ws.unauth_timeout more [REG-47, REG-48]',
	async (env) => {
		const gw = await Gateway.start({ core: env.core, ...SPARE, origins: [ORIGIN], cscf: { reg: { expiry_grace: '500ms' },
			ws: { unauth_timeout: '1s' } } });
		env.own({ close: () => gw.stop() });
		const { wic } = await registered(env, 'alice', { client: { url: gw.wssUrl }, accept: { expires: 2 } });

		assert.ok(await message(env, wic));
		await gw.cscf.logged('reg.expired');
		const at = (event) => Date.parse(gw.cscf.process.lines.find((l) => l.includes(`event=${event} `)).split(' ')[0]);
		const after = at('reg.expired') - at('reg.accepted');
		assert.ok(after >= 2450 && after < 4000, `cut after ${after} ms`);
		assert.deepEqual(await records(gw), []);
		assert.equal((await wic.request(wic.message('MESSAGE', 'sip:bob@ims.test'))).status, 403);
		const { code } = await wic.ended();
		assert.equal(code, 1008);
		wic.gone = true;
	});

test('after a restart nothing is known: 403 before REGISTER, no tls-yes, 404 for tokens of the old boot, valid MAC or not [REG-80, REG-81, REG-84]',
	async (env) => {
		const start = (key) => Gateway.start({ core: env.core, ...SPARE, origins: [ORIGIN],
			cscf: key ? { flow: { token_key: key } } : {} });

		for (const key of [undefined, '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff']) {
			const before = await start(key);
			const { wic, path, contact } = await registered(env, 'alice', { client: { url: before.wssUrl } });

			wic.gone = true;
			await before.stop();
			const gw = await start(key);
			env.own({ close: () => gw.stop() });
			// To the new process, with the Path that the core has stored.
			Object.assign(env.core, { path: path.replace(/@[^;>]+/, `@${gw.mw.host}:${gw.mw.port}`), contact });
			for (const method of ['INVITE', 'MESSAGE'])
				assert.equal((await env.core.request(env.core.terminating(method), env.core.pathTarget)).status, 404);
			const back = await sameDevice(env, wic, { url: gw.wssUrl });
			assert.equal((await back.request(back.message('MESSAGE', 'sip:bob@ims.test'))).status, 403);
			const { item } = await exchange(env, back, answered(back));
			assert.equal(protectedBy(item), 'tls-pending');
			assert.equal(count(await gw.cscf.status(), 'registrations'), 1);
			await leave(env, back);
			await until(async () => count(await gw.cscf.status(), 'registrations') === 0, { what: 'no registration' });
		}
	});

test.end();
