#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// make leak (REL-01): 100 000 calls, from a WIC and from the core in turn, through one eP-CSCF and one AGW. After the
// first tenth and after the last nothing may be left of them, and memory may not have grown between the two.
// tests/integration/leak.test.js runs it small. Variables: BENCH_CALLS (100000), BENCH_RATE (300), BENCH_PORTS (43700).
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ctl } from '../lib/ctl.js';
import { until } from '../lib/wait.js';
import { memoryKb, startAgw, startCore, startCscf, startLoad, table, workDir } from './bench.mjs';

const OF_CSCF = ['calls', 'dialogs', 'proxied', 'transactions', 'transactions_lingering', 'contexts', 'iq_requests'];
const OF_AGW = ['contexts', 'streams', 'ports_in_use'];
/** What an allocator may keep, of what it had: a share, and some MiB. */
const SHARE = 1.05;
const MORE_KB = 2048;
// Not those of the tests beside it: they look at what passes the loopback interface.
const PORTS = { access: { ports: '20000-24999' }, core: { ports: '25000-31999' } };

/** Sums of what is still there of calls, by name, of both processes; those that are 0 left out. */
async function left(cscf, agwSocket) {
	const [c, a] = await Promise.all([cscf.ctl('status'), ctl(agwSocket, 'status')]);
	const rest = [...OF_CSCF.map((k) => [`cscf ${k}`, c[k]]), ...OF_AGW.map((k) => [`agw ${k}`, a[k]])];

	if (rest.some(([, n]) => n === undefined))
		throw new Error(`status does not know ${rest.filter(([, n]) => n === undefined).map(([k]) => k)}`);
	return Object.fromEntries(rest.filter(([, n]) => n !== 0));
}

/** Now and then a load that is not let run hangs up before the answer to its check was read: no leak either way. */
const isStarved = (r, k) => k === 'wrong' && / no-ice$/.test(r.why) && r.wrong < 1 + r.done / 100;

/**
 * @param {object} o calls; rate; hold, ms; ports, six; ip of the media; bin of the gateway; knobs of the eP-CSCF; judgeMemory: false where an allocator says
 *   nothing; say: told of each phase
 * @returns problems: lines, none is good; memory; done
 */
export async function leak({ calls, rate, hold = 100, ports: [wss, mw, cscfOps, core, iq, agwOps], ip = '127.3.1.1', bin, knobs = {}, judgeMemory = true, say = () => {} }) {
	const work = workDir();
	const stop = [];
	const keep = (x) => (stop.push(x), x);
	const problems = [];
	const memory = [];
	let done = 0;

	try {
		keep(await startCore(core, 0));
		const agw = keep(await startAgw(work, { iq, ops: agwOps, ip, bin, knobs: PORTS }));
		const cscf = keep(await startCscf(work, { wss, mw, ops: cscfOps, core, bin, knobs: { agw: { list: [`127.0.0.1:${iq}`] }, ...knobs } }));
		const clients = Math.ceil(rate * (0.1 + hold / 1000)) + 40;
		const load = keep(await startLoad(wss, { clients, args: ['--core', `127.0.0.1:${core}`] }));

		await load.run(`connect ${clients} 8`);
		for (const share of [0.1, 0.9]) {
			const seconds = calls * share / rate;
			const r = await load.run(`calls ${seconds} ${rate} 0 ${hold} 0`, seconds * 4000 + 60_000);

			done += r.done;
			for (const k of ['refused', 'lost', 'wrong'])
				if (r[k] && !isStarved(r, k))
					problems.push(`${r[k]} calls ${k} (${r.why})`);
			const rest = await until(async () => Object.keys(await left(cscf, join(work.dir, 'agw', 'ctl'))).length === 0, { ms: 60_000 })
				.then(() => ({}), () => left(cscf, join(work.dir, 'agw', 'ctl')));

			for (const [k, n] of Object.entries(rest))
				problems.push(`${k}: ${n} left after ${done} calls`);
			memory.push({ done, cscf: memoryKb(cscf.pid), agw: memoryKb(agw.pid) });
			say(`${done} calls: eP-CSCF ${memory.at(-1).cscf} kB, AGW ${memory.at(-1).agw} kB`);
		}
		if (done < calls * 0.95)
			problems.push(`only ${done} of ${calls} calls were made`);
		for (const who of judgeMemory ? ['cscf', 'agw'] : []) {
			const [before, after] = memory.map((m) => m[who]);

			if (after > before * SHARE + MORE_KB)
				problems.push(`${who}: ${before} kB after a tenth of the calls, ${after} kB after all`);
		}
		// A sanitizer's report, and what was never given back, make the exit status.
		for (const p of [cscf, agw])
			await p.process.stop('SIGTERM', 60_000).then(({ code, signal }) => {
				if (code !== 0)
					problems.push(`${p.process.name} ended with ${code ?? signal}`);
			});
	} finally {
		for (const s of stop.reverse())
			await s.stop();
		work.end();
	}
	return { problems, memory, done };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const number = (name, value) => Number(process.env[name] ?? value);
	const first = number('BENCH_PORTS', 43700);
	const r = await leak({ calls: number('BENCH_CALLS', 100_000), rate: number('BENCH_RATE', 300),
		ports: [0, 1, 2, 3, 4, 5].map((i) => first + i), say: (text) => console.log(text) });

	console.log(table([['calls', 'eP-CSCF kB', 'AGW kB'], ...r.memory.map((m) => [m.done, m.cscf, m.agw])]));
	for (const p of r.problems)
		console.log(p);
	console.log(`leak: ${r.problems.length ? 'something is left' : 'nothing is left'}`);
	process.exitCode = r.problems.length ? 1 : 0;
}
