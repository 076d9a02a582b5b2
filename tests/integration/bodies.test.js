// SPDX-License-Identifier: Apache-2.0
//
// What bodies carry across the gateway: of all descriptions only the one it wrote itself; other
// parts of a multipart body octet for octet. Every description here names an address that may not
// be seen on the other side, wherever it stands.
import assert from 'node:assert/strict';
import { CoreDialog, callFromWic, ours } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, browserOffer, parseSdp, plainSdp } from '../lib/sdp.js';
import { uriOf } from '../lib/sip.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true });

const WIC = '10.77.7.7';
const CORE = '10.88.8.8';
const SECRET = /10\.(77|88)\.|Early(Ufrag|Pwd)|a=fingerprint:sha-1 /;
const PIDF = '<presence entity="sip:alice@ims.test"><location/></presence>';

/** A description that is not the call's: with what betrays a WIC, or a core. */
const other = (host) => `${plainSdp(host, [audioLine(40000)])}a=ice-ufrag:EarlyUfrag\r\na=ice-pwd:EarlyPwdEarlyPwdEarlyPwd\r\n` +
	`a=fingerprint:sha-1 00:11\r\na=candidate:1 1 udp 1 ${host} 40000 typ host\r\n`;

const part = (type, body, more = '') => `--b1\r\nContent-Type: ${type}\r\n${more}\r\n${body}\r\n`;
const pidf = part('application/pidf+xml', PIDF, 'Content-ID: <loc@ims.test>\r\n');
const early = (host) => part('application/sdp', other(host), 'Content-Disposition: early-session;handling=optional\r\n');
const nested = (host) => part('multipart/alternative;\r\n boundary=b12',
	`--b12\r\nContent-Type: application/sdp\r\n\r\n${other(host)}\r\n--b12\r\n\r\nplain\r\n--b12--`);

/** Location first, then every place where a second description may hide around the call's own. */
const mixed = (host, sdp) => `${pidf}${early(host)}${part('application/sdp', sdp)}${part('application/sdp', other(host))}${
	nested(host)}--b1--\r\n`;
const MIXED = 'multipart/mixed;boundary="b1"';

/** The description in a relayed multipart body; all that may be around it is asserted. */
function onlyOurs(msg) {
	assert.equal(msg.get('Content-Type'), MIXED);
	assert.equal(Number(msg.get('Content-Length')), Buffer.byteLength(msg.body));
	assert.doesNotMatch(msg.toString(), SECRET);
	assert.ok(msg.body.startsWith(pidf), msg.body);
	assert.equal(msg.body.match(/application\/sdp/g).length, 1);
	return parseSdp(/\r\n\r\n(v=0[^]*?)\r\n--b1--\r\n$/.exec(msg.body)[1]);
}

/** A call's final answer by its WIC, with a body of any type. */
function answer(call, status, reason, type, body) {
	call.client.send(call.invite.answer(status, reason, { toTag: /tag=(\w+)/.exec(call.local)[1],
		headers: [['Contact', `<${call.client.contactUri};ob>`], ['Content-Type', type]], body }));
}

const contact = (core) => ['Contact', `<sip:far@${core.host}:${core.port}>`];

test('multipart INVITE from a WIC: SDP rewritten, PIDF-LO kept, no other description crosses; the same back [CALL-40, SDP-01, SDP-02, SDP-06]',
	async (env) => {
		const { core } = env;
		const { wic } = await registered(env);
		const call = wic.invite('sip:far@ims.test', { sdp: mixed(WIC, browserOffer({ host: WIC })), type: MIXED });
		const item = await core.next('INVITE', { callId: call.callId });
		const offer = onlyOurs(item.msg);

		assert.doesNotMatch(item.raw, SECRET);
		assert.equal(offer.media[0].proto, 'RTP/AVP');
		assert.equal(offer.media[0].host, '127.0.0.1');
		// 183 with nothing but an early session: what comes through has no body.
		item.reply(183, 'Progress', { toTag: 'f1', body: other(CORE), headers: [contact(core), ['Content-Type', 'application/sdp'],
			['Content-Disposition', 'early-session']] });
		const progress = await call.response(101);

		assert.equal(progress.status, 183);
		assert.equal(progress.body, '');
		assert.equal(progress.get('Content-Type'), undefined);
		assert.equal(progress.get('Content-Disposition'), undefined);
		item.reply(200, 'OK', { toTag: 'f1', headers: [contact(core), ['Content-Type', MIXED]],
			body: mixed(CORE, plainSdp(CORE, [audioLine(40100)])) });
		const res = await call.response();

		assert.equal(res.status, 200);
		assert.notEqual(onlyOurs(res).media[0].attr('ice-pwd'), undefined);
		await core.next('ACK', { callId: call.callId });
		// Requests and answers of the call that negotiate nothing.
		const [, info] = await Promise.all([call.send('INFO', { body: other(WIC) }), core.next('INFO').then((r) => {
			r.reply(200, 'OK', { headers: [['Content-Type', 'application/sdp']], body: other(CORE) });
			return r;
		})]);
		assert.equal(info.msg.body, '');
		const [bye, seen] = await Promise.all([call.send('BYE', { body: other(WIC) }), core.next('BYE').then((r) => {
			r.reply(200, 'OK', { headers: [['Content-Type', 'application/sdp']], body: other(CORE) });
			return r;
		})]);
		assert.equal(bye.status, 200);
		assert.doesNotMatch(seen.raw, SECRET);
		for (const { text } of wic.frames)
			assert.doesNotMatch(text, SECRET);
		await leave(env, wic);
	});

test('candidates that trickle by INFO reach nobody: 469 for the package, 200 without one, from either side; the call goes on [ICE-08, CALL-19]',
	async (env) => {
		const { core, gw } = env;
		const { wic } = await registered(env);
		const { call, far } = await callFromWic(env, wic);
		const body = `a=ice-ufrag:EarlyUfrag\r\na=candidate:1 1 udp 1 ${WIC} 40000 typ host\r\n`;
		const named = [['Info-Package', 'trickle-ice'], ['Content-Disposition', 'Info-Package']];
		const info = (party, headers) => party.request('INFO', { headers, body }).set('Content-Type', 'application/trickle-ice-sdpfrag');
		const ignored = async () => (await gw.cscf.metrics()).sum('cscf_session_trickle_ignored_total');
		const before = await ignored();
		const frames = wic.frames.length;

		for (const ask of [(headers) => wic.request(info(call, headers)), (headers) => core.request(info(far, headers), far.hop)]) {
			const refused = await ask(named);

			assert.equal(refused.status, 469);
			assert.equal(refused.get('Recv-Info'), '');
			assert.equal((await ask([])).status, 200);
		}
		assert.equal(await ignored(), before + 2);
		// What is sent next comes through: nothing was held back that could still come.
		const [bye, seen] = await Promise.all([call.bye(), core.next('BYE', { callId: call.callId }).then((r) => {
			r.reply(200, 'OK');
			return r;
		})]);
		assert.equal(bye.status, 200);
		assert.doesNotMatch(seen.raw, SECRET);
		assert.ok(!core.log.some(({ msg }) => msg.method === 'INFO' && msg.callId === call.callId));
		assert.ok(!wic.frames.slice(frames).some(({ text }) => text.startsWith('INFO')));
		await leave(env, wic);
	});

test('multipart INVITE to a WIC: the same from the core\'s side [CALL-40, SDP-01, SDP-02, SDP-06]', async (env) => {
	const { core } = env;
	const { wic, path } = await registered(env);

	Object.assign(core, { path, contact: wic.contactUri });
	const invite = core.terminating('INVITE', { body: mixed(CORE, plainSdp(CORE, [audioLine(40100)])) })
		.set('Content-Type', MIXED);

	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	const offer = onlyOurs(call.invite);

	assert.equal(offer.media[0].proto, 'UDP/TLS/RTP/SAVPF');
	const sdp = browserAnswer(/(v=0[^]*?)\r\n--b1/.exec(call.invite.body)[1], { host: WIC });

	answer(call, 200, 'OK', MIXED, mixed(WIC, sdp));
	const { msg, raw } = await core.response(invite);

	assert.equal(msg.status, 200);
	assert.equal(onlyOurs(msg).media[0].host, '127.0.0.1');
	assert.doesNotMatch(raw, SECRET);
	const far = new CoreDialog(core, { local: invite.get('From'), remote: msg.get('To'), callId: msg.callId,
		target: uriOf(msg.get('Contact')), routes: ours(core, msg.all('Record-Route').reverse()) });
	await far.ack(1);
	await call.next('ACK');
	const [done] = await Promise.all([far.send('BYE'), call.next('BYE')]);

	assert.equal(done.status, 200);
	await leave(env, wic);
});

test('a refusal says what its sender could do: not to the other side, in no call and no re-INVITE [SDP-01, SDP-02, SDP-06]',
	async (env) => {
		const { core } = env;
		const { wic, path } = await registered(env);
		const sdp = (body) => ({ body, headers: [['Content-Type', 'application/sdp']] });
		const bare = (msg) => {
			assert.equal(msg.status, 488);
			assert.equal(msg.body, '');
			assert.equal(msg.get('Content-Type'), undefined);
		};

		Object.assign(core, { path, contact: wic.contactUri });
		const refused = wic.invite('sip:far@ims.test');

		(await core.next('INVITE', { callId: refused.callId })).reply(488, 'Not Here', { toTag: 'f1', ...sdp(other(CORE)) });
		bare(await refused.response());
		const invite = core.terminating('INVITE', { body: plainSdp(CORE, [audioLine(40100)]) });

		await core.send(invite, core.pathTarget);
		answer(await wic.incoming(), 488, 'Not Here', 'application/sdp', other(WIC));
		bare((await core.response(invite)).msg);
		const { call, far } = await callFromWic(env, wic);
		const again = call.request('INVITE', {
			body: call.invite.body.replace(/(o=- \d+) 2/, '$1 3').replace('a=sendrecv', 'a=sendonly') });

		wic.send(again);
		(await core.next('INVITE', { callId: call.callId })).reply(488, 'Not Here', sdp(other(CORE)));
		const res = await wic.response(again);

		bare(res);
		const ack = call.request('ACK', { cseq: again.cseq }).set('Via', again.get('Via')).set('To', res.get('To'));

		wic.send(ack);
		await core.next('ACK', { callId: call.callId });
		const [bye] = await Promise.all([far.send('BYE'), call.next('BYE')]);

		assert.equal(bye.status, 200);
		await leave(env, wic);
	});

test('outside calls no description crosses either, other bodies do; an unreadable multipart is 400 [CALL-38, CALL-40, SDP-01, SDP-02]',
	async (env) => {
		const { core } = env;
		const { wic, path } = await registered(env);
		const text = part('text/plain', 'hello');

		Object.assign(core, { path, contact: wic.contactUri });
		const [res, { msg }] = await Promise.all([wic.request(wic.message('OPTIONS', 'sip:far@ims.test', { body: other(WIC) })),
			core.next('OPTIONS').then((r) => {
				r.reply(200, 'OK', { toTag: 't', headers: [['Content-Type', 'application/sdp']], body: other(CORE) });
				return r;
			})]);
		for (const m of [res, msg]) {
			assert.equal(m.body, '');
			assert.equal(m.get('Content-Type'), undefined);
		}
		const [, page] = await Promise.all([wic.request(wic.message('MESSAGE', 'sip:far@ims.test', { type: MIXED,
			body: `${early(WIC)}${text}--b1--\r\n` })), core.next('MESSAGE').then((r) => {
			r.reply(200, 'OK', { toTag: 't' });
			return r;
		})]);
		assert.equal(page.msg.body, `${text}--b1--\r\n`);
		const ask = core.terminating('OPTIONS', { body: other(CORE) });
		const [there] = await Promise.all([core.request(ask, core.pathTarget), wic.next('OPTIONS').then((m) => {
			assert.equal(m.body, '');
			wic.send(m.answer(200, 'OK', { toTag: 'w', headers: [['Content-Type', 'application/sdp']], body: other(WIC) }));
		})]);
		assert.equal(there.status, 200);
		assert.equal(there.body, '');
		const broken = await wic.request(wic.message('MESSAGE', 'sip:far@ims.test', { type: MIXED, body: text }));

		assert.equal(broken.status, 400);
		await leave(env, wic);
	});

test.end();
