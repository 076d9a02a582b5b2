#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// make bench-media: wicgate-agw, rtpengine and a bare relay under the same load, one after the
// other in each round, rounds repeated; one table, the ratios last, curves as a PNG.
//
//   run.mjs [--calls 10,100,300,500,900] [--rounds 3] [--window 8] [--payload 160] [--interval 20]
//           [--profile aes128-gcm] [--out build/bench] [--relays wicgate,rtpengine,relay]
//           [--also NAME=PROGRAM[,key=value…]]   another wicgate-agw beside, say of an older build
//
// BENCH_PORTS: the first of two ports of the control channels (47070).
// Each relay is a fresh process with one media thread, alone on CPU 0; the generator has CPU 1
// (where the machine has two). Medians over the rounds; min and max show how quiet the machine was.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values: opt } = parseArgs({ options: {
	calls: { type: 'string', default: '10,100,300,500,900' }, rounds: { type: 'string', default: '3' },
	window: { type: 'string', default: '8' }, payload: { type: 'string', default: '160' },
	interval: { type: 'string', default: '20' }, profile: { type: 'string', default: 'aes128-gcm' },
	out: { type: 'string', default: 'build/bench' }, bin: { type: 'string', default: 'build/release/bin' },
	relays: { type: 'string', default: 'wicgate,rtpengine,relay' }, also: { type: 'string', multiple: true, default: [] },
} });
const levels = opt.calls.split(',').map(Number);
const dir = mkdtempSync(join(tmpdir(), 'wicgate-bench-'));
const two = cpus().length > 1;
const pin = (cpu, cmd) => two ? ['taskset', '-c', String(cpu), ...cmd] : cmd;
const IP = '127.0.0.1';
const base = Number(process.env.BENCH_PORTS ?? 47070);
const PORT = { iq: base, ng: base + 1, relay: 20000 };

const agwConf = join(dir, 'agw.yaml');
writeFileSync(agwConf, `iq: { listen: "${IP}:${PORT.iq}" }
access: { listen_ip: [${IP}], ports: 50000-54999 }
core: { listen_ip: [${IP}], ports: 55000-59999 }
media: { workers: 1 }
ops: { listen: "", ctl_socket: "" }
log: { level: warn }
limits: { handshakes: 5000, cpu_percent: 0 }
`);

const relays = {
	wicgate: { where: `${IP}:${PORT.iq}`, ready: 'tcp',
		command: () => [join(opt.bin, 'wicgate-agw'), '--config', agwConf] },
	rtpengine: { where: `${IP}:${PORT.ng}`, ready: 'ng', command: () => ['rtpengine', '--foreground', '--table=-1',
		`--interface=${IP}`, `--listen-ng=${IP}:${PORT.ng}`, '--port-min=50000', '--port-max=59999', '--num-threads=1',
		'--log-level=3', '--log-stderr'] },
	relay: { where: `${IP}:${PORT.relay}`, ready: 'line',
		command: (calls) => [join(opt.bin, 'wicgate-bench-relay'), `${IP}:${PORT.relay}`, String(calls)] },
};
const shown = opt.relays.split(',');
for (const also of opt.also) {
	const [name, rest] = also.split(/=(.*)/s);
	const [program, ...sets] = rest.split(',');

	relays[name] = { where: relays.wicgate.where, ready: 'tcp', target: 'wicgate',
		command: () => [program, '--config', agwConf, ...sets.flatMap((s) => ['--set', s])] };
	shown.push(name);
}
const targetOf = (name) => relays[name].target ?? name;

/** Wait until the relay takes a set-up of one call: the only readiness that all three have. */
async function started(name, calls) {
	const [cmd, ...args] = pin(0, relays[name].command(calls));
	const child = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'] });
	const ended = new Promise((resolve) => child.once('exit', resolve));
	let log = '';

	child.stderr.on('data', (d) => { log = (log + d).slice(-4000); });
	child.stdout.on('data', (d) => { log = (log + d).slice(-4000); });
	for (let i = 0; i < 50; i++) {
		if (child.exitCode !== null)
			throw new Error(`${name} ended with ${child.exitCode}:\n${log}`);
		if (name === 'relay' ? /ready/.test(log) : await probe(name))
			return { child, ended };
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	child.kill('SIGKILL');
	throw new Error(`${name} does not get ready:\n${log}`);
}

const probe = (name) => new Promise((resolve) => {
	const p = spawn(join(opt.bin, 'wicgate-bench-media'), ['--target', targetOf(name), '--where', relays[name].where, '--calls', '1',
		'--warm', '0', '--window', '1'], { stdio: 'ignore' });

	p.once('exit', (code) => resolve(code === 0));
});

async function measure(name, calls) {
	const relay = await started(name, calls);
	const [cmd, ...args] = pin(1, [join(opt.bin, 'wicgate-bench-media'), '--target', targetOf(name), '--where', relays[name].where,
		'--calls', calls, '--window', opt.window, '--warm', '2', '--payload', opt.payload, '--interval', opt.interval,
		'--profile', opt.profile, '--pid', relay.child.pid].map(String));
	const load = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'inherit'] });
	let result;

	for await (const line of createInterface(load.stdout))
		if (line.startsWith('{'))
			result = JSON.parse(line);
	relay.child.kill('SIGTERM');
	const timer = setTimeout(() => relay.child.kill('SIGKILL'), 5000);
	await relay.ended;
	clearTimeout(timer);
	if (!result)
		throw new Error(`no result for ${name} at ${calls} calls`);
	return result;
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[Math.floor(list.length / 2)];
const stat = (runs, get) => {
	const v = runs.map(get);

	return { mid: median(v), min: Math.min(...v), max: Math.max(...v) };
};
const sum = (r, k) => r.uplink[k] + r.downlink[k];

function row(name, calls, runs) {
	const pps = stat(runs, (r) => r.packets_per_cpu_s);

	return { name, calls, pps, lost: Math.max(...runs.map((r) => sum(r, 'lost'))), sent: sum(runs[0], 'sent'),
		corrupt: Math.max(...runs.map((r) => sum(r, 'corrupt'))),
		p50: stat(runs, (r) => Math.max(r.uplink.p50_us, r.downlink.p50_us)),
		p99: stat(runs, (r) => Math.max(r.uplink.p99_us, r.downlink.p99_us)),
		setup: stat(runs, (r) => r.setup_cpu_ms_per_call), mem: stat(runs, (r) => r.octets_per_call / 1024),
		late: Math.max(...runs.map((r) => r.own_late_ticks)) };
}

const cell = (text, n) => String(text).padStart(n);
function table(rows) {
	const out = [['calls', 'relay', 'packets/CPU-s', '(min-max)', 'p50 us', 'p99 us', 'lost', 'corrupt', 'set-up CPU ms',
		'kB/call', 'own late'].map((t, i) => cell(t, [5, 10, 14, 17, 8, 8, 8, 8, 14, 8, 9][i])).join(' ')];

	for (const r of rows)
		out.push([cell(r.calls, 5), cell(r.name, 10), cell(Math.round(r.pps.mid), 14),
			cell(`${Math.round(r.pps.min)}-${Math.round(r.pps.max)}`, 17), cell(Math.round(r.p50.mid), 8),
			cell(Math.round(r.p99.mid), 8), cell(r.lost, 8), cell(r.corrupt, 8),
			cell(r.name === 'relay' ? '-' : r.setup.mid.toFixed(2), 14),
			cell(r.name === 'relay' ? '-' : r.mem.mid.toFixed(0), 8), cell(r.late, 9)].join(' '));
	return out.join('\n');
}

function ratios(rows) {
	const of = (name, calls) => rows.find((r) => r.name === name && r.calls === calls);
	const others = shown.filter((n) => n !== 'wicgate');

	return levels.map((calls) => `${cell(calls, 5)} calls: ${others.map((n) => {
		const [us, them] = [of('wicgate', calls), of(n, calls)];
		const more = n === 'rtpengine' ? ` (set-up CPU ${(us.setup.mid / them.setup.mid).toFixed(2)}, memory ${
			(us.mem.mid / them.mem.mid).toFixed(2)})` : '';

		return `wicgate / ${n} ${(us.pps.mid / them.pps.mid).toFixed(2)}${more}`;
	}).join(', ')}`).join('\n');
}

function draw(rows) {
	if (spawnSync('gnuplot', ['--version']).status !== 0)
		return;
	const data = join(opt.out, 'media.dat'), png = join(opt.out, 'media.png');
	const names = shown;

	writeFileSync(data, names.map((n) => rows.filter((r) => r.name === n)
		.map((r) => `${r.calls} ${r.pps.mid} ${r.p50.mid} ${r.p99.mid}`).join('\n')).join('\n\n\n'));
	const plot = (col, title) => `set ylabel "${title}"\nplot ${names.map((n, i) =>
		`"${data}" index ${i} using 1:${col} with linespoints lw 2 title "${n}"`).join(', ')}\n`;
	spawnSync('gnuplot', [], { input: `set terminal pngcairo size 1000,900\nset output "${png}"\nset multiplot layout 2,1\nset grid\n` +
		`set xlabel "calls"\nset yrange [0:*]\n${plot(2, 'packets per CPU-second')}set logscale y\nset yrange [*:*]\n${
			plot(4, 'p99 latency, us')}unset multiplot\n` });
	console.log(`curves: ${png}`);
}

mkdirSync(opt.out, { recursive: true });
if (!existsSync(join(opt.bin, 'wicgate-bench-media')))
	throw new Error(`no programs in ${opt.bin}: make release`);
const runs = new Map();
try {
	for (let round = 0; round < Number(opt.rounds); round++)
		for (const calls of levels)
			for (const name of shown) {
				const r = await measure(name, calls);
				const key = `${name} ${calls}`;

				runs.set(key, [...runs.get(key) ?? [], r]);
				console.error(`round ${round + 1}: ${name} ${calls} calls: ${Math.round(r.packets_per_cpu_s)} packets/CPU-s, lost ${
					sum(r, 'lost')}`);
			}
} finally {
	rmSync(dir, { recursive: true, force: true });
}
const rows = levels.flatMap((calls) => shown.map((name) => row(name, calls, runs.get(`${name} ${calls}`))));
writeFileSync(join(opt.out, 'media.json'), JSON.stringify({ options: opt, rows }, null, '\t'));
console.log(`G.711-sized audio: ${opt.payload} octets every ${opt.interval} ms, ${opt.profile}, medians of ${opt.rounds} rounds of ${
	opt.window} s`);
console.log(table(rows));
if (shown.includes('wicgate'))
	console.log(ratios(rows));
draw(rows);
