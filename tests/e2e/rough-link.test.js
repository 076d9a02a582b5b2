// SPDX-License-Identifier: Apache-2.0
//
// Two browsers on one AGW, one of them behind a bad network: 5 % loss, 30 ms of jitter and what that
// reorders, both ways; then nothing at all for seconds; or 20 % loss from the first check on. What is
// lost on the way down the gateway sends again itself; NACKs for what was lost on the way up, and PLIs,
// cross it twice (WIC, gateway, core, gateway, WIC; both legs AVPF). Video is well again when the
// network is, audio hides its gaps, the call stays.
// Judged by counters and by states that must come, never by how fast this machine is.
import assert from 'node:assert/strict';
import { RoughLink } from '../lib/rough-link.js';
import { SECOND, until } from '../lib/wait.js';
import { MIC_TONE, browserSuite, page } from './talk.js';

const ROUGH = { loss: 0.05, delay: 40, jitter: 30 };
const BOB_TONE = 700;
// About a second of video is kept for those that ask: four seconds without any are beyond that.
const test = browserSuite({ gateway: { agw: { media: { resend_packets: 64 } } } });

/** alice, behind the link, and bob talk and see each other. */
async function call(env, link, { video = true, from = 'alice' } = {}) {
	const wics = { alice: await page(env, 'alice', { link }), bob: await page(env, 'bob') };
	const [caller, callee] = from === 'alice' ? [wics.alice, wics.bob] : [wics.bob, wics.alice];
	const tone = (wic) => wic === wics.bob ? { tone: BOB_TONE, video } : { video };

	await caller.do('call', `sip:${from === 'alice' ? 'bob' : 'alice'}@ims.test`, tone(caller));
	await callee.event('incoming');
	await callee.do('answer', tone(callee));
	await Promise.all([caller.event('confirmed'), callee.event('confirmed')]);
	return { ...wics, link };
}

/** Counters of a page: video in and out, audio in. */
async function counters(wic) {
	const report = await wic.do('report');
	const of = (type, kind) => report.find((s) => s.type === type && s.kind === kind) ?? {};

	return { at: performance.now(), in: of('inbound-rtp', 'video'), out: of('outbound-rtp', 'video'), audio: of('inbound-rtp', 'audio') };
}

const both = async ({ alice, bob }) => ({ alice: await counters(alice), bob: await counters(bob) });

/** What the gateway did for its WICs' video: packets asked for and sent again, repeats of the core refused. */
async function repairs({ gw }) {
	const [agw] = gw.agws;
	const shown = await Promise.all((await agw.ctl('context list')).map((c) => agw.ctl('context show', c.ctx_id)));
	const video = shown.flatMap((c) => c.streams).filter((s) => s.label.startsWith('video-'));
	const sum = (of) => video.reduce((n, s) => n + (of(s) ?? 0), 0);

	return { asked: sum((s) => s.downlink.nacked), resent: sum((s) => s.downlink.resent),
		refused: sum((s) => s.downlink.drops['srtp-replay']) };
}

async function heardAndSeen(c) {
	await c.alice.heard(BOB_TONE);
	await c.bob.heard(MIC_TONE);
	await until(async () => Object.values(await both(c)).every((s) => s.in.framesDecoded > 20), { what: 'video both ways' });
}

/**
 * Well again: a second in which both decode about what the other encodes, and nobody asks for a picture
 * or a packet again.
 */
async function wellAgain(c) {
	let before;

	return until(async () => {
		const now = await both(c);
		const old = before;

		if (!before || now.alice.at - before.alice.at > SECOND)
			before = now;
		return old && now.alice.at - old.alice.at > SECOND && [['alice', 'bob'], ['bob', 'alice']].every(([near, far]) => {
			const sent = now[far].out.framesEncoded - old[far].out.framesEncoded;

			return sent >= 5 && now[near].in.framesDecoded - old[near].in.framesDecoded >= 0.7 * sent &&
				['pliCount', 'nackCount'].every((n) => now[near].in[n] === old[near].in[n]);
		}) && now;
	}, { ms: 30 * SECOND, every: 250, what: () => `video as before: ${JSON.stringify(before?.alice.in)}` });
}

function tell(t, c, { alice, bob }) {
	for (const [who, s] of Object.entries({ alice, bob }))
		t.diagnostic(`${who}: decoded ${s.in.framesDecoded}, lost ${s.in.packetsLost}, NACKs ${s.in.nackCount}, PLIs ${s.in.pliCount}, freezes ${
			s.in.freezeCount} (${s.in.totalFreezesDuration} s); asked for ${s.out.nackCount} NACKs, ${s.out.pliCount} PLIs, sent again ${
			s.out.retransmittedPacketsSent}; audio concealed ${(100 * s.audio.concealedSamples / s.audio.totalSamplesReceived).toFixed(2)} %`);
	t.diagnostic(`link ${c.link}`);
}

async function hangUp({ alice, bob }) {
	for (const wic of [alice, bob])
		assert.ok(!(await wic.events()).some((e) => ['ended', 'failed', 'pc.failed'].includes(e.name)), 'the call stayed');
	await alice.do('hangup');
	await bob.event('ended');
}

test('5 % loss, jitter and reordering: the gateway repairs the way down, NACKs for the way up cross it, video and audio go on, all is well afterwards [RTCP-20, RTCP-21, RTP-27, BUN-02]',
	async (env) => {
		const c = await call(env, env.own(new RoughLink({ seed: 7 })));
		const { link } = c;

		await heardAndSeen(c);
		const { alice: { in: first } } = await both(c);
		link.rough(ROUGH);
		let now, gateway;
		// Packets are kept from the first on: the first NACK is answered as the others are.
		await until(async () => {
			gateway = await repairs(env);
			return gateway.resent >= 5 && (await both(c)).alice.in.framesDecoded >= first.framesDecoded + 20;
		}, { ms: 30 * SECOND, every: 100, what: () => `repairs: ${JSON.stringify(gateway)}; ${link}` });
		const before = await both(c);
		const { resent } = gateway;
		await until(async () => {
			now = await both(c);
			gateway = await repairs(env);
			return Object.entries(now).every(([who, s]) => s.in.nackCount >= 20 &&
				s.in.framesDecoded >= before[who].in.framesDecoded + 20 && s.audio.concealmentEvents > before[who].audio.concealmentEvents) &&
				now.alice.out.nackCount >= 20 && now.alice.out.retransmittedPacketsSent >= 20 && gateway.resent >= resent + 30 &&
				[link.up, link.down].every((w) => w.lost.rtp >= 20 && w.overtaken >= 20);
		}, { ms: 40 * SECOND, every: 250, what: () => `NACKs, repeats and frames at both: ${JSON.stringify(now)} ${JSON.stringify(gateway)}; ${link}` });
		env.t.diagnostic(`gateway: ${JSON.stringify(gateway)}; bob heard ${now.bob.out.nackCount} NACKs of alice's ${now.alice.in.nackCount}`);
		// What was lost came when it was asked for: both had hardly to ask for a picture.
		for (const [near, far] of [['bob', 'alice'], ['alice', 'bob']])
			assert.ok(now[near].in.framesDecoded - before[near].in.framesDecoded >=
				0.5 * (now[far].out.framesEncoded - before[far].out.framesEncoded), `${near} sees ${far}`);
		// Most of what alice asked for she had of the gateway; bob has little to repeat, and none of it in vain.
		assert.ok(now.bob.out.nackCount < now.alice.in.nackCount / 2, 'NACKs that bob heard');
		assert.ok(now.bob.out.retransmittedPacketsSent < gateway.resent, 'more than bob');
		assert.ok(gateway.refused < 0.2 * gateway.resent, 'repeats refused');
		link.clean();
		const after = await wellAgain(c);
		tell(env.t, c, after);
		await c.alice.heard(BOB_TONE);
		await c.bob.heard(MIC_TONE);
		await hangUp(c);
	});

test('nothing for four seconds: a PLI crosses the gateway, a picture comes, and no storm of them [RTCP-20, RTCP-28]', async (env) => {
	const c = await call(env, env.own(new RoughLink({ seed: 8 })));

	await heardAndSeen(c);
	const before = await both(c);
	const { rtp: lost = 0 } = c.link.down.lost;
	const began = performance.now();
	c.link.rough({ loss: 1 });
	// A picture and what follows it are gone for good.
	await until(async () => performance.now() - began > 4 * SECOND && c.link.down.lost.rtp > lost + 200, { what: () => `loss: ${c.link}` });
	c.link.clean();
	let now;
	await until(async () => {
		now = await both(c);
		return now.alice.in.keyFramesDecoded > before.alice.in.keyFramesDecoded;
	}, { ms: 30 * SECOND, what: () => `a picture: ${JSON.stringify(now)}` });
	const after = await wellAgain(c);
	const seconds = (performance.now() - began) / 1000;

	tell(env.t, c, after);
	// What bob went on to send is gone; alice herself had stopped for want of a way.
	const asked = after.bob.out.pliCount - before.bob.out.pliCount;
	assert.ok(after.alice.in.pliCount > before.alice.in.pliCount, 'alice asked for a picture');
	assert.ok(asked >= 1, 'bob was asked for a picture');
	assert.ok(asked <= 2 * seconds, `${asked} PLIs in ${seconds} s`);
	assert.ok(after.bob.out.keyFramesEncoded > before.bob.out.keyFramesEncoded);
	await hangUp(c);
});

for (const [from, seed] of [['alice', 3], ['bob', 4]]) {
	test(`20 % loss from the first check, ${from} calls, dice ${seed}: ICE and DTLS are through all the same [DTLS-16, ICE-10]`, async (env) => {
		const link = env.own(new RoughLink({ seed, ...ROUGH, loss: 0.2 }));
		const c = await call(env, link, { from, video: false });
		const began = performance.now();
		const up = async (wic) => (await wic.do('stats')).pairs[0]?.dtls === 'connected';

		await until(async () => await up(c.alice) && await up(c.bob), { ms: 25 * SECOND, what: () => `DTLS: ${link}` });
		env.t.diagnostic(`keys after ${((performance.now() - began) / 1000).toFixed(1)} s; ${link}`);
		await until(async () => (await counters(c.alice)).audio.packetsReceived > 50 && (await counters(c.bob)).audio.packetsReceived > 50,
			{ what: 'audio both ways' });
		assert.ok(Object.values(link.up.lost).concat(Object.values(link.down.lost)).reduce((a, b) => a + b, 0) > 0);
		link.clean();
		await c.alice.heard(BOB_TONE);
		await c.bob.heard(MIC_TONE);
		await hangUp(c);
	});
}

test.end();
