// SPDX-License-Identifier: Apache-2.0
//
// make bench-signalling: registrations per CPU-second and memory per idle registered WIC, of
// wicgate-cscf and of Kamailio as WebSocket edge proxy, in interleaved rounds of one run.
// BENCH_ROUNDS, BENCH_SECONDS, BENCH_CLIENTS, BENCH_PORTS: see README.md.
import { cpuSeconds, memoryKb, startCore, startCscf, startKamailio, startLoad, startTls, summary, table, workDir }
	from './bench.mjs';

const number = (name, value) => Number(process.env[name] ?? value);
const BASE = number('BENCH_PORTS', 43500);
const ROUNDS = number('BENCH_ROUNDS', 5);
const SECONDS = number('BENCH_SECONDS', 3);
const CLIENTS = number('BENCH_CLIENTS', 1000);
const MOST = 32;
const RATE = number('BENCH_RATE', 200);
const STEPS = [
	['refresh, challenge and answer', `refresh ${SECONDS} ${MOST} digest`],
	['refresh, plain', `refresh ${SECONDS} ${MOST} plain`],
	['new connection', `storm ${SECONDS} ${MOST}`],
	[`plain, ${RATE}/s (latency)`, `pace ${SECONDS} ${RATE} plain`],
];
const say = (text) => process.stderr.write(`${text}\n`);

async function measure(side, command) {
	const before = cpuSeconds(side.pid);
	const r = await side.load.run(command);
	const cpu = cpuSeconds(side.pid) - before;

	if (r.refused || r.lost)
		say(`${side.name}: ${command}: ${r.refused} refused, ${r.lost} lost`);
	return { ...r, cpu, perCpu: r.done / cpu };
}

const stop = [];
const work = workDir();

try {
	const core = await startCore(BASE);
	stop.push(core);
	const cscf = await startCscf(work, { wss: BASE + 1, mw: BASE + 2, ops: BASE + 3, core: BASE });
	stop.push(cscf);
	const kamailio = await startKamailio(work, { wss: BASE + 4, mw: BASE + 5, core: BASE });
	stop.push(kamailio);
	const fast = await startKamailio(work, { wss: BASE + 7, mw: BASE + 8, core: BASE, alloc: 'fm' });
	stop.push(fast);
	const tls = await startTls(BASE + 6, work.certs);
	stop.push(tls);
	const sides = [];

	for (const [name, pid, port, args] of [['wicgate', cscf.pid, BASE + 1, []],
		['kamailio', kamailio.pid, BASE + 4, []], ['kamailio fm', fast.pid, BASE + 7, []],
		['bare TLS', tls.pid, BASE + 6, ['--tls-only']]]) {
		const load = await startLoad(port, { clients: CLIENTS + MOST, args });

		stop.push(load);
		sides.push({ name, pid, load, results: STEPS.map(() => []) });
	}

	// Memory: a tenth first, so that what is made once (pools, tables, caches) is not counted.
	for (const side of sides) {
		const first = Math.floor(CLIENTS / 10);

		await side.load.run(`connect ${first} 16`);
		const before = memoryKb(side.pid);

		await side.load.run(`more ${CLIENTS} 16`);
		await new Promise((resolve) => setTimeout(resolve, 6000)); // transactions of UDP's length have gone
		side.kb = (memoryKb(side.pid) - before) / (CLIENTS - first);
		say(`${side.name}: ${side.kb.toFixed(1)} kB per idle client`);
	}

	const bare = sides.pop();

	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, [what, command]] of STEPS.entries()) {
			// Who goes first changes with the round.
			for (const [k] of sides.entries()) {
				const side = sides[(k + round) % sides.length];

				side.results[i].push(await measure(side, command));
			}
			say(`round ${round + 1}: ${what}: ${sides.map((s) => `${s.name} ${
				s.results[i].at(-1).perCpu.toFixed(0)}/CPU-s`).join(', ')}`);
		}
	}
	const [ours, ...theirs] = sides;
	const range = (s, d = 0) => `${s.min.toFixed(d)}-${s.max.toFixed(d)}`;
	const rows = [['registrations per CPU-second', ...sides.flatMap((s) => [s.name, '(min-max)'])]];
	const ratios = [['wicgate to', ...theirs.flatMap((s) => [s.name, '(min-max)'])]];
	const waits = [['latency, ms', ...sides.flatMap((s) => [`${s.name} p50`, 'p99'])]];

	for (const [i, [what]] of STEPS.entries()) {
		const middle = (side, field) => summary(side.results[i].map((r) => r[field])).mid.toFixed(1);

		rows.push([what, ...sides.flatMap((s) => {
			const of = summary(s.results[i].map((r) => r.perCpu));

			return [of.mid.toFixed(0), range(of)];
		})]);
		ratios.push([what, ...theirs.flatMap((s) => {
			const of = summary(s.results[i].map((r, n) => ours.results[i][n].perCpu / r.perCpu));

			return [of.mid.toFixed(2), range(of, 2)];
		})]);
		waits.push([what, ...sides.flatMap((s) => [middle(s, 'p50_ms'), middle(s, 'p99_ms')])]);
	}
	console.log(`\n${table(rows)}\n\n${table(waits)}\n`);
	console.log(table([['memory per idle registered WIC, kB', ...sides.map((s) => s.name), 'bare TLS'],
		['PSS', ...[...sides, bare].map((s) => s.kb.toFixed(1))],
		['above the TLS library', ...sides.map((s) => (s.kb - bare.kb).toFixed(1)), '']]));
	console.log(`\n${table([...ratios, ['memory above TLS', ...theirs.flatMap((s) => [
		((ours.kb - bare.kb) / (s.kb - bare.kb)).toFixed(2), ''])]])}`);
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
