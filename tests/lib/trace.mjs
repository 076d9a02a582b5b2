// SPDX-License-Identifier: Apache-2.0
// make trace: holds tests/REQUIREMENTS.md and the tests against each other, both ways.
//
// A C test names requirements by REQ("ID", …) inside a function that its main() registers; a
// Node test by [ID, ID] at the end of its name. A test that is skipped or not registered proves
// nothing; a C test that may skip itself is proof only where it ran, and told on stderr. Prints one
// line per prefix: must rows proven / must rows. Exit 1 on an unknown ID.
//
//   node tests/lib/trace.mjs [--list]     --list: every requirement with the tests that name it
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ID = /^[A-Z]+-\d+$/;
const list = process.argv.includes('--list');

function walk(dir, keep, out = []) {
  for (const name of readdirSync(dir)) {
    if (name === 'node_modules') continue;
    const path = join(dir, name);
    if (statSync(path).isDirectory()) walk(path, keep, out);
    else if (keep(path)) out.push(path);
  }
  return out;
}

const requirements = new Map();
for (const line of readFileSync('tests/REQUIREMENTS.md', 'utf8').split('\n')) {
  const m = line.match(/^\| ([A-Z]+-\d+) \| (must|should|option) \|/);
  if (m) requirements.set(m[1], { level: m[2], tests: [] });
}

const problems = [];
function name(id, where) {
  const r = requirements.get(id);
  if (r) r.tests.push(where);
  else problems.push(`${where}: ${id} is not in tests/REQUIREMENTS.md`);
}

// C: functions start at column 0 and end with a lone brace.
for (const path of walk('tests/unit', (p) => /test_[^/]*\.c$/.test(p))) {
  const text = readFileSync(path, 'utf8');
  const registered = new Set();
  // The table of a program: its entries may go through a macro of the file.
  for (const t of text.matchAll(/CMUnitTest \w+\[\] = \{([\s\S]*?)\n\t\};/g))
    for (const m of t[1].matchAll(/\btest_\w+/g)) registered.add(m[0]);
  for (const m of text.matchAll(/^(?:static )?void (test_\w+)\([^)]*\)\n\{\n([\s\S]*?)^\}/gm)) {
    const ids = [...m[2].matchAll(/\bREQ\(([^;]*?)\);/g)].flatMap((r) => [...r[1].matchAll(/"([^"]*)"/g)].map((s) => s[1]));
    if (/\bskip\(\);/.test(m[2])) console.error(`may skip: ${path}:${m[1]}`);
    if (ids.length > 0 && !registered.has(m[1])) problems.push(`${path}: ${m[1]} names requirements but never runs`);
    else for (const id of ids) name(id, `${path}:${m[1]}`);
  }
}

// Node: test('… [ID, ID]', …) or it(…); not .skip or .todo.
const js = (p) => /\.test\.m?js$/.test(p);
for (const dir of ['tests/integration', 'tests/e2e', 'tests/compose', 'tests/deploy', 'tests/lib', 'tests/core']) {
  let files = [];
  try { files = walk(dir, js); } catch { continue; }
  for (const path of files) {
    for (const m of readFileSync(path, 'utf8').matchAll(/\b(?:test|it)(\.\w+)?\(\s*(['"`])((?:\\[\s\S]|(?!\2)[^\\])*?)\[([A-Z]+-\d+(?:,\s*[A-Z]+-\d+)*)\]\2/g)) {
      if (m[1] === '.skip' || m[1] === '.todo') continue;
      for (const id of m[4].split(/,\s*/)) if (ID.test(id)) name(id, `${path}: ${m[3].trim()}`);
    }
  }
}

const prefixes = new Map();
for (const [id, r] of requirements) {
  const p = id.split('-')[0];
  const row = prefixes.get(p) ?? { must: 0, proven: 0, more: 0 };
  prefixes.set(p, row);
  if (r.level === 'must') { row.must++; if (r.tests.length > 0) row.proven++; } else if (r.tests.length > 0) row.more++;
  if (list) {
    console.log(`${id} ${r.level}${r.tests.length === 0 ? '  -' : ''}`);
    for (const t of r.tests) console.log(`    ${t}`);
  }
}
for (const [p, row] of prefixes) console.log(`${p} ${row.proven}/${row.must}${row.more ? `  (+${row.more} should/option)` : ''}`);
for (const p of problems) console.error(`trace: ${p}`);
process.exit(problems.length > 0 ? 1 : 0);
