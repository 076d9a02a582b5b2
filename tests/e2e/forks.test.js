// SPDX-License-Identifier: Apache-2.0
//
// Kamailio forks: a browser's call to two UEs of one user, and a UE's call to two tabs of one user.
// Who answers has the call, the other is cancelled, and nothing of it is heard any more.
import assert from 'node:assert/strict';
import { count } from '../lib/gateway.js';
import { parseSdp } from '../lib/sdp.js';
import { until } from '../lib/wait.js';
import { UE_TONE, browserSuite, hangUp, page, talk } from './talk.js';

const test = browserSuite();
const LOSER = 620;

const answers = async (wic) => (await wic.events()).filter((e) => e.name === 'sdp' && e.type === 'answer').map((e) => e.sdp);

/** What must be the same in every answer of a call: the page has one connection. */
const transport = (sdp) => ['ice-ufrag', 'ice-pwd', 'fingerprint', 'setup', 'candidate'].map((name) => parseSdp(sdp).media[0].attr(name));

/** Two UEs of bob, each at an address of its own, and the page's call at both. */
async function forked(env) {
	const [wic, first, second] = [await page(env, 'alice'), await env.ue('bob'), await env.ue('bob', { host: '127.0.0.2' })];

	await wic.do('call', 'sip:bob@ims.test');
	return { wic, first: await first.incoming(), second: await second.incoming() };
}

/** The winner is heard and hears; of the loser nothing, though it still plays. */
async function onlyWinner(wic, winner, loser) {
	await talk(wic, winner);
	const { sent } = loser.audio;
	loser.audio.tone(LOSER);
	await until(() => loser.audio.sent > sent + 50, { what: 'the loser\'s packets' });
	const level = await wic.level(LOSER);
	assert.ok(level < 0.01, `the loser is heard, at ${level}`);
	await wic.heard(UE_TONE);
	assert.equal(loser.audio.received, 0);
}

test('two UEs ring, the second answers: the first is cancelled, the page hears the second [CALL-23, CALL-46]', async (env) => {
	const { wic, first, second } = await forked(env);

	first.ring();
	second.ring();
	await wic.event('progress');
	await wic.event('progress');
	await second.answer();
	await wic.event('confirmed');
	assert.equal(await first.ended, 'cancelled');
	await talk(wic, second);
	await hangUp(wic, second);
});

test('two UEs play early media, the second answers: one transport in every answer, the winner alone is heard [CALL-23, CALL-46, DTLS-27]',
	async (env) => {
		const { wic, first, second } = await forked(env);

		await first.earlyAnswer();
		first.audio.tone(LOSER);
		await wic.event('progress');
		await wic.heard(LOSER);
		await second.earlyAnswer();
		second.audio.tone(UE_TONE);
		await wic.heard(UE_TONE);
		await second.answer();
		await wic.event('confirmed');
		assert.equal(await first.ended, 'cancelled');
		await onlyWinner(wic, second, first);
		const [one, ...others] = (await answers(wic)).map(transport);
		assert.ok(others.length > 0);
		for (const other of others)
			assert.deepEqual(other, one);
		await hangUp(wic, second);
	});

test('two UEs play early media, the first answers: back to the first, the second is silent [CALL-23, CALL-46, DTLS-27]', async (env) => {
	const { wic, first, second } = await forked(env);

	await first.earlyAnswer();
	first.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	await second.earlyAnswer();
	second.audio.tone(LOSER);
	await first.answer();
	await wic.event('confirmed');
	assert.equal(await second.ended, 'cancelled');
	await onlyWinner(wic, first, second);
	await hangUp(wic, first);
});

test('both UEs answer at once: the page has one call, the other gets ACK and BYE [CALL-46]', async (env) => {
	const { wic, first, second } = await forked(env);

	await Promise.all([first.answer(), second.answer()]);
	await wic.event('confirmed');
	const loser = await Promise.race([first, second].map((c) => c.ended.then(() => c)));
	assert.equal(loser.why, 'bye received');
	const winner = loser === first ? second : first;
	await onlyWinner(wic, winner, loser);
	await hangUp(wic, winner);
});

test('two tabs of one user ring, one answers: the other is cancelled, its context freed [CALL-25, CALL-46, REL-01]', async (env) => {
	const [one, two, bob] = [await page(env, 'alice'), await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');

	await Promise.all([one.event('incoming'), two.event('incoming')]);
	assert.equal(count(await env.gw.agws[0].status(), 'contexts'), 2);
	await two.do('answer');
	assert.equal((await call.answered).status, 200);
	await two.event('confirmed');
	const end = await one.event('failed');
	assert.equal(end.cause, 'Canceled');
	assert.equal(end.originator, 'remote');
	await until(async () => count(await env.gw.agws[0].status(), 'contexts') === 1, { what: 'the other tab\'s context to go' });
	await talk(two, call);
	await hangUp(two, call);
});

test('two tabs of one user, one rejects: the other still rings, and answers [CALL-23]', async (env) => {
	const [one, two, bob] = [await page(env, 'alice'), await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');

	await Promise.all([one.event('incoming'), two.event('incoming')]);
	await one.do('reject', 486);
	await one.event('failed');
	await until(async () => count(await env.gw.agws[0].status(), 'contexts') === 1, { what: 'one context' });
	await two.do('answer');
	assert.equal((await call.answered).status, 200);
	await talk(two, call);
	assert.equal((await call.bye()).status, 200);
	await two.event('ended');
});

test.end();
