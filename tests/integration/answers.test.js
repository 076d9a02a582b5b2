// SPDX-License-Identifier: Apache-2.0
//
// What the core says to a WIC's INVITE and what goes with it: refusals pass and are not acted on,
// headers that are nobody's business here pass both ways, long descriptions pass whole.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { leave, registered } from '../lib/register.js';
import { audioLine, parseSdp, plainSdp } from '../lib/sdp.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true });

const idle = ({ gw }) => until(async () => (await gw.agws[0].status()).contexts === 0, { what: 'no context at the AGW' });

test('302, 401 and 407 pass as they are: one INVITE at the core, nothing of the call stays [CALL-35]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const challenge = 'Digest realm="far.test", nonce="n9", algorithm=MD5';

	for (const [status, name, value] of [[302, 'Contact', '<sip:elsewhere@far.test>'], [401, 'WWW-Authenticate', challenge],
		[407, 'Proxy-Authenticate', challenge]]) {
		const call = wic.invite('sip:far@ims.test');
		const item = await core.next('INVITE', { callId: call.callId });

		item.reply(status, 'No', { toTag: 'f1', headers: [[name, value]] });
		const res = await call.response();

		assert.equal(res.status, status);
		assert.equal(res.get(name), value);
		await core.next('ACK', { callId: call.callId });
		await idle(env);
		// A second try would have left before the context went.
		assert.equal(core.log.filter(({ msg }) => msg.method === 'INVITE' && msg.callId === call.callId).length, 1);
		assert.equal(core.requests.all().length, 0);
	}
	await leave(env, wic);
});

// History-Info is not among them: a WIC's is deleted by table 4.1 (headers.test.js).
const PASS = [['Reason', 'Q.850;cause=16;text="x"'], ['Privacy', 'none'], ['Geolocation', '<cid:loc@ims.test>'],
	['Session-ID', 'ab30317f1a784dc48ff824d0d3715d86'], ['User-to-User', '56a390f3d2b7310023a2;encoding=hex'],
	['Diversion', '<sip:first@ims.test>;reason=unconditional'], ['Subject', 'a, b  c'], ['X-Any', 'kept']];
const kept = (msg, what, but = () => true) => PASS.filter(([n]) => but(n))
	.forEach(([n, v]) => assert.equal(msg.get(n), v, `${n} in ${what}`));

test('headers that nobody asked about pass unchanged, in requests and answers, both ways [CALL-45]', async (env) => {
	const { core } = env;
	const { wic, path } = await registered(env);
	const call = wic.invite('sip:far@ims.test', { headers: PASS });
	const item = await core.next('INVITE', { callId: call.callId });

	kept(item.msg, 'INVITE on Mw');
	item.reply(200, 'OK', { toTag: 'f1', body: plainSdp('127.0.0.1', [audioLine(49998)]),
		headers: [['Contact', `<sip:far@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp'], ...PASS] });
	kept(await call.response(), '200 on W2');
	await core.next('ACK', { callId: call.callId });
	const [, bye] = await Promise.all([call.bye(PASS), core.next('BYE').then((r) => {
		r.reply(200, 'OK', { headers: PASS });
		return r;
	})]);
	kept(bye.msg, 'BYE on Mw');
	Object.assign(core, { path, contact: wic.contactUri });
	const invite = core.terminating('INVITE', { body: plainSdp('127.0.0.1', [audioLine(49998)]), headers: PASS });

	await core.send(invite, core.pathTarget);
	const called = await wic.incoming();

	kept(called.invite, 'INVITE on W2');
	called.reply(486, 'Busy Here', { headers: PASS });
	const busy = (await core.response(invite)).msg;

	assert.equal(busy.get('Reason'), undefined); // of a WIC's answer it is deleted
	kept(busy, '486 on Mw', (n) => n !== 'Reason');
	await leave(env, wic);
});

test('an offer of 12 KiB from a WIC reaches the core whole, over TCP, and is answered [CALL-49]', async (env) => {
	const { core } = env;
	const { wic } = await registered(env);
	const sdp = readFileSync(new URL('../golden/sdp/wic-60-codecs-12k/offer.sdp', import.meta.url), 'utf8').replace(/\r?\n/g, '\r\n');
	const call = wic.invite('sip:far@ims.test', { sdp });
	const item = await core.next('INVITE', { callId: call.callId });

	assert.equal(item.transport, 'TCP');
	assert.ok(Buffer.byteLength(item.msg.body) > 12 * 1024, `${item.msg.body.length} octets`);
	assert.equal(Number(item.msg.get('Content-Length')), Buffer.byteLength(item.msg.body));
	assert.deepEqual(parseSdp(item.msg.body).media.map((m) => m.type), parseSdp(sdp).media.map((m) => m.type));
	item.reply(486, 'Busy Here', { toTag: 'f1' });
	assert.equal((await call.response()).status, 486);
	await core.next('ACK', { callId: call.callId });
	await leave(env, wic);
});

test.end();
