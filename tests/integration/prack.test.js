// SPDX-License-Identifier: Apache-2.0
//
// PRACK end to end (interwork.100rel=pass): a WIC that knows 100rel, through Kamailio to SIPp and
// to a scripted UE; RSeq and RAck pass as they are, offers in a PRACK are a round of their own.
import assert from 'node:assert/strict';
import { browserOffer, parseSdp } from '../lib/sdp.js';
import { port, ports } from '../lib/ports.js';
import { uriOf } from '../lib/sip.js';
import { Sipp } from '../lib/sipp.js';
import { suite } from '../lib/suite.js';

const sippPort = await port();
const test = suite({ coreOptions: ['--fixed', `prack=sip:prack@127.0.0.1:${sippPort}`] });

const RELIABLE = { headers: [['Supported', '100rel']] };

/** The next 1xx, its early dialog taken up by the WIC's call. */
async function provisional(call) {
	const res = await call.response(101);

	Object.assign(call, { remote: res.get('To'), target: uriOf(res.get('Contact')), routes: res.all('Record-Route').reverse() });
	return res;
}

const prack = (call, res, more = {}) => call.send('PRACK', { headers: [['RAck', `${res.get('RSeq')} ${res.get('CSeq')}`]], ...more });

test('a reliable 183 of SIPp, the WIC\'s PRACK, a 200 without a description [CALL-26]', async (env) => {
	const alice = await env.wic('alice');
	const sipp = env.own(await Sipp.start('uas-prack', { port: sippPort, mediaPort: (await ports(1))[0], dir: env.dir }));
	const call = alice.invite('sip:prack@ims.test', RELIABLE);
	const res = await provisional(call);

	assert.equal(res.get('RSeq'), '7001');
	assert.ok(res.all('Require').includes('100rel'));
	assert.equal(parseSdp(res.body).media[0].proto, 'UDP/TLS/RTP/SAVPF');
	assert.equal((await prack(call, res)).status, 200);
	assert.equal((await call.response()).body, '');
	assert.equal((await call.bye()).status, 200);
	assert.equal(await sipp.done(), 0);
});

test('a PRACK with an offer: its 200 has the answer, both rewritten [CALL-26, CALL-28]', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const offer = browserOffer();
	const call = alice.invite('sip:bob@ims.test', { sdp: offer, ...RELIABLE });
	const at = await bob.incoming();

	await at.earlyAnswer({ reliable: 9 });
	const res = await provisional(call);
	at.before = (item) => {
		if (item.msg.method !== 'PRACK')
			return false;
		item.reply(200, 'OK', { body: at.ownSdp(), headers: [['Content-Type', 'application/sdp']] });
		return true;
	};
	const done = await prack(call, res, { body: offer.replace(/^(o=\S+ \d+) \d+/m, '$1 3').replace('a=sendrecv', 'a=sendonly') });
	const seen = await at.request('PRACK');

	assert.equal(done.status, 200);
	assert.equal(seen.get('RAck'), `9 ${call.invite.cseq} INVITE`);
	assert.deepEqual(parseSdp(seen.body).media.map((m) => [m.proto, m.dir]), [['RTP/AVP', 'sendonly']]);
	assert.doesNotMatch(seen.body, /candidate|fingerprint/);
	assert.equal(parseSdp(done.body).media[0].proto, 'UDP/TLS/RTP/SAVPF');
	const [final] = await Promise.all([call.response(), at.answer({ sdp: '' })]);
	assert.equal(final.status, 200);
	assert.equal((await call.bye()).status, 200);
});

test('a PRACK for what nobody sent is 481, the call goes on [CALL-26]', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const call = alice.invite('sip:bob@ims.test', RELIABLE);
	const at = await bob.incoming();

	await at.earlyAnswer({ reliable: 9 });
	const res = await provisional(call);
	assert.equal((await call.send('PRACK', { headers: [['RAck', `10 ${call.invite.cseq} INVITE`]] })).status, 481);
	assert.equal((await prack(call, res)).status, 200);
	await at.request('PRACK');
	const [final] = await Promise.all([call.response(), at.answer()]);
	assert.equal(final.status, 200);
	assert.equal((await call.bye()).status, 200);
});

test.end();
