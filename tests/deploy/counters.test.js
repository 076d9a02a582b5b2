// SPDX-License-Identifier: Apache-2.0
//
// The tables that tell an operator which counter answers which question name what the programs do tell, with its labels and their words.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { start } from './shipped.js';

const dir = mkdtempSync(join(tmpdir(), 'wicgate-counters-'));

after(() => rmSync(dir, { recursive: true }));
for (const [kind, least] of [['agw', 25], ['cscf', 30]])
	test(`every counter, label and word in the table of ${kind}/ops/README.md is one of wicgate-${kind}'s`, async () => {
		const { process: it, url } = await start(kind, dir);
		const told = await (await fetch(`${url}/metrics`)).text();
		const rows = readFileSync(new URL(`../../${kind}/ops/README.md`, import.meta.url), 'utf8').split('\n')
			.filter((l) => l.startsWith('|') && l.includes(`\`${kind}_`));
		const named = rows.flatMap((l) => [...l.matchAll(new RegExp(`\`(${kind}_\\w+)(?:{(\\w+)})?\``, 'g'))]);

		await it.stop();
		assert.ok(named.length >= least, `${named.length} are named`);
		for (const [, name, label] of named)
			assert.match(told, new RegExp(label ? `^${name}{(\\w+="[^"]*",)*${label}="` : `^${name}(_count)?[ {]`, 'm'));
		for (const row of rows)
			for (const [, word] of row.matchAll(/`([a-z][a-z-]+)`/g))
				assert.ok(told.includes(`="${word}"`), word);
	});
