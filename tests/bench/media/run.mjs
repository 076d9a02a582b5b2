#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// make bench-media: wicgate-agw, rtpengine and a bare relay under the same load, one after the
// other in each round, rounds repeated; one table, the ratios last, curves as a PNG.
//
//   run.mjs [--traffic g711,g711-cm,opus,video] [--calls 10,100,300,500,900] [--rounds 3] [--window 5] [--warm 1]
//           [--payload 160] [--interval 20] [--profile aes128-gcm]    traffic of one's own, alone
//           [--relays wicgate,shared,rtpengine,relay] [--workers 250] 0: without the comparison of two workers
//           [--also NAME=PROGRAM[,key=value…]]   another wicgate-agw beside, say of an older build
//           [--out build/bench]
//
// With --calls or a traffic of one's own, and no --traffic, only that is run. BENCH_PORTS: the first of two ports
// of the control channels (47070). Medians over the rounds; min and max show how quiet the machine was.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine, ownNetwork, warning } from './machine.mjs';
import { measure, relayTable } from './relays.mjs';
import { draw, ratios, row, scaling, sum, table } from './report.mjs';

const { values: opt } = parseArgs({ options: {
	traffic: { type: 'string' }, calls: { type: 'string' }, rounds: { type: 'string', default: '3' },
	window: { type: 'string', default: '5' }, warm: { type: 'string', default: '1' }, payload: { type: 'string' },
	interval: { type: 'string' }, profile: { type: 'string' }, workers: { type: 'string' },
	out: { type: 'string', default: 'build/bench' }, bin: { type: 'string', default: 'build/release/bin' },
	relays: { type: 'string', default: 'wicgate,shared,rtpengine,relay' }, also: { type: 'string', multiple: true, default: [] },
} });

ownNetwork();
const own = [opt.calls, opt.payload, opt.interval, opt.profile].some((o) => o !== undefined);
const numbers = (text) => text.split(',').map(Number);
const TRAFFIC = {
	g711: { title: 'G.711-sized audio', payload: 160, interval: 20, profile: 'aes128-gcm', calls: [10, 100, 300, 500, 900] },
	'g711-cm': { title: 'G.711-sized audio', payload: 160, interval: 20, profile: 'aes128-cm-sha1-80', calls: [500], bare: false },
	opus: { title: 'opus-sized audio', payload: 90, interval: 20, profile: 'aes128-gcm', calls: [500] },
	video: { title: 'video-sized packets', payload: 1200, interval: 10, profile: 'aes128-gcm', calls: [100] },
};
const chosen = (opt.traffic ?? (own ? 'g711' : Object.keys(TRAFFIC).join())).split(',').map((name) => {
	const t = { name, ...TRAFFIC[name] };

	if (!t.title)
		throw new Error(`no such traffic: ${name}; there are ${Object.keys(TRAFFIC)}`);
	return { ...t, payload: Number(opt.payload ?? t.payload), interval: Number(opt.interval ?? t.interval),
		profile: opt.profile ?? t.profile, calls: opt.calls ? numbers(opt.calls) : t.calls };
});
const perWorker = Number(opt.workers ?? (own || cpus().length < 2 ? 0 : 250));
const shown = [...opt.relays.split(','), ...opt.also.map((a) => a.split('=')[0])];
const dir = mkdtempSync(join(tmpdir(), 'wicgate-bench-'));
const relays = relayTable({ dir, bin: opt.bin, base: Number(process.env.BENCH_PORTS ?? 47070), also: opt.also });
const runs = new Map();

async function once(round, relay, traffic, calls) {
	const r = await measure(relay, calls, traffic, opt);
	const key = `${traffic.name} ${relay.name} ${calls}`;

	runs.set(key, [...runs.get(key) ?? [], r]);
	console.error(`round ${round + 1}: ${traffic.name}, ${relay.name}, ${calls} calls: ${Math.round(r.packets_per_cpu_s)} packets/CPU-s, lost ${
		sum(r, 'lost')}`);
}

const of = (traffic, name, calls) => row(name, traffic.name, calls, runs.get(`${traffic.name} ${name} ${calls}`));
// One port for all WICs, and the longest wait, where figures are asked for: G.711, 500 calls.
const namesOf = (traffic, calls) => shown.filter((n) => (n !== 'relay' || traffic.bare !== false) &&
	(n !== 'shared' || (traffic.name === 'g711' && calls === 500)));
const scale = { ...chosen[0], name: 'workers' };

mkdirSync(opt.out, { recursive: true });
if (!existsSync(join(opt.bin, 'wicgate-bench-media')))
	throw new Error(`no programs in ${opt.bin}: make release`);
const here = await machine();
console.error(here.text);
const began = Date.now();
try {
	for (let round = 0; round < Number(opt.rounds); round++) {
		for (const traffic of chosen)
			for (const calls of traffic.calls)
				for (const name of namesOf(traffic, calls))
					await once(round, relays[name], traffic, calls);
		if (perWorker > 0) {
			await once(round, relays.wicgate, scale, perWorker);
			await once(round, relays['two workers'], scale, 2 * perWorker);
		}
	}
} finally {
	rmSync(dir, { recursive: true, force: true });
}

const rows = chosen.flatMap((t) => t.calls.flatMap((calls) => namesOf(t, calls).map((name) => of(t, name, calls))));
const pair = perWorker > 0 ? [of(scale, 'wicgate', perWorker), of(scale, 'two workers', 2 * perWorker)] : [];
writeFileSync(join(opt.out, 'media.json'), JSON.stringify({ machine: here, options: opt, traffic: chosen, rows, workers: pair,
	runs: Object.fromEntries(runs) }, null, '\t'));
console.log(here.text);
if (!here.quiet)
	console.log(warning(here));
console.log(`medians of ${opt.rounds} rounds of ${opt.window} s; ${Math.round((Date.now() - began) / 1000)} s in all`);
const titleOf = (t) => `${t.title}: ${t.payload} octets every ${t.interval} ms each way, ${t.profile}`;
for (const t of chosen)
	console.log(`\n${table(rows.filter((r) => r.traffic === t.name), titleOf(t))}`);
if (pair.length > 0)
	console.log(`\n${table(pair, 'one media worker and two, as many calls on each')}`);
console.log('');
for (const t of shown.includes('wicgate') ? chosen : [])
	console.log(`${t.name}\n${ratios(rows, t.name, shown.filter((n) => n !== 'wicgate'))}`);
if (pair.length > 0)
	console.log(scaling(...pair));
const png = draw(rows.filter((r) => r.traffic === chosen[0].name), shown, titleOf(chosen[0]), opt.out);
if (png)
	console.log(`curves: ${png}`);
