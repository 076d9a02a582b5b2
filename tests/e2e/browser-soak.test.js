// SPDX-License-Identifier: Apache-2.0
//
// Browser truth: two pages in a call side by side, one with audio, one with audio and video, each with a
// UE that sends every packet back and keeps books. At the end the page's getStats, the gateway's
// counters and the UE's must be one and the same number, with nothing lost either way.
// Twelve seconds here; `make browser-soak MINUTES=10` runs the same for long and prints the table.
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { Mirror } from '../lib/mirror.js';
import { SECOND, until } from '../lib/wait.js';
import { MIC_TONE, browserSuite, hangUp, page, streamOf } from './talk.js';

const LENGTH = Number(process.env.MINUTES ?? 0.2) * 60 * SECOND;
const LOOK = LENGTH > 60 * SECOND ? 10 * SECOND : 2 * SECOND;
const test = browserSuite({ timeout: LENGTH + 90 * SECOND });

/** A call of that page whose UE mirrors every stream. */
async function mirrored(env, user, peer, options) {
	const [wic, ue] = [await page(env, user), await env.ue(peer)];

	await wic.do('call', `sip:${peer}@ims.test`, options);
	const call = await ue.incoming();
	// The books are open before anything can come: the page sends as soon as it has the answer.
	await call.openMedia(call.offer.media.map((m) => m.type));
	call.mirrors = call.media.map((m) => env.own(new Mirror(m, { clock: m.type === 'video' ? 90000 : 8000 })));
	await call.answer();
	await wic.event('confirmed');
	return { name: options.video ? 'audio+video' : 'audio', user, wic, call };
}

/** What all three say about one stream. unread: came to the UE and found its socket full; the UE's loss, and missing on the way back. */
async function books(env, { name, wic, call }, kind, report) {
	const of = (type) => report.find((s) => s.type === type && s.kind === kind) ?? {};
	const [inbound, outbound, remote] = ['inbound-rtp', 'outbound-rtp', 'remote-inbound-rtp'].map(of);
	const agw = await streamOf(env, call, `${kind}-`);
	const ue = call.mirrors.find((m) => m.port.type === kind);
	const unread = ue.port.overflow;

	return { name, kind, inbound, outbound, remote, agw, ue, unread, up: { browser: outbound.packetsSent, agw: agw.uplink.rtp_packets,
		ue: ue.received + unread }, down: { ue: ue.sent, agw: agw.downlink.rtp_packets, browser: inbound.packetsReceived } };
}

const kinds = ({ call }) => call.media.map((m) => m.type);
const reports = async (env, calls) => (await Promise.all(calls.map(async (c) => {
	const report = await c.wic.do('report');

	return Promise.all(kinds(c).map((kind) => books(env, c, kind, report)));
}))).flat();
const same = (o) => new Set(Object.values(o)).size === 1;
const text = (o) => Object.entries(o).map(([k, v]) => `${k} ${v}`).join(', ');

function row({ name, kind, inbound, outbound, remote, agw, ue, unread, up, down }) {
	const share = inbound.totalSamplesReceived ? 100 * (inbound.concealedSamples - inbound.silentConcealedSamples) /
		inbound.totalSamplesReceived : 0;

	return { call: name, stream: kind, 'sent: page=gateway=UE': up.browser, 'lost up': `${ue.lost}/${remote.packetsLost}`,
		'back: UE=gateway=page': down.browser, 'lost down': `${inbound.packetsLost}/${agw.downlink.lost}`,
		dropped: JSON.stringify({ ...agw.uplink.drops, ...agw.downlink.drops }), 'unread at the UE': unread,
		'jitter ms': (1000 * inbound.jitter).toFixed(1), 'rtt ms': (1000 * remote.roundTripTime).toFixed(1),
		...(kind === 'audio' ? { 'concealed %': share.toFixed(3), events: inbound.concealmentEvents }
			: { encoded: outbound.framesEncoded, decoded: inbound.framesDecoded, fps: inbound.framesPerSecond,
				freezes: inbound.freezeCount, pli: inbound.pliCount }) };
}

/** So many rows as lines of a diagnostic, under their names. */
function table(t, rows) {
	for (const r of rows)
		t.diagnostic(Object.entries(r).map(([k, v]) => `${k}: ${v}`).join(' | '));
}

test('audio, and audio with video, for as long as it is asked to: nothing lost, and page, gateway and UE count the same [RTP-26, SRTP-01, BUN-02]',
	async (env) => {
		const calls = [await mirrored(env, 'alice', 'bob', {}), await mirrored(env, 'carol', 'echo', { video: true })];
		const started = performance.now();
		let last;

		for (const { wic } of calls)
			await wic.heard(MIC_TONE); // its own, by way of the UE
		while (performance.now() - started < LENGTH) {
			let now;
			const since = performance.now();

			// Every stream goes on both ways, and video is decoded, all the time.
			await until(async () => {
				now = await reports(env, calls);
				return performance.now() - since > LOOK && now.every((s, i) => !last || s.up.browser > last[i].up.browser &&
					s.down.browser > last[i].down.browser && (s.kind === 'audio' || s.inbound.framesDecoded > last[i].inbound.framesDecoded));
			}, { ms: LOOK + 10 * SECOND, every: LOOK / 4, what: () => `every stream to go on: ${JSON.stringify(now?.map((s) => [s.up, s.down]))}` });
			for (const s of now)
				assert.ok(s.inbound.packetsLost <= s.unread, `${s.name}, ${s.kind}: ${s.inbound.packetsLost} lost at the page after ${((since - started) / 1000).toFixed(0)} s`);
			last = now;
			env.t.diagnostic(`${Math.round((performance.now() - started) / 1000)} s: ${now.map((s) => `${s.name}/${s.kind} ${s.up.browser}/${s.down.browser}`).join(', ')}; load ${
				loadavg().map((l) => l.toFixed(1)).join(' ')}`);
		}
		const seconds = (performance.now() - started) / 1000;
		for (const { wic } of calls)
			await wic.do('quiet');
		let end;
		await until(async () => {
			end = await reports(env, calls);
			return end.every((s) => same(s.up) && same(s.down));
		}, { ms: 5 * SECOND }).catch(() => {}); // the assertions below say what differs
		table(env.t, end.map(row));
		env.t.diagnostic(`${seconds.toFixed(0)} s; load ${loadavg().map((l) => l.toFixed(1)).join(' ')}`);
		for (const s of end) {
			const what = `${s.name}, ${s.kind}`;

			assert.ok(same(s.up), `${what}, up: ${text(s.up)}; ${JSON.stringify(s.agw.uplink)}`);
			assert.ok(same(s.down), `${what}, down: ${text(s.down)}; ${JSON.stringify(s.agw.downlink)}`);
			assert.ok(s.ue.lost <= s.unread, `${what}: ${s.ue.lost} lost on the way to the UE`);
			assert.ok(s.inbound.packetsLost <= s.unread, `${what}: ${s.inbound.packetsLost} lost at the page`);
			assert.ok(s.remote.packetsLost <= s.unread, `${what}: ${s.remote.packetsLost} lost, as the UE's reports have it`);
			assert.ok(s.remote.roundTripTime < 5, `${what}: no round trip`);
			assert.equal(s.agw.uplink.lost, 0, `${what}: lost on the way up, as the gateway has it`);
			assert.ok(s.agw.downlink.lost <= s.unread, `${what}: ${s.agw.downlink.lost} lost on the way down, as the gateway has it`);
			// 50 packets a second, were the machine idle.
			if (s.kind === 'audio')
				assert.ok(s.up.browser > 25 * seconds, `${what}: ${s.up.browser} packets in ${seconds} s`);
			else
				assert.ok(s.inbound.framesDecoded > 2 * seconds, `${what}: ${s.inbound.framesDecoded} frames in ${seconds} s`);
		}
		for (const { wic, call } of calls)
			await hangUp(wic, call);
	});

test.end();
