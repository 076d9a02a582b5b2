// SPDX-License-Identifier: Apache-2.0
//
// A browser whose address changes in mid-call, as from Wi-Fi to mobile: it lives in a network
// namespace of its own, the gateway is at the host's end of a veth pair. The WebSocket and every
// ICE pair die with the address; JsSIP connects and registers again, the page restarts ICE, and
// both hear each other again in the same call. The gaps are measured and told, not judged.
import assert from 'node:assert/strict';
import { Browser, MIC_TONE } from '../lib/browser.js';
import { NetNs } from '../lib/netns.js';
import { port } from '../lib/ports.js';
import { parseRtp } from '../lib/rtp.js';
import { suite } from '../lib/suite.js';
import { SECOND } from '../lib/wait.js';
import { UE_TONE, callIn, callOut, hangUp, heardAtUe } from './talk.js';

const netns = NetNs.create();
const wsPort = await port();
const test = suite({
	timeout: 90 * SECOND,
	gateway: { cscf: { flow: { grace: '20s' }, ws: { listen: `${netns.host}:${wsPort}` } },
		agw: { access: { listen_ip: [netns.host] } } },
	async extra(env) {
		env.browser = await Browser.launch({ netns });
		env.origins = [env.browser.origin];
		return [netns, env.browser];
	},
});

async function page({ browser, own }) {
	const wic = own(await browser.wic({ ws: `wss://${netns.host}:${wsPort}/sip`, uri: 'sip:alice@ims.test', password: 'alice',
		recovery: 1 }));

	await wic.event('registered');
	return wic;
}

async function talk(wic, call) {
	call.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	await heardAtUe(call, MIC_TONE);
}

/** Arrivals of RTP at the UE, to find the longest silence and what was lost in it. */
function watch(call) {
	const seen = [];

	call.audio.rtp.on('message', (buf) => seen.push({ at: performance.now(), seq: parseRtp(buf)?.seq }));
	return {
		/** { ms, packets } of the longest gap after that moment. */
		gap(since) {
			let out = { ms: 0, packets: 0 };

			seen.forEach((p, i) => {
				const before = seen[i - 1];

				if (before && p.at > since && p.at - before.at > out.ms)
					out = { ms: Math.round(p.at - before.at), packets: ((p.seq - before.seq) & 0xffff) - 1 };
			});
			return out;
		},
	};
}

const local = async (wic) => (await wic.do('localDescription')).match(/^a=ice-ufrag:.*$/m)[0];
const remote = async (wic) => (await wic.do('remoteDescription')).match(/^a=ice-ufrag:.*$/m)[0];

for (const [name, up, to, quiet] of [['the browser called', (wic, bob) => callOut(wic, bob), 3, true],
	['the UE called', (wic, bob) => callIn(wic, bob), 4, false]]) {
	test(`address change in mid-call, ${name}: registered again, ICE restarted, heard both ways [REL-10, DEREG-43, ICE-17, ICE-15, ICE-24]`,
		async (env) => {
			const [wic, bob] = [await page(env), await env.ue('bob')];
			const call = await up(wic, bob);

			await talk(wic, call);
			const before = { local: await local(wic), remote: await remote(wic) };
			const arrivals = watch(call);
			const asked = call.requests.length;
			const moved = performance.now();
			const { sent } = call.audio;
			const { received } = (await wic.do('stats')).audio;

			netns.move(to);
			await wic.event('disconnected');
			// A request of the core that comes while the browser is away is served when it is back.
			const info = call.send('INFO', { headers: [['Content-Type', 'application/dtmf-relay']] });
			await wic.event('registered', { ms: 30 * SECOND });
			const registered = performance.now() - moved;

			await wic.do('restartIce');
			await wic.event('renegotiated', { ms: 30 * SECOND });
			const restarted = performance.now() - moved;

			assert.equal((await info).status, 200);
			assert.notEqual(await local(wic), before.local);
			assert.notEqual(await remote(wic), before.remote);
			await wic.heard(UE_TONE, { ms: 30 * SECOND });
			await heardAtUe(call, MIC_TONE);
			const { pairs: [pair], audio } = await wic.do('stats');
			const missing = call.audio.sent - sent - (audio.received - received);
			assert.match(pair.remote, new RegExp(`^${netns.host.replaceAll('.', '\\.')}:`));
			assert.equal(pair.dtls, 'connected');
			// Nothing of it is the core's business where its description stays as it offered it (2.5).
			if (quiet)
				assert.deepEqual(call.requests.slice(asked).map((m) => m.method), []);
			assert.equal((await env.gw.agws[0].ctl('context show', call.callId)).streams.length, 1);
			await hangUp(wic, call);
			const gap = arrivals.gap(moved);

			env.t.diagnostic(`${name}: registered again after ${registered.toFixed(0)} ms, ICE restart answered after ${
				restarted.toFixed(0)} ms; towards the UE ${gap.ms} ms without media, ${gap.packets} packets lost; towards the browser ${missing} packets`);
		});
}

test.end();
