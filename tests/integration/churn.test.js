// SPDX-License-Identifier: Apache-2.0
//
// Alone: calls at a rate, under two sanitizers.
// Short forms of `make soak` and `make churn-tsan`: calls come and go on one wicgate-agw, driven
// over its control channel, with ICE, DTLS-SRTP and media whose every octet is compared. One in ten
// is given up half way. The judge is tests/bench/media/live.mjs.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { judge, live } from '../bench/media/live.mjs';
import { BIN, ROOT, tempDir } from '../lib/gateway.js';
import { ACCESS_RANGE, CORE_RANGE, ports } from '../lib/ports.js';
import { SECOND } from '../lib/wait.js';

const TSAN = process.env.WICGATE_BIN_TSAN ?? join(ROOT, 'build/tsan/bin');

async function churn(t, options) {
	const [iqPort, opsPort] = await ports(2);
	const dir = tempDir();

	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const r = await live({ gen: BIN, dir, iqPort, opsPort, accessPorts: ACCESS_RANGE.join('-'), corePorts: CORE_RANGE.join('-'),
		quarantine: 1, leaks: false, hold: 500, ...options });

	assert.deepEqual(judge(r), []);
	assert.ok(r.end.done >= options.rate * options.seconds / 2, `${r.end.done} calls done`);
	assert.ok(r.end.given_up > 0);
	assert.ok(r.samples.some((s) => s.contexts > 0 && s.ports > 0), 'somebody looked while calls were up');
}

for (const shared of [0, 1]) {
	const how = shared ? 'on a shared port' : 'on ports of their own';

	test(`20 calls a second come and go ${how}: none fails, nothing stays, no leak [REL-01]`, { timeout: 90 * SECOND }, (t) =>
		churn(t, { bin: BIN, rate: 20, seconds: 8, shared }));

	test(`20 calls a second across two workers ${how} under the thread sanitizer: no report`, { timeout: 90 * SECOND }, (t) =>
		churn(t, { bin: TSAN, rate: 20, seconds: 10, shared, workers: 2 }));
}

test('full ICE agents come and go across two workers under the thread sanitizer: no report [ICE-28]', { timeout: 90 * SECOND }, (t) =>
	churn(t, { bin: TSAN, rate: 10, seconds: 8, ice: 'full', workers: 2 }));
