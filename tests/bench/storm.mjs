// SPDX-License-Identifier: Apache-2.0
//
// make bench-storm: what a new connection costs with an ECDSA and with an RSA certificate, by full
// handshake and with a ticket, and how long a registered WIC waits for the answer to a keep-alive
// while handshakes come as fast as they can. WICGATE_BIN_OLD: also the eP-CSCF of another build.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { cpuSeconds, startCore, startCscf, startLoad, summary, table, workDir } from './bench.mjs';

const number = (name, value) => Number(process.env[name] ?? value);
const BASE = number('BENCH_PORTS', 43500);
const ROUNDS = number('BENCH_ROUNDS', 3);
const SECONDS = number('BENCH_SECONDS', 2.5);
const work = workDir();
const stop = [];
const sides = [];

try {
	const rsa = { cert: join(work.dir, 'rsa.pem'), key: join(work.dir, 'rsa.key') };

	execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
		'-keyout', rsa.key, '-out', rsa.cert], { stdio: 'pipe' });
	stop.push(await startCore(BASE));
	for (const [i, [name, certs, bin]] of [['ecdsa-p256', work.certs], ['rsa-2048', rsa],
		...(process.env.WICGATE_BIN_OLD ? [['old-ecdsa', work.certs, process.env.WICGATE_BIN_OLD]] : [])].entries()) {
		const wss = BASE + 1 + 3 * i;
		const cscf = await startCscf({ dir: work.dir, certs }, { wss, mw: wss + 1, ops: wss + 2, core: BASE, name, bin });
		const load = (prefix, source, args) => startLoad(wss, { clients: 400, prefix, args: ['--source', source, ...args] });
		const side = { name, cscf, results: {}, full: await load('f', '127.1.0.1', []),
			resumed: await load('r', '127.3.0.1', ['--resume']), probe: await load('p', '127.5.0.1', []) };

		stop.push(cscf, side.full, side.resumed, side.probe);
		await side.probe.run('connect 1 1');
		sides.push(side);
	}
	const phases = [['quiet'], ['full, 32 at a time', 'full', 32], ['resumed, 32 at a time', 'resumed', 32],
		['full, 300 at a time', 'full', 300]];

	for (let round = 0; round < ROUNDS; round++) {
		for (const [name, load, n] of phases) {
			for (const side of sides) {
				const before = cpuSeconds(side.cscf.pid);
				const [probe, storm] = await Promise.all([side.probe.run(`probe ${SECONDS} 5`),
					load && side[load].run(`storm ${SECONDS} ${n}`)]);
				const cpu = cpuSeconds(side.cscf.pid) - before;

				(side.results[name] ??= []).push({ ...probe, us: storm ? 1e6 * cpu / storm.done : NaN,
					rate: storm ? storm.done / storm.seconds : NaN, lost: storm?.lost ?? 0,
					resumed: storm ? storm.resumed / (storm.resumed + storm.full) : NaN });
			}
		}
	}
	const rows = [['new connections', 'CPU us each', '(min-max)', 'per second', 'resumed', 'lost', 'keep-alive p50 ms', 'p99', 'max']];

	for (const side of sides) {
		for (const [name, list] of Object.entries(side.results)) {
			const of = (key) => summary(list.map((r) => r[key]));
			const us = of('us');

			rows.push([`${side.name}: ${name}`, ...(name === 'quiet' ? ['', '', '', ''] : [us.mid.toFixed(0),
				`${us.min.toFixed(0)}-${us.max.toFixed(0)}`, of('rate').mid.toFixed(0), `${(100 * of('resumed').mid).toFixed(0)} %`]),
			of('lost').max, of('p50_ms').mid.toFixed(2), of('p99_ms').mid.toFixed(1), of('max_ms').max.toFixed(1)]);
		}
	}
	console.log(table(rows));
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
