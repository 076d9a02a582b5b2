// SPDX-License-Identifier: Apache-2.0
//
// Media that moves in mid-call: the browser restarts ICE; the core's end moves to another address
// with another SSRC and lower sequence numbers (a transfer, an announcement). What is heard goes on.
import assert from 'node:assert/strict';
import { Gateway } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { audioLine, parseSdp, plainSdp } from '../lib/sdp.js';
import { RtpPort } from '../lib/rtp.js';
import { until } from '../lib/wait.js';
import { UE_TONE, browserSuite, callIn, callOut, hangUp, heardAtUe, nothingAtUe, page, streamOf, talk, talkVideo } from './talk.js';

const test = browserSuite();

const ufrag = (sdp) => parseSdp(sdp).media[0].attr('ice-ufrag');
const names = async (wic) => (await wic.events()).map((e) => e.name);

/** Another RTP port of the UE, elsewhere; the call's description with it. */
async function elsewhere(env, { host = '127.0.0.2', version = 100 } = {}) {
	const port = await RtpPort.open(host, env.rtpPorts);

	return { port, sdp: plainSdp(host, [audioLine(port.port)], { version }) };
}

/** From now on the call's audio is that port. */
async function take(call, port) {
	const [old] = call.media;

	port.type = 'audio';
	call.media[0] = port;
	await old.close();
}

/** Audio of the page from one reading to the next: made up by it for want of packets, as a share; packets lost. */
async function gap(wic, before) {
	const { audio } = await wic.do('stats');
	const made = audio.concealed - before.concealed - (audio.silent - before.silent);

	return { share: made / (audio.samples - before.samples), seconds: made / 48000, lost: audio.lost - before.lost };
}

for (const video of [false, true]) {
	test(`the browser restarts ICE${video ? ' with audio and video' : ''}: new credentials, same ports and DTLS, media goes on [ICE-17, DTLS-21]`,
		async (env) => {
			const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
			const call = await callOut(wic, bob, { video });
			const both = () => video ? talkVideo(wic, call) : talk(wic, call);

			await both();
			const before = await streamOf(env, call);
			const old = [ufrag(await wic.do('localDescription')), ufrag(await wic.do('remoteDescription'))];
			for (const round of [1, 2]) {
				await wic.do('renegotiate', { iceRestart: true });
				await wic.event('renegotiated');
				const now = [ufrag(await wic.do('localDescription')), ufrag(await wic.do('remoteDescription'))];

				assert.notEqual(now[0], old[0], `round ${round}`);
				assert.notEqual(now[1], old[1], `round ${round}`);
				old.splice(0, 2, ...now);
				await until(async () => (await wic.do('stats')).pairs.every((p) => p.ufrag === now[0]), { what: 'pairs of the new generation' });
				await both();
			}
			const after = await streamOf(env, call);
			for (const what of ['access_local', 'core_local', 'srtp', 'dtls'])
				assert.equal(after[what], before[what], what);
			assert.ok(!(await names(wic)).includes('ice.failed'));
			assert.equal((await names(wic)).filter((n) => n === 'pc.connecting').length, 1);
			// The core has nothing to know of it (2.5).
			assert.ok(!call.requests.some((m) => m.method === 'INVITE'));
			await hangUp(wic, call);
		});
}

test('sip.local_answer_ice_restart=false: the restart is offered to the core with the same o= line, media goes on [ICE-17, SDP-10]', async (env) => {
	const gw = env.own(await Gateway.start({ core: env.core, origins: env.origins, ...SPARE,
		cscf: { sip: { local_answer_ice_restart: false } } }));
	const [wic, bob] = [await page({ ...env, gw }, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);
	const origin = (msg) => /^o=.*$/m.exec(msg.body)[0];

	call.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	const before = ufrag(await wic.do('remoteDescription'));
	await wic.do('renegotiate', { iceRestart: true });
	await wic.event('renegotiated');
	assert.equal(origin(await call.request('INVITE')), origin(call.invited.msg));
	assert.notEqual(ufrag(await wic.do('remoteDescription')), before);
	await heardAtUe(call);
	await wic.heard(UE_TONE);
	await hangUp(wic, call);
});

test('the core moves to another address, SSRC and lower sequence numbers: the page hears on, nothing is made up for long [SRTP-09, RTP-06, RTP-09]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callOut(wic, bob);

		await talk(wic, call);
		for (const [round, freq] of [620, 700, 880].entries()) {
			const { audio: before } = await wic.do('stats');
			const { port, sdp } = await elsewhere(env, { host: round % 2 ? '127.0.0.1' : '127.0.0.2', version: 100 + round });
			const lower = (call.audio.seq - 20000) & 0xffff;
			const final = await call.reinvite('', { sdp });

			assert.equal(final.status, 200);
			const [m] = parseSdp(final.body).media;
			port.setRemote(m.host, m.port);
			await take(call, port);
			call.audio.tone(freq, { seq: lower });
			await wic.heard(freq);
			await heardAtUe(call);
			const { share, seconds } = await gap(wic, before);
			assert.ok(seconds < 0.5, `round ${round}: ${seconds} s (${share}) made up`);
		}
		assert.equal((await names(wic)).filter((n) => n === 'ice.checking').length, 1);
		await hangUp(wic, call);
	});

test('the core keeps its SSRC and goes back in sequence numbers: heard on, no SRTP index is used twice [SRTP-09, RTP-09]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);

	call.audio.tone(UE_TONE, { ssrc: 0x1234abcd, seq: 30000 });
	await wic.heard(UE_TONE);
	const { port, sdp } = await elsewhere(env);
	const final = await call.reinvite('', { sdp });
	const [m] = parseSdp(final.body).media;
	port.setRemote(m.host, m.port);
	await take(call, port);
	const { audio: before } = await wic.do('stats');
	call.audio.tone(620, { ssrc: 0x1234abcd, seq: 29000 });
	await wic.heard(620);
	assert.ok((await gap(wic, before)).seconds < 0.5);
	assert.equal((await streamOf(env, call)).downlink.drops['srtp-other'] ?? 0, 0);
	await hangUp(wic, call);
});

test('the old end still sends after the move: it is not heard any more [RTP-07, RTP-06]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	const { port, sdp } = await elsewhere(env);
	const final = await call.reinvite('', { sdp });
	const [m] = parseSdp(final.body).media;
	const old = call.media[0];
	port.type = 'audio';
	port.setRemote(m.host, m.port);
	call.media[0] = port;
	env.own(old);
	port.tone(620);
	await wic.heard(620);
	const { sent } = old;
	await until(() => old.sent > sent + 50, { what: 'the old end\'s packets' });
	assert.ok(await wic.level(UE_TONE) < 0.01);
	await wic.heard(620);
	await hangUp(wic, call);
});

test('ICE restart while on hold, then resumed [ICE-17, ICE-20, SDP-28]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	await call.reinvite('sendonly');
	await wic.event('hold');
	await wic.do('renegotiate', { iceRestart: true });
	await wic.event('renegotiated');
	call.audio.tone(620);
	await wic.heard(620);
	await nothingAtUe(call);
	await call.reinvite('sendrecv');
	await wic.event('unhold');
	await talk(wic, call);
	await hangUp(wic, call);
});

test.end();
