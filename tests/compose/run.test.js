// SPDX-License-Identifier: Apache-2.0
//
// `make run` itself: brings the whole chain up on this machine, judges one call by its media, and
// leaves nothing running, whether it ends by itself or by Ctrl-C.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BASE } from '../lib/ports.js';
import { Process } from '../lib/proc.js';
import { SECOND, within } from '../lib/wait.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = (...options) => new Process('run', 'deploy/run/run.sh', options, { cwd: ROOT });

before(() => {
	execFileSync('make', ['--no-print-directory', '-j2', 'release'], { cwd: ROOT, stdio: 'inherit' });
}, { timeout: 300 * SECOND });

/** Ports of a chain on which something still listens. */
async function listening() {
	const open = await Promise.all([...Array(20).keys()].map((i) => new Promise((resolve) => {
		const sock = net.connect(BASE + i, '127.0.0.1');

		sock.on('connect', () => {
			resolve(BASE + i);
			sock.destroy();
		});
		sock.on('error', () => resolve(0));
		sock.on('close', () => resolve(0));
	}).then((port) => port)));

	return open.filter(Boolean);
}

for (const client of ['browser', 'native']) {
	test(`one automatic call by the ${client} client, then nothing left`, { timeout: 180 * SECOND }, async () => {
		const chain = run('--once', '--client', client, '--port-base', BASE);
		const { code } = await within(chain.ended, 170 * SECOND, () => `make run to end:\n${chain.tail()}`);

		assert.equal(code, 0, chain.output);
		assert.match(chain.output, /registered\s+in \d+ ms[\s\S]*answered\s+in \d+ ms[\s\S]*packets\s+\d+ sent, \d+ received/);
		assert.match(chain.output, /nothing left in either process/);
		assert.deepEqual(await listening(), []);
	});
}

test('it stays up with the page until Ctrl-C, which stops all of it', { timeout: 120 * SECOND }, async () => {
	const chain = run('--client', 'none', '--port-base', BASE);

	await chain.line('Ctrl-C', { ms: 100 * SECOND });
	assert.ok((await listening()).length >= 6, 'page, W2, core, Iq and both health ports listen');
	const { code } = await chain.stop('SIGINT', 40 * SECOND);
	assert.equal(code, 0, chain.output);
	assert.deepEqual(await listening(), []);
});
