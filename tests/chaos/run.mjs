// SPDX-License-Identifier: Apache-2.0
//
// make chaos: every fault once, on two eP-CSCFs and two AGWs under live calls; a table at the end.
//
//   node tests/chaos/run.mjs [--calls N] [--rate N] [--json FILE] [part of a fault's name ...]
//
// Runs itself again in a network and mount namespace of its own (root). Exit code 1 when a fault cost more
// than it may, 2 when it could not be played.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { table } from '../bench/bench.mjs';
import { address } from '../lib/fleet.js';
import { SECOND, within } from '../lib/wait.js';
import { Churn } from './churn.mjs';
import { faults } from './faults.mjs';
import { Stage, haveNetem } from './stage.mjs';

const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const { values: opt, positionals: wanted } = parseArgs({ allowPositionals: true, options: {
	calls: { type: 'string', default: '20' }, rate: { type: 'string', default: '5' }, json: { type: 'string' },
	inside: { type: 'boolean', default: false } } });
const CALLS = Number(opt.calls);
const RATE = Number(opt.rate);
const CHURN_MS = 2000;
const HEARD = 1000; // ms since its last packet: the call has media
const DETECTED = 3000; // ms at most until the other side acts on a fault

if (!opt.inside) {
	const self = fileURLToPath(import.meta.url);
	const { status } = spawnSync('unshare', ['--net', '--mount', process.execPath, self, '--inside', ...process.argv.slice(2)],
		{ stdio: 'inherit' });

	process.exit(status ?? 2);
}
execFileSync('ip', ['link', 'set', 'lo', 'up']);

const say = (text) => process.stderr.write(`chaos: ${text}\n`);
const at = (list, share) => list.length ? Math.round([...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))]) : undefined;

/** An AGW whose log is on a file system of 16 kB and an eP-CSCF whose log nobody reads: both serve calls, and end in order. */
async function onFullLogs() {
	const { fleet } = this;
	const small = join(this.dir, 'small');
	const pipe = join(this.dir, 'pipe');

	mkdirSync(small);
	execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', small]);
	execFileSync('mkfifo', [pipe]);
	const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
	for (let room = true; room;) {
		try {
			writeSync(fd, Buffer.alloc(4096));
		} catch {
			room = false;
		}
	}
	const into = (file) => ({ via: ['sh', '-c', `exec "$0" "$@" 2>>${file}`] });
	const agw = await fleet.startAgw(2, into(join(small, 'log')));
	fleet.publish('agw', [0, 1, 2]);
	const cscf = await fleet.startCscf(2, into(pipe));
	await fleet.linked(3);
	for (const d of [agw, cscf])
		await d.ctl('log level', 'trace');
	const from = performance.now();
	const users = new Churn({ url: fleet.wssUrl(2), origin: fleet.origin, users: 8, first: 400 });
	await users.start();
	const over = users.run({ rate: 5, ms: 1000 });
	const detect = await this.time(async () => (await Promise.all([agw, cscf].map((d) => d.metrics())))
		.every((m) => m.sum('log_lines_dropped_total') > 0) && (await fleet.counts('agw', 'contexts'))[2] > 0, from, 15 * SECOND);
	const fates = await over();
	if (!fates.ok || fates.lost || fates.refused)
		throw new Error(`calls of the eP-CSCF that cannot log: ${JSON.stringify(fates)}`);
	await users.stop();
	fleet.publish('agw', [0, 1]);
	for (const d of [cscf, agw]) {
		process.kill(d.process.pid, 'SIGTERM');
		const how = await within(d.process.ended, 20 * SECOND, `${d.kind}, which cannot log, to end`);
		if (how.code !== 0)
			throw new Error(`${d.kind} ended with ${how.signal ?? how.code}`);
	}
	fleet.agws.length = fleet.cscfs.length = 2;
	await fleet.linked(2);
	execFileSync('umount', [small]);
	closeSync(fd);
	return { detect };
}

async function play(s, fault) {
	const row = { fault: fault.name, problems: [] };
	const rolling = fault.rolling;

	if (rolling && s.wic)
		await end(s, row);
	if (!s.wic && !rolling)
		await s.hold();
	if (rolling && fault.name.includes('AGW'))
		await s.hold(CALLS, { duration: 4, total: 1e6 });
	const rate = rolling ? Math.max(RATE, CALLS / 4) : RATE;
	const churned = s.churn.run({ rate, ms: rolling ? 4000 : CHURN_MS });
	// Where nobody holds calls: until as many come and go as will be live.
	const live = rolling && !s.wic ? 0.8 * 4 * rate : 1;
	await s.time(() => s.churn.up >= live, performance.now());
	s.mark();
	const before = s.upCalls;
	row.before = before.length + s.churn.up;
	try {
		Object.assign(row, await fault.play(s));
	} catch (err) {
		row.problems.push(err.message.split('\n')[0]);
	}
	if (!rolling)
		await pause(300);
	// Who was cut off is silent for longer than a busy machine keeps anybody waiting.
	const alive = before.filter((c) => c.up && performance.now() - c.last < HEARD);
	if (!rolling) {
		row.repaired = alive.filter((c) => c.repaired).length;
		row.kept = alive.length - row.repaired;
		row.released = before.filter((c) => c.call.why === 'bye received').length;
		if (fault.control) // nobody is left who could tell the other end: its AGW ends the media
			row.released = before.length - alive.length;
		row.gap50 = at(alive.map((c) => c.gap), 0.5);
		row.gap99 = at(alive.map((c) => c.gap), 0.99);
	} else if (s.wic) {
		const ends = s.wic.process.lines.filter((l) => l.startsWith('event=ended')).map((l) => /by=(\w+)/.exec(l)[1]);

		row.lost = ends.filter((by) => by !== 'local').length;
		row.ended = ends.filter((by) => by === 'local').length;
		row.failed = s.wic.process.lines.filter((l) => l.startsWith('event=call-failed')).length;
		const gaps = s.calls.filter((c) => c.worst > 0).map((c) => c.worst);
		row.gap50 = at(gaps, 0.5);
		row.gap99 = at(gaps, 0.99);
	}
	const fates = await churned();
	row.churn = `${fates.ok}/${fates.refused}/${fates.lost}`;
	row.lost ??= rolling ? 0 : before.length - row.kept - row.repaired - row.released;
	if (!fault.lethal)
		row.lost += fates.lost;
	if (rolling)
		row.kept = fates.ok + (row.ended ?? 0);
	if (row.lost > 0)
		row.problems.push(`${row.lost} calls lost: ${[...s.churn.why].map(([w, n]) => `${n} ${w}`).join('; ')}`);
	if (row.detect > (fault.noticed ?? DETECTED))
		row.problems.push(`noticed after ${row.detect} ms`);
	// Who drains sends new calls away for as long as WICs take to come back elsewhere.
	const answered = [...s.churn.why].reduce((n, [why, k]) => n + (why.startsWith('refused: SIP/2.0') ? k : 0), 0);
	if (rolling && answered > fates.ok / 10)
		row.problems.push(`${answered} short calls refused beside ${fates.ok} in order`);
	if (fault.repair && row.released > 0)
		row.problems.push(`${row.released} calls ended that could have moved`);
	if (fault.repair && !(row.repaired > 0 && row.gap99 < 5000))
		row.problems.push(`${row.repaired} calls moved, longest silence ${row.gap99} ms`);
	if (fault.keep && row.kept !== before.length)
		row.problems.push(`${before.length - row.kept} of ${before.length} calls did not stay`);
	for (const d of s.fleet.daemons)
		if (d.process.exit && d.process.exit.signal !== 'SIGKILL' && d.process.exit.code !== 0)
			row.problems.push(`${d.kind} ended with ${d.process.exit.signal ?? d.process.exit.code}`);
	if (fault.lethal || rolling)
		await end(s, row);
	if (process.env.CHAOS_LOGS && row.problems.length)
		for (const d of s.fleet.daemons)
			console.error(`--- ${d.kind}\n${d.process.tail(40)}`);
	say(`${row.problems.length ? 'NOT ' : ''}ok: ${fault.name}${row.problems.map((p) => `\n  ${p}`).join('')}${
		fates.refused ? `\n  refused: ${[...s.churn.why].map(([w, n]) => `${n} ${w}`).join('; ')}` : ''}`);
	return row;
}

/** The calls with media end; what is left then has leaked. */
async function end(s, row) {
	if (s.wic)
		await s.unhold();
	row.leaked = await s.leaked();
	for (const earlier of rows) // their calls were the same ones
		earlier.leaked ??= row.leaked;
	if (row.leaked)
		row.problems.push(`${row.leaked} contexts, streams and dialogs are left`);
}

const netem = haveNetem();
const chosen = faults.filter((f) => (netem || !f.netem) && (wanted.length === 0 || wanted.some((w) => f.name.includes(w))));

if (!netem)
	say('this kernel has no netem: nothing is delayed, only lost');
const rows = [];
let s;
let code = 0;

try {
	const iq = { heartbeat: '500ms' };

	s = await Stage.start({ held: CALLS, users: Math.max(24, 2 * CALLS),
		cscf: { iq, T_agwdead: '5s', shutdown: { grace: '20s' }, log: { level: 'info' } },
		agw: { iq, shutdown: { grace: '20s' }, ice: { timeout: '60s' }, log: { level: 'info' } } });
	s.onFullLogs = onFullLogs;
	s.clock = join(s.dir, 'clock');
	writeFileSync(s.clock, '+0\n');
	// The second of each kind believes a clock of ours.
	const env = { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: s.clock, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_CACHE_DURATION: '1' };
	if (chosen.some((f) => f.name.includes('clock'))) {
		await s.fleet.agws[1].stop();
		await s.fleet.startAgw(1, { env });
		await s.fleet.cscfs[1].stop();
		await s.fleet.startCscf(1, { env });
		await s.fleet.linked(2);
		await s.fleet.balanced(2);
	}
	for (const fault of chosen)
		rows.push(await play(s, fault));
	if (s.wic) {
		const last = { problems: [] };

		await end(s, last);
		rows.at(-1).problems.push(...last.problems);
	}
} catch (err) {
	say(err.stack);
	code = 2;
} finally {
	for (const problem of await s?.stop() ?? []) {
		say(problem);
		code ||= 1;
	}
}
const ms = (n) => n === undefined ? '-' : `${n}`;
const cells = (r) => [r.fault, r.before, r.kept, ms(r.repaired), ms(r.released), r.lost, ms(r.leaked), ms(r.gap50), ms(r.gap99), ms(r.detect), ms(r.recover), r.churn];
console.log(`\n${table([['fault', 'before', 'kept', 'repaired', 'released', 'lost', 'leaked', 'gap p50', 'gap p99', 'detect', 'recover',
	'short calls'], ...rows.map(cells)])}\n\n` +
	`${CALLS} calls with media and ${RATE} short calls a second; times and gaps (longest without media, towards the core) in ms;\n` +
	`short calls: ended in order / refused / ended by somebody else. AGWs on ${address('agw', 0)}…, heartbeat 500 ms, T_agwdead 5 s.`);
if (opt.json)
	writeFileSync(opt.json, JSON.stringify({ rows, code }));
if (rows.some((r) => r.problems.length))
	code ||= 1;
process.exit(code);
