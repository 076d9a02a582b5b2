// SPDX-License-Identifier: Apache-2.0
//
// Sound before the answer: the caller's page hears what the callee's side plays where the gate lets
// it (P-Early-Media, `media.early`), the callee hears nothing of the caller before it answers.
import assert from 'node:assert/strict';
import { Gateway } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { until } from '../lib/wait.js';
import { UE_TONE, browserSuite, hangUp, nothingAtUe, page, streamOf, talk, unheardAtPage } from './talk.js';

const test = browserSuite();
const RINGBACK = 620;

/** The page's call has reached the UE, which plays a tone before it answers. */
async function early(env, { headers } = {}) {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	await call.earlyAnswer({ headers });
	call.audio.tone(RINGBACK);
	assert.equal((await wic.event('progress')).status, 183);
	return { wic, call };
}

async function answered({ wic, call }) {
	await call.answer();
	await wic.event('confirmed');
	await talk(wic, call, { tone: UE_TONE });
	await hangUp(wic, call);
}

const gates = async (env, call) => {
	const s = await streamOf(env, call);

	return { up: s.gate_up, down: s.gate_down };
};

test('183 with media: the page hears the ringback before the answer, the UE nothing of the page [RTP-04, RTP-05, SDP-36]', async (env) => {
	const { wic, call } = await early(env);

	await wic.heard(RINGBACK);
	await nothingAtUe(call);
	assert.deepEqual(await gates(env, call), { up: false, down: true });
	// The page speaks already; it stops at the gate.
	await until(async () => (await streamOf(env, call)).uplink.drops.gate > 25, { what: 'the page\'s packets at the gate' });
	const { sdp: first } = (await wic.events()).find((e) => e.name === 'sdp' && e.type === 'answer');
	await answered({ wic, call });
	const { sdp: last } = (await wic.events()).filter((e) => e.name === 'sdp' && e.type === 'answer').at(-1);
	assert.equal(last, first);
});

test('P-Early-Media: inactive is silence at the page, sendonly then opens the gate [CALL-43, RTP-05]', async (env) => {
	const { wic, call } = await early(env, { headers: [['P-Early-Media', 'inactive']] });

	await unheardAtPage(env, wic, call, RINGBACK);
	assert.deepEqual(await gates(env, call), { up: false, down: false });
	await call.earlyAnswer({ headers: [['P-Early-Media', 'sendonly']] });
	await wic.heard(RINGBACK);
	assert.deepEqual(await gates(env, call), { up: false, down: true });
	await answered({ wic, call });
});

test('a 180 without a description: nothing is heard before the answer, whoever plays [SDP-37]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	call.ring();
	await wic.event('progress');
	// The UE knows where to send, and does.
	const offered = call.offer.media[0];
	await call.openMedia(['audio']);
	call.audio.setRemote(offered.host, offered.port);
	call.audio.tone(RINGBACK);
	await nothingAtUe(call);
	assert.deepEqual(await gates(env, call), { up: false, down: false });
	assert.equal(await wic.do('remoteDescription'), undefined);
	assert.equal((await streamOf(env, call)).downlink.rtp_packets, 0);
	await answered({ wic, call });
});

test('media.early=never: silence until the answer whatever P-Early-Media says [RTP-05]', async (env) => {
	const gw = env.own(await Gateway.start({ core: env.core, origins: env.origins, ...SPARE,
		cscf: { media: { early: 'never' } } }));
	const own = { ...env, gw };
	const { wic, call } = await early(own, { headers: [['P-Early-Media', 'sendrecv']] });

	await unheardAtPage(own, wic, call, RINGBACK);
	await call.answer();
	await wic.event('confirmed');
	await wic.heard(RINGBACK);
	await hangUp(wic, call);
});

test('media.early=always and media.early_uplink=open: both ways before the answer, P-Early-Media or not [RTP-05]', async (env) => {
	const gw = env.own(await Gateway.start({ core: env.core, origins: env.origins, ...SPARE,
		cscf: { media: { early: 'always', early_uplink: 'open' } } }));
	const { wic, call } = await early({ ...env, gw }, { headers: [['P-Early-Media', 'inactive']] });

	await wic.heard(RINGBACK);
	await until(() => call.audio.hears(1000) > 0.7, { what: 'the page at the UE before the answer' });
	await call.answer();
	await wic.event('confirmed');
	await hangUp(wic, call);
});

test.end();
