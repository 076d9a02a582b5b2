// SPDX-License-Identifier: Apache-2.0
//
// Hold and resume from each side and from both, by re-INVITE and UPDATE, old style and new. Sound
// is there where the directions let it, and is not where they forbid it, whoever still sends;
// ICE and DTLS never notice.
import assert from 'node:assert/strict';
import { Baresip } from '../lib/baresip.js';
import { UE_RANGE, port } from '../lib/ports.js';
import { audioLine, parseSdp, plainSdp } from '../lib/sdp.js';
import { until } from '../lib/wait.js';
import { MIC_TONE, UE_TONE, browserSuite, callIn, callOut, hangUp, heardAtUe, mutedAtUe, nothingAtUe, page, streamOf, talk,
	unheardAtPage } from './talk.js';

const test = browserSuite();

const dir = (sdp) => parseSdp(sdp).media[0].dir;

/** Nothing has become of the connection but changes of direction. */
async function sameTransport(wic, since) {
	const after = (await wic.events()).slice(since).map((e) => e.name).filter((n) => /^(ice|pc)\./.test(n));

	assert.deepEqual(after, []);
}

const soFar = async (wic) => (await wic.events()).length;

test('hold by the browser: the UE hears silence, what the UE still sends stops at the gate; resumed, both hear again [SDP-28, RTP-04]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callOut(wic, bob);

		await talk(wic, call);
		const at = await soFar(wic);
		await wic.do('hold');
		assert.equal(dir((await call.request('INVITE')).body), 'sendonly');
		await unheardAtPage(env, wic, call);
		await mutedAtUe(call);
		await wic.do('unhold');
		assert.equal(dir((await call.request('INVITE')).body), 'sendrecv');
		await talk(wic, call);
		await sameTransport(wic, at);
		await hangUp(wic, call);
	});

test('hold by the browser with UPDATE [CALL-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	await wic.do('hold', { useUpdate: true });
	assert.equal(dir((await call.request('UPDATE')).body), 'sendonly');
	await unheardAtPage(env, wic, call);
	await wic.do('unhold', { useUpdate: true });
	assert.equal(dir((await call.request('UPDATE')).body), 'sendrecv');
	await talk(wic, call);
	await hangUp(wic, call);
});

test('hold by the UE: its music is heard and nothing comes back; inactive: nothing either way; resumed [SDP-28, RTP-04]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callIn(wic, bob);

		await talk(wic, call);
		const at = await soFar(wic);
		assert.equal(dir((await call.reinvite('sendonly')).body), 'recvonly');
		assert.equal((await wic.event('hold')).originator, 'remote');
		call.audio.tone(620);
		await wic.heard(620);
		await nothingAtUe(call);

		assert.equal(dir((await call.reinvite('inactive')).body), 'inactive');
		await unheardAtPage(env, wic, call, 620);
		await nothingAtUe(call);

		assert.equal(dir((await call.reinvite('sendrecv')).body), 'sendrecv');
		assert.equal((await wic.event('unhold')).originator, 'remote');
		await talk(wic, call);
		await sameTransport(wic, at);
		await hangUp(wic, call);
	});

test('hold by the UE with UPDATE, and old style with 0.0.0.0 [SDP-28, CALL-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	assert.equal(dir((await call.update('inactive')).body), 'inactive');
	await wic.event('hold');
	await unheardAtPage(env, wic, call);
	await nothingAtUe(call);
	assert.equal(dir((await call.update('sendrecv')).body), 'sendrecv');
	await wic.event('unhold');
	await talk(wic, call);

	await call.reinvite('', { sdp: plainSdp('0.0.0.0', [audioLine(call.audio.port)], { version: 50 }) });
	await wic.event('hold');
	const offered = (await wic.events()).filter((e) => e.name === 'sdp' && e.type === 'offer').at(-1).sdp;
	assert.match(dir(offered), /sendonly|inactive/);
	assert.doesNotMatch(offered, /IP4 0\.0\.0\.0/);
	await nothingAtUe(call);
	await call.reinvite('', { sdp: plainSdp('127.0.0.1', [audioLine(call.audio.port)], { version: 51 }) });
	await wic.event('unhold');
	await talk(wic, call);
	await hangUp(wic, call);
});

test('both hold, and let go one after the other [SDP-28, RTP-04]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	await call.reinvite('sendonly');
	await wic.event('hold');
	await wic.do('hold');
	const both = await call.request('INVITE');
	assert.equal(dir(both.body), 'inactive');
	await unheardAtPage(env, wic, call);
	await nothingAtUe(call);
	const { gate_up: up, gate_down: down } = await streamOf(env, call);
	assert.deepEqual([up, down], [false, false]);

	// The UE is still held by the page: it listens only.
	await call.reinvite('recvonly');
	await wic.event('unhold');
	await unheardAtPage(env, wic, call);
	await mutedAtUe(call);
	await wic.do('unhold');
	assert.equal(dir((await call.request('INVITE')).body), 'sendrecv');
	await wic.heard(UE_TONE);
	await heardAtUe(call, MIC_TONE);
	await hangUp(wic, call);
});

test('baresip holds and resumes: it may play to the page but gets nothing of it, then both tones again [SDP-28, CALL-03]', async (env) => {
	const wic = await page(env, 'alice');
	const bob = env.own(await Baresip.start({ user: 'bob', control: await port(), port: await port(), core: env.core, dir: env.dir,
		tone: 520, rtp: [UE_RANGE[1] - 40, UE_RANGE[1] - 1] }));

	await wic.do('call', 'sip:bob@ims.test');
	await wic.event('confirmed');
	await wic.heard(520);
	await bob.heard(MIC_TONE);
	await bob.command('hold');
	assert.equal((await wic.event('hold')).originator, 'remote');
	const gates = async () => {
		const [{ call_id: callId }] = await env.gw.agws[0].ctl('context list');
		const { gate_up: up, gate_down: down } = await streamOf(env, { callId });
		return `${up} ${down}`;
	};
	// The page says so before it has answered.
	await until(async () => await gates() === 'false true', { what: 'the gate from the page to shut' });
	await bob.command('resume');
	await wic.event('unhold');
	await until(async () => await gates() === 'true true', { what: 'the gates to open' });
	await wic.heard(520);
	await bob.heard(MIC_TONE);
	await wic.do('hangup');
	await bob.event('closed');
});

test.end();
