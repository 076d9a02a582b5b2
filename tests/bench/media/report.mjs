// SPDX-License-Identifier: Apache-2.0
//
// What bench-media prints and draws: one table, ratios last.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[Math.floor(list.length / 2)];
const stat = (runs, get) => {
	const v = runs.map(get);

	return { mid: median(v), min: Math.min(...v), max: Math.max(...v) };
};
export const sum = (r, k) => r.uplink[k] + r.downlink[k];

/** The rounds of one relay at one load, as one row. */
export function row(name, traffic, calls, runs) {
	const worst = (k) => Math.max(...runs.map((r) => sum(r, k)));

	return { name, traffic, calls, pps: stat(runs, (r) => r.packets_per_cpu_s),
		cpu_us: stat(runs, (r) => 1e6 / r.packets_per_cpu_s), sent: sum(runs[0], 'sent'), lost: worst('lost'),
		corrupt: worst('corrupt'), reordered: worst('reordered'), duplicate: worst('duplicate'),
		p50: stat(runs, (r) => Math.max(r.uplink.p50_us, r.downlink.p50_us)),
		p99: stat(runs, (r) => Math.max(r.uplink.p99_us, r.downlink.p99_us)),
		setup: stat(runs, (r) => r.setup_cpu_ms_per_call), setups: stat(runs, (r) => calls / r.setup_s),
		mem: stat(runs, (r) => r.octets_per_call / 1024), settled: stat(runs, (r) => r.octets_per_call_settled / 1024),
		busiest: stat(runs, (r) => sum(r, 'received') / Math.max(...r.threads_cpu_s)),
		spread: stat(runs, (r) => sorted(r.threads_cpu_s).slice(-2)).mid,
		late: Math.max(...runs.map((r) => r.own_late_ticks)), own: stat(runs, (r) => 100 * r.own_cpu_s / r.window_s), overrun: Math.max(...runs.map((r) => r.own_overrun)) };
}

const COLUMNS = [
	['calls', 5, (r) => r.calls], ['relay', 12, (r) => r.name],
	['packets/CPU-s', 13, (r) => Math.round(r.pps.mid)], ['(min-max)', 15, (r) => `${Math.round(r.pps.min)}-${Math.round(r.pps.max)}`],
	['CPU us/pkt', 10, (r) => r.cpu_us.mid.toFixed(2)], ['p50 us', 7, (r) => Math.round(r.p50.mid)],
	['p99 us', 7, (r) => Math.round(r.p99.mid)], ['lost', 6, (r) => r.lost], ['corrupt', 7, (r) => r.corrupt],
	['reord.', 6, (r) => r.reordered], ['set-up ms', 9, (r) => r.bare ? '-' : r.setup.mid.toFixed(2)],
	['set-ups/s', 9, (r) => r.bare ? '-' : Math.round(r.setups.mid)], ['kB/call', 7, (r) => r.bare ? '-' : r.mem.mid.toFixed(0)],
	['settled', 7, (r) => r.bare ? '-' : r.settled.mid.toFixed(0)], ['own late', 8, (r) => r.late],
	['own CPU', 7, (r) => `${Math.round(r.own.mid)} %`],
];
const line = (get) => COLUMNS.map((c) => String(get(c)).padStart(c[1])).join(' ');

export const table = (rows, title) => [title, line((c) => c[0]),
	...rows.map((r) => line((c) => c[2]({ ...r, bare: r.name === 'relay' })))].join('\n');

export function ratios(rows, traffic, others) {
	const mine = rows.filter((r) => r.name === 'wicgate' && r.traffic === traffic);
	const lines = mine.map((us) => {
		const parts = others.flatMap((n) => {
			const them = rows.find((r) => r.name === n && r.traffic === traffic && r.calls === us.calls);
			const more = n === 'rtpengine' && them ? ` (set-up CPU ${(us.setup.mid / them.setup.mid).toFixed(2)}, memory ${
				(us.settled.mid / them.settled.mid).toFixed(2)})` : '';

			return them ? [`wicgate / ${n} ${(us.pps.mid / them.pps.mid).toFixed(2)}${more}`] : [];
		});

		return `${String(us.calls).padStart(5)} calls: ${parts.join(', ')}`;
	});
	const find = (name, calls) => rows.find((r) => r.name === name && r.traffic === traffic && r.calls === calls);

	for (const s of rows.filter((r) => r.name === 'shared' && r.traffic === traffic && find('rtpengine', r.calls)))
		lines.push(`${String(s.calls).padStart(5)} calls: wicgate with one shared port and a longer wait / rtpengine ${
			(s.pps.mid / find('rtpengine', s.calls).pps.mid).toFixed(2)}, p50 ${Math.round(s.p50.mid)} us, p99 ${Math.round(s.p99.mid)} us`);
	const [a, b] = [mine.find((r) => r.calls === 100), mine.at(-1)];

	if (a && b && b !== a)
		lines.push(`CPU per packet at ${b.calls} calls, ${a.calls} calls = 1: ${(b.cpu_us.mid / a.cpu_us.mid).toFixed(2)}`);
	return lines.join('\n');
}

/**
 * What two workers carry, one = 1. Each worker has as many calls as the one has, and the machine may have
 * fewer CPUs than that and a generator need: so not by filling them, but by the CPU time of the busier
 * worker, which is full first. Uneven spread, locks and caches that two share all count.
 */
export function scaling(one, two) {
	return `two workers, ${two.calls} calls, against one with ${one.calls}: ${(two.busiest.mid / one.busiest.mid).toFixed(2)} x packets per ` +
		`CPU-second of the busier worker (CPU seconds of the two: ${two.spread.map((s) => s.toFixed(2)).join(', ')})`;
}

/** Three panels over the number of calls. @return path, or nothing without gnuplot */
export function draw(rows, all, title, out) {
	const names = all.filter((n) => rows.some((r) => r.name === n));

	if (spawnSync('gnuplot', ['--version']).status !== 0)
		return undefined;
	const data = join(out, 'media.dat'), png = join(out, 'media.png');

	writeFileSync(data, names.map((n) => rows.filter((r) => r.name === n)
		.map((r) => `${r.calls} ${r.pps.mid} ${r.p50.mid} ${r.p99.mid}`).join('\n')).join('\n\n\n'));
	const plot = (col, label) => `set ylabel "${label}"\nplot ${names.map((n, i) =>
		`"${data}" index ${i} using 1:${col} with linespoints lw 2 title "${n}"`).join(', ')}\n`;
	const script = `set terminal pngcairo size 1000,1200\nset output "${png}"\nset multiplot layout 3,1 title "${title}"\nset grid\n` +
		`set xlabel "calls"\nset key bottom right\nset yrange [0:*]\n${plot(2, 'packets per CPU-second')}set key top left\n${
			plot(3, 'p50 latency, us')}set logscale y\nset yrange [*:*]\n${plot(4, 'p99 latency, us')}unset multiplot\n`;

	return spawnSync('gnuplot', [], { input: script }).status === 0 ? png : undefined;
}
