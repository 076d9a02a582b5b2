// SPDX-License-Identifier: Apache-2.0
//
// The commented example configurations: accepted as they stand, accepted with every comment that
// shows a default taken as a line, and complete: they name every key the program knows.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import yaml from 'js-yaml';
import { SECOND } from '../lib/wait.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'wicgate-conf-'));

before(() => {
	execFileSync('make', ['--no-print-directory', '-j2', 'release'], { cwd: ROOT, stdio: 'inherit' });
}, { timeout: 300 * SECOND });
after(() => rmSync(dir, { recursive: true, force: true }));

const program = (kind) => join(ROOT, `build/release/bin/wicgate-${kind}`);
const example = (kind) => readFileSync(join(ROOT, `deploy/conf/wicgate-${kind}.yaml`), 'utf8');

function check(kind, text) {
	const file = join(dir, `${kind}.yaml`);

	writeFileSync(file, text);
	const { status, stdout, stderr } = spawnSync(program(kind), ['--config', file, '--check-config'], { encoding: 'utf8' });
	return { status, said: stdout + stderr };
}

/** "  # key: value" becomes "  key: value", "  # - key: value" an item of a list. */
const uncommented = (text) => text.replace(/^( *)# ?( *(?:- )?[A-Za-z_0-9]+:( |$).*)$/gm, '$1$2');

/** Dotted names of the keys in such a text, by indentation. */
function names(text) {
	const stack = [];

	return text.split('\n').flatMap((line) => {
		const m = /^( *)([A-Za-z_0-9]+):/.exec(line);

		if (!m)
			return [];
		while (stack.length && stack.at(-1).indent >= m[1].length)
			stack.pop();
		stack.push({ indent: m[1].length, name: m[2] });
		return [stack.map((s) => s.name).join('.')];
	});
}

for (const [kind, file] of [['cscf', 'cscf/config.c'], ['agw', 'agw/config.c']])
	test(`compose: a ${kind} that is taken away has the time of its shutdown.grace [REL-16]`, () => {
		const seconds = (text) => Number(/^(\d+)s$/.exec(text)[1]);
		const { services } = yaml.load(readFileSync(join(ROOT, 'deploy/compose/compose.yaml'), 'utf8'));
		const grace = /"shutdown\.grace", \w+, "(\w+)"/.exec(readFileSync(join(ROOT, file), 'utf8'))[1];

		assert.ok(seconds(services[kind].stop_grace_period) > seconds(grace), services[kind].stop_grace_period);
	});
for (const kind of ['cscf', 'agw']) {
	test(`the ${kind} example is accepted as it stands`, () => {
		const { status, said } = check(kind, example(kind));

		assert.equal(status, 0, said);
	});
	test(`the ${kind} example is accepted with every shown default taken as a line`, () => {
		const { status, said } = check(kind, uncommented(example(kind)));

		assert.equal(status, 0, said);
	});
	test(`the ${kind} example names every key`, () => {
		const help = execFileSync(program(kind), ['--help-config'], { encoding: 'utf8' });
		const keys = [...help.matchAll(/^ *([A-Za-z_]+(?:\.[a-z0-9_]+)*)\b.*$/gm)].map((m) => m[1])
			.filter((k) => k.includes('.') || k.startsWith('T_'));
		const shown = new Set(names(uncommented(example(kind))));

		assert.ok(keys.length > 40, `--help-config lists the keys: ${keys.length}`);
		assert.deepEqual(keys.filter((k) => !shown.has(k)), []);
	});
	test(`a mistake in the ${kind} configuration names its line`, () => {
		const { status, said } = check(kind, `${example(kind)}\nnonsense: 1\n`);
		const line = example(kind).split('\n').length + 1;

		assert.notEqual(status, 0);
		assert.match(said, new RegExp(`:${line}\\b`));
	});
}
