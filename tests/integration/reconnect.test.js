// SPDX-License-Identifier: Apache-2.0
//
// Many idle WICs, half of them cut off at once: everybody is registered again, the counts are
// exact, and the core got no more than reg.max_initial_rate lets through. It is tests/bench/idle.mjs,
// small and under the sanitizers; the whole of it is `make bench-idle`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BIN } from '../lib/gateway.js';
import { Process } from '../lib/proc.js';
import { ports } from '../lib/ports.js';
import { SECOND, within } from '../lib/wait.js';

test('300 WICs, half cut off at once, all come back at the rate the core is promised [REG-85]', { timeout: 150 * SECOND },
	async () => {
		const bench = new Process('idle', process.execPath, [fileURLToPath(new URL('../bench/idle.mjs', import.meta.url))],
			{ env: { WICGATE_BIN: BIN, BENCH_WICS: 300, BENCH_RATE: 100, BENCH_HOLD: 1, BENCH_RETRY_AFTER: '1s',
				BENCH_PORTS: (await ports(4)).join(',') } });
		try {
			const { code } = await within(bench.ended, 140 * SECOND, () => `the end; last lines:\n${bench.tail()}`);

			assert.equal(code, 0, bench.output);
			assert.match(bench.output, /REGISTERs at the core while half came back: [1-9]/);
		} finally {
			await bench.stop('SIGTERM'); // it ends its own children
		}
	});
