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
	const tls = await startTls(BASE + 6, work.certs);
	stop.push(tls);
	const sides = [];

	for (const [name, pid, port, args] of [['wicgate', cscf.pid, BASE + 1, []],
		['kamailio', kamailio.pid, BASE + 4, []], ['bare TLS', tls.pid, BASE + 6, ['--tls-only']]]) {
		const load = await startLoad(port, { clients: CLIENTS + MOST, args });

		stop.push(load);
		sides.push({ name, pid, load });
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

	const results = STEPS.map(() => ({ wicgate: [], kamailio: [] }));

	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, [what, command]] of STEPS.entries()) {
			// Who goes first changes with the round.
			const order = round % 2 ? [sides[1], sides[0]] : [sides[0], sides[1]];

			for (const side of order)
				results[i][side.name].push(await measure(side, command));
			say(`round ${round + 1}: ${what}: ${order.map((s) => `${s.name} ${
				results[i][s.name].at(-1).perCpu.toFixed(0)}/CPU-s`).join(', ')}`);
		}
	}
	const rows = [['registrations per CPU-second', 'wicgate', '(min-max)', 'kamailio', '(min-max)', 'ratio', '(min-max)']];
	const waits = [['latency, ms', 'wicgate p50', 'p99', 'kamailio p50', 'p99']];

	for (const [i, [what]] of STEPS.entries()) {
		const w = summary(results[i].wicgate.map((r) => r.perCpu));
		const k = summary(results[i].kamailio.map((r) => r.perCpu));
		const q = summary(results[i].wicgate.map((r, n) => r.perCpu / results[i].kamailio[n].perCpu));
		const range = (s, d = 0) => `${s.min.toFixed(d)}-${s.max.toFixed(d)}`;
		const mid = (side, field) => summary(results[i][side].map((r) => r[field])).mid.toFixed(1);

		rows.push([what, w.mid.toFixed(0), range(w), k.mid.toFixed(0), range(k), q.mid.toFixed(2), range(q, 2)]);
		waits.push([what, mid('wicgate', 'p50_ms'), mid('wicgate', 'p99_ms'), mid('kamailio', 'p50_ms'),
			mid('kamailio', 'p99_ms')]);
	}
	const [w, k, bare] = sides.map((s) => s.kb);

	console.log(`\n${table(rows)}\n\n${table(waits)}\n`);
	console.log(table([['memory per idle registered WIC, kB', 'wicgate', 'kamailio', 'bare TLS', 'ratio'],
		['PSS', w.toFixed(1), k.toFixed(1), bare.toFixed(1), (w / k).toFixed(2)],
		['above the TLS library', (w - bare).toFixed(1), (k - bare).toFixed(1), '', ((w - bare) / (k - bare)).toFixed(2)]]));
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
