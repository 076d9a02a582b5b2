// SPDX-License-Identifier: Apache-2.0
//
// A browser whose network lets no UDP out: it lives in a network namespace where every such packet
// is dropped. With ice.tcp: passive its media goes to the gateway's TCP port, heard both ways.
import assert from 'node:assert/strict';
import { Browser, MIC_TONE } from '../lib/browser.js';
import { NetNs } from '../lib/netns.js';
import { port } from '../lib/ports.js';
import { suite } from '../lib/suite.js';
import { SECOND, until } from '../lib/wait.js';
import { UE_TONE, callIn, callOut, hangUp, heardAtUe } from './talk.js';

const netns = NetNs.create();
const wsPort = await port();
const test = suite({
	timeout: 60 * SECOND,
	gateway: { cscf: { ws: { listen: `${netns.host}:${wsPort}` } },
		agw: { access: { listen_ip: [netns.host] }, ice: { tcp: 'passive' } } },
	async extra(env) {
		netns.blockUdp();
		env.browser = await Browser.launch({ netns });
		env.origins = [env.browser.origin];
		return [netns, env.browser];
	},
});

async function page({ browser, own }) {
	const wic = own(await browser.wic({ ws: `wss://${netns.host}:${wsPort}/sip`, uri: 'sip:alice@ims.test', password: 'alice' }));

	await wic.event('registered');
	return wic;
}

/** The candidates told to the browser: UDP's first, TCP's behind it and worth less. */
function assertCandidates(sdp) {
	const [udp, tcp, ...more] = sdp.match(/^a=candidate:.*$/gm).map((line) => line.split(' '));

	assert.deepEqual(more, []);
	assert.equal(udp[2], 'udp');
	assert.deepEqual([tcp[1], tcp[2], tcp[4], ...tcp.slice(6, 10)], ['1', 'tcp', netns.host, 'typ', 'host', 'tcptype', 'passive']);
	assert.ok(Number(udp[3]) > Number(tcp[3]));
	assert.match(sdp, new RegExp(`^m=audio ${udp[5]} `, 'm'), 'UDP stays the default');
	return `${tcp[4]}:${tcp[5]}`;
}

for (const [name, up] of [['the browser calls', callOut], ['the UE calls', callIn]]) {
	test(`no UDP leaves the browser's network, ${name}: heard both ways by TCP [ICE-26]`, async (env) => {
		const [wic, bob] = [await page(env), await env.ue('bob')];
		const call = await up(wic, bob);

		call.audio.tone(UE_TONE);
		await wic.heard(UE_TONE, { ms: 30 * SECOND });
		await heardAtUe(call, MIC_TONE);
		const tcp = assertCandidates(await wic.do('remoteDescription'));
		const { pairs: [pair] } = await wic.do('stats');

		assert.deepEqual([pair.protocol, pair.remote, pair.dtls], ['tcp', tcp, 'connected']);
		await until(async () => (await wic.do('stats')).audio.received > 100, { ms: 10 * SECOND, what: () => 'two seconds of audio' });
		assert.equal((await wic.do('stats')).audio.lost, 0);
		await hangUp(wic, call);
	});
}

test.end();
