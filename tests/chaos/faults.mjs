// SPDX-License-Identifier: Apache-2.0
//
// The faults: what is done, what ends it, and what must be true of the calls afterwards. `play` returns when
// the fault is over and seen to be over; `detect` and `recover` are in ms since it began (undefined: nobody is
// to notice). keep: every call stays. repair: those that are hit move, all of them. lethal: calls may end, but none without a word, and nothing stays behind.
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SECOND, within } from '../lib/wait.js';
import { hurt } from './stage.mjs';

const kill = (d, signal) => process.kill(d.process.pid, signal);
const now = () => performance.now();

/** Links of the first eP-CSCF, by AGW. */
const inService = async (s) => (await s.fleet.cscfs[0].ctl('agw list')).filter((a) => a.in_service).length;

async function netFault(s, how, ms, { seen }) {
	const from = now();

	hurt(how);
	const detect = seen ? await s.time(async () => await inService(s) === 0, from) : undefined;
	await pause(Math.max(0, ms - (now() - from)));
	hurt();
	const healed = now();
	await s.fleet.linked(2);
	return { detect, recover: seen ? Math.round(now() - healed) : undefined };
}

const STOPPED = 2500;

/** netem: where the kernel has it. */
export const faults = [
	{ name: 'DNS silent, then refusing', keep: true, async play(s) {
		for (const mood of ['silent', 'refuse']) {
			const asked = s.fleet.dns.asked;

			s.fleet.dns.mood = mood;
			await s.time(() => s.fleet.dns.asked > asked + 3, now());
			if (await inService(s) !== 2)
				throw new Error('an AGW was dropped because DNS is away');
		}
		s.fleet.dns.mood = 'answer';
		return {};
	} },
	{ name: 'DNS: an AGW leaves the name and returns', keep: true, async play(s) {
		const from = now();

		s.fleet.publish('agw', [0]);
		const detect = await s.time(async () => await inService(s) === 1, from);
		await pause(1000);
		s.fleet.publish('agw', [0, 1]);
		const back = now();
		await s.fleet.linked(2);
		return { detect, recover: Math.round(now() - back) };
	} },
	// An AGW that logs to a file system of 16 kB, an eP-CSCF that logs to a pipe nobody reads.
	{ name: 'logs: disk full, pipe full', keep: true, noticed: 20000, play: (s) => s.onFullLogs() },
	{ name: 'wall clock +1 h, then -2 h', keep: true, async play(s) {
		for (const step of ['+1h', '-1h']) {
			writeFileSync(s.clock, `${step}\n`);
			await pause(1200);
		}
		writeFileSync(s.clock, '+0\n');
		return {};
	} },
	{ name: 'Iq: 20 % of all packets lost', keep: true, play: (s) => netFault(s, { loss: 0.2 }, 2000, { seen: false }) },
	{ name: 'everything 40 ms late', keep: true, netem: true, play: (s) => netFault(s, { delay: '40ms 5ms' }, 2000, { seen: false }) },
	{ name: 'Iq: partition, media untouched', keep: true, play: (s) => netFault(s, { loss: 1 }, 2500, { seen: true }) },
	// Longer than three heartbeats, shorter than T_agwdead: it is noticed, and nothing is done.
	{ name: 'SIGSTOP of an AGW for 2.5 s', keep: true, async play(s) {
		kill(s.fleet.agws[0], 'SIGSTOP');
		const from = now();
		const detect = await s.time(async () => await inService(s) === 1, from);
		await pause(Math.max(0, STOPPED - (now() - from)));
		kill(s.fleet.agws[0], 'SIGCONT');
		const on = now();
		await s.time(() => s.calls.every((c) => now() - c.last < 100), on);
		await s.fleet.linked(2);
		return { detect, recover: Math.round(now() - on) };
	} },
	{ name: 'SIGSTOP of an eP-CSCF for 2.5 s', keep: true, noticed: 6000, async play(s) {
		const row = async () => (await s.fleet.agws[1].ctl('controller list')).find((c) => c.controller === 'cscf-0');
		kill(s.fleet.cscfs[0], 'SIGSTOP');
		const from = now();
		const detect = await s.time(async () => !(await row())?.connected, from);
		await pause(Math.max(0, STOPPED - (now() - from)));
		kill(s.fleet.cscfs[0], 'SIGCONT');
		const on = now();
		await s.fleet.balanced(2);
		await s.fleet.linked(2);
		return { detect, recover: Math.round(now() - on) };
	} },
	{ name: 'kill -9 of an AGW', lethal: true, repair: true, async play(s) {
		const victim = s.fleet.agws[0];
		const from = now();

		kill(victim, 'SIGKILL');
		await victim.process.ended;
		const detect = await s.time(async () => await inService(s) === 1, from);
		await pause(300); // what its calls still had under way
		// Every call has media again or is over, at both ends.
		const recover = await s.time(() => s.calls.every((c) => !c.up || now() - c.last < 200), from);
		await s.fleet.startAgw(0);
		await s.fleet.linked(2);
		return { detect, recover };
	} },
	{ name: 'kill -9 of an eP-CSCF', lethal: true, control: true, noticed: 6000, async play(s) {
		// Until its successor says Hello or T_orphan is over no AGW takes a context away. (The WICs here
		// stop sending when their WebSocket goes; that media goes on is in tests/integration/repair.test.js.)
		const taken = async () => {
			const all = await Promise.all(s.fleet.agws.slice(0, 2).map((a) => a.metrics()));

			return all.reduce((n, m) => n + ['epoch', 'orphan'].reduce((k, why) => k + m.sum('agw_contexts_released_total', { why }), 0), 0);
		};
		const before = await taken();
		const dialogs = await s.fleet.counts('cscf', 'dialogs');
		const victim = s.fleet.cscfs[dialogs[0] >= dialogs[1] ? 0 : 1];
		const from = now();

		kill(victim, 'SIGKILL');
		await victim.process.ended;
		await s.fleet.balanced(1);
		const detect = Math.round(now() - from);
		await pause(Math.max(0, 3000 - (now() - from)));
		const lost = await taken() - before;
		await s.fleet.startCscf(victim.index);
		await s.fleet.balanced(2);
		await s.fleet.linked(2);
		if (lost > 0)
			throw new Error(`${lost} contexts were taken away within three seconds`);
		return { detect, recover: Math.round(now() - from) };
	} },
	{ name: 'rolling restart of all AGWs', rolling: true, async play(s) {
		const from = now();

		for (const d of [...s.fleet.agws].filter((x) => x.index < 2)) {
			kill(d, 'SIGTERM');
			const how = await within(d.process.ended, 30 * SECOND, `${d.kind} to end`);
			if (how.code !== 0)
				throw new Error(`${d.kind} ended with ${how.signal ?? how.code}`);
			await s.fleet.startAgw(d.index);
			await s.fleet.linked(2);
		}
		return { recover: Math.round(now() - from) };
	} },
	{ name: 'rolling restart of all eP-CSCFs', rolling: true, async play(s) {
		const from = now();

		for (const d of [...s.fleet.cscfs].filter((x) => x.index < 2)) {
			await d.ctl('drain'); // as preStop does, so that the balancer knows before the socket goes
			await s.fleet.balanced(1);
			kill(d, 'SIGTERM');
			const how = await within(d.process.ended, 30 * SECOND, `${d.kind} to end`);
			if (how.code !== 0)
				throw new Error(`${d.kind} ended with ${how.signal ?? how.code}`);
			await s.fleet.startCscf(d.index);
			await s.fleet.balanced(2);
			await s.fleet.linked(2);
		}
		return { recover: Math.round(now() - from) };
	} },
];
