#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// make soak, make churn-tsan, make flood: calls that come and go on one wicgate-agw, watched; a line now
// and then, a verdict, samples as JSON and a plot in build/bench. Exit 1 when anything is wrong.
//
//   soak.mjs [--name soak] [--minutes 30] [--rate 200] [--hold 1000] [--stay 0] [--flood 0] [--shared 0] [--workers 2]
//            [--bin build/release/bin] [--gen build/release/bin] [--quarantine 30] [--set key=value]… [--out build/bench]
//            [--give-up 10] [--profile aes128-gcm] [--ice lite]
//
// BENCH_PORTS: the first of two ports for control and metrics (47070).
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { judge, live, memory } from './live.mjs';
import { machine, ownNetwork, smallEphemeralRange } from './machine.mjs';

const s = (value) => ({ type: 'string', default: value });
const { values: opt } = parseArgs({ options: { name: s('soak'), minutes: s('30'), rate: s('200'), hold: s('1000'), stay: s('0'),
	flood: s('0'), shared: s('0'), workers: s('2'), bin: s('build/release/bin'), gen: s('build/release/bin'), quarantine: s('30'),
	set: { type: 'string', multiple: true, default: [] }, out: s('build/bench'), 'give-up': s('10'), profile: s('aes128-gcm'), ice: s('lite') } });

ownNetwork();
smallEphemeralRange();
const own = process.env.WICGATE_BENCH_NETNS === 'own';
const n = (name) => Number(opt[name]);
// A call has a pair of ports towards the core, and one towards the WIC, and both rest after it.
const pairs = n('rate') * (n('hold') * 1.5 / 1000 + n('quarantine') + 3) + n('stay');
const ranges = own ? { accessPorts: '10000-29999', corePorts: '30000-59999' } : { accessPorts: '30000-39999', corePorts: '20000-29999' };
const [first, last] = ranges.corePorts.split('-').map(Number);
if (pairs > (last - first + 1) / 2)
	throw new Error(`${Math.round(pairs)} pairs of ports are needed, ${ranges.corePorts} has ${(last - first + 1) / 2}: be root, or take a lower --rate`);

const base = Number(process.env.BENCH_PORTS ?? 47070);
const dir = mkdtempSync(join(tmpdir(), 'wicgate-soak-'));
const here = await machine();
const minute = (t) => `${String(Math.floor(t / 60)).padStart(3)}:${String(Math.floor(t % 60)).padStart(2, '0')}`;
const every = Math.max(1, n('minutes') * 60 / 600);
const tell = Math.max(1, Math.round(n('minutes') * 60 / every / 30));
let count = 0;

console.log(here.text);
console.log(`${opt.name}: ${opt.rate} calls/s of about ${opt.hold} ms, ${opt.stay} that stay, flood ${opt.flood}/s; ${opt.workers} workers, shared ports ${
	opt.shared}, ICE ${opt.ice}, ${opt.bin}; ${opt.minutes} min`);
console.log('   min   calls done  failed    lost  contexts  ports  resting    fds  PSS MiB  heap MiB');
const row = (x) => console.log([minute(x.t), String(x.load.done ?? 0).padStart(12), String(x.load.failed ?? 0).padStart(7),
	String(x.load.lost ?? 0).padStart(7), String(x.contexts).padStart(9), String(x.ports).padStart(6), String(x.resting).padStart(8),
	String(x.fds).padStart(6), (x.pss_kib / 1024).toFixed(1).padStart(8), (x.heap_kib / 1024).toFixed(1).padStart(9)].join(' '));
let r;
try {
	r = await live({ bin: opt.bin, gen: opt.gen, dir, iqPort: base, opsPort: base + 1, ...ranges, quarantine: n('quarantine'),
		workers: n('workers'), shared: n('shared'), set: opt.set, rate: n('rate'), stay: n('stay'), hold: n('hold'), giveUp: n('give-up'),
		seconds: Math.round(n('minutes') * 60), flood: n('flood'), profile: opt.profile, ice: opt.ice, every: every * 1000,
		// What a sanitizer's allocator keeps says nothing.
		leaks: !/asan|tsan/.test(opt.bin), onSample: (x) => count++ % tell === 0 && row(x) });
} finally {
	rmSync(dir, { recursive: true, force: true });
}

mkdirSync(opt.out, { recursive: true });
writeFileSync(join(opt.out, `${opt.name}.json`), JSON.stringify({ machine: here, ...r }, null, '\t'));
const e = r.end ?? {};
console.log(`calls: ${e.started} begun, ${e.done} done, ${e.given_up} given up half way, ${e.failed} failed; set-up p50 ${e.setup_p50_ms} ms, p99 ${
	e.setup_p99_ms} ms`);
console.log(`packets: ${e.sent} sent, ${e.received} received, ${e.lost} lost, ${e.corrupt} corrupt, ${e.duplicate} doubled, ${e.reordered} reordered, ${
	e.stray} after the end of their call or to strangers`);
if (e.own_left_out_ms > 0 || e.own_overrun > 0 || e.own_refused > 0)
	console.log(`generator: not let run for ${e.own_left_out_ms} ms, ${e.own_overrun} packets lost for its own full buffers, ${
		e.own_refused} refused by the system`);
if (e.flood)
	console.log(`flood: ${e.flood.sent} sent, ${e.flood.must_drop} must be dropped; counted as dropped: ${
		Object.entries(r.drops).filter(([, v]) => v > 0).map(([k, v]) => `${k} ${v}`).join(', ')}`);
console.log(`left: ${r.after.contexts ?? '?'} contexts, ${r.after.streams} streams, ${r.after.ports} ports in use, ${r.after.resting} resting; descriptors ${
	r.before.fds} before, ${r.after.fds} after`);
const m = r.options.leaks ? memory(r) : undefined;
if (m)
	console.log(`memory: ${(m.kib / 1024).toFixed(1)} MiB anonymous on average from minute ${(m.from / 60).toFixed(1)} on, fitted growth ${Math.round(m.grown)} KiB (allowed: ${
		Math.round(m.bound)})`);
if (Object.keys(r.events).length > 0)
	console.log(`warnings in the log: ${Object.entries(r.events).map(([k, v]) => `${k} ${v}`).join(', ')}`);
draw();
const wrong = judge(r);
for (const w of wrong)
	console.log(`WRONG: ${w}`);
console.log(`${opt.name}: ${wrong.length === 0 ? 'nothing is wrong' : `${wrong.length} things are wrong`}`);
process.exit(wrong.length === 0 ? 0 : 1);

function draw() {
	const data = join(opt.out, `${opt.name}.dat`), png = join(opt.out, `${opt.name}.png`);

	writeFileSync(data, r.samples.filter((x) => Number.isFinite(x.pss_kib)).map((x) => [x.t / 60, x.pss_kib / 1024, x.heap_kib / 1024,
		x.contexts, x.ports, x.resting, x.fds].join(' ')).join('\n'));
	const script = `set terminal pngcairo size 1000,900\nset output "${png}"\nset multiplot layout 2,1 title "${opt.name}: ${opt.rate} calls/s"\n` +
		`set grid\nset xlabel "minutes"\nset key bottom right\nset yrange [0:*]\nset ylabel "MiB"\nplot "${data}" using 1:2 with lines lw 2 title "PSS", ` +
		`"${data}" using 1:3 with lines lw 2 title "anonymous"\nset ylabel "number"\nplot "${data}" using 1:4 with lines lw 2 title "contexts", ` +
		`"${data}" using 1:5 with lines lw 2 title "ports in use", "${data}" using 1:6 with lines lw 2 title "ports resting", ` +
		`"${data}" using 1:7 with lines lw 2 title "descriptors"\nunset multiplot\n`;

	if (spawnSync('gnuplot', [], { input: script }).status === 0)
		console.log(`plot: ${png}`);
}
