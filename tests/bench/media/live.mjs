// SPDX-License-Identifier: Apache-2.0
//
// One wicgate-agw under wicgate-bench-churn: started, watched while calls come and go (and a flood
// may be thrown at those that stay), and looked at when all are gone. judge() says what is wrong.
// Used by soak.mjs and by the integration tests.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SECOND, until } from '../../lib/wait.js';

const IP = '127.0.0.1';
const SANITIZER_EXIT = 99;
const ENV = {
	...process.env,
	ASAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:detect_leaks=1:abort_on_error=0`,
	UBSAN_OPTIONS: `print_stacktrace=1:exitcode=${SANITIZER_EXIT}`,
	LSAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:suppressions=${fileURLToPath(new URL('../../lib/lsan.supp', import.meta.url))
		}:print_suppressions=0`,
	TSAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:halt_on_error=0:second_deadlock_stack=1`,
};
const REPORT = /ERROR: (Address|Leak|Undefined)|WARNING: ThreadSanitizer|runtime error:|ASSERT/;
const REPORTS_KEPT = 200; // lines
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const field = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN);

/** A running gateway. */
class Agw {
	lines = [];
	events = new Map(); // of the log, warnings and worse, by name

	constructor(o) {
		const conf = join(o.dir, 'agw.yaml');

		this.ops = `http://${IP}:${o.opsPort}`;
		writeFileSync(conf, `iq: { listen: "${IP}:${o.iqPort}" }
access: { listen_ip: [${IP}], ports: ${o.accessPorts}, shared_ports: ${o.shared} }
core: { listen_ip: [${IP}], ports: ${o.corePorts} }
port: { quarantine: ${o.quarantine}s }
media: { workers: ${o.workers} }
ops: { listen: "${IP}:${o.opsPort}", ctl_socket: "" }
log: { level: warn }
# The machine may be full with the generator itself.
limits: { cpu_percent: 0 }
`);
		this.child = spawn(join(o.bin, 'wicgate-agw'), ['--config', conf, '--set', `ice.mode=${o.ice}`, ...o.set.flatMap((s) => ['--set', s])],
			{ stdio: ['ignore', 'ignore', 'pipe'], env: ENV });
		this.ended = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve({ code, signal })));
		createInterface(this.child.stderr).on('line', (l) => this.#line(l));
	}

	#line(text) {
		this.last = [...(this.last ?? []).slice(-40), text];
		const event = / event=(\S+)/.exec(text)?.[1];

		if (event)
			this.events.set(event, (this.events.get(event) ?? 0) + 1);
		else if (this.lines.length < REPORTS_KEPT)
			this.lines.push(text);
	}

	get alive() {
		return this.child.exitCode === null && this.child.signalCode === null;
	}

	async ready() {
		await until(async () => !this.alive || (await fetch(`${this.ops}/readyz`)).ok, { ms: 30 * SECOND, what: 'wicgate-agw to get ready' });
		if (!this.alive)
			throw new Error(`wicgate-agw ended with ${this.child.exitCode}:\n${this.lines.join('\n')}`);
	}

	/** What it holds, by its own count and by the kernel's. */
	async sample() {
		const s = await fetch(`${this.ops}/status`, { headers: { Connection: 'close' } }).then((r) => r.json());
		const rollup = readFileSync(`/proc/${this.child.pid}/smaps_rollup`, 'utf8');

		return { contexts: s.contexts, releasing: s.contexts_releasing, streams: s.streams, handshakes: s.handshakes,
			ports: s.ports_in_use, resting: s.ports_resting, events_lost: s.events_lost, notifications: s.notifications_waiting,
			fds: readdirSync(`/proc/${this.child.pid}/fd`).length, pss_kib: field(rollup, 'Pss'), heap_kib: field(rollup, 'Anonymous') };
	}

	/** Datagrams not relayed, by reason. */
	async drops() {
		const text = await fetch(`${this.ops}/metrics`, { headers: { Connection: 'close' } }).then((r) => r.text());

		return Object.fromEntries([...text.matchAll(/^agw_media_drop_total\{reason="([^"]+)"\} (\d+)/gm)].map((m) => [m[1], Number(m[2])]));
	}

	async stop() {
		if (this.alive)
			this.child.kill('SIGTERM');
		const timer = setTimeout(() => this.child.kill('SIGKILL'), 60000);
		const how = await this.ended;

		clearTimeout(timer);
		return how;
	}
}

const idle = (s) => s.contexts === 0 && s.releasing === 0 && s.streams === 0 && s.ports === 0 && s.resting === 0 && s.handshakes === 0;

/**
 * Run it. Options: bin, gen (folders of programs), dir (scratch), iqPort, opsPort, accessPorts, corePorts, quarantine (s),
 * workers, shared, set [key=value], rate, stay, hold (ms), giveUp (%), seconds, flood (/s), payload, interval, profile, ice (lite, full),
 * every (ms between samples), onSample.
 * @return { end: the generator's last words, code, samples, before, after, drops, how, reports, events }
 */
export async function live(o) {
	o = { set: [], shared: 0, workers: 2, rate: 0, stay: 0, hold: 1000, giveUp: 10, flood: 0, payload: 160, interval: 20,
		profile: 'aes128-gcm', ice: 'lite', every: 1000, quarantine: 30, gen: o.bin, ...o };
	const agw = new Agw(o);
	const samples = [];
	let end, why = '';

	try {
		await agw.ready();
		const before = await agw.sample();
		const dropsBefore = await agw.drops();
		const load = spawn(join(o.gen, 'wicgate-bench-churn'), ['--where', `${IP}:${o.iqPort}`, '--rate', o.rate, '--stay', o.stay,
			'--hold', o.hold, '--give-up', o.giveUp, '--seconds', o.seconds, '--flood', o.flood, '--payload', o.payload,
			'--interval', o.interval, '--profile', o.profile, '--ice-full', Number(o.ice === 'full')].map(String), { stdio: ['ignore', 'pipe', 'pipe'], env: ENV });
		const loadEnded = new Promise((resolve) => load.once('exit', (code, signal) => resolve(code ?? signal)));
		const began = performance.now();
		let last = {};

		createInterface(load.stderr).on('line', (l) => { why += `${l}\n`; });
		createInterface(load.stdout).on('line', (l) => {
			const j = JSON.parse(l);

			if (j.end_s === undefined)
				last = j;
			else
				end = j;
		});
		const over = loadEnded.then(() => 'over');
		while (agw.alive && await Promise.race([over, sleep(o.every)]) !== 'over') {
			const s = { t: (performance.now() - began) / 1000, ...await agw.sample().catch(() => ({})), load: last };

			samples.push(s);
			o.onSample?.(s);
		}
		const died = !agw.alive;
		if (died)
			load.kill('SIGKILL');
		const code = await loadEnded;
		let after = {};

		await until(async () => {
			if (!agw.alive)
				return true;
			after = await agw.sample();
			return idle(after) && after.fds <= before.fds;
		}, { ms: (o.quarantine + 15) * SECOND, every: 100, what: 'nothing to be left' }).catch(() => {}); // the judge says what is
		const drops = agw.alive ? await agw.drops().catch(() => ({})) : {};

		for (const [reason, n] of Object.entries(dropsBefore))
			drops[reason] -= n;
		return { options: o, end, code, why, samples, before, after, drops, died, how: await agw.stop(), last: agw.last,
			reports: agw.lines.filter((l) => REPORT.test(l)).length ? agw.lines : [], events: Object.fromEntries(agw.events) };
	} finally {
		await agw.stop();
	}
}

/** Least squares: growth per second. */
export function slope(samples, get) {
	const n = samples.length;
	const t = samples.reduce((a, s) => a + s.t, 0) / n, v = samples.reduce((a, s) => a + get(s), 0) / n;
	const tt = samples.reduce((a, s) => a + (s.t - t) ** 2, 0);

	return tt > 0 ? samples.reduce((a, s) => a + (s.t - t) * (get(s) - v), 0) / tt : 0;
}

/**
 * Anonymous memory after the warm-up: { from, kib, grown, bound }, or nothing when the run was too short to tell.
 * Not PSS: who else runs with the same libraries changes that.
 */
export function memory(r) {
	const from = Math.max(r.options.seconds / 4, 2 * r.options.quarantine + 10);
	const measured = r.samples.filter((s) => s.t >= from && s.t <= r.options.seconds && Number.isFinite(s.heap_kib));

	if (measured.length < 20)
		return undefined;
	const kib = measured.reduce((a, s) => a + s.heap_kib, 0) / measured.length;

	return { from, kib, grown: slope(measured, (s) => s.heap_kib) * (measured.at(-1).t - measured[0].t), bound: Math.max(2048, kib * 0.04) };
}

/** What is wrong with a run, in words; an empty list when nothing is. */
export function judge(r) {
	const e = r.end;
	const wrong = [];
	const must = (ok, text) => ok || wrong.push(text);

	must(e, `the generator ended with ${r.code}: ${r.why}`);
	must(r.reports.length === 0, `a sanitizer reported:\n${r.reports.join('\n')}`);
	must(r.how.code === 0 && !r.died, `wicgate-agw ended ${r.died ? 'by itself ' : ''}with ${r.how.signal ?? r.how.code}: ${r.last?.join('\n')}`);
	if (!e)
		return wrong;
	must(r.code === 0, `the generator ended with ${r.code}: ${r.why}`);
	must(e.failed === 0 && e.living === 0, `${e.failed} calls failed (${JSON.stringify(e.faults)}), ${e.living} did not end: ${r.why}`);
	must(e.done === e.started + r.options.stay - e.given_up, `${e.done} calls done of ${e.started} + ${r.options.stay} - ${e.given_up}`);
	must(e.lost + e.corrupt + e.duplicate + e.stray === 0,
		`packets: ${e.lost} lost, ${e.corrupt} corrupt, ${e.duplicate} doubled, ${e.stray} after the end of their call or to strangers`);
	must(r.after.contexts !== undefined && idle(r.after), `left behind: ${JSON.stringify(r.after)}`);
	must(r.after.fds <= r.before.fds, `${r.after.fds} descriptors, ${r.before.fds} before`);
	must(r.after.events_lost === r.before.events_lost, `${r.after.events_lost} events lost on a full ring`);
	must(r.samples.every((s) => !(s.contexts > s.load.living + 2 * r.options.rate + 50)), 'contexts pile up');
	const m = r.options.leaks === false ? undefined : memory(r);

	must(!m || m.grown <= m.bound, m && `memory grew by ${Math.round(m.grown)} KiB after the warm-up (allowed: ${Math.round(m.bound)})`);
	if (r.options.flood > 0) {
		const dropped = Object.values(r.drops).reduce((a, n) => a + n, 0);

		must(dropped >= e.flood.must_drop && dropped <= e.flood.sent,
			`${dropped} datagrams counted as dropped, of a flood of ${e.flood.sent} with ${e.flood.must_drop} that must be`);
	}
	return wrong;
}
