// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says never drives the terminal of who asked: wicgatectl at a socket that answers the
// worst there is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { program, tempDir } from '../lib/gateway.js';
import { SECOND } from '../lib/wait.js';

const WORST = 'a\u009b2J\u009d52;c;x\u009c\u001b]0;t\u0007\u007f\u202eb\u2066c\u200fz';
const dir = tempDir();
const path = join(dir, 'ctl');
const answers = {
	help: [{ name: 'text', help: 't' }, { name: 'list', help: 't' }],
	text: { text: `one ${WORST}\ntwo`, raw: WORST },
	list: [{ name: WORST, more: [WORST] }],
};
let server;

before(() => new Promise((resolve) => {
	server = net.createServer((sock) => createInterface(sock).on('line', (line) =>
		sock.write(`${JSON.stringify({ ok: true, result: answers[JSON.parse(line).cmd] })}\n`)));
	server.listen(path, resolve);
}));
after(() => {
	server.close();
	rmSync(dir, { recursive: true });
});

const tool = (...args) => new Promise((resolve) => execFile(program('wicgatectl'), ['--socket', path, ...args],
	{ timeout: 20 * SECOND }, (err, out) => resolve({ code: err ? err.code ?? err.signal : 0, out })));

for (const what of ['text', 'list'])
	test(`${what}: no control character and no turn of direction [SEC-10]`, async () => {
		const { code, out } = await tool(what);

		assert.equal(code, 0);
		assert.match(out, /a\?2J\?52;c;x\?\?\]0;t\?\?\?b\?c\?z/);
		assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
	});

test('--json is ASCII, and the same text [SEC-10]', async () => {
	const { code, out } = await tool('--json', 'text');

	assert.equal(code, 0);
	assert.match(out, /^[\n\x20-\x7f]*$/);
	assert.equal(JSON.parse(out).raw, WORST);
});
