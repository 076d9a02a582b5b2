// SPDX-License-Identifier: Apache-2.0
//
// Alone: fifty calls with media, and how long their silence lasts is the subject.
//
// An AGW goes under fifty calls and a browser's among them, once killed, once told to end: every call
// goes on at the other AGW, and the page hears the tone again while nobody touches it. How long it
// heard nothing is measured in the page, of what its loudspeaker gets.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../lib/browser.js';
import { Core } from '../lib/core.js';
import { Fleet, address } from '../lib/fleet.js';
import { NativeWic } from '../lib/nativewic.js';
import { port, uePorts } from '../lib/ports.js';
import { Sipp } from '../lib/sipp.js';
import { Ue } from '../lib/ue.js';
import { SECOND, until, within } from '../lib/wait.js';
import { MIC_TONE, UE_TONE, callOut, hangUp, heardAtUe, page } from './talk.js';

const MANY = 50;
/** What the UE sends from the fault on: who hears it, hears what was sent after it. */
const NEW_TONE = 620;
const GRACE = 1;
const dir = mkdtempSync(join(tmpdir(), 'wicgate-move-many-'));
const open = [];
let browser, core, fleet, far;

before(async () => {
	far = await port();
	core = await Core.start({ port: await port(), dir: join(dir, 'core'), options: ['--fixed', `follow=sip:follow@127.0.0.1:${far}`] });
	browser = await Browser.launch();
	fleet = await Fleet.start({ core, agws: 1, cscfs: 1, lb: false, origin: browser.origin,
		agw: { log: { level: 'info' }, shutdown: { grace: `${GRACE}s` } }, cscf: { log: { level: 'info' } } });
	await fleet.linked(1);
}, { timeout: 60 * SECOND });

after(async () => {
	await close();
	try {
		await fleet?.stop(); // each with 0, none with a sanitizer's report
	} finally {
		await fleet?.kill();
		await browser?.close();
		await core?.stop();
		rmSync(dir, { recursive: true, force: true });
	}
}, { timeout: 60 * SECOND });

function own(thing) {
	open.push(thing);
	return thing;
}

async function close() {
	for (const thing of open.splice(0).reverse())
		await (thing.close?.() ?? thing.stop()).catch(() => {});
}

/** Fifty calls whose every packet comes back, and one of the page's, all on the only AGW there is. */
async function fiftyAndTheBrowser() {
	own(await Sipp.start('uas-follow', { port: far, mediaPort: await port(), calls: MANY, dir, options: ['-l', '1000'] }));
	const many = own(new NativeWic(fleet.wssUrl(0), { user: 'load%d', password: 'load', origin: browser.origin, call: 'sip:follow@ims.test',
		count: MANY, calls: MANY, total: MANY, rate: 25, 'reg-rate': 100, duration: 600, payload: 'check', pt: 0, 'max-loss': 90 }));
	const wic = await page({ browser, gw: { wssUrl: fleet.wssUrl(0) }, own }, 'alice');
	const bob = own(await Ue.start({ user: 'bob', core, rtpPorts: uePorts() }));

	assert.equal((await bob.register()).status, 200);
	const call = await callOut(wic, bob);
	call.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	await heardAtUe(call, MIC_TONE);
	await until(() => many.process.lines.filter((l) => l.startsWith('event=media ')).length === MANY, { ms: 20 * SECOND,
		what: () => `media of ${MANY} calls\n${many.process.tail(5)}` });
	return { many, wic, bob, call };
}

const contexts = () => fleet.counts('agw', 'contexts');
const remote = async (wic) => (await wic.do('stats')).pairs[0].remote.split(':')[0];

async function moves() {
	const m = await fleet.cscfs[0].metrics();
	const of = (result) => m.sum('cscf_call_moves_total', { result });

	return { moved: of('moved'), failed: of('failed'), released: of('released'), pending: m.sum('cscf_call_moves_pending') };
}

/** One of them goes as `fault` says, and another has come before: what is true of the calls then. */
async function moved(t, fault) {
	const from = fleet.agws.findIndex((d) => d && !d.process.exit);
	const to = 1 - from;

	await until(async () => (await contexts())[from] === 0, { what: 'calls of the test before to end' });
	const { many, wic, call } = await fiftyAndTheBrowser();
	const calls = MANY + 1;
	const earlier = await moves();

	assert.equal((await contexts())[from], calls);
	assert.equal(await remote(wic), address('agw', from));
	await fleet.startAgw(to);
	fleet.publish('agw');
	await fleet.linked(2);
	const said = (await wic.events()).length;
	await wic.do('listenFor', [UE_TONE, NEW_TONE]);
	const at = await fault(fleet.agws[from], () => call.audio.tone(NEW_TONE));

	// All that is done to the page from here on is to ask what it heard.
	await wic.heard(NEW_TONE);
	await until(async () => (await moves()).moved - earlier.moved === calls, { what: `${calls} calls moved` });
	const { tones, silence } = await wic.do('heardSoFar');
	const again = Math.max(0, tones[NEW_TONE].first - at);
	const { received, lost } = (await wic.do('stats')).audio;
	await heardAtUe(call, MIC_TONE);
	const after = await moves();
	assert.deepEqual({ ...after, moved: after.moved - earlier.moved }, { moved: calls, failed: 0, released: 0, pending: 0 });
	assert.equal((await contexts())[to], calls);
	assert.equal(await remote(wic), address('agw', to));
	const names = (await wic.events()).slice(said).map((e) => e.name);
	assert.ok(!names.some((n) => /^(ended|failed|disconnected|incoming)$/.test(n)), names.join());

	// The fifty: all were heard on, none was ended by anybody but itself.
	process.kill(many.process.pid, 'SIGTERM');
	const { result, output } = await within(many.done(), 30 * SECOND, 'the fifty to hang up');
	assert.deepEqual([result?.answered, result?.released], [MANY, { local: MANY, remote: 0, error: 0 }], output);
	t.diagnostic(`${calls} of ${calls} calls moved; Chromium heard the new tone ${again} ms after, nothing for ${silence} ms (its getStats: ${
		received} packets, ${lost} lost); the others' longest silence p50 ${result.gap_ms.p50} p99 ${result.gap_ms.p99} max ${result.gap_ms.max} ms`);
	assert.ok(silence < 5 * SECOND && again < 5 * SECOND, `${silence} ms of silence, heard again after ${again} ms`);
	assert.ok(result.gap_ms.max < 5 * SECOND, JSON.stringify(result.gap_ms));
	await hangUp(wic, call);
	await over();
}

/** Nothing is left anywhere. */
async function over() {
	const sum = (list) => list.reduce((a, b) => a + b, 0);
	let left;

	await close();
	await core.forget();
	await until(async () => {
		left = { contexts: sum(await contexts()), streams: sum(await fleet.counts('agw', 'streams')),
			ports: sum(await fleet.counts('agw', 'ports_in_use')), dialogs: sum(await fleet.counts('cscf', 'dialogs')) };
		return sum(Object.values(left)) === 0;
	}, { what: () => `nothing left, but ${JSON.stringify(left)}` });
}

test('kill -9 of the AGW under 50 calls and a browser: all move, the page hears the tone again within 5 s by itself, nothing leaks [REL-12, ICE-18, DTLS-20]',
	{ timeout: 90 * SECOND }, (t) => moved(t, async (agw, newTone) => {
		const at = Date.now();

		await agw.process.stop('SIGKILL');
		newTone();
		return at;
	}));

test('SIGTERM of the AGW under them: it lets them be for most of its grace, then all move, and it ends with 0, empty [REL-12, IQ-14]',
	{ timeout: 90 * SECOND }, (t) => moved(t, async (agw, newTone) => {
		process.kill(agw.process.pid, 'SIGTERM');
		await agw.logged('ctx.released'); // the first that leaves
		const at = Date.now();
		newTone();
		const how = await within(agw.process.ended, 10 * SECOND, 'the AGW to end');
		assert.equal(how.code, 0, agw.process.tail());
		assert.equal(agw.log('agw.drained')[0].contexts_left, '0');
		return at;
	}));
