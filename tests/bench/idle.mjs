// SPDX-License-Identifier: Apache-2.0
//
// make bench-idle: BENCH_WICS registered WICs on one eP-CSCF; then half of them are cut off at
// once and come back with back-off. Prints what it cost, and fails when one is lost or counted
// wrongly, or when the core got more than reg.max_initial_rate lets through.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpuSeconds, memoryKb, startCore, startCscf, startLoad, table, workDir } from './bench.mjs';

const number = (name, value) => Number(process.env[name] ?? value);
const given = (process.env.BENCH_PORTS ?? '43500').split(',').map(Number);
const [CORE, WSS, MW, OPS] = given.length > 1 ? given : [0, 1, 2, 3].map((i) => given[0] + i);
const HOLD = number('BENCH_HOLD', 10);
/** Descriptors a process may have here: more than the hard limit only where we may raise that. */
const FDS = Number(execFileSync('/bin/sh', ['-c', 'ulimit -n 65536 2>/dev/null || ulimit -n $(ulimit -Hn); ulimit -n']));
const WANTED = number('BENCH_WICS', 20000);
const WICS = Math.min(WANTED, FDS - 100);
const RATE = number('BENCH_RATE', 400);
const SPREAD_MS = number('BENCH_SPREAD_MS', 1000);
const RETRY = process.env.BENCH_RETRY_AFTER;
const PROBE_MS = 20;
const say = (text) => process.stderr.write(`${text}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const faults = [];

if (WICS < WANTED)
	console.log(`${WICS} WICs, not ${WANTED}: a process may have ${FDS} descriptors here, and the limit cannot be raised`);
const stop = [];
const work = workDir();

try {
	const core = await startCore(CORE);
	stop.push(core);
	const cscf = await startCscf(work, { wss: WSS, mw: MW, ops: OPS, core: CORE, fds: FDS,
		knobs: { ws: { max_connections: WICS + 1000, rate: 20, burst: 100, unauth_timeout: '120s' },
			reg: { max_initial_rate: RATE }, ...RETRY ? { overload: { retry_after: RETRY, retry_after_max: '4s' } } : {},
			limits: { registrations: 2 * WICS + 1000 } } });
	stop.push(cscf);
	const rss = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${cscf.pid}/status`, 'utf8'))[1]);
	const probe = await startLoad(WSS, { clients: 1, prefix: 'probe', args: ['--source', '127.2.0.1'] });
	stop.push(probe);
	const fleet = await startLoad(WSS, { clients: WICS });
	stop.push(fleet);

	await probe.run('connect 1 1');
	const empty = { kb: memoryKb(cscf.pid), rss: rss() };
	const rows = [['phase', 'seconds', 'p50 ms', 'p99 ms', 'refused', 'core REGISTER/s', 'eP-CSCF CPU s', 'RSS MB',
		'probe p50 ms', 'p99', 'max']];

	/** Run a command of the fleet, with the probe beside it, and tell what happened. */
	async function phase(name, command, ms) {
		const cpu = cpuSeconds(cscf.pid);
		const since = core.said().length;
		let over = false;
		const seen = [];
		const probing = (async () => {
			while (!over)
				seen.push(await probe.run(`probe 2 ${PROBE_MS}`));
		})();
		const r = await fleet.run(command, ms);

		over = true;
		await probing;
		await sleep(1500); // the core's last second
		const perSecond = core.said().slice(since).filter((o) => o.s !== undefined);
		const worst = (key) => Math.max(...seen.map((p) => p[key]));
		const middle = seen.map((p) => p.p50_ms).sort((a, b) => a - b)[Math.floor(seen.length / 2)];

		r.registers = perSecond.reduce((sum, o) => sum + o.register, 0);
		r.fastest = Math.max(0, ...perSecond.map((o) => o.register));
		// Two REGISTERs each, and the bucket holds a second's worth.
		for (let from = 0; RATE > 0 && command.startsWith('c') && from < perSecond.length; from++) {
			let sum = 0;

			for (let to = from; to < perSecond.length; to++) {
				const s = perSecond[to].s - perSecond[from].s + 1;

				sum += perSecond[to].register;
				if (sum > 2 * RATE * (s + 1) * 1.05)
					faults.push(`${name}: ${sum} REGISTERs in ${s} s at the core, the rate is ${RATE} registrations/s`);
			}
		}
		rows.push([name, r.seconds.toFixed(1), r.p50_ms.toFixed(1), r.p99_ms.toFixed(1), r.refused, r.fastest,
			(cpuSeconds(cscf.pid) - cpu).toFixed(1), (rss() / 1024).toFixed(0), middle.toFixed(2),
			worst('p99_ms').toFixed(1), worst('max_ms').toFixed(1)]);
		say(`${name}: ${JSON.stringify(r)}`);
		return r;
	}

	/** All must be there, by what the eP-CSCF says itself. */
	async function counted(when) {
		const status = await cscf.ctl('status');
		const wanted = WICS + 1;

		for (const name of ['connections', 'registrations'])
			if (find(status, name) !== wanted)
				faults.push(`${when}: ${find(status, name)} ${name}, not ${wanted}`);
	}

	function find(o, name) {
		for (const [key, v] of Object.entries(o ?? {})) {
			if (key === name && typeof v === 'number')
				return v;
			const inner = v && typeof v === 'object' ? find(v, name) : undefined;

			if (inner !== undefined)
				return inner;
		}
		return undefined;
	}

	await phase(`register ${WICS}`, `connect ${WICS} 128`, 600_000);
	await phase('idle', `hold ${HOLD}`, 60_000);
	await counted('registered');
	const full = { kb: memoryKb(cscf.pid), rss: rss() };
	const back = await phase('half cut off', `crash 51 ${SPREAD_MS}`, 600_000);

	await phase('idle', `hold ${HOLD}`, 60_000);
	await counted('after the cut');
	const after = { kb: memoryKb(cscf.pid), rss: rss() };

	await phase('and again', `crash 51 ${SPREAD_MS}`, 600_000);
	await phase('idle', `hold ${HOLD}`, 60_000);
	await counted('after the second cut');
	const last = { kb: memoryKb(cscf.pid), rss: rss() };

	await phase('refresh, plain', 'refresh 3 32 plain', 60_000);
	console.log(`\n${table(rows)}\n`);
	console.log(table([['eP-CSCF memory', 'PSS MB', 'RSS MB', 'kB per WIC (PSS)'],
		['empty', (empty.kb / 1024).toFixed(1), (empty.rss / 1024).toFixed(1), ''],
		['all registered', (full.kb / 1024).toFixed(1), (full.rss / 1024).toFixed(1), ((full.kb - empty.kb) / WICS).toFixed(1)],
		['half cut off and back', (after.kb / 1024).toFixed(1), (after.rss / 1024).toFixed(1),
			((after.kb - empty.kb) / WICS).toFixed(1)],
		['the same once more', (last.kb / 1024).toFixed(1), (last.rss / 1024).toFixed(1),
			((last.kb - empty.kb) / WICS).toFixed(1)]]));
	console.log(`\nREGISTERs at the core while half came back: ${back.registers}; reg.max_initial_rate ${RATE}; ${
		back.refused} attempts refused, ${back.lost} connections lost, TLS ${back.full} full, ${back.resumed} resumed`);
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
for (const f of faults)
	console.log(`FAULT: ${f}`);
process.exitCode = faults.length ? 1 : 0;
