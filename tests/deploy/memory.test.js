// SPDX-License-Identifier: Apache-2.0
//
// What ops.lock_memory does, seen in /proc, with the programs as they are shipped: the sanitizers leave mlockall out.
// Root may lock whatever it likes (where it is root indeed), so the limit is tried as somebody else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SECOND } from '../lib/wait.js';
import { BIN, start } from './shipped.js';

const NOBODY = 65534;
const AS_NOBODY = ['prlimit', '--memlock=65536:65536', 'setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const dir = mkdtempSync(join(tmpdir(), 'wicgate-memory-'));

// The programs where nobody may reach them, whatever the checkout's own folder allows.
chmodSync(dir, 0o755);
chownSync(dir, NOBODY, NOBODY);
for (const kind of ['agw', 'cscf'])
	execFileSync('install', ['-m', '755', join(BIN, `wicgate-${kind}`), dir]);
after(() => rmSync(dir, { recursive: true }));

/** kB locked and kB in all once it is up, and what it said of it. */
async function look(kind, lock, via) {
	const { process: it } = await start(kind, dir, { via, bin: dir, ops: { lock_memory: lock } });
	const status = readFileSync(`/proc/${it.pid}/status`, 'utf8');
	const [locked, size] = ['VmLck', 'VmSize'].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]));
	const how = await it.stop('SIGTERM', 30 * SECOND);

	assert.equal(how.code, 0, it.tail());
	return { locked, size, warned: it.lines.filter((l) => l.includes(`${kind}.memory_unguarded`)) };
}

for (const kind of ['agw', 'cscf']) {
	test(`wicgate-${kind}: ops.lock_memory locks all of it where that is allowed, and nothing without`, async () => {
		const on = await look(kind, true);
		const off = await look(kind, false);

		assert.ok(on.locked > 0.9 * on.size, `${on.locked} of ${on.size} kB`);
		assert.equal(off.locked, 0);
		assert.deepEqual([...on.warned, ...off.warned], []);
	});
	test(`wicgate-${kind}: where it is not allowed it starts all the same, and says so once`, async () => {
		const { locked, warned } = await look(kind, true, AS_NOBODY);

		assert.equal(locked, 0);
		assert.equal(warned.length, 1);
		assert.match(warned[0], /level=warn .*err=limit-reached/);
	});
}
