// SPDX-License-Identifier: Apache-2.0
//
// What the browser tests share: a suite with one Chromium, registered pages, calls between a page
// and a UE, and the two judgements about media: who hears whom, and who hears nothing although
// somebody sends. Silence is never a matter of waiting: it is what the other side got while so
// many packets left this one.
import assert from 'node:assert/strict';
import { Browser, MIC_TONE } from '../lib/browser.js';
import { suite } from '../lib/suite.js';
import { ACCESS_RANGE, CORE_RANGE } from '../lib/ports.js';
import { SECOND, until } from '../lib/wait.js';

export { MIC_TONE };
export const UE_TONE = 440;
/** Below this a tone of the tests is not there (they are sent at 0.2 and more). */
const INAUDIBLE = 0.01;
/** Half a second of audio. */
const SOME = 25;

/** A suite with one browser for the whole file. */
export function browserSuite(options = {}) {
	return suite({ timeout: 90 * SECOND, ...options, async extra(env) {
		env.browser = await Browser.launch();
		env.origins = [env.browser.origin];
		return [env.browser, ...await options.extra?.(env) ?? []];
	} });
}

/** A page with JsSIP registered as that user. */
export async function page({ browser, gw, own }, user, { clock, link, ...options } = {}) {
	const wic = own(await browser.wic({ ws: gw.wssUrl, uri: `sip:${user}@ims.test`, password: user, ...options }, { clock, link }));

	if (options.register !== false && !options.fails)
		await wic.event('registered');
	return wic;
}

/** The page calls the UE, which answers: the UE's call. Options of the page's call, and of the answer. */
export async function callOut(wic, ue, { answer, ...options } = {}) {
	await wic.do('call', `sip:${ue.user}@ims.test`, options);
	const call = await ue.incoming();

	await call.answer(answer);
	await wic.event('confirmed');
	return call;
}

/** The UE calls the page, which answers: the UE's call. Options of the UE's call, and of the answer. */
export async function callIn(wic, ue, { user = 'alice', answer = {}, ...options } = {}) {
	const call = await ue.call(`sip:${user}@ims.test`, options);

	await wic.event('incoming');
	await wic.do('answer', answer);
	assert.equal((await call.answered).status, 200);
	await wic.event('confirmed');
	return call;
}

/** Either ends the call, both notice. */
export async function hangUp(wic, call) {
	await wic.do('hangup');
	assert.equal(await call.ended, 'bye received');
}

function assertInRange(address, [low, high]) {
	const [, host, p] = /^(.*):(\d+)$/.exec(address);

	assert.equal(host, '127.0.0.1');
	assert.ok(Number(p) >= low && Number(p) <= high, `${address} is not the gateway's`);
}

/** The browser's media goes to the gateway alone. */
export async function viaGateway(wic, streams = 1) {
	const stats = await wic.do('stats');
	const candidates = (await wic.do('remoteDescription')).match(/^a=candidate:.*$/gm);

	assert.equal(stats.pairs.length, streams);
	for (const pair of stats.pairs) {
		assertInRange(pair.remote, ACCESS_RANGE);
		assert.equal(pair.dtls, 'connected');
	}
	for (const c of candidates) {
		const [host, p] = c.split(' ').slice(4, 6);

		assertInRange(`${host}:${p}`, ACCESS_RANGE);
	}
}

/** The UE hears that tone from now on. */
export async function heardAtUe(call, tone = MIC_TONE) {
	call.audio.forget();
	await until(() => call.audio.hears(tone) > 0.7, { ms: 20 * SECOND, every: 20,
		what: () => `${tone} Hz at UE ${call.ue.user} (${call.audio.received} packets)` });
}

/** Both hear each other, and the browser's media goes to the gateway alone. */
export async function talk(wic, call, { tone = UE_TONE, mic = MIC_TONE, streams = 1 } = {}) {
	call.audio.tone(tone);
	await wic.heard(tone);
	await heardAtUe(call, mic);
	await viaGateway(wic, streams);
	for (const source of call.audio.sources)
		assertInRange(source, CORE_RANGE);
}

/** Audio as before, and the page decodes the video that the UE sends back. */
export async function talkVideo(wic, call, options = {}) {
	call.video.echo();
	await talk(wic, call, { streams: 2, ...options });
	const { decoded = 0 } = (await wic.do('stats')).video;

	await until(async () => (await wic.do('stats')).video.decoded > decoded + 5, { ms: 30 * SECOND,
		what: () => `decoded video; the UE got ${call.video.received}, returned ${call.video.sent}` });
}

/** A stream of the call as its AGW shows it: gates, remotes, packets and drops each way. */
export async function streamOf({ gw }, call, label = 'audio-') {
	const { streams } = await gw.agws[0].ctl('context show', call.callId);

	return streams.find((s) => s.label.startsWith(label));
}

/**
 * The UE sends its tone, the gateway stops it at the gate, and the page hears nothing: half a
 * second's packets are dropped while not one arrives.
 */
export async function unheardAtPage(env, wic, call, tone = UE_TONE) {
	let mark;

	await until(async () => {
		const dropped = (await streamOf(env, call)).downlink.drops.gate ?? 0;
		const { received = 0 } = (await wic.do('stats').catch(() => undefined))?.audio ?? {};

		if (mark?.received !== received || await wic.level(tone) > INAUDIBLE)
			mark = { dropped, received };
		return dropped >= mark.dropped + SOME;
	}, { what: () => `silence at the page; ${JSON.stringify(mark)}` });
}

/** The UE's own packets leave, and while half a second's do none comes back. */
export async function nothingAtUe(call) {
	let mark;

	await until(() => {
		if (mark?.received !== call.audio.received)
			mark = { received: call.audio.received, sent: call.audio.sent };
		return call.audio.sent >= mark.sent + SOME;
	}, { every: 20, what: () => `no packet at UE ${call.ue.user}; ${call.audio.sent} sent, ${call.audio.received} came` });
}

/** Packets come, but they hold no sound of the microphone: the page is muted, not its connection. */
export async function mutedAtUe(call, tone = MIC_TONE) {
	call.audio.forget();
	const { received } = call.audio;

	await until(() => call.audio.received > received + 2 * SOME && call.audio.hears(tone) < 0.05, { every: 20,
		what: () => `silence at UE ${call.ue.user}; it hears ${call.audio.hears(tone)}` });
}
