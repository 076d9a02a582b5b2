// SPDX-License-Identifier: Apache-2.0
//
// make bench-scale: 1 and 2 eP-CSCFs with 1, 2 and 3 AGWs each: CPU per call of each kind of process, calls
// per second with as many as the machine has CPU for, and how held calls spread over the AGWs. All sizes run at
// once and take turns, so that only ratios between them count. Variables: README.md.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../lib/wait.js';
import { cpuFine, startAgw, startCore, startCscf, startLoad, summary, table, workDir } from './bench.mjs';

const number = (name, value) => Number(process.env[name] ?? value);
const BASE = number('BENCH_PORTS', 43700);
const ROUNDS = number('BENCH_ROUNDS', 3);
const SECONDS = number('BENCH_SECONDS', 4);
const RATE = number('BENCH_RATE', 60);
const HELD = number('BENCH_CALLS', 300);
const AT_ONCE = number('BENCH_AT_ONCE', 96);
const AGWS = 3;
const SIZES = [1, 2].flatMap((cscfs) => [1, 2, 3].map((agws) => ({ cscfs, agws })));
const say = (text) => process.stderr.write(`${text}\n`);
const sum = (list) => list.reduce((a, b) => a + b, 0);

/** CPU seconds a second of each process while it holds some calls and none is made. */
const standing = new Map();
const stop = [];
const keep = (x) => (stop.push(x), x);
const work = workDir();
const place = (name) => {
	const dir = join(work.dir, name);

	mkdirSync(dir);
	return { ...work, dir };
};

/** The same command to every load of a size, its numbers shared; the sums. */
async function all(size, command) {
	const results = await Promise.all(size.loads.map((l) => l.run(command)));
	const bad = sum(results.map((r) => r.refused + r.lost + r.wrong));

	if (bad)
		say(`${size.name}: ${command}: ${bad} refused, lost or wrong (${results.map((r) => r.why).filter(Boolean)})`);
	return { done: sum(results.map((r) => r.done)), seconds: Math.max(...results.map((r) => r.seconds)), bad,
		p99: Math.max(...results.map((r) => r.mo_p99_ms)) };
}

async function measure(size, command) {
	const pids = [size.cscf.map((c) => c.pid), size.agw.map((a) => a.pid)];
	const cpu = () => pids.map((list) => sum(list.map(cpuFine)));
	const before = cpu();
	const begun = performance.now();
	const r = await all(size, command);
	const after = cpu();

	const seconds = (performance.now() - begun) / 1000;
	// Less what they use however many calls there are: heartbeats with the eP-CSCFs of all sizes, and the timers that an AGW
	// has once it holds any call. Three AGWs for the same calls have that three times, which is no cost of a call.
	const idle = pids.map((list) => sum(list.map((pid) => standing.get(pid))) * seconds);

	return { ...r, cpu: after.map((c, i) => 1000 * (c - before[i] - idle[i]) / r.done), rate: r.done / r.seconds };
}

try {
	keep(await startCore(BASE, 0));
	const agws = [];
	let next = BASE + 1;

	for (let i = 0; i < AGWS; i++) {
		const iq = next++;

		agws.push({ ...keep(await startAgw(place(`agw${i}`), { iq, ops: next++, ip: `127.3.1.${i + 1}` })), iq });
	}
	for (const [n, size] of SIZES.entries()) {
		Object.assign(size, { name: `${size.cscfs} x ${size.agws}`, cscf: [], loads: [], paced: [], most: [], agw: agws.slice(0, size.agws) });
		for (let i = 0; i < size.cscfs; i++) {
			const wss = next++;
			const prefix = `s${n}c${i}u`;

			size.cscf.push(keep(await startCscf(place(`size${n}-${i}`), { wss, mw: next++, ops: next++, core: BASE,
				knobs: { agw: { list: size.agw.map((a) => `127.0.0.1:${a.iq}`) }, iq: { controller_id: `size${n}-${i}` } } })));
			const clients = Math.ceil(Math.max(HELD, AT_ONCE) / size.cscfs) + 10;
			const load = keep(await startLoad(wss, { clients, prefix, args: ['--core', `127.0.0.1:${BASE}`] }));
			await load.run(`connect ${clients} 16`);
			size.loads.push(load);
		}
	}
	const everybody = [...agws, ...SIZES.flatMap((s) => s.cscf)].map((p) => p.pid);
	const some = SIZES[AGWS - 1];
	const used = async () => {
		const before = everybody.map(cpuFine);

		await new Promise((resolve) => setTimeout(resolve, 4000));
		return everybody.map((pid, i) => (cpuFine(pid) - before[i]) / 4);
	};
	const empty = await used();

	await all(some, `raise ${4 * AGWS} 8`);
	(await used()).forEach((s, i) => standing.set(everybody[i], s));
	await all(some, 'clear');
	say(`an AGW uses ${empty.slice(0, AGWS).map((s) => (1000 * s).toFixed(1))} ms of CPU a second with no call, ${
		agws.map((a) => (1000 * standing.get(a.pid)).toFixed(1))} with four`);
	for (let round = 0; round < ROUNDS; round++) {
		for (const k of SIZES.keys()) { // who goes first changes with the round
			const size = SIZES[(k + round) % SIZES.length];

			size.paced.push(await measure(size, `calls ${SECONDS} ${RATE / size.cscfs} 0 500 0`));
			size.most.push(await measure(size, `calls ${SECONDS} 0 ${AT_ONCE / size.cscfs} 100 0`));
			say(`round ${round + 1}: ${size.name}: ${size.paced.at(-1).cpu.map((c) => c.toFixed(2)).join(' + ')} ms a call at ${RATE}/s, ${
				size.most.at(-1).rate.toFixed(0)}/s at most`);
		}
	}
	for (const size of SIZES) {
		// The calls of the others have ended, and the AGWs have said so.
		await until(async () => (await Promise.all(size.cscf.map((c) => c.ctl('agw list')))).flat().every((a) => a.contexts === 0));
		await all(size, `raise ${Math.floor(HELD / size.cscfs)} 8`);
		const lists = await size.cscf[0].ctl('agw list');
		size.held = [];
		// What each AGW has of this size: of its own eP-CSCFs.
		for (const c of size.cscf)
			for (const [i, a] of (c === size.cscf[0] ? lists : await c.ctl('agw list')).entries())
				size.held[i] = (size.held[i] ?? 0) + a.contexts_here;
		await all(size, 'clear');
	}

	const [base] = SIZES;
	const mid = (list, f) => summary(list.map(f)).mid;
	const ratio = (size, how, i) => summary(size[how].map((r, n) => r.cpu[i] / base[how][n].cpu[i]));
	const cell = ({ min, mid: m, max }) => `${m.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
	const share = HELD / 1;
	const rows = [['eP-CSCF x AGW', `CPU ms a call at ${RATE}/s`, 'eP-CSCF: of 1 x 1', 'AGW: of 1 x 1', 'calls/s at most', 'CPU ms a call then', 'eP-CSCF: of 1 x 1', 'AGW: of 1 x 1', 'held, by AGW', 'spread', 'wrong']];

	for (const size of SIZES) {
		const even = sum(size.held) / size.held.length;

		rows.push([size.name, [0, 1].map((i) => mid(size.paced, (r) => r.cpu[i]).toFixed(2)).join(' + '), ...[0, 1].map((i) => cell(ratio(size, 'paced', i))),
			mid(size.most, (r) => r.rate).toFixed(0), [0, 1].map((i) => mid(size.most, (r) => r.cpu[i]).toFixed(2)).join(' + '),
			...[0, 1].map((i) => cell(ratio(size, 'most', i))), size.held.join(' '),
			`${(100 * Math.max(...size.held.map((n) => Math.abs(n - even))) / even).toFixed(0)} %`,
			sum([...size.paced, ...size.most].map((r) => r.bad))]);
	}
	console.log(`\n${table(rows)}\n\n${HELD} calls held at each size; the machine's ${(await import('node:os')).cpus().length} CPUs are shared with the load and the core: calls/s do not grow where those are used up.`);
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
