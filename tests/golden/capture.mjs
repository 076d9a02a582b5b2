// SPDX-License-Identifier: Apache-2.0
//
// Captures golden cases from the installed Chromium: each round's offer or answer is the browser's
// own, and what the gateway writes (by test_golden, GOLDEN_UPDATE=1) is set in the browser, so a
// case that is captured is one the browser accepts. Build build/debug/unit/cscf/sdp/test_golden
// first, run from the root of the tree:
//   node tests/golden/capture.mjs             what there is
//   node tests/golden/capture.mjs CASE...     capture those anew; read the diff
// A core's offers stand beside the cases as N-core_offer.sdp (or offer.sdp) and are not touched.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { Browser, CHROMIUM } from '../lib/browser.js';
import { parseSdp, plainAnswer } from '../lib/sdp.js';

const root = new URL('./sdp/', import.meta.url);
const CORE = '10.30.0.9';
const version = execFileSync(CHROMIUM, ['--version'], { encoding: 'utf8' }).trim().split(' ').slice(0, 2).join(' ');

// In the page: one peer connection, its descriptions taken when gathering is over.
const inPage = {
	start: async (config) => {
		window.pc = new RTCPeerConnection(config);
		window.full = async () => {
			if (pc.iceGatheringState !== 'complete')
				await new Promise((done) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done(); });
			return pc.localDescription.sdp;
		};
		window.media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
	},
	add: async (kind) => { pc.addTransceiver(media.getTracks().find((t) => t.kind === kind), { streams: [media] }); },
	stop: async (i) => { pc.getTransceivers()[i].stop(); },
	hold: async (dir) => { for (const t of pc.getTransceivers()) t.direction = dir; },
	restart: async () => { pc.restartIce(); },
	data: async () => { pc.createDataChannel('x'); },
	offer: async () => { await pc.setLocalDescription(); return window.full(); },
	answer: async (sdp) => {
		await pc.setRemoteDescription({ type: 'offer', sdp });
		for (const t of pc.getTransceivers())
			if (!t.stopped && t.currentDirection !== 'stopped' && !t.sender.track)
				t.direction = 'sendrecv';
		await pc.setLocalDescription();
		return window.full();
	},
	answered: async (sdp) => { await pc.setRemoteDescription({ type: 'answer', sdp }); },
};

// [what the page does before it offers…] is a round of the WIC; 'core' one of the core.
const WIC_CASES = {
	'chromium156-call-audio-max-compat': { config: { bundlePolicy: 'max-compat' }, rounds: [[['add', 'audio']]] },
	'chromium156-call-audio-balanced': { config: { bundlePolicy: 'balanced' }, rounds: [[['add', 'audio']]] },
	'chromium156-call-video-comes-and-goes': { rounds: [[['add', 'audio']], [['add', 'video']], [['stop', 1]], [['add', 'video']]] },
	'chromium156-call-hold-and-resume': { rounds: [[['add', 'audio'], ['add', 'video']], [['hold', 'sendonly']], [['hold', 'sendrecv']]] },
	'chromium156-call-ice-restart': { rounds: [[['add', 'audio'], ['add', 'video']], [['restart']], []] },
	'chromium156-call-data-beside': { rounds: [[['add', 'audio'], ['data']], [['add', 'video']]] },
};

const file = (name, f) => new URL(`${name}/${f}`, root);
const read = (name, f) => readFileSync(file(name, f), 'utf8');
const expected = (name, f) => read(name, f).replace('o=- ID ', 'o=- 4711 ');

function gateway(name) {
	execFileSync('build/debug/unit/cscf/sdp/test_golden', { env: { ...process.env, GOLDEN_UPDATE: '1', GOLDEN_CASE: name },
		stdio: ['ignore', 'ignore', 'inherit'] });
}

async function wicRound(page, name, n, steps) {
	for (const [what, arg] of steps)
		await page.evaluate(inPage[what], arg);
	writeFileSync(file(name, `${n}-wic_offer.sdp`), await page.evaluate(inPage.offer));
	gateway(name);
	const offered = parseSdp(read(name, `${n}-expect_core.sdp`));

	writeFileSync(file(name, `${n}-core_answer.sdp`), plainAnswer(offered, CORE, offered.media.map((m, i) => 41000 + 4 * i),
		{ version: n }));
	gateway(name);
	await page.evaluate(inPage.answered, expected(name, `${n}-expect_wic.sdp`));
}

async function coreRound(page, name, prefix) {
	gateway(name);
	writeFileSync(file(name, `${prefix}wic_answer.sdp`),
		await page.evaluate(inPage.answer, expected(name, `${prefix}expect_wic.sdp`)));
	gateway(name);
}

/** The rounds of a case that begins with the core: its offers are there. */
function coreOffers(name) {
	const files = readdirSync(new URL(`${name}/`, root));

	return files.includes('offer.sdp') ? [''] :
		files.map((f) => /^(\d+-)core_offer\.sdp$/.exec(f)?.[1]).filter(Boolean).sort();
}

async function capture(browser, name) {
	const wic = await browser.wic();
	const { page } = wic;
	const spec = WIC_CASES[name];

	mkdirSync(new URL(`${name}/`, root), { recursive: true });
	await page.evaluate(inPage.start, spec?.config ?? {});
	if (spec)
		for (const [i, steps] of spec.rounds.entries())
			await wicRound(page, name, i + 1, steps);
	else
		for (const prefix of coreOffers(name))
			await coreRound(page, name, prefix);
	await wic.context.close();
	console.log(`${name}: ${version}`);
}

const names = process.argv.slice(2);
if (names.length === 0) {
	console.log(Object.keys(WIC_CASES).join('\n'));
} else {
	const browser = await Browser.launch();

	for (const name of names)
		await capture(browser, name).catch((err) => { console.error(`${name}: ${err.message}`); process.exitCode = 1; });
	await browser.close();
}
