// SPDX-License-Identifier: Apache-2.0
//
// make chaos-thousand: 1000 calls with ICE and DTLS, without media packets (which the echoing UE could not
// bear), on two eP-CSCFs and two AGWs. kill -9 of an AGW: its calls move. kill -9 of an eP-CSCF that does not
// come back: its contexts go after T_orphan. Then all hang up, and nothing is left (section 9, 11).
//
//   node tests/chaos/thousand.mjs [--calls N]          (root; it makes a network namespace of its own)
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { table } from '../bench/bench.mjs';
import { NativeWic } from '../lib/nativewic.js';
import { SECOND, until } from '../lib/wait.js';
import { Stage } from './stage.mjs';

const { values: opt } = parseArgs({ options: { calls: { type: 'string', default: '1000' }, inside: { type: 'boolean', default: false } } });
const N = Number(opt.calls);
const T_ORPHAN = 5;
const DETECTED = 3000;

if (!opt.inside) {
	const { status } = spawnSync('unshare', ['--net', '--mount', process.execPath, fileURLToPath(import.meta.url), '--inside',
		...process.argv.slice(2)], { stdio: 'inherit' });

	process.exit(status ?? 2);
}
execFileSync('ip', ['link', 'set', 'lo', 'up']);

const sum = (list) => list.reduce((a, b) => a + b, 0);
const now = () => performance.now();
const problems = [];
const rows = [['fault', 'calls before', 'hit', 'kept', 'moved', 'ended', 'leaked', 'detect ms', 'done ms']];
const must = (ok, what) => ok || problems.push(what);
let s;

const contexts = () => s.fleet.counts('agw', 'contexts');
async function moves(result) {
	const all = await Promise.all(s.fleet.cscfs.filter((c) => !c.process.exit).map((c) => c.metrics()));

	return sum(all.map((m) => m.sum('cscf_call_moves_total', { result })));
}

async function killAgw() {
	const [victim] = s.fleet.agws;
	const before = await contexts();
	const from = now();

	process.kill(victim.process.pid, 'SIGKILL');
	await victim.process.ended;
	const detect = await s.time(async () => (await Promise.all(s.fleet.cscfs.map((c) => c.ctl('agw list'))))
		.every((list) => list.filter((a) => a.in_service).length === 1), from);
	const done = await s.time(async () => await moves('moved') + await moves('failed') + await moves('released') >= before[0], from, 120 * SECOND);
	const ended = N - s.upCalls.length;
	const moved = await moves('moved');
	rows.push(['kill -9 of an AGW', N, before[0], before[1], moved, ended, '-', detect, done]);
	must(detect <= DETECTED, `the AGW's end was noticed after ${detect} ms`);
	must(ended === 0 && moved === before[0], `${moved} of ${before[0]} calls moved, ${ended} ended`);
	must(sum(await contexts()) === N, `${await contexts()} contexts for ${N} calls`);
	await s.fleet.startAgw(0);
	await s.fleet.linked(2);
}

async function killCscf() {
	const dialogs = await s.fleet.counts('cscf', 'dialogs');
	const at = dialogs[0] >= dialogs[1] ? 0 : 1;
	const other = s.fleet.cscfs[1 - at];
	const hit = (await s.fleet.cscfs[at].status()).calls;
	const kept = (await other.status()).calls;
	const from = now();

	process.kill(s.fleet.cscfs[at].process.pid, 'SIGKILL');
	await s.fleet.cscfs[at].process.ended;
	await s.fleet.balanced(1);
	const detect = Math.round(now() - from);
	const done = await s.time(async () => sum(await contexts()) === kept, from, (T_ORPHAN + 20) * SECOND);
	rows.push(['kill -9 of an eP-CSCF, for good', N, hit, kept, 0, hit, '-', detect, done]);
	must(hit + kept === N, `${hit} + ${kept} calls`);
	must(detect <= DETECTED, `the eP-CSCF's end was noticed after ${detect} ms`);
	must(done >= T_ORPHAN * 1000 - 500 && done < (T_ORPHAN + 5) * 1000, `its contexts went after ${done} ms`);
}

let code = 0;
try {
	const iq = { heartbeat: '500ms' };
	const room = { access: { ports: '30000-33999' }, core: { ports: '20000-27999' } };

	s = await Stage.start({ held: N, users: 1, cscf: { iq, T_agwdead: '3s', ws: { max_per_source: 5000 }, sip: {}, log: { level: 'warn' } },
		agw: { iq, ...room, T_orphan: `${T_ORPHAN}s`, shutdown: { grace: '1s' }, log: { level: 'warn' } } });
	await s.churn.stop();
	s.wic = new NativeWic(s.fleet.url, { user: 'load%d', password: 'load', count: N, call: 'echo', calls: N, 'reg-rate': 100, rate: 50,
		duration: 3600, origin: s.fleet.origin, payload: 'none', 'no-media': true });
	await until(async () => s.upCalls.length === N && sum(await contexts()) === N, { ms: (60 + N / 10) * SECOND, every: 200,
		what: () => `${N} calls, ${s.upCalls.length} are up; ${s.wic.process.tail(4)}` });
	console.error(`chaos-thousand: ${N} calls up, by AGW ${await contexts()}, by eP-CSCF ${await s.fleet.counts('cscf', 'calls')}`);
	await killAgw();
	await killCscf();
	await s.unhold();
	const left = await s.leaked(60 * SECOND);
	rows.at(-1)[6] = rows.at(-2)[6] = left;
	must(left === 0, `${left} contexts, streams and dialogs are left`);
} catch (err) {
	console.error(err.stack);
	code = 2;
} finally {
	for (const problem of await s?.stop() ?? [])
		problems.push(problem);
}
console.log(`\n${table(rows)}\n`);
for (const p of problems)
	console.log(`NOT ok: ${p}`);
process.exit(code || (problems.length ? 1 : 0));
