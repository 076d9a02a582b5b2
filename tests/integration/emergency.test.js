// SPDX-License-Identifier: Apache-2.0
//
// Emergency requests of browsers: screened before anything else, answered 380 with the body that a
// page shows, whatever load there is; or, in our own country and by policy, taken to an E-CSCF.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway, HOST, ROOT, count, program } from '../lib/gateway.js';
import { merge, writeConf } from '../lib/conf.js';
import { CORE_RANGE, SPARE, port } from '../lib/ports.js';
import { Scscf } from '../lib/scscf.js';
import { audioLine, parseSdp, plainAnswer, plainSdp } from '../lib/sdp.js';
import { uriOf } from '../lib/sip.js';
import { SECOND } from '../lib/wait.js';

const LISTS = ['DE=112 110/sos.police', 'FR=112 17/sos.police', 'US=911 +1-911'];
const OWN = { country: 'DE', lists: LISTS, country_map: ['127.0.0.0/8=DE', '::1=DE'],
	reason_text: 'Bitte <112> wählen & „Hilfe“ sagen.' };
const UNKNOWN = { ...OWN, country_map: ['192.0.2.0/24=DE'] };
const GOLDEN = readFileSync(`${ROOT}tests/golden/ims3gpp/emergency.xml`, 'utf8');

const test = suite({ scripted: true, gateway: { cscf: { emergency: OWN, ws: { drain_rate: 0 } } } });

/** A client registered at the scripted core. */
async function registered({ client, core }, user = 'alice', options) {
	const wic = await client(user, options);
	const [res] = await Promise.all([wic.register(), core.registration()]);

	assert.equal(res.status, 200);
	return wic;
}

/** Other emergency.* in the file, SIGHUP, and wait until it is taken (or refused). */
function reload(gw, emergency, event = 'emergency.reloaded') {
	return gw.cscf.reload(typeof emergency === 'string' ? emergency : { emergency }, event);
}

/** The answer to an emergency request, whatever its method; an INVITE's is acknowledged. */
const ask = (wic, method, uri, options) => method === 'INVITE'
	? wic.invite(uri, options).response() : wic.request(wic.message(method, uri, options));

/** A plain answer to the offer of a received INVITE. */
const answerTo = (item, p) => plainAnswer(parseSdp(item.msg.body), HOST, [p]);

/** Requests at the core since then that are no REGISTER and no OPTIONS of its own. */
const atCore = (core, since) => core.log.slice(since).filter(({ msg }) => msg.method &&
	!['REGISTER', 'OPTIONS'].includes(msg.method)).map(({ msg }) => `${msg.method} ${msg.uri}`);

/** A request that is no emergency reaches the core, so whatever came before it did not. */
async function nothingElse({ core }, wic, since) {
	const [item] = await Promise.all([core.next('MESSAGE').then((r) => {
		r.reply(200, 'OK');
		return r;
	}), wic.request(wic.message('MESSAGE', 'sip:bob@ims.test'))]);

	assert.equal(item.msg.uri, 'sip:bob@ims.test');
	assert.deepEqual(atCore(core, since), ['MESSAGE sip:bob@ims.test']);
}

test('every initial request to an emergency number is answered 380 with the body, nothing on Mw [EMG-01, EMG-02, EMG-05, EMG-07, EMG-09, EMG-10, EMG-11, EMG-13, EMG-20]',
	async (env) => {
		const { core, gw } = env;
		const wic = await registered(env);
		const path = parsePath(core.path);
		const since = core.log.length, before = await gw.cscf.metrics();

		for (const [method, uri, how, urn] of [['INVITE', 'tel:112', 'tel', 'sos'],
			['MESSAGE', 'sip:110@ims.test', 'sip', 'sos.police'], ['SUBSCRIBE', 'urn:service:SOS.fire', 'urn', 'sos.fire'],
			['FOO', 'sip:1-1-2@ims.test;user=phone', 'sip', 'sos'], ['OPTIONS', 'tel:112;phone-context=+49', 'tel', 'sos']]) {
			const lines = gw.cscf.process.lines.length;
			const res = await ask(wic, method, uri, { headers: [['Accept', 'application/sdp']] });

			assert.equal(res.status, 380, `${method} ${uri}`);
			assert.equal(res.reason, 'Alternative Service');
			assert.equal(res.get('Content-Type'), 'application/3gpp-ims+xml');
			assert.equal(res.body, GOLDEN);
			assert.equal(res.get('P-Asserted-Identity'), `<${path}>`);
			assert.equal(res.get('Contact'), undefined);
			assert.ok(res.toTag);
			const line = await gw.cscf.logged('emergency.detected', { method, class: how, country: 'DE',
				urn: `urn:service:${urn}`, decision: 'reject-own-country' }, { since: lines });
			assert.match(line.impu, /^sip:~[0-9a-f]+@ims\.test$/);
		}
		const grown = (await gw.cscf.metrics()).grownSince(before).filter((m) => m.name === 'cscf_emergency_total');
		assert.deepEqual(Object.fromEntries(grown.map((m) => [`${m.labels.decision} ${m.labels.class}`, m.by])),
			{ 'reject-own-country tel': 2, 'reject-own-country sip': 2, 'reject-own-country urn': 1 });
		await nothingElse(env, wic, since);
	});

/** The SIP URI of a Path entry without its flow token. */
function parsePath(path) {
	return uriOf(path).replace(/^sip:[^@]+@/, 'sip:').replace(/;ob\b/, '');
}

test('numbers that only begin like one, and test calls, go to the core as ever [EMG-06]', async (env) => {
	const { core } = env;
	const wic = await registered(env);

	for (const uri of ['tel:1124567', 'tel:+49112', 'sip:112@other.example', 'urn:service:test.sos', 'tel:911']) {
		const [item, res] = await Promise.all([core.next('MESSAGE').then((r) => {
			r.reply(202, 'Accepted');
			return r;
		}), wic.request(wic.message('MESSAGE', uri))]);

		assert.equal(item.msg.uri, uri);
		assert.equal(res.status, 202);
	}
});

test('the country comes from the source address, not from what the browser says; the lists follow it [EMG-03, EMG-04, EMG-08]',
	async (env) => {
		const { core, gw } = env;
		const wic = await registered(env);
		const lies = [['P-Access-Network-Info', 'IEEE-802.11;country=DE;network-provided'],
			['Geolocation', '<cid:here@ims.test>'], ['Geolocation-Routing', 'yes']];
		// [where, number, decision or the core]
		const rows = [
			[{ ...OWN, country_map: ['127.0.0.0/8=FR', '127.0.0.9=DE'] }, 'tel:17', 'reject-other-country'],
			[undefined, 'tel:110', 'reject-other-country'], // ours are always screened
			[undefined, 'tel:911', undefined],
			[UNKNOWN, 'tel:17', 'reject-unknown-country'], // all lists apply
			[undefined, 'tel:911', 'reject-unknown-country'],
			[undefined, 'tel:+1911', 'reject-unknown-country'],
			[{ ...UNKNOWN, assume_own_country: true }, 'tel:112', 'reject-own-country'],
			[undefined, 'tel:911', undefined],
		];

		try {
			for (const [where, uri, decision] of rows) {
				if (where)
					await reload(gw, where);
				const since = gw.cscf.process.lines.length;
				const asked = ask(wic, 'MESSAGE', uri, { headers: lies });

				if (!decision) {
					(await core.next('MESSAGE')).reply(200, 'OK');
					assert.equal((await asked).status, 200, uri);
					continue;
				}
				assert.equal((await asked).status, 380, uri);
				await gw.cscf.logged('emergency.detected', { decision }, { since });
			}
		} finally {
			await reload(gw, OWN);
		}
	});

test('a browser that is not registered, or not yet, is told 380, or 403 by knob; anything else of it is 403 [EMG-16, EMG-17, ID-01]',
	async ({ client, core, gw }) => {
		const wic = await client('alice');
		const since = core.log.length;
		let res = await ask(wic, 'INVITE', 'tel:112');

		assert.equal(res.status, 380);
		assert.equal(res.body, GOLDEN);
		assert.equal(res.get('P-Asserted-Identity'), undefined);
		assert.equal((await ask(wic, 'MESSAGE', 'sip:bob@ims.test')).status, 403);
		wic.send(wic.registerMsg()); // no answer yet
		const pending = await core.next('REGISTER');
		assert.equal((await ask(wic, 'INVITE', 'urn:service:sos')).status, 380);
		core.challenge(pending);
		try {
			await reload(gw, { ...OWN, unregistered: '403' });
			res = await ask(wic, 'MESSAGE', 'tel:112');
			assert.equal(res.status, 403);
			assert.equal(res.body, '');
		} finally {
			await reload(gw, OWN);
		}
		assert.deepEqual(atCore(core, since), []);
	});

test('a REGISTER for emergency is 403 and stays here; action and Contact are there by knob [REG-01, EMG-10, EMG-12]',
	async (env) => {
		const { client, core, gw } = env;
		const wic = await client('alice');
		const since = core.log.length;
		const msg = wic.registerMsg();

		msg.set('Contact', msg.get('Contact').replace('transport=ws>', 'transport=ws;sos>'));
		assert.equal((await wic.request(msg)).status, 403);
		assert.equal(core.log.length, since);
		try {
			await reload(gw, { ...OWN, action: 'emergency-registration', send_contact_urn: true });
			const res = await ask(wic, 'MESSAGE', 'tel:110');

			assert.equal(res.get('Contact'), '<urn:service:sos.police>');
			assert.match(res.body, /<\/reason>\s*<action>emergency-registration<\/action>/);
		} finally {
			await reload(gw, OWN);
		}
	});

test('requests inside a call, and those that come from the core, are not screened [EMG-21]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const call = wic.invite('sip:bob@ims.test');
	const invite = await core.next('INVITE');
	const answer = answerTo(invite, 43990);

	// A core that records its route, as they do: the next hop is not the Request-URI.
	invite.msg.headers.unshift(['Record-Route', `<sip:${HOST}:${core.port};lr>`]);
	invite.reply(200, 'OK', { toTag: 'b', headers: [['Contact', `<sip:bob@${HOST}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: answer });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK');
	const target = call.target;

	call.target = 'urn:service:sos';
	const [again, res] = await Promise.all([core.next('INVITE').then((r) => {
		r.reply(488, 'Not Acceptable Here');
		return r;
	}), call.send('INVITE', { body: call.invite.body.replace(/^(o=\S+ \S+) (\d+)/m, (_, o, n) => `${o} ${Number(n) + 1}`) })]);
	assert.equal(again.msg.uri, 'urn:service:sos');
	assert.equal(res.status, 488);
	call.target = target;
	const [bye] = await Promise.all([core.next('BYE').then((r) => r.reply(200, 'OK')), call.bye()]);
	assert.equal(bye.status, 200);

	// A PSAP calls back: by its number and mark, to the registered contact.
	await core.send(core.terminating('INVITE', { from: 'sip:112@ims.test', body: plainSdp(HOST, [audioLine(43992)]),
		headers: [['Priority', 'psap-callback']] }), core.pathTarget);
	const incoming = await wic.incoming();
	assert.equal(uriOf(incoming.invite.get('From')), 'sip:112@ims.test');
	incoming.reply(486, 'Busy Here');
	const end = await core.responses.next(({ msg }) => msg.cseqMethod === 'INVITE' && msg.status >= 200);
	assert.equal(end.msg.status, 486);
	assert.equal((await gw.cscf.metrics()).sum('cscf_emergency_total', { decision: 'proceed' }), 0);
});

test('neither overload nor a drain refuses an emergency [EMG-17, SEC-19]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const since = core.log.length;

	try {
		await gw.cscf.ctl('overload', '100');
		let res = await ask(wic, 'MESSAGE', 'sip:bob@ims.test');
		assert.equal(res.status, 503);
		assert.ok(Number(res.get('Retry-After')) > 0);
		res = await ask(wic, 'INVITE', 'tel:112');
		assert.equal(res.status, 380);
		assert.equal(res.body, GOLDEN);
	} finally {
		await gw.cscf.ctl('overload', 'auto');
	}
	try {
		await gw.cscf.ctl('drain');
		assert.equal((await ask(wic, 'MESSAGE', 'sip:bob@ims.test')).status, 503);
		assert.equal((await ask(wic, 'MESSAGE', 'sip:112@ims.test')).status, 380);
	} finally {
		await gw.cscf.ctl('undrain');
	}
	await nothingElse(env, wic, since);
});

test('the message rate of a connection does not count emergencies [EMG-17, WS-25]', async ({ client, core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN],
		cscf: { emergency: OWN, ws: { rate: 1, burst: 5 } } });
	own({ close: () => gw.stop() });
	const wic = await client('alice', { url: gw.wssUrl });
	const calls = Array.from({ length: 40 }, (_, i) => wic.message('MESSAGE', i % 2 ? 'tel:112' : 'urn:service:sos'));

	for (const res of await Promise.all(calls.map((m) => wic.request(m))))
		assert.equal(res.status, 380);
	// The same connection, the same number of anything else: 503, and closed.
	const others = Array.from({ length: 40 }, () => wic.message('MESSAGE', 'sip:bob@ims.test'));

	for (const m of others)
		wic.send(m);
	assert.equal((await wic.ended()).code, 1008);
	assert.ok(wic.responses.all().some((r) => r.status === 503), 'a 503 before the end');
});

test('a flood of them by somebody unregistered ends at its connection and leaves room for calls for help [EMG-16, EMG-17, SEC-19]',
	async ({ client, core, own }) => {
		const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN],
			cscf: { emergency: OWN, sip: { max_server_transactions: 200 } } });
		own({ close: () => gw.stop() });
		const evil = await client('mallory', { url: gw.wssUrl });

		// Each would hold a transaction for 64*T1: nobody sends an ACK.
		for (let i = 0; i < 300; i++)
			evil.send(evil.message('INVITE', i % 2 ? 'tel:112' : 'urn:service:sos'));
		assert.equal((await evil.ended()).code, 1008);
		const answers = evil.responses.all().map((r) => r.status);
		const told = answers.filter((s) => s === 380).length;
		assert.ok(told >= 50 && told <= 70, `${told} were told 380`);
		assert.ok(answers.includes(503));
		assert.ok((await gw.cscf.metrics()).sum('cscf_emergency_refused_total', { limit: 'connection' }) >= 100);
		const lines = gw.cscf.process.output.match(/event=emergency\.detected/g).length;
		assert.ok(lines >= 20 && lines < told + 1, `${lines} lines`);

		const wic = await registered({ client, core }, 'alice', { url: gw.wssUrl });
		const res = await ask(wic, 'INVITE', 'tel:112');
		assert.equal(res.status, 380);
		assert.equal(res.body, GOLDEN);
	});

test('a REGISTER to an emergency number is held to the message rate like any other [EMG-02, WS-25]', async ({ client, core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN],
		cscf: { emergency: OWN, ws: { rate: 1, burst: 5 } } });
	own({ close: () => gw.stop() });
	const wic = await client('alice', { url: gw.wssUrl });
	const since = core.log.length;

	for (let i = 0; i < 40; i++) {
		const msg = wic.registerMsg();

		msg.start = 'REGISTER tel:112 SIP/2.0';
		wic.send(msg);
	}
	assert.equal((await wic.ended()).code, 1008);
	assert.equal((await gw.cscf.metrics()).sum('cscf_emergency_total'), 0);
	assert.ok(!core.log.slice(since).some(({ msg }) => msg.method === 'REGISTER'));
});

test('lists are read again on SIGHUP; a mistake is named and leaves the old ones [EMG-18]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const file = `${gw.cscf.dir}/cscf.yaml`;
	const passes = async (uri) => {
		const asked = ask(wic, 'MESSAGE', uri);

		(await core.next('MESSAGE')).reply(200, 'OK');
		return (await asked).status === 200;
	};

	try {
		assert.ok(await passes('tel:115'));
		await reload(gw, { ...OWN, lists: ['DE=112 115'] });
		assert.equal((await ask(wic, 'MESSAGE', 'tel:115')).status, 380);
		assert.ok(await passes('tel:110'));
		let line = await reload(gw, { ...OWN, lists: ['DE='] }, 'emergency.reload_failed');
		assert.match(line.why, /the list of DE is empty/);
		line = await reload(gw, `${readFileSync(file, 'utf8')}nonsense: 1\n`, 'emergency.reload_failed');
		assert.match(line.why, /cscf\.yaml:\d+: unknown key/);
		assert.equal((await ask(wic, 'MESSAGE', 'tel:115')).status, 380);
		assert.ok(await passes('tel:110'));
	} finally {
		await reload(gw, OWN);
	}
	const metrics = await gw.cscf.metrics();
	assert.ok(metrics.sum('cscf_emergency_reload_total', { result: 'failed' }) >= 2);
});

test('the operator asks what a browser would be told, without any call [EMG-03, EMG-18]', async ({ gw, core }) => {
	const since = core.log.length, before = (await gw.cscf.metrics()).sum('cscf_emergency_total');

	for (const [args, answer] of [
		[['tel:1-1-0', '127.0.0.1'], { emergency: true, class: 'tel', urn: 'urn:service:sos.police', country: 'DE', decision: 'reject-own-country' }],
		[['sip:911@ims.test'], { emergency: true, class: 'sip', urn: 'urn:service:sos', country: 'unknown', decision: 'reject-unknown-country' }],
		[['tel:911', '127.0.0.1'], { emergency: false, class: 'none', urn: '', country: 'DE', decision: 'pass' }]])
		assert.deepEqual(await gw.cscf.ctl('emergency', ...args), answer);
	await assert.rejects(gw.cscf.ctl('emergency'), /needs a Request-URI/);
	await assert.rejects(gw.cscf.ctl('emergency', 'tel:112', 'nowhere'), /needs a Request-URI/);
	assert.equal((await gw.cscf.metrics()).sum('cscf_emergency_total'), before);
	assert.deepEqual(atCore(core, since), []);
});

test('without an own list the gateway does not start, and says why [EMG-18]', async ({ gw }) => {
	const run = (emergency) => new Promise((resolve) => {
		const conf = merge(gw.cscf.conf, { emergency: undefined });
		const bad = writeConf(gw.cscf.dir, 'bad.yaml', { ...conf, ...emergency ? { emergency } : {} });

		execFile(program('wicgate-cscf'), ['--config', bad, '--check-config'], { timeout: 20 * SECOND },
			(err, stdout, stderr) => resolve({ code: err ? err.code : 0, out: stdout + stderr }));
	});

	for (const [emergency, why] of [[undefined, /emergency\.country is required/],
		[{ country: 'DE' }, /emergency\.lists is required/],
		[{ country: 'DE', lists: [] }, /emergency\.lists is required/],
		[{ country: 'DE', lists: ['FR=112'] }, /emergency\.lists: no list of our own country DE/],
		[{ country: 'DE', lists: ['DE='] }, /emergency\.lists: the list of DE is empty/],
		[{ ...OWN, same_country_policy: 'proceed' }, /emergency\.ecscf: needed/]]) {
		const { code, out } = await run(emergency);

		assert.equal(code, 1, out);
		assert.match(out, why);
	}
	assert.equal((await run(OWN)).code, 0);
});

/* ---- proceed: in our own country, to the E-CSCFs ---- */

/** Two scripted E-CSCFs and the policy for them. */
async function ecscfs({ own, gw }, more = []) {
	const list = [own(await Scscf.start({ port: await port() })), own(await Scscf.start({ port: await port() }))];

	await reload(gw, { ...OWN, same_country_policy: 'proceed',
		ecscf: [...more, ...list.map((e) => `sip:${HOST}:${e.port}`)] });
	return list;
}

const okFrom = (item, e) => item.reply(200, 'OK', { toTag: 'psap', headers: [['Contact', `<sip:psap@${HOST}:${e.port}>`],
	['Content-Type', 'application/sdp']], body: answerTo(item, 43994) });

test('proceed: the call goes to the E-CSCF alone, as the service, with identity, charging and ports of the AGW [EMG-07, EMG-14]',
	async (env) => {
		const { core, gw } = env;
		const wic = await registered(env);
		const since = core.log.length;

		try {
			const [e1, e2] = await ecscfs(env);
			const call = wic.invite('tel:110', { headers: [['Privacy', 'id'], ['P-Preferred-Identity', '<tel:+15550101>'],
				['P-Asserted-Identity', '<sip:mallory@ims.test>']] });
			const item = await e1.next('INVITE');
			const { msg } = item;

			assert.equal(msg.uri, 'urn:service:sos.police');
			assert.deepEqual(msg.all('Route'), [`<sip:${HOST}:${e1.port};lr>`]);
			assert.deepEqual(msg.all('P-Asserted-Identity').sort(), ['<sip:alice@ims.test>', '<tel:+15550101>']);
			assert.match(msg.get('P-Charging-Vector'), /icid-value="?[0-9a-f]{32}"?;.*orig-ioi="Type 1ims\.test"/);
			assert.equal(msg.all('Record-Route').length, 2);
			const [media] = parseSdp(msg.body).media;
			assert.equal(media.proto, 'RTP/AVP');
			assert.ok(media.port >= CORE_RANGE[0] && media.port <= CORE_RANGE[1], 'a port of the AGW');
			assert.equal(count(await gw.agws[0].status(), 'contexts'), 1);
			okFrom(item, e1);
			assert.equal((await call.response()).status, 200);
			await e1.next('ACK');
			const [, bye] = await Promise.all([e1.next('BYE').then((r) => r.reply(200, 'OK')), call.bye()]);
			assert.equal(bye.status, 200);
			assert.equal(e2.log.length, 0);
			assert.deepEqual(atCore(core, since), []);

			// Without a call as well.
			const [m, res] = await Promise.all([e1.next('MESSAGE').then((r) => {
				r.reply(200, 'OK');
				return r;
			}), ask(wic, 'MESSAGE', 'tel:112')]);
			assert.equal(m.msg.uri, 'urn:service:sos');
			assert.equal(res.status, 200);
			assert.deepEqual(atCore(core, since), []);
		} finally {
			await reload(gw, OWN);
		}
	});

test('proceed: elsewhere, or from nowhere known, it is still 380 [EMG-08]', async (env) => {
	const { core, gw } = env;
	const wic = await registered(env);
	const since = core.log.length;

	try {
		const [e1] = await ecscfs(env);

		await reload(gw, { ...UNKNOWN, same_country_policy: 'proceed', ecscf: [`sip:${HOST}:${e1.port}`] });
		assert.equal((await ask(wic, 'INVITE', 'tel:112')).status, 380);
		await reload(gw, { ...OWN, country: 'FR', same_country_policy: 'proceed', ecscf: [`sip:${HOST}:${e1.port}`] });
		assert.equal((await ask(wic, 'INVITE', 'tel:112')).status, 380);
		assert.equal(e1.log.length, 0);
		await nothingElse(env, wic, since);
	} finally {
		await reload(gw, OWN);
	}
});

test('proceed: E-CSCFs that are down, silent or busy are followed by the next, and after the last it is 380 [EMG-15]',
	async (env) => {
		const { gw } = env;
		const wic = await registered(env);

		try {
			const dead = await port();
			const [e1, e2] = await ecscfs(env, [`sip:${HOST}:${dead};transport=tcp`]);
			let call = wic.invite('tel:112'); // refused connection, silence, an answer
			const item = await e2.next('INVITE');

			assert.ok(e1.log.some(({ msg }) => msg.method === 'INVITE'), 'the second was asked before the third');
			assert.deepEqual(item.msg.all('Route'), [`<sip:${HOST}:${e2.port};lr>`]);
			okFrom(item, e2);
			assert.equal((await call.response()).status, 200);
			await e2.next('ACK');
			await Promise.all([e2.next('BYE').then((r) => r.reply(200, 'OK')), call.bye()]);

			// None takes it.
			e1.requests.clear();
			const since = gw.cscf.process.lines.length;
			call = wic.invite('sip:112@ims.test');
			(await e1.next('INVITE')).reply(503, 'Service Unavailable', { toTag: 'x' });
			(await e2.next('INVITE')).reply(480, 'Temporarily Unavailable', { toTag: 'y' });
			const res = await call.response();
			assert.equal(res.status, 380);
			assert.equal(res.body, GOLDEN);
			await gw.cscf.logged('emergency.detected', { decision: 'not-reached', class: 'sip' }, { since });

			// What a PSAP says itself is the caller's.
			call = wic.invite('tel:112');
			(await e1.next('INVITE')).reply(486, 'Busy Here', { toTag: 'z' });
			assert.equal((await call.response()).status, 486);
		} finally {
			await reload(gw, OWN);
		}
	});

test.end();
