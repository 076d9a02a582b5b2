// SPDX-License-Identifier: Apache-2.0
//
// Writes corpus/fuzz_sdp from the rounds of tests/golden/sdp: one seed a case, in the step format
// that fuzz_sdp.c describes. Run it after golden cases changed: node tests/fuzz/cscf/sdp-seeds.mjs
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

const golden = new URL('../../golden/sdp/', import.meta.url);
const corpus = new URL('corpus/fuzz_sdp/', import.meta.url);
const after = ['k', 'p', 'r'];

/** The steps of one round: offer, answer (or an echo), and how it ends. */
function round(dir, prefix, end) {
	const has = (name) => existsSync(new URL(`${prefix}${name}.sdp`, dir));
	const text = (name) => readFileSync(new URL(`${prefix}${name}.sdp`, dir), 'latin1');
	const wicCalls = has('core_answer');
	const answer = wicCalls ? 'core_answer' : 'wic_answer';

	return [`${wicCalls || has('wic_offer') ? 'w' : 'c'}${text(has('offer') ? 'offer' : wicCalls ? 'wic_offer' : 'core_offer')}`,
		has(answer) ? `a${text(answer)}` : 'e', end];
}

rmSync(corpus, { recursive: true, force: true });
mkdirSync(corpus, { recursive: true });
readdirSync(golden).sort().forEach((name, i) => {
	const dir = new URL(`${name}/`, golden);
	const files = readdirSync(dir);
	const numbers = [...new Set(files.map((f) => /^(\d+)-/.exec(f)?.[1]).filter(Boolean))].sort();
	const steps = (numbers.length ? numbers.map((n) => `${n}-`) : ['']).flatMap((p, k, all) =>
		round(dir, p, k + 1 < all.length ? 'k' : after[i % 2]));

	writeFileSync(new URL(name, corpus), Buffer.from(String.fromCharCode(i * 37 % 256) +
		[...steps, 'p'].join('\n%%'), 'latin1'));
});
