// SPDX-License-Identifier: Apache-2.0
//
// A browser against a gateway with full ICE agents (ice.mode: full): calls either way, so that the
// gateway is controlled once and controlling once, and ICE restarts asked for by the page.
import assert from 'node:assert/strict';
import { callIn, callOut, browserSuite, hangUp, page, talk } from './talk.js';

const test = browserSuite({ gateway: { agw: { ice: { mode: 'full' } } } });

const local = async (wic) => (await wic.do('localDescription')).match(/^a=ice-ufrag:.*$/m)[0];
const remote = async (wic) => (await wic.do('remoteDescription')).match(/^a=ice-ufrag:.*$/m)[0];

for (const [name, up, role] of [['the browser called', callOut, 'controlled'], ['the UE called', callIn, 'controlling']]) {
	test(`full ICE, ${name}: the gateway is ${role}, both hear each other, also after an ICE restart on the same port [ICE-28, ICE-17, DTLS-21]`,
		async (env) => {
			const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
			const call = await up(wic, bob);

			assert.doesNotMatch(await wic.do('remoteDescription'), /a=ice-lite/);
			await talk(wic, call);
			const before = { local: await local(wic), remote: await remote(wic), pair: (await wic.do('stats')).pairs[0].remote };

			await wic.do('restartIce');
			await wic.event('renegotiated');
			assert.notEqual(await local(wic), before.local);
			assert.notEqual(await remote(wic), before.remote);
			await talk(wic, call);
			assert.equal((await wic.do('stats')).pairs[0].remote, before.pair);
			const drops = (await env.gw.agws[0].ctl('context show', call.callId)).streams[0];

			env.t.diagnostic(JSON.stringify(drops.uplink ?? drops));
			await hangUp(wic, call);
		});
}

test.end();
