// SPDX-License-Identifier: Apache-2.0
//
// The torture messages of RFC 4475 over WSS (tests/golden/torture): each gets what the table says
// or is dropped and counted, the connection goes on, and a call beside it notices nothing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite } from '../lib/suite.js';
import { browserOffer, plainSdp, audioLine } from '../lib/sdp.js';
import { SipMessage } from '../lib/sip.js';
import { HOST } from '../lib/gateway.js';
import { until } from '../lib/wait.js';

const DIR = new URL('../golden/torture/', import.meta.url);
const CASES = readFileSync(new URL('expect.txt', DIR), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'))
	.map((l) => l.split(/\s+/)).map(([name, parse, wire]) => ({ name, parse, wire,
		bytes: readFileSync(new URL(`${name}.sip`, DIR)) }));
const test = suite({ scripted: true, gateway: { cscf: { sip: { max_malformed: 100 }, ws: { rate: 1000, burst: 1000 } } } });

async function registered({ client, core }) {
	const wic = await client('alice');
	const [res] = await Promise.all([wic.register(), core.registration()]);

	assert.equal(res.status, 200);
	return wic;
}

/** Call-ID and CSeq as the message has them, folded or not. */
function ids(bytes) {
	const head = SipMessage.parse(bytes.toString('utf8'));

	return { callId: head.headers.find(([n]) => /^(call-id|i)$/i.test(n.trim()))?.[1] };
}

/** OPTIONS that the gateway answers itself: what was sent before it has been served. */
async function fence(wic) {
	const msg = wic.message('OPTIONS', 'sip:bob@ims.test', { headers: [] });

	msg.set('Max-Forwards', '0');
	return wic.request(msg);
}

async function malformed(gw) {
	const m = await gw.cscf.metrics();

	return { answered: m.sum('cscf_sip_malformed_total', { action: 'answered' }),
		dropped: m.sum('cscf_sip_malformed_total', { action: 'dropped' }),
		stray: m.sum('cscf_sip_refused_total', { reason: 'stray-response' }) };
}

test('each torture message of RFC 4475 gets its answer or is dropped and counted [WS-27, WS-28, WS-08, WS-10, WS-29, WS-31]',
	async (env) => {
		const { gw, client, core } = env;
		const alice = await registered(env);
		const call = alice.invite('sip:bob@ims.test', { sdp: browserOffer() });
		const invite = await core.next('INVITE');
		invite.reply(200, 'OK', { toTag: 'b', body: plainSdp(HOST, [audioLine(44000)]), headers: [
			['Contact', `<sip:bob@${core.host}:${core.port}>`], ['Content-Type', 'application/sdp']] });
		assert.equal((await call.response()).status, 200);
		const seen = core.log.length;
		const wic = await client('mallory');

		assert.equal(CASES.length, 50);
		for (const { name, parse, wire, bytes } of CASES) {
			const before = await malformed(gw);
			const from = wic.frames.length;

			wic.send(bytes);
			assert.equal((await fence(wic)).status, 483, name);
			const answers = wic.frames.slice(from).map((f) => SipMessage.parse(f.text)).filter((m) => m.status && m.status !== 483 ||
				name === 'zeromf' && m.callId === ids(bytes).callId);
			const after = await malformed(gw);
			if (wire === 'drop' || wire === 'stray') {
				assert.deepEqual(answers.map((a) => a.start), [], name);
				assert.equal(after.dropped - before.dropped, wire === 'drop' ? 1 : 0, name);
				assert.equal(after.stray - before.stray, wire === 'stray' ? 1 : 0, name);
				continue;
			}
			assert.deepEqual(answers.map((a) => a.status), [Number(wire)], name);
			assert.equal(answers[0].callId, ids(bytes).callId, name);
			assert.equal(after.answered - before.answered, parse === 'ok' ? 0 : 1, name);
			if (parse !== 'ok')
				assert.ok(!/^(Bad Request|Forbidden)?$/.test(answers[0].reason), `${name}: the reason names the fault`);
		}
		// Nobody else noticed: nothing of it came to the core, the call and the connections are there.
		assert.deepEqual(core.log.slice(seen).filter((i) => i.msg.method !== 'ACK').map((i) => i.msg.start), []);
		assert.deepEqual((await Promise.all([call.send('INFO'), core.next('INFO').then((i) => i.reply(200, 'OK'))]))[0].status, 200);
		assert.equal(wic.ws.readyState, wic.ws.OPEN);
		await Promise.all([call.bye(), core.next('BYE').then((b) => b.reply(200, 'OK'))]);
	});

test('the same from a registered WIC: what is well-formed is served or refused, nothing breaks [WS-27]', async (env) => {
	const { gw, core } = env;
	const alice = await registered(env);

	core.onRequest = (item) => {
		if (item.msg.method !== 'ACK')
			item.reply(404, 'Not Found', { toTag: 'x' });
		return true;
	};
	for (const { name, wire, bytes } of CASES) {
		const from = alice.frames.length;

		alice.send(bytes);
		if (wire !== 'drop' && wire !== 'stray')
			await until(() => alice.frames.slice(from).some((f) => /^SIP\/2\.0 [2-6]/.test(f.text)), { what: `an answer to ${name}` });
		assert.equal((await fence(alice)).status, 483, name);
	}
	core.onRequest = undefined;
	assert.ok(!gw.cscf.process.exit);
	const [again] = await Promise.all([alice.request(alice.registerMsg()), core.next('REGISTER').then((r) => core.accept(r))]);
	assert.equal(again.status, 200, 'the connection and its registration are as before');
});

test.end();
