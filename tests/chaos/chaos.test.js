// SPDX-License-Identifier: Apache-2.0
//
// The short form of `make chaos` in CI: each fault once under 20 calls with media, its row judged by itself.
// What a row must hold is in run.mjs and faults.mjs; here it is named.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('run.mjs', import.meta.url));
const IDS = {
	'kill -9 of an AGW': 'REL-12, IQ-23', 'kill -9 of an eP-CSCF': 'REL-13, IQ-01', 'partition': 'IQ-15',
	'SIGSTOP of an AGW for': 'IQ-24', 'rolling restart of all AGWs': 'IQ-14', 'rolling restart of all eP-CSCFs': 'REL-16, WS-35',
	'packets lost': '', 'DNS: an AGW': 'IQ-22', 'DNS silent': '', 'logs:': '', 'wall clock': '', 'SIGSTOP of an eP-CSCF for': 'IQ-21',
};
const dir = mkdtempSync(join(tmpdir(), 'wicgate-chaos-'));
let result = { rows: [] };
let text = '';

before(async () => {
	const json = join(dir, 'rows.json');
	const child = spawn(process.execPath, [RUN, '--calls', '20', '--json', json], { stdio: ['ignore', 'pipe', 'pipe'] });

	for (const stream of [child.stdout, child.stderr])
		stream.setEncoding('utf8').on('data', (d) => {
			text += d;
		});
	await new Promise((resolve) => child.once('close', resolve));
	result = JSON.parse(readFileSync(json, 'utf8'));
}, { timeout: 200000 });

after(() => {
	console.log(text);
	rmSync(dir, { recursive: true, force: true });
});

for (const [name, ids] of Object.entries(IDS))
	test(`chaos: ${name}: no call is lost, nothing leaks${ids && ` [${ids}]`}`, () => {
		const row = result.rows.find((r) => r.fault.includes(name));

		assert.ok(row, `the fault was played:\n${text}`);
		assert.deepEqual(row.problems, []);
		assert.equal(row.lost, 0);
		assert.equal(row.leaked, 0);
		assert.ok(row.before >= 10, `${row.before} calls before`);
	});

test('chaos: the run itself ended in order', () => {
	assert.equal(result.code, 0, text);
});
