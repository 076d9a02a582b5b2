// SPDX-License-Identifier: Apache-2.0
//
// Identity, routing and charging of requests that are no REGISTER (section 10): MESSAGE, OPTIONS,
// SUBSCRIBE and NOTIFY, REFER, PUBLISH, INFO, a method nobody knows; both ways, in and out of
// dialogs, against the scripted S-CSCF.
import assert from 'node:assert/strict';
import { CoreDialog, callFromWic, callToWic } from '../lib/corecall.js';
import { Gateway } from '../lib/gateway.js';
import { SPARE, port } from '../lib/ports.js';
import { RESPONSE, credentials, exchange, leave, registered } from '../lib/register.js';
import { Scscf } from '../lib/scscf.js';
import { param, parseUri, token, uriOf } from '../lib/sip.js';
import { ORIGIN, suite } from '../lib/suite.js';

const test = suite({ scripted: true });
const METHODS = ['MESSAGE', 'OPTIONS', 'PUBLISH', 'REFER', 'SUBSCRIBE', 'FOO'];
const IMPUS = '"Alice A." <sip:alice@ims.test>, <tel:+15550101>, <sip:work@ims.test>, <tel:+15550199>';
const pai = (msg) => msg.all('P-Asserted-Identity');
const icid = (msg) => param(msg.get('P-Charging-Vector'), 'icid-value');

async function present(env, options = {}) {
	const who = await registered(env, 'alice', options);

	Object.assign(env.core, { path: who.path, contact: who.wic.contactUri });
	return who;
}

/** A request of the WIC and the core's answer: { sent, item, res }. */
async function ask({ core }, wic, method, { headers = [], answer = [], status = 200, uri = 'sip:bob@ims.test', edit } = {}) {
	const sent = wic.message(method, uri, { headers });

	edit?.(sent);
	const [res, item] = await Promise.all([wic.request(sent), core.next(method, { callId: sent.callId }).then((r) => {
		r.reply(status, 'OK', { toTag: token(4), headers: answer });
		return r;
	})]);

	return { sent, item, res };
}

/** A request of the core and the WIC's answer: { msg, res }. */
async function tell({ core }, wic, method, { headers = [], answer = [], status = 200 } = {}) {
	const sent = core.terminating(method, { headers });
	const [res, msg] = await Promise.all([core.request(sent, core.pathTarget), wic.next(method).then((m) => {
		wic.send(m.answer(status, 'OK', { toTag: token(4), headers: answer }));
		return m;
	})]);

	return { sent, msg, res };
}

test('before REGISTER every request is 403 and says nothing of the inside [ID-01]', async (env) => {
	const wic = await env.client('alice');

	for (const method of [...METHODS, 'INVITE']) {
		const sent = wic.message(method, 'sip:bob@ims.test');
		const res = await wic.request(sent);

		assert.equal(res.status, 403);
		assert.deepEqual(res.headers.map(([n]) => n.toLowerCase()).filter((n) => !['via', 'from', 'to', 'call-id', 'cseq',
			'content-length', 'server'].includes(n)), []);
		assert.ok(!env.core.log.some(({ msg }) => msg.callId === sent.callId));
		if (method === 'INVITE')
			wic.send(sent.toString().replace(/INVITE/g, 'ACK').replace(/^To: .*$/m, `To: ${res.get('To')}`));
	}
});

test('every method out of a dialog: PAI with display name and alias, one Service-Route, a fresh vector; the answer stripped [ID-02, ID-04, ID-06, ID-08, ID-15, WS-32]',
	async (env) => {
		const { wic } = await present(env, { accept: { associated: IMPUS } });
		const icids = new Set();

		for (const method of METHODS) {
			const { item, res } = await ask(env, wic, method, {
				headers: [['P-Asserted-Identity', '<sip:alice@ims.test>'], ['Event', 'x'], ['Refer-To', '<sip:x@ims.test>']],
				edit: (m) => m.set('From', `<sip:president@ims.test>;tag=${token(4)}`),
				answer: [['P-Charging-Vector', 'icid-value="core"'], ['P-Charging-Function-Addresses', 'ccf=x'],
					['P-Asserted-Identity', '<sip:bob@ims.test>'], ['Service-Route', '<sip:x@y;lr>'], ['X-Any', 'kept']] });

			assert.deepEqual(pai(item.msg), ['"Alice A." <sip:alice@ims.test>', '<tel:+15550101>'], method);
			assert.deepEqual(item.msg.all('Route'), [env.core.serviceRoute]);
			assert.equal(param(item.msg.get('P-Charging-Vector'), 'orig-ioi'), 'Type 1ims.test');
			icids.add(icid(item.msg));
			assert.equal(item.msg.uri, 'sip:bob@ims.test');
			assert.equal(res.status, 200);
			assert.equal(res.get('X-Any'), 'kept');
			assert.deepEqual(pai(res), ['<sip:bob@ims.test>']);
			for (const name of ['P-Charging-Vector', 'P-Charging-Function-Addresses', 'Service-Route'])
				assert.equal(res.get(name), undefined, name);
		}
		assert.equal(icids.size, METHODS.length);
		await leave(env, wic);
	});

test('P-Preferred-Identity: match, mismatch, wildcard; two as one SIP and one tel, any other number or pair counts as none [ID-03, ID-05]',
	async (env) => {
		const { wic } = await present(env, { accept: { associated: `${IMPUS}, <sip:team-!.*!@ims.test>` } });
		const standard = ['"Alice A." <sip:alice@ims.test>', '<tel:+15550101>'];
		const cases = [[[], standard], [['<sip:work@ims.test>'], ['<sip:work@ims.test>', '<tel:+15550101>']],
			[['<tel:+1-555-0199>'], ['<tel:+15550199>', '"Alice A." <sip:alice@ims.test>']],
			[['<sip:bob@ims.test>'], standard], [['not a uri'], standard],
			[['<sip:work@ims.test>, <tel:+15550199>'], ['<sip:work@ims.test>', '<tel:+15550199>']],
			[['<tel:+15550199>', '<sip:work@ims.test>'], ['<tel:+15550199>', '<sip:work@ims.test>']],
			[['<sip:work@ims.test>, <sip:alice@ims.test>'], standard], [['<sip:work@ims.test>, <tel:+999>'], standard],
			[['<sip:work@ims.test>', '<tel:+15550199>', '<sip:alice@ims.test>'], standard],
			[['<sip:work@ims.test>, <tel:+15550199>, <tel:+15550101>, <sip:a@b>, <sip:c@d>'], standard]];

		for (const [values, expected] of cases) {
			const { item } = await ask(env, wic, 'MESSAGE', { headers: values.map((v) => ['P-Preferred-Identity', v]) });

			assert.deepEqual(pai(item.msg), expected, values.join(' and '));
			assert.equal(item.msg.get('P-Preferred-Identity'), undefined);
		}
		const wild = await ask(env, wic, 'MESSAGE', { headers: [['P-Preferred-Identity', '<sip:team-red@ims.test>']] });
		assert.equal(pai(wild.item.msg)[0], '<sip:team-red@ims.test>');
		await leave(env, wic);
	});

test('a preloaded Route is replaced by the stored one, or refused 400 with a Warning by identity.route_mismatch [ID-06]',
	async (env) => {
		const gw = await Gateway.start({ core: env.core, ...SPARE, origins: [ORIGIN],
			cscf: { identity: { route_mismatch: 'reject' } } });
		env.own({ close: () => gw.stop() });
		const { wic } = await registered(env, 'alice', { client: { url: gw.wssUrl } });

		for (const [routes, status] of [[[], 200], [[env.core.serviceRoute], 200], [['<sip:192.0.2.66;lr>'], 400],
			[[env.core.serviceRoute, '<sip:192.0.2.66;lr>'], 400]]) {
			const sent = wic.message('MESSAGE', 'sip:bob@ims.test');

			sent.set('Route', undefined);
			routes.forEach((r) => sent.add('Route', r));
			wic.send(sent);
			if (status === 200)
				(await env.core.next('MESSAGE', { callId: sent.callId })).reply(200, 'OK', { toTag: 't' });
			const res = await wic.response(sent);
			assert.equal(res.status, status);
			if (status === 400)
				assert.match(res.get('Warning'), /^399 /);
			assert.ok(status === 200 || !env.core.log.some(({ msg }) => msg.callId === sent.callId));
		}
		await leave(env, wic);
	});

test('terminating: the request as the core sent it less the trust domain; Privacy: id hides who calls, other values pass [ID-11, ID-13, ID-15]',
	async (env) => {
		const { wic } = await present(env);
		const secret = [['P-Charging-Vector', 'icid-value="c"'], ['P-Charging-Function-Addresses', 'ccf=x'],
			['P-Visited-Network-ID', '"v"'], ['P-Served-User', '<sip:alice@ims.test>'], ['P-Access-Network-Info', '3GPP'],
			['P-Asserted-Service', 'urn:urn-7:x'], ['P-Profile-Key', '<sip:x@y>'], ['Origination-Id', 'x']];

		for (const method of METHODS) {
			for (const [privacy, hidden] of [['id', true], ['header;id', true], ['header', false], ['none', false]]) {
				const { msg } = await tell(env, wic, method, { headers: [...secret, ['Privacy', privacy],
					['P-Asserted-Identity', '<sip:bob@ims.test>'], ['X-Core', 'kept'], ['Event', 'x']] });

				assert.equal(msg.get('P-Asserted-Identity'), hidden ? undefined : '<sip:bob@ims.test>', `${method} ${privacy}`);
				assert.equal(msg.get('Privacy'), privacy);
				assert.equal(msg.get('X-Core'), 'kept');
				for (const [name] of secret)
					assert.equal(msg.get(name), undefined, name);
			}
		}
		await leave(env, wic);
	});

test('answers of the WIC: who was called answers, or the registered identity it prefers; nothing forged gets through [ID-14, ID-15, ID-08]',
	async (env) => {
		const { wic } = await present(env, { accept: { associated: IMPUS } });
		const forged = [['P-Asserted-Identity', '<sip:president@ims.test>'], ['P-Charging-Vector', 'icid-value="forged"'],
			['P-Charging-Function-Addresses', 'ccf=forged'], ['Reason', 'Q.850;cause=1'], ['Path', '<sip:forged@x;lr>'],
			['P-Access-Network-Info', 'x;network-provided'], ['Service-Route', '<sip:forged@x;lr>']];
		const called = (uri) => (m) => m.set('P-Called-Party-ID', uri);
		const cases = [['<sip:work@ims.test>', [], ['<sip:work@ims.test>', '<tel:+15550101>']],
			['<tel:+15550199>', [], ['<tel:+15550199>', '"Alice A." <sip:alice@ims.test>']],
			['<sip:alice@ims.test>', [], ['"Alice A." <sip:alice@ims.test>', '<tel:+15550101>']],
			['<sip:alice@ims.test>', ['<sip:work@ims.test>'], ['<sip:work@ims.test>', '<tel:+15550101>']],
			['<sip:work@ims.test>', ['<sip:bob@ims.test>'], ['<sip:work@ims.test>', '<tel:+15550101>']]];

		for (const method of ['MESSAGE', 'OPTIONS', 'FOO']) {
			for (const [uri, preferred, expected] of cases) {
				const sent = called(uri)(env.core.terminating(method, { headers: [['P-Charging-Vector', 'icid-value="mt";orig-ioi=x']] }));
				const [res] = await Promise.all([env.core.response(sent), env.core.send(sent, env.core.pathTarget),
					wic.next(method).then((m) => wic.send(m.answer(486, 'Busy', { toTag: token(4), headers: [...forged,
						...preferred.map((p) => ['P-Preferred-Identity', p])] })))]);

				assert.equal(res.msg.status, 486);
				assert.deepEqual(pai(res.msg), expected, `${method} ${uri} ${preferred}`);
				assert.equal(icid(res.msg), 'mt');
				assert.doesNotMatch(res.raw, /forged|president|Reason|network-provided|P-Preferred/);
			}
		}

		// The same in a call: 180 and 200.
		const invite = called('<sip:work@ims.test>')(env.core.terminating('INVITE', { headers: [['P-Charging-Vector', 'icid-value="mt"']] }));
		await env.core.send(invite, env.core.pathTarget);
		const call = await wic.incoming();
		call.reply(180, 'Ringing', { headers: forged });
		const ringing = await env.core.response(invite, { min: 180 });
		assert.deepEqual(pai(ringing.msg), ['<sip:work@ims.test>', '<tel:+15550101>']);
		assert.doesNotMatch(ringing.raw, /forged|president/);
		call.reply(603, 'Decline', { headers: [['P-Preferred-Identity', '<tel:+15550199>']] });
		const final = await env.core.response(invite);
		assert.deepEqual(pai(final.msg), ['<tel:+15550199>', '"Alice A." <sip:alice@ims.test>']);
		await env.core.send(ackOf(invite, final.msg), env.core.pathTarget);
		await leave(env, wic);
	});

/** ACK to a non-2xx answer. */
function ackOf(invite, res) {
	const ack = env0(invite);

	return ack.set('To', res.get('To'));
}

function env0(invite) {
	const ack = Object.assign(Object.create(Object.getPrototypeOf(invite)), invite, {
		start: invite.start.replace('INVITE', 'ACK'), method: 'ACK', body: '',
		headers: invite.headers.filter(([n]) => /^(via|from|to|call-id|route|max-forwards)$/i.test(n)).map((h) => [...h]) });

	return ack.add('CSeq', `${invite.cseq} ACK`);
}

/** A subscription of the WIC, answered with a Record-Route of the core's own. */
async function subscribed(env, wic, { recorded = true } = {}) {
	const { core } = env;
	const sent = wic.message('SUBSCRIBE', 'sip:bob@ims.test', { headers: [['Event', 'presence'], ['Expires', 3600]] });
	const tag = token(4);
	const [res, item] = await Promise.all([wic.request(sent), core.next('SUBSCRIBE', { callId: sent.callId }).then((r) => {
		if (recorded)
			r.msg.headers.unshift(['Record-Route', `<sip:as@${core.host}:${core.port};lr>`]);
		r.reply(200, 'OK', { toTag: tag, headers: [['Contact', `<sip:notifier@${core.host}:${core.port}>`], ['Expires', 3600]] });
		return r;
	})]);
	const far = new CoreDialog(core, { local: `${sent.get('To')};tag=${tag}`, remote: sent.get('From'), callId: sent.callId,
		target: uriOf(item.msg.get('Contact')),
		routes: item.msg.all('Record-Route').filter((r) => parseUri(uriOf(r)).port !== core.port) });
	let cseq = sent.cseq;

	/** A later request of the WIC in this dialog. */
	const later = (method, { routes = res.all('Record-Route').reverse(), uri = uriOf(res.get('Contact')) } = {}) => {
		const m = wic.message(method, uri, { callId: sent.callId, cseq: ++cseq, headers: [['Event', 'presence'], ['Expires', 3600]] });

		m.set('Route', undefined);
		routes.forEach((r) => m.add('Route', r));
		return m.set('From', sent.get('From')).set('To', res.get('To'));
	};
	return { sent, res, item, far, later };
}

test('a long subscription of the WIC: NOTIFYs and refreshes pass in its dialog, one icid, each along the recorded route [ID-07, ID-08, ID-10, CALL-38]',
	async (env) => {
		const { core } = env;
		const { wic } = await present(env);
		const { item, res, far, later } = await subscribed(env, wic);

		assert.equal(item.msg.all('Record-Route').filter((r) => parseUri(uriOf(r)).port !== core.port).length, 2);
		assert.equal(res.all('Record-Route').length, 3);
		for (let round = 0; round < 3; round++) {
			const [done, notify] = await Promise.all([far.send('NOTIFY', { headers: [['Event', 'presence'],
				['Subscription-State', 'active;expires=3600'], ['P-Charging-Vector', 'icid-value="n"'],
				['P-Asserted-Identity', '<sip:bob@ims.test>']] }), wic.next('NOTIFY').then((m) => {
				wic.send(m.answer(200, 'OK'));
				return m;
			})]);
			assert.equal(done.status, 200);
			assert.equal(notify.get('P-Charging-Vector'), undefined);
			assert.equal(notify.get('P-Asserted-Identity'), '<sip:bob@ims.test>');

			const refresh = later('SUBSCRIBE');
			const [ok, seen] = await Promise.all([wic.request(refresh), core.next('SUBSCRIBE', { callId: refresh.callId })
				.then((r) => {
					r.reply(200, 'OK', { headers: [['Contact', `<sip:notifier@${core.host}:${core.port}>`], ['Expires', 3600]] });
					return r;
				})]);
			assert.equal(ok.status, 200);
			assert.deepEqual(seen.msg.all('Route'), [`<sip:as@${core.host}:${core.port};lr>`]);
			assert.equal(icid(seen.msg), icid(item.msg));
			assert.equal(seen.msg.uri, `sip:notifier@${core.host}:${core.port}`);
		}
		await leave(env, wic);
	});

test('a subscription outlives its connection: after a reconnect NOTIFYs and refreshes pass over the new one, and only there [DEREG-43, ID-07, ID-16]',
	async (env) => {
		const { core } = env;
		const { wic } = await present(env);
		const { far, later, res } = await subscribed(env, wic);
		const notify = () => far.send('NOTIFY', { headers: [['Event', 'presence'], ['Subscription-State', 'active']] });
		let now = wic;

		for (let move = 0; move < 2; move++) {
			await now.close({ abrupt: true });
			const again = Object.assign(await env.client('alice'), { instance: wic.instance, contactUri: wic.contactUri });
			assert.ok([430, 480].includes((await notify()).status));
			assert.equal((await again.request(later('SUBSCRIBE'))).status, 403); // Not before its REGISTER.
			await exchange(env, again, { auth: credentials(again, { response: RESPONSE }) });
			const [ok] = await Promise.all([notify(), again.next('NOTIFY').then((m) => again.send(m.answer(200, 'OK')))]);
			assert.equal(ok.status, 200);
			const refresh = later('SUBSCRIBE');
			const [fresh, item] = await Promise.all([again.request(refresh), core.next('SUBSCRIBE', { callId: refresh.callId })
				.then((r) => {
					r.reply(200, 'OK', { headers: [['Contact', uriOf(res.get('Contact'))], ['Expires', 3600]] });
					return r;
				})]);
			assert.equal(fresh.status, 200);
			assert.deepEqual(item.msg.all('Route'), [`<sip:as@${core.host}:${core.port};lr>`]);
			// Another instance of the same user has no part in it.
			const other = await registered(env);
			assert.equal((await other.wic.request(later('SUBSCRIBE'))).status, 403);
			await leave(env, other.wic);
			now = again;
		}
		await leave(env, now);
		assert.equal((await notify()).status, 481);
	});

test('a tampered route set in a subscription is 400 and goes nowhere; without a recorded route the target\'s address is held to [ID-07, SEC-22]',
	async (env) => {
		const evil = env.own(await Scscf.start({ port: await port() }));
		const { wic } = await present(env);
		const away = `<sip:${evil.host}:${evil.port};lr>`;
		const seen = env.core.log.length;
		let checks = 0;

		for (const recorded of [true, false]) {
			const { res, later } = await subscribed(env, wic, { recorded });
			const routes = res.all('Record-Route').reverse();
			const ours = routes.filter((r) => parseUri(uriOf(r)).port !== env.core.port);
			const bare = ours.map((r) => r.replace(/;d=[^;>]+/, ''));
			const uri = `sip:x@${evil.host}:${evil.port}`;
			const before = env.core.log.length;

			for (const options of [{ routes: [...ours, away] }, { routes: [ours[0], away] }, { routes: bare },
				{ routes: [...bare, away] }, { routes: [...routes, away] },
				{ routes: ours.map((r) => r.replace(/;d=[^.]+/, ';d=other')) },
				recorded ? { routes: ours } : { routes, uri }]) {
				assert.equal((await wic.request(later('SUBSCRIBE', options))).status, 400, JSON.stringify(options));
				checks++;
			}
			// Another dialog's seal does not fit either; and no entry of ours at all is no dialog.
			const other = later('MESSAGE', { routes });
			other.set('Call-ID', token());
			assert.equal((await wic.request(other)).status, 400);
			assert.equal((await wic.request(later('SUBSCRIBE', { routes: [away], uri }))).status, 481);
			assert.equal(env.core.log.length, before);
			// The true one still passes.
			const good = later('SUBSCRIBE', { routes });
			const [ok] = await Promise.all([wic.request(good), env.core.next('SUBSCRIBE', { callId: good.callId }).then((r) =>
				r.reply(200, 'OK', { headers: [['Contact', `<sip:notifier@${env.core.host}:${env.core.port}>`]] }))]);
			assert.equal(ok.status, 200);
		}
		assert.equal(checks, 14);
		assert.ok(env.core.log.length > seen);
		assert.equal(evil.log.length, 0);
		assert.ok((await env.gw.cscf.metrics()).sum('cscf_session_route_mismatch_total') >= checks);
		await leave(env, wic);
	});

test('the core subscribes at the WIC: its NOTIFYs go back along the dialog, with the vector\'s icid [ID-07, ID-08, ID-10, CALL-38]',
	async (env) => {
		const { core } = env;
		const { wic } = await present(env);
		const sub = core.terminating('SUBSCRIBE', { headers: [['Event', 'dialog'], ['Expires', 600],
			['Record-Route', `<sip:as@${core.host}:${core.port};lr>`], ['P-Charging-Vector', 'icid-value="core-icid";orig-ioi=x']] });
		const [res, got] = await Promise.all([core.request(sub, core.pathTarget), wic.next('SUBSCRIBE').then((m) => {
			wic.send(m.answer(200, 'OK', { toTag: 'wic1', headers: [['Contact', `<${wic.contactUri}>`], ['Expires', 600]] }));
			return m;
		})]);

		assert.equal(res.status, 200);
		assert.equal(got.get('P-Charging-Vector'), undefined);
		const notify = (routes) => {
			const m = wic.message('NOTIFY', uriOf(got.get('Contact')), { callId: sub.callId, headers: [['Event', 'dialog'],
				['Subscription-State', 'active']] });

			m.set('Route', undefined);
			routes.forEach((r) => m.add('Route', r));
			return m.set('From', `${got.get('To')};tag=wic1`).set('To', got.get('From'));
		};
		const routes = got.all('Record-Route');
		const sent = notify(routes);
		const [ok, item] = await Promise.all([wic.request(sent), core.next('NOTIFY', { callId: sub.callId }).then((r) => {
			r.reply(200, 'OK');
			return r;
		})]);
		assert.equal(ok.status, 200);
		assert.deepEqual(item.msg.all('Route').map(uriOf), [`sip:as@${core.host}:${core.port};lr`]);
		assert.equal(icid(item.msg), 'core-icid');
		assert.equal((await wic.request(notify(routes.slice(0, 2)))).status, 400);
		await leave(env, wic);
	});

test('in a call: INFO, MESSAGE, REFER, OPTIONS, UPDATE-less methods both ways with the call\'s icid, along its route; a tampered one is put right [ID-07, ID-08, CALL-38]',
	async (env) => {
		const { core } = env;

		for (const make of [callFromWic, callToWic]) {
			const { wic } = await present(env);
			const { call, far, invite } = await make(env, wic);
			const methods = ['INFO', 'MESSAGE', 'REFER', 'OPTIONS', 'FOO'];

			for (const method of methods) {
				const [res] = await Promise.all([far.send(method, { headers: [['P-Charging-Vector', 'icid-value="x"'],
					['Refer-To', '<sip:x@ims.test>']] }), call.next(method).then((m) =>
					assert.equal(m.get('P-Charging-Vector'), undefined))]);
				assert.equal(res.status, 200, method);
			}
			const good = call.routes;
			const icids = new Set();
			for (const method of methods) {
				for (const routes of [good, [], [good[0], '<sip:192.0.2.66;lr>']]) {
					call.routes = routes;
					const [res, item] = await Promise.all([call.send(method, { headers: [['Refer-To', '<sip:x@ims.test>']] }),
						core.next(method, { callId: call.callId }).then((r) => {
							r.reply(200, 'OK');
							return r;
						})]);

					assert.equal(res.status, 200);
					assert.ok(!item.raw.includes('192.0.2.66'));
					assert.deepEqual(item.msg.all('Route').filter((r) => parseUri(uriOf(r)).port !== core.port), []);
					if (item.msg.has('P-Charging-Vector'))
						icids.add(icid(item.msg));
				}
			}
			call.routes = good;
			if (make === callFromWic)
				assert.deepEqual([...icids], [icid(invite)]);
			const [bye] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
			assert.equal(bye.status, 200);
			await leave(env, wic);
		}
	});

test('a terminating request for a Contact of another flow, with a forged or turned token, reaches nobody [ID-13, SEC-24, WS-19]',
	async (env) => {
		const { core } = env;
		const one = await present(env);
		const two = await registered(env, 'bob');
		const user = (path) => /<sip:([^@]+)@/.exec(path)[1];
		const cases = [[core.path.replace(user(core.path), `A${user(core.path).slice(1, -2)}zz`), [403, 404]],
			[core.path.replace(user(core.path), 'nonsense'), [404]], [two.path, [404]]];

		for (const [path, expected] of cases) {
			const res = await core.request(core.terminating('MESSAGE', { routes: [path] }), core.pathTarget);
			assert.ok(expected.includes(res.status), `${path}: ${res.start}`);
		}
		assert.equal(one.wic.requests.all().length + two.wic.requests.all().length, 0);
		await leave(env, one.wic);
		await exchange(env, two.wic, { auth: credentials(two.wic, { response: RESPONSE }), expires: 0 }, (r) =>
			core.accept(r, { expires: 0 }));
		two.wic.gone = true;
	});

test.end();
