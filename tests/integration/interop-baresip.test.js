// SPDX-License-Identifier: Apache-2.0
//
// baresip (libre: its own ICE, DTLS-SRTP by OpenSSL, its own SRTP) as a WIC. Debian's has no SIP over
// WebSocket, so the test carries the descriptions between baresip's UDP leg and a scripted WIC; ICE,
// DTLS and media go between baresip and the gateway.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Baresip } from '../lib/baresip.js';
import { parseSdp } from '../lib/sdp.js';
import { UE_RANGE, port, ports } from '../lib/ports.js';
import { Ue } from '../lib/ue.js';
import { until } from '../lib/wait.js';

const TONE = 520;
const test = suite();

/** baresip, and who speaks SIP with it. */
async function peer(env) {
	const [sip, , control] = await ports(3);
	const bridge = await Ue.start({ user: 'bridge', port: await port(), core: { host: '127.0.0.1', port: sip }, rtpPorts: env.rtpPorts });

	env.own({ close: () => bridge.close() }); // it never registered
	const baresip = env.own(await Baresip.start({ user: 'alice', port: sip, control, core: bridge, dir: env.dir, tone: TONE, wic: true,
		rtp: [UE_RANGE[1] - 40, UE_RANGE[1] - 1] }));

	return { bridge, baresip };
}

/**
 * What baresip offers within the call (its ICE ends with a re-INVITE that names the pair in use) goes
 * to the gateway, and the gateway's answer back; `carried` is how many.
 */
function carry(leg, dialog) {
	const one = async (item) => {
		const msg = dialog.request('INVITE', { body: item.msg.body });
		const res = await dialog.client.request(msg);

		dialog.client.send(dialog.request('ACK', { cseq: msg.cseq }));
		item.reply(res.status, res.reason, { body: res.body, headers: [['Contact', `<${leg.ue.contact}>`], ['Content-Type', 'application/sdp']] });
		leg.carried = (leg.carried ?? 0) + 1;
	};

	leg.before = (item) => item.msg.method === 'INVITE' && (one(item), true);
}

/** sdp: what the gateway says of itself. */
async function talk(env, baresip, call, leg, sdp) {
	call.audio.tone(440);
	await baresip.heard(440);
	if (/a=ice-lite/.test(sdp)) // the controlling end ends ICE so; of two full agents that is who offered
		await until(() => leg.carried, { what: 'the re-INVITE of its ICE' });
	call.audio.forget();
	await until(() => call.audio.hears(TONE) > 0.7, { what: `baresip's tone at the UE; ${call.audio.received} packets` });
	const [s] = (await env.gw.agws[0].ctl('context show', call.callId)).streams;
	env.t.diagnostic(`${s.srtp} ${s.access_remote}`);
	assert.deepEqual([s.ice, s.dtls], ['connected', 'established']);
	assert.match(baresip.process.output, /RTP\/RTCP multiplexing enabled/);
	assert.match(baresip.process.output, /DTLS-SRTP complete/);
	return s;
}

const setupOf = (sdp) => parseSdp(sdp).media[0].attr('setup');

for (const [setup, ours] of [['actpass', 'active'], ['active', 'passive']]) {
	test(`baresip offers, setup:${setup}: each hears the other, we are ${ours} [DTLS-02, SRTP-01, ICE-01, ICE-02, CALL-03]`, async (env) => {
		const { bridge, baresip } = await peer(env);
		const [wic, bob] = [await env.wic('alice'), await env.ue('bob')];

		await baresip.command('dial', `sip:bob@127.0.0.1:${bridge.port}`);
		const leg = await bridge.incoming();
		const out = wic.invite('sip:bob@ims.test', { sdp: leg.invited.msg.body.replace(/a=setup:\w+/, `a=setup:${setup}`) });
		carry(leg, out);
		const call = await bob.incoming();
		const answered = call.answer();
		const res = await out.response();
		assert.equal(res.status, 200);
		await answered;
		assert.equal(setupOf(res.body), ours);
		await leg.answer({ sdp: res.body });
		await talk(env, baresip, call, leg, res.body);
		assert.equal((await out.bye()).status, 200);
		assert.equal(await call.ended, 'bye received');
		await leg.bye();
	});
}

// It answers active whatever it is offered.
test('baresip answers, setup:active: each hears the other [DTLS-04, SRTP-01, ICE-02, CALL-02]', async (env) => {
	const { bridge, baresip } = await peer(env);
	const [wic, bob] = [await env.wic('alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');
	const into = await wic.incoming();
	const leg = await bridge.call(`sip:alice@127.0.0.1:${bridge.core.port}`, { sdp: into.invite.body });

	carry(leg, into);
	const res = await leg.answered;
	assert.equal(res.status, 200);
	assert.equal(setupOf(res.body), 'active');
	into.reply(200, 'OK', { body: res.body });
	assert.equal((await call.answered).status, 200);
	await into.next('ACK');
	await talk(env, baresip, call, leg, into.invite.body);
	const bye = call.bye();
	await into.next('BYE');
	assert.equal((await bye).status, 200);
	await leg.bye();
});

test.end();
