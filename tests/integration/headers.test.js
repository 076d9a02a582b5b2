// SPDX-License-Identifier: Apache-2.0
//
// What stands on Mw and on W2, header by header, seen by a scripted S-CSCF: table 4.1 (trust
// boundary), table 4.2 (integrity-protected) and the routing headers of REGISTER and INVITE.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway } from '../lib/gateway.js';
import { SPARE, port } from '../lib/ports.js';
import { audioLine, browserAnswer, browserOffer, parseSdp, plainSdp } from '../lib/sdp.js';
import { SipMessage, branch, digestParams, param, parseUri, uriOf } from '../lib/sip.js';
import { viaHost } from '../lib/endpoint.js';

const test = suite({ scripted: true });

/** Register a client at the scripted core; what both saw. */
async function registered({ client, core }, user = 'alice', options = {}) {
	const wic = await client(user, options);
	const [res, seen] = await Promise.all([wic.register(options.register), core.registration(options.accept)]);

	assert.equal(res.status, 200);
	return { wic, res, ...seen };
}

/** Leave the core's side of deregistration to the script. */
async function leave({ core }, wic) {
	const [res] = await Promise.all([wic.unregister(), core.next('REGISTER').then((r) =>
		core.accept(r, { expires: 0 }))]);

	assert.equal(res.status, 200);
	wic.gone = true;
}

test('REGISTER on Mw carries Path, Require, P-Visited-Network-ID, P-Charging-Vector [REG-02, REG-04, REG-05, REG-06]',
	async (env) => {
		const { gw } = env;
		const { wic, first, second } = await registered(env);

		for (const { msg } of [first, second]) {
			const paths = msg.all('Path');
			const uri = parseUri(uriOf(paths[0]));

			assert.equal(paths.length, 1);
			assert.equal(uri.host, gw.mw.host);
			assert.equal(uri.port, gw.mw.port);
			assert.ok(uri.user?.length > 8, `flow token in ${paths[0]}`);
			assert.match(uri.params, /;lr\b/);
			assert.match(paths[0], /;ob\b/);
			assert.match(msg.get('Require'), /\bpath\b/);
			assert.equal(msg.get('P-Visited-Network-ID').replaceAll('"', ''), 'ims.test');
			assert.match(msg.get('P-Charging-Vector'), /icid-value="?[^";]{8,}"?;.*orig-ioi="Type 1ims\.test"/);
			assert.doesNotMatch(msg.get('P-Charging-Vector'), /term-ioi/);
			assert.equal(msg.get('Max-Forwards'), '69');
			assert.equal(msg.get('Contact'), wic.registerMsg().get('Contact'));
		}
		assert.notEqual(param(first.msg.get('P-Charging-Vector'), 'icid-value'),
			param(second.msg.get('P-Charging-Vector'), 'icid-value'));
		await leave(env, wic);
	});

test('Via on Mw: ours on top, the WIC\'s with received and rport; the answer has the WIC\'s alone [REG-08, WS-16, CALL-08]',
	async (env) => {
		const { core, client } = env;
		const wic = await client('alice');
		const sent = wic.registerMsg();
		const [res, item] = await Promise.all([wic.request(sent), core.next('REGISTER').then((r) => {
			core.challenge(r);
			return r;
		})]);
		const vias = item.msg.all('Via');
		const port = wic.ws._socket.localPort;

		assert.equal(vias.length, 2);
		assert.match(vias[0], /^SIP\/2\.0\/(UDP|TCP) 127\.0\.0\.1:\d+;.*branch=z9hG4bK/);
		const theirs = viaHost(vias[1]);
		assert.equal(theirs.sentBy, wic.host);
		assert.equal(theirs.received, '127.0.0.1');
		assert.equal(theirs.rport, String(port));
		assert.equal(res.all('Via').length, 1);
		assert.equal(param(res.get('Via'), 'rport'), String(port));
		assert.equal(param(res.get('Via'), 'received'), '127.0.0.1');
	});

test('no rport is added when the WIC sent none [WS-17]', async ({ core, client }) => {
	const wic = await client('alice');
	const sent = wic.registerMsg();

	sent.set('Via', sent.get('Via').replace(';rport', ''));
	const [res] = await Promise.all([wic.request(sent), core.next('REGISTER').then((r) => core.challenge(r))]);
	assert.equal(param(res.get('Via'), 'rport'), undefined);
	assert.equal(param(res.get('Via'), 'received'), '127.0.0.1');
});

test('integrity-protected: absent, tls-pending, tls-yes; a spoofed one never survives [REG-07, SEC-07, REG-40, REG-41]',
	async (env) => {
		const { core, client } = env;
		const protectedBy = (item) => digestParams(item.msg.get('Authorization') ?? '')['integrity-protected'];
		const wic = await client('alice');
		const uri = 'sip:ims.test';
		const empty = `Digest username="alice", realm="ims.test", uri="${uri}", nonce="", response=""`;

		let [, item] = await Promise.all([wic.request(wic.registerMsg({ auth: empty })),
			core.next('REGISTER').then((r) => {
				core.challenge(r);
				return r;
			})]);
		assert.equal(protectedBy(item), undefined);
		assert.match(item.msg.get('Authorization'), /username="alice"/);

		const spoof = (v) => `Digest username="alice", realm="ims.test", uri="${uri}", nonce="n1", ` +
			`response="0123456789abcdef0123456789abcdef", ${v}`;
		for (const v of ['integrity-protected="auth-done"', 'Integrity-Protected=TLS-YES',
			'integrity-protected = "yes"']) {
			[, item] = await Promise.all([wic.request(wic.registerMsg({ auth: spoof(v) })),
				core.next('REGISTER').then((r) => {
					core.challenge(r);
					return r;
				})]);
			assert.equal(protectedBy(item), 'tls-pending', v);
			assert.equal(item.msg.get('Authorization').match(/integrity-protected/gi).length, 1);
		}

		const [res, { second }] = await Promise.all([wic.register(), core.registration()]);
		assert.equal(res.status, 200);
		assert.equal(protectedBy(second), 'tls-pending');

		// Refresh on the same connection: the association exists.
		[, item] = await Promise.all([wic.request(wic.registerMsg({ auth: spoof('qop=auth') })),
			core.next('REGISTER').then((r) => {
				core.accept(r);
				return r;
			})]);
		assert.equal(protectedBy(item), 'tls-yes');

		// The same user on another connection is not protected.
		const other = await client('alice');
		[, item] = await Promise.all([other.request(other.registerMsg({ auth: spoof('qop=auth') })),
			core.next('REGISTER').then((r) => {
				core.challenge(r);
				return r;
			})]);
		assert.equal(protectedBy(item), 'tls-pending');

		const [bye, last] = await Promise.all([wic.request(wic.registerMsg({ expires: 0, auth: spoof('qop=auth') })),
			core.next('REGISTER').then((r) => {
				core.accept(r, { expires: 0 });
				return r;
			})]);
		assert.equal(bye.status, 200);
		assert.equal(protectedBy(last), 'tls-yes');
		wic.gone = true;
	});

test('challenge and answer headers pass: WWW-Authenticate without ik and ck, Authentication-Info, both algorithms [REG-29, REG-33]',
	async (env) => {
		const { core, client } = env;
		const wic = await client('alice');
		const challenges = ['Digest realm="ims.test", nonce="a1", algorithm=SHA-256, qop="auth", opaque="x"',
			'Digest realm="ims.test", nonce="a2", algorithm=MD5, qop="auth", ik="0011", ck="2233"'];
		const [res] = await Promise.all([wic.request(wic.registerMsg()), core.next('REGISTER').then((r) =>
			r.reply(401, 'Unauthorized', { toTag: 't', headers: challenges.map((c) => ['WWW-Authenticate', c]) }))]);
		const got = res.all('WWW-Authenticate');

		assert.equal(got.length, 2);
		assert.equal(digestParams(got[0]).algorithm, 'SHA-256');
		assert.equal(digestParams(got[0]).opaque, 'x');
		assert.equal(digestParams(got[1]).nonce, 'a2');
		assert.doesNotMatch(got[1], /\b[ic]k=/);

		const [ok] = await Promise.all([wic.register(), core.registration({ headers: [
			['Authentication-Info', 'qop=auth,rspauth="aa",nextnonce="N2"'], ['Date', 'Sun, 22 Nov 2026 10:00:00 GMT']] })]);
		assert.equal(ok.get('Authentication-Info'), 'qop=auth,rspauth="aa",nextnonce="N2"');
		assert.equal(ok.get('Date'), 'Sun, 22 Nov 2026 10:00:00 GMT');
		assert.equal(ok.get('P-Charging-Vector'), undefined);
		await leave(env, wic);
	});

/** Every header of table 4.1 that a WIC must not get through, with a value to look for. */
const FORBIDDEN = [['P-Asserted-Identity', '<sip:president@ims.test>'], ['P-Asserted-Service', 'urn:urn-7:x'],
	['P-Charging-Vector', 'icid-value="forged"'], ['P-Charging-Function-Addresses', 'ccf=forged'],
	['P-Visited-Network-ID', '"forged"'], ['Path', '<sip:forged@192.0.2.9;lr>'],
	['Service-Route', '<sip:forged@192.0.2.9;lr>'], ['P-Associated-URI', '<sip:forged@ims.test>'],
	['P-Access-Network-Info', 'IEEE-802.11;network-provided;x=forged'],
	['P-Access-Network-Info', 'IEEE-802.11;x=forged'], ['Cellular-Network-Info', 'forged'],
	['P-Served-User', '<sip:forged@ims.test>'], ['P-Profile-Key', '<sip:forged@ims.test>'],
	['P-User-Database', '<aaa://forged.test>'], ['P-Private-Network-Indication', 'forged'],
	['History-Info', '<sip:forged@ims.test>;index=1'], ['Resource-Priority', 'forged.0'],
	['P-Early-Media', 'sendrecv;forged'], ['Feature-Caps', '*;+g.forged'],
	['Restoration-Info', 'noresponse;forged'], ['Relayed-Charge', 'forged'], ['Service-Interact-Info', 'forged'],
	['Response-Source', 'urn:forged'], ['Attestation-Info', 'forged'], ['Origination-Id', 'forged'],
	['Additional-Identity', 'forged'], ['Security-Client', 'forged'], ['Security-Verify', 'forged'],
	['Security-Server', 'forged'], ['Identity', 'forged'], ['P-Preferred-Identity', '<sip:forged@ims.test>'],
	['Priority', 'psap-callback;forged'], ['Authorization', 'Foo x=y, Digest username="forged"'],
	['Authorization', 'Foo Bearer,forged'], ['Proxy-Authorization', 'Foo token=forged'],
	['Proxy-Authorization', 'Digest username="alice", USERNAME="forged"']];

test('nor do they in a REGISTER, before and after the challenge [SEC-06, SEC-07]', async (env) => {
	const { core, client } = env;
	const wic = await client('alice');
	const [res, seen] = await Promise.all([wic.register({ headers: FORBIDDEN }), core.registration()]);

	assert.equal(res.status, 200);
	for (const item of [seen.first, seen.second])
		assert.doesNotMatch(item.raw, /forged|president/);
	await leave(env, wic);
});

test('headers of the trust domain sent by a WIC never reach the core; unknown ones do [SEC-06, ID-04, ID-12, CALL-20]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain',
			headers: [...FORBIDDEN, ['X-Unknown', 'kept; as="is"'], ['User-Agent', 'test/1']] });
		const [, item] = await Promise.all([wic.request(msg), core.next('MESSAGE').then((r) => {
			r.reply(200, 'OK', { toTag: 't' });
			return r;
		})]);

		for (const [name] of FORBIDDEN) {
			assert.ok(!/forged|president/.test(item.msg.headers.filter(([n]) => n.toLowerCase() ===
				name.toLowerCase()).map(([, v]) => v).join()), `${name} got through`);
		}
		assert.doesNotMatch(item.raw, /forged|president/);
		assert.equal(item.msg.get('X-Unknown'), 'kept; as="is"');
		assert.equal(item.msg.get('User-Agent'), 'test/1');
		assert.deepEqual(item.msg.all('P-Asserted-Identity').map(uriOf), ['sip:alice@ims.test', 'tel:+15550101']);
		assert.match(item.msg.get('P-Charging-Vector'), /icid-value=.*orig-ioi="Type 1ims\.test"/);
		assert.deepEqual(item.msg.all('Route').map(uriOf), [uriOf(core.serviceRoute)]);
		await leave(env, wic);
	});

test('the access network that the operator names, and what its knobs let pass [ID-11, ID-12, ID-17, CALL-44]', async (env) => {
	const { core, own, client } = env;
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: {
		pani: { from_wic: 'keep', network_provided: 'IEEE-802.11;np-zone="a,b"' },
		identity: { pai_to_wic: false, strip_identity_header: false },
		trust: { resource_priority: true, early_media: true } } });
	const ours = 'IEEE-802.11;np-zone="a,b";network-provided';
	const told = [['Identity', 'eyJ0;alg=ES256'], ['Resource-Priority', 'wps.0'], ['P-Early-Media', 'sendrecv']];

	own({ close: () => gw.stop() });
	const wic = await client('alice', { url: gw.wssUrl });
	const lies = [['P-Access-Network-Info', '3GPP-NR-FDD;network-provided'], ['P-Access-Network-Info', 'DSL;dsl-location=1']];
	const [res, seen] = await Promise.all([wic.register({ headers: lies }), core.registration()]);

	assert.equal(res.status, 200);
	for (const { msg } of [seen.first, seen.second])
		assert.deepEqual(msg.all('P-Access-Network-Info').sort(), ['DSL;dsl-location=1', ours]);
	const sent = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain', headers: [...lies, ...told] });
	const [, item] = await Promise.all([wic.request(sent), core.next('MESSAGE').then((r) => {
		r.reply(200, 'OK', { toTag: 't' });
		return r;
	})]);
	assert.deepEqual(item.msg.all('P-Access-Network-Info').sort(), ['DSL;dsl-location=1', ours]);
	for (const [name, value] of told)
		assert.equal(item.msg.get(name), value);

	const asked = core.terminating('OPTIONS', { headers: [['P-Asserted-Identity', '<sip:bob@ims.test>'],
		['P-Access-Network-Info', '3GPP-NR-FDD;network-provided']] });
	const [answer] = await Promise.all([core.response(asked), core.send(asked, core.pathTarget), wic.next('OPTIONS').then((m) => {
		assert.equal(m.get('P-Asserted-Identity'), undefined);
		assert.equal(m.get('P-Access-Network-Info'), undefined);
		return wic.send(m.answer(200, 'OK', { toTag: 'w', headers: lies }));
	})]);
	assert.deepEqual(answer.msg.all('P-Access-Network-Info').sort(), ['DSL;dsl-location=1', ours]);
	await leave(env, wic);
});

test('P-Preferred-Identity selects among the registered identities; a foreign one gives the default [ID-03]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);

		for (const [preferred, expected] of [['<tel:+15550101>', 'tel:+15550101'],
			['<sip:mallory@ims.test>', 'sip:alice@ims.test'], [undefined, 'sip:alice@ims.test']]) {
			const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain',
				headers: preferred ? [['P-Preferred-Identity', preferred]] : [] });
			const [, item] = await Promise.all([wic.request(msg), core.next('MESSAGE').then((r) => {
				r.reply(200, 'OK', { toTag: 't' });
				return r;
			})]);

			assert.equal(uriOf(item.msg.all('P-Asserted-Identity')[0]), expected);
			assert.equal(item.msg.get('P-Preferred-Identity'), undefined);
		}
		await leave(env, wic);
	});

test('a forged or missing Route is replaced by the Service-Route [ID-06, CALL-07]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);

	for (const routes of [[], ['<sip:192.0.2.66;lr>'], [core.serviceRoute, '<sip:192.0.2.66;lr>']]) {
		const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' });

		msg.set('Route', undefined);
		routes.forEach((r) => msg.add('Route', r));
		const [, item] = await Promise.all([wic.request(msg), core.next('MESSAGE').then((r) => {
			r.reply(200, 'OK', { toTag: 't' });
			return r;
		})]);
		assert.deepEqual(item.msg.all('Route').map(uriOf), [uriOf(core.serviceRoute)]);
	}
	await leave(env, wic);
});

test('a call from a WIC: double Record-Route, identity, plain RTP towards the core, WebRTC back [CALL-05, CALL-08, CALL-09, ID-08, ID-10, SDP-05, SDP-06, BUN-01]',
	async (env) => {
		const { core, gw } = env;
		const { wic } = await registered(env);
		const call = wic.invite('sip:bob@ims.test', { sdp: browserOffer({ video: true }) });
		const item = await core.next('INVITE');
		const { msg } = item;
		const offer = parseSdp(msg.body);

		item.reply(100, 'Trying');
		assert.equal(msg.callId, call.callId);
		assert.equal(msg.get('Contact'), call.invite.get('Contact'));
		assert.equal(msg.get('From'), call.invite.get('From'));
		assert.equal(msg.all('Record-Route').length, 2);
		msg.all('Record-Route').forEach((rr) => assert.match(rr, /;lr\b/));
		assert.deepEqual(msg.all('Route').map(uriOf), [uriOf(core.serviceRoute)]);
		assert.deepEqual(msg.all('P-Asserted-Identity').map(uriOf), ['sip:alice@ims.test', 'tel:+15550101']);
		assert.equal(msg.all('Via').length, 2);

		assert.deepEqual(offer.media.map((m) => m.type), ['audio', 'video']);
		assert.equal(offer.media[0].proto, 'RTP/AVP');
		assert.equal(offer.media[1].proto, 'RTP/AVPF');
		offer.media.forEach((m) => {
			assert.equal(m.host, '127.0.0.1');
			assert.equal(m.port % 2, 0);
			assert.equal(m.rtcp, m.port + 1);
		});
		assert.doesNotMatch(msg.body,
			/a=(group|mid|msid|ssrc|extmap|candidate|ice-|fingerprint|setup|rtcp-mux|rtcp-rsize)|transport-cc|goog-remb|rtx|SAVPF/);
		assert.equal(Number(msg.get('Content-Length')), Buffer.byteLength(msg.body));

		item.reply(200, 'OK', { toTag: 'core1', headers: [['Contact', `<sip:bob@127.0.0.1:${core.port}>`],
			['Content-Type', 'application/sdp'], ['P-Charging-Vector', 'icid-value="x";term-ioi="y"'],
			['P-Asserted-Identity', '<sip:bob@ims.test>']],
		body: plainSdp('127.0.0.1', [audioLine(gw.core.port + 2), { type: 'video', port: 0, proto: 'RTP/AVPF',
			pts: ['96'] }]) });
		const res = await call.response();
		const answer = parseSdp(res.body);
		assert.equal(res.status, 200);
		assert.equal(res.get('P-Charging-Vector'), undefined);
		assert.equal(res.all('Via').length, 1);
		assert.equal(answer.media.length, 2);
		assert.equal(answer.media[0].proto, 'UDP/TLS/RTP/SAVPF');
		assert.equal(answer.media[1].port, 0);
		for (const a of ['rtcp-mux', 'ice-ufrag', 'ice-pwd', 'candidate', 'fingerprint', 'mid'])
			assert.notEqual(answer.media[0].attr(a), undefined, `a=${a} in the answer`);
		assert.equal(answer.media[0].attr('setup'), 'active');
		assert.doesNotMatch(res.body, /a=group/);
		const ack = await core.next('ACK');
		assert.equal(ack.msg.callId, call.callId);

		// The core hangs up along the Record-Route set.
		const routes = msg.all('Record-Route');
		const hop = parseUri(uriOf(routes[0]));
		const bye = new SipMessage(`BYE ${uriOf(msg.get('Contact'))} SIP/2.0`, [
			['Via', `SIP/2.0/UDP 127.0.0.1:${core.port};branch=${branch()}`], ['Max-Forwards', 70],
			...routes.map((r) => ['Route', r]), ['From', `${msg.get('To')};tag=core1`], ['To', msg.get('From')],
			['Call-ID', msg.callId], ['CSeq', '1 BYE'], ['Reason', 'Q.850;cause=16']]);
		const [done, got] = await Promise.all([core.request(bye, { host: hop.host, port: hop.port }), call.next('BYE')]);
		assert.equal(done.status, 200);
		assert.equal(got.get('Reason'), 'Q.850;cause=16');
		await leave(env, wic);
	});

test('a call to a WIC: offer as the specification prints it, trust-domain headers removed [SDP-03, SDP-07, BUN-12, CALL-15, ID-11, ID-13]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const invite = core.terminating('INVITE', { body: plainSdp('127.0.0.1', [audioLine(43998)]), headers: [
			['P-Asserted-Identity', '<sip:bob@ims.test>'], ['Privacy', 'id'], ['P-Charging-Vector', 'icid-value="t"'],
			['P-Visited-Network-ID', '"v"'], ['P-Served-User', '<sip:alice@ims.test>'],
			['P-Access-Network-Info', '3GPP-E-UTRAN-FDD'], ['X-Core', 'kept']] });

		await core.send(invite, core.pathTarget);
		const call = await wic.incoming();
		const offer = parseSdp(call.invite.body);
		assert.equal(call.invite.uri, wic.contactUri.split(';')[0] + ';transport=ws');
		assert.equal(call.invite.get('P-Asserted-Identity'), undefined);
		for (const n of ['P-Charging-Vector', 'P-Visited-Network-ID', 'P-Served-User', 'P-Access-Network-Info'])
			assert.equal(call.invite.get(n), undefined, n);
		assert.equal(call.invite.get('X-Core'), 'kept');
		assert.equal(call.invite.get('Route'), undefined);
		assert.equal(offer.media[0].proto, 'UDP/TLS/RTP/SAVPF');
		assert.equal(offer.media[0].attr('3ge2ae'), 'applied');
		assert.equal(offer.media[0].attr('setup'), 'actpass');
		assert.notEqual(offer.media[0].attr('rtcp-mux'), undefined);
		assert.match(call.invite.body, /a=ice-lite/);
		assert.doesNotMatch(call.invite.body, /a=group/);
		assert.deepEqual(offer.media[0].pts, ['0', '101']);

		call.ring();
		const ringing = (await core.response(invite, { min: 180 })).msg;
		assert.equal(ringing.status, 180);
		const [answer] = await Promise.all([core.response(invite), (async () => {
			call.reply(200, 'OK', { headers: [['P-Charging-Vector', 'icid-value="forged"'],
				['P-Asserted-Identity', '<sip:president@ims.test>']],
			body: browserAnswer(call.invite.body) });
		})()]);
		const { msg } = answer;
		const sdp = parseSdp(msg.body);
		assert.equal(msg.status, 200);
		assert.doesNotMatch(answer.raw, /forged|president/);
		assert.equal(sdp.media[0].proto, 'RTP/AVP');
		assert.doesNotMatch(msg.body, /a=(ice|candidate|fingerprint|setup|rtcp-mux|mid|3ge2ae)/);

		const routes = msg.all('Record-Route').reverse().filter((r) => parseUri(uriOf(r)).port !== core.port);
		const hop = parseUri(uriOf(routes[0]));
		const within = (method, cseq) => new SipMessage(`${method} ${uriOf(msg.get('Contact'))} SIP/2.0`, [
			['Via', `SIP/2.0/UDP 127.0.0.1:${core.port};branch=${branch()}`], ['Max-Forwards', 70],
			...routes.map((r) => ['Route', r]), ['From', invite.get('From')], ['To', msg.get('To')],
			['Call-ID', msg.callId], ['CSeq', `${cseq} ${method}`]]);
		await core.send(within('ACK', 1), { host: hop.host, port: hop.port });
		await call.next('ACK');
		const [done] = await Promise.all([core.request(within('BYE', 2), { host: hop.host, port: hop.port }),
			call.next('BYE')]);
		assert.equal(done.status, 200);
		await leave(env, wic);
	});

test('a forged flow token is 403, 404 or 430 and reaches no WIC [SEC-24, ID-13, REG-81]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const forged = core.path.replace(/<sip:([^@]+)@/, (m, t) => m.replace(t, `${t.slice(0, -4)}AAAA`));
	const msg = core.terminating('MESSAGE', { routes: [forged] });
	const res = await core.request(msg, core.pathTarget);

	assert.ok([403, 404, 430].includes(res.status), res.start);
	assert.equal(wic.requests.all().length, 0);
	await leave(env, wic);
});

test('a request with the flow token of another connection is 403 [ID-16]', async (env) => {
	const { core, client } = env;
	const { wic } = await registered(env);
	const mallory = await client('mallory');
	const msg = mallory.message('MESSAGE', wic.contactUri, { body: 'x', type: 'text/plain' });

	msg.set('Route', core.path);
	assert.equal((await mallory.request(msg)).status, 403);
	await leave(env, wic);
});

test('503 from the only entry point: 504 to the WIC, never the 503 of the core [SEC-21]', async ({ core, client }) => {
	const wic = await client('alice');
	const [res] = await Promise.all([wic.request(wic.registerMsg()), core.next('REGISTER').then((r) =>
		r.reply(503, 'Service Unavailable', { toTag: 't' }))]);

	assert.equal(res.status, 504);
});

test('423, 404, 439 and 500 to a REGISTER are relayed with their headers [REG-30]', async ({ core, client }) => {
	const wic = await client('alice');

	for (const [status, reason, header] of [[423, 'Interval Too Brief', ['Min-Expires', '3600']],
		[404, 'Not Found', ['X-Why', 'n']], [439, 'First Hop Lacks Outbound Support', ['X-Why', 'o']],
		[500, 'Server Internal Error', ['X-Why', 'p']]]) {
		const [res] = await Promise.all([wic.request(wic.registerMsg()), core.next('REGISTER').then((r) =>
			r.reply(status, reason, { toTag: 't', headers: [header] }))]);

		assert.equal(res.status, status);
		assert.equal(res.get(header[0]), header[1]);
	}
});

test('ob in Path only with reg-id, instance and Supported: outbound [REG-03]', async (env) => {
	const { wic, first } = await registered(env, 'alice', { register: { outbound: false } });

	assert.doesNotMatch(first.msg.get('Path'), /;ob\b/);
	assert.match(first.msg.get('Require'), /\bpath\b/);
	const [res] = await Promise.all([wic.register({ outbound: false, expires: 0 }), env.core.next('REGISTER')
		.then((r) => env.core.accept(r, { expires: 0 }))]);
	assert.equal(res.status, 200);
	wic.gone = true;
});

test('an entry point that is not there: the next one is asked [REG-10]', async ({ core, client, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { home: { entry_points: [
		`sip:127.0.0.1:${await port()};transport=tcp`, `sip:127.0.0.1:${core.port}`] } } });
	own({ close: () => gw.stop() });
	const wic = await client('alice', { url: gw.wssUrl });
	const [res] = await Promise.all([wic.request(wic.registerMsg()), core.next('REGISTER').then((r) =>
		core.challenge(r))]);

	assert.equal(res.status, 401);
});

test.end();
