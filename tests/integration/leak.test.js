// SPDX-License-Identifier: Apache-2.0
//
// The short form of `make leak`: calls from both sides through both processes; the judge is tests/bench/leak.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leak } from '../bench/leak.mjs';
import { BIN } from '../lib/gateway.js';
import { ports } from '../lib/ports.js';
import { SECOND } from '../lib/wait.js';

test('after a thousand calls of either side nothing is left in either process [REL-01]', { timeout: 240 * SECOND }, async () => {
	// Its sanitizer judges memory, at the end of both processes. Transactions linger for 64 T1: a short one, so as not to wait.
	const r = await leak({ calls: 1000, rate: 80, hold: 500, ports: await ports(6), ip: '127.3.2.1', bin: BIN,
		knobs: { sip: { t1: '50ms' } }, judgeMemory: false });

	assert.deepEqual(r.problems, []);
});
