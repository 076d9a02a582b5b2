// SPDX-License-Identifier: Apache-2.0
//
// The native WIC as caller and callee: two of them through both processes and the core, and a
// WebSocket that breaks in mid-call and comes back. Its own media half is tried alone first.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { suite, ORIGIN } from '../lib/suite.js';
import { NativeWic } from '../lib/nativewic.js';
import { count, program } from '../lib/gateway.js';
import { within, SECOND } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { flow: { grace: '5s' } } } });
const native = (env, user, options) => env.own(new NativeWic(env.gw.wssUrl, { user, origin: ORIGIN, ...options }));

async function ok(wic) {
	const { code, result, output } = await within(wic.done(), 30 * SECOND, 'the native WIC to end');

	assert.equal(code, 0, output);
	return result;
}

test('the native WIC against itself: every SRTP profile, tones, a wrong fingerprint', async () => {
	const { stdout } = await promisify(execFile)(program('wicgate-wic'), ['--self-test']);

	assert.match(stdout, /^self-test: 8 passed, 0 failed$/m);
});

for (const setup of ['active', 'passive']) {
	test(`WIC to WIC through the core: every packet comes back unchanged, callee is ${setup} [CALL-02, RTP-02, DTLS-02]`,
		async (env) => {
			const bob = native(env, 'bob', { answer: true, calls: 1, payload: 'echo', setup });

			await bob.event('all-registered');
			const alice = await ok(native(env, 'alice', { call: 'bob', duration: 2, payload: 'check' }));

			assert.equal(alice.released.local, 1);
			assert.equal(alice.media.corrupt, 0);
			// How many there are in two seconds is the machine's affair; the last may be under way at the BYE.
			assert.ok(alice.media.sent > 20 && alice.media.returned >= alice.media.sent - 10, JSON.stringify(alice.media));
			assert.equal((await ok(bob)).released.remote, 1);
		});
}

test('the callee hangs up: the caller gets the BYE, media was good both ways [CALL-02]', async (env) => {
	const bob = native(env, 'bob', { answer: true, calls: 1, duration: 1, payload: 'tone:440', 'expect-tone': 1000 });

	await bob.event('all-registered');
	const alice = await ok(native(env, 'alice', { call: 'bob', duration: 20, payload: 'tone:1000', 'expect-tone': 440 }));

	assert.equal(alice.released.remote, 1);
	assert.equal((await ok(bob)).released.local, 1);
});

test('the WebSocket breaks in mid-call and the same instance is back: media never stops, BYE on the new flow [REL-10]',
	async (env) => {
		const bob = native(env, 'bob', { answer: true, calls: 1, payload: 'echo' });

		await bob.event('all-registered');
		const wic = native(env, 'alice', { call: 'bob', duration: 4, payload: 'check', misbehave: 'reconnect' });

		await wic.event('reregistered');
		assert.equal(count(await env.gw.agws[0].status(), 'contexts'), 2); // one for each WIC
		const alice = await ok(wic);

		assert.equal(alice.released.local, 1);
		assert.equal(alice.media.lost, 0);
		assert.ok(alice.media.sent > 50 && alice.media.returned >= alice.media.sent - 10, JSON.stringify(alice.media));
		await ok(bob);
	});

test.end();
