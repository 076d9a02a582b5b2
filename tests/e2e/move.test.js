// SPDX-License-Identifier: Apache-2.0
//
// The AGW under a call is killed, and there is another: the browser and its peer hear each other
// again, and nobody touched anything. The gaps are measured where they are heard.
import assert from 'node:assert/strict';
import { Gateway, count } from '../lib/gateway.js';
import { CORE_RANGE, ACCESS_RANGE } from '../lib/ports.js';
import { ORIGIN } from '../lib/suite.js';
import { SECOND, until } from '../lib/wait.js';
import { MIC_TONE, UE_TONE, browserSuite, callIn, callOut, hangUp, heardAtUe, page } from './talk.js';

const middle = ([from, to]) => from + Math.floor((to - from + 1) / 4) * 2;
// The suite's own gateway takes the lower half, the one that loses an AGW the upper.
const lower = (range) => [range[0], middle(range) - 1];
const upper = (range) => [middle(range), range[1]];
const test = browserSuite({ gateway: { coreRange: lower(CORE_RANGE), accessRange: lower(ACCESS_RANGE) } });

/** A gateway with two AGWs, and what a test needs of it. */
async function pair(env, conf = {}) {
	const gw = await Gateway.start({ core: env.core, origins: [ORIGIN, env.browser.origin], agws: 2,
		coreRange: upper(CORE_RANGE), accessRange: upper(ACCESS_RANGE), ...conf });

	env.own({ close: () => gw.stop({ killed: true }) });
	return { ...env, gw };
}

const contexts = async (gw) => Promise.all(gw.agws.map(async (d) => d.process.exit ? 0 : count(await d.status(), 'contexts')));

/** kill -9 of the AGW that has the calls. When it was, and which is left. */
async function killServing(gw) {
	const serving = (await contexts(gw)).findIndex((n) => n > 0);

	assert.ok(serving >= 0, 'an AGW has the call');
	const at = performance.now();
	await gw.agws[serving].process.stop('SIGKILL');
	return { at, left: gw.agws[1 - serving] };
}

/** Both hear each other's tones anew: milliseconds since `at`, page and UE. */
async function heardAgain(wic, call, at) {
	const gaps = {};

	call.audio.forget();
	call.audio.tone(620);
	await Promise.all([
		wic.heard(620).then(() => {
			gaps.page = Math.round(performance.now() - at);
		}),
		heardAtUe(call, MIC_TONE).then(() => {
			gaps.ue = Math.round(performance.now() - at);
		}),
	]);
	return gaps;
}

async function upTalking(wic, call) {
	call.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	await heardAtUe(call);
}

for (const [name, begin] of [['the browser called', callOut], ['the browser was called', callIn]]) {
	test(`kill -9 of the AGW in mid-call, ${name}: the tones are back within 5 s by themselves [REL-12, ICE-18, DTLS-20]`,
		async (all) => {
			const env = await pair(all);
			const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
			const call = await begin(wic, bob);

			await upTalking(wic, call);
			const since = (await wic.events()).length;
			const { at, left } = await killServing(env.gw);
			const gaps = await heardAgain(wic, call, at);
			const { ms } = await env.gw.cscf.logged('call.moved');

			console.log(`# heard again after ${gaps.page} ms at the page, ${gaps.ue} ms at the UE; both had agreed after ${ms} ms`);
			assert.ok(gaps.page < 5 * SECOND && gaps.ue < 5 * SECOND, JSON.stringify(gaps));
			assert.equal(count(await left.status(), 'contexts'), 1);
			const names = (await wic.events()).slice(since).map((e) => e.name);
			assert.ok(!names.includes('ended') && !names.includes('failed'), names.join());
			await hangUp(wic, call);
			await until(async () => count(await left.status(), 'contexts') === 0, { what: 'nothing left there' });
		});
}

test('held by the page when the AGW dies: still held at the other, and heard when resumed [REL-12, SDP-28]', async (all) => {
	const env = await pair(all);
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await upTalking(wic, call);
	await wic.do('hold');
	await call.request('INVITE');
	const { left } = await killServing(env.gw);
	await env.gw.cscf.logged('call.moved');
	const [stream] = (await left.ctl('context show', call.callId)).streams;
	assert.deepEqual([stream.gate_up, stream.gate_down], [true, false], JSON.stringify(stream));
	await wic.do('unhold');
	await upTalking(wic, call);
	await hangUp(wic, call);
});

test.end();
