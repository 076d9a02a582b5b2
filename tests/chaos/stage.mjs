// SPDX-License-Identifier: Apache-2.0
//
// What a fault is played on: a fleet behind its balancer, the core stand-in, an IMS UE that echoes, WICs
// with real media that hold calls, and WICs that call all the time. All in a network namespace of its own,
// so that what is done to its loopback interface hurts nobody else.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Core } from '../lib/core.js';
import { Fleet } from '../lib/fleet.js';
import { NativeWic } from '../lib/nativewic.js';
import { Ue } from '../lib/ue.js';
import { BASE } from '../lib/ports.js';
import { SECOND, until, within } from '../lib/wait.js';
import { Churn } from './churn.mjs';

const IQ = BASE + 23;
const run = (...command) => execFileSync(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * loss: share of the packets of Iq that are dropped, 1 = all of them; delay: of whatever passes the loopback
 * interface, as netem says it. Nothing: all as before. (tc alone cannot pick Iq on every kernel.)
 */
export function hurt({ loss = 0, delay } = {}) {
	run('iptables', '-F', 'INPUT');
	try {
		run('tc', 'qdisc', 'del', 'dev', 'lo', 'root');
	} catch {
		// There was none.
	}
	const share = loss < 1 ? ['-m', 'statistic', '--mode', 'random', '--probability', String(loss)] : [];
	for (const way of loss > 0 ? ['--sport', '--dport'] : [])
		run('iptables', '-A', 'INPUT', '-p', 'tcp', way, String(IQ), ...share, '-j', 'DROP');
	if (delay)
		run('tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'limit', '100000', 'delay', ...delay.split(' '));
}

/** Can this kernel delay packets? */
export function haveNetem() {
	try {
		hurt({ delay: '1ms' });
		hurt();
		return true;
	} catch {
		return false;
	}
}

/** One call at the UE: echoes, and knows the longest time without a packet since mark(). */
class Heard {
	packets = 0;

	constructor(call) {
		this.call = call;
		this.mark();
		for (const m of call.media)
			m.rtp.on('message', () => this.#packet());
	}

	#packet() {
		const now = performance.now();

		this.packets++;
		this.worst = Math.max(this.worst, now - this.last);
		this.last = now;
	}

	mark() {
		this.last = performance.now();
		this.worst = 0;
		this.moved = this.call.requests.filter((m) => m.method === 'INVITE' || m.method === 'UPDATE').length;
	}

	/** Milliseconds; a gap that has not ended counts so far. */
	get gap() {
		return Math.max(this.worst, performance.now() - this.last);
	}

	get up() {
		return this.call.state === 'up';
	}

	get repaired() {
		return this.up && this.call.requests.filter((m) => m.method === 'INVITE' || m.method === 'UPDATE').length > this.moved;
	}
}

export class Stage {
	static async start({ held, cscf = {}, agw = {}, agws = 2, cscfs = 2, users = 24, fleetOptions = {} }) {
		const s = new Stage();

		Object.assign(s, { held, calls: [], dir: mkdtempSync(join(tmpdir(), 'wicgate-chaos-')) });
		s.core = await Core.start({ port: BASE + 40, dir: join(s.dir, 'core') });
		s.fleet = await Fleet.start({ core: s.core, agws, cscfs, cscf, agw, ...fleetOptions });
		await s.fleet.linked(agws);
		s.echo = await s.#ue('echo', (call) => s.calls.push(new Heard(call)), true);
		s.bob = await s.#ue('bob', () => {}, false);
		s.churn = new Churn({ url: s.fleet.url, origin: s.fleet.origin, users });
		await s.churn.start();
		return s;
	}

	/** A UE that answers whatever comes. */
	async #ue(user, onCall, echo) {
		let next = 0;
		const ue = await Ue.start({ user, core: this.core, rtpPorts: () => 50000 + (echo ? 0 : 4000) + 2 * (next = (next + 1) % 2000) });

		if ((await ue.register()).status !== 200)
			throw new Error(`${user} cannot register`);
		(async () => {
			for (;;) {
				const call = await ue.incoming(3600 * SECOND);

				call.answer().then(() => {
					for (const m of call.media)
						m.echo(echo);
					onCall(call);
					call.ended.catch(() => {});
				}).catch(() => {});
				// Ports of ended calls are free again.
				for (const c of ue.calls)
					if (c.state === 'ended' && c.media.length)
						c.closeMedia();
			}
		})().catch(() => {});
		return ue;
	}

	get upCalls() {
		return this.calls.filter((c) => c.up);
	}

	/** So many WICs with media hold a call each; resolves when the UE hears all of them. options: of wicgate-wic. */
	async hold(n = this.held, options = {}) {
		const { echo } = this;

		this.calls = [];
		this.wic = new NativeWic(this.fleet.url, { user: 'load%d', password: 'load', count: n, call: 'echo', calls: n,
			'reg-rate': 100, rate: 40, duration: 3600, origin: this.fleet.origin, 'max-loss': 100, ...options });
		this.wic.process.lines.length = 0;
		await until(() => this.upCalls.length >= n && this.upCalls.every((c) => c.packets > 10 && performance.now() - c.last < 100),
			{ ms: 30 * SECOND, every: 50, what: () => `${n} calls with media, ${this.upCalls.length} are up; ${this.wic.process.tail(6)}; ${echo.calls.length} at the UE` });
	}

	async unhold() {
		await this.wic.process.stop('SIGTERM', 15 * SECOND).catch(() => {});
		for (const c of this.calls)
			await c.call.closeMedia();
		this.wic = undefined;
	}

	mark() {
		for (const c of this.calls)
			c.mark();
	}

	/** What WICs and calls have left in the daemons when all of them are gone: { contexts, streams, calls }. */
	async leaked(ms = 15 * SECOND) {
		let left;

		await until(async () => {
			const contexts = await this.fleet.counts('agw', 'contexts');
			const streams = await this.fleet.counts('agw', 'streams');
			const dialogs = await this.fleet.counts('cscf', 'dialogs');
			const sum = (list) => list.reduce((a, b) => a + b, 0);

			left = sum(contexts) + sum(streams) + sum(dialogs);
			return left === 0;
		}, { ms, every: 100 }).catch(() => {});
		return left;
	}

	/** Until f holds, in ms since `from`. */
	async time(f, from, ms = 20 * SECOND) {
		await until(f, { ms, every: 20, what: f.toString().slice(0, 100) });
		return Math.round(performance.now() - from);
	}

	async stop() {
		hurt();
		const errors = [];
		const attempt = (p) => Promise.resolve(p).catch((err) => errors.push(err.message));

		await attempt(this.wic?.process.stop('SIGKILL'));
		await attempt(this.churn?.stop());
		await attempt(this.fleet?.stop());
		await attempt(this.fleet?.kill());
		await Promise.all([this.echo, this.bob].map((ue) => attempt(ue?.close())));
		await attempt(within(this.core?.stop() ?? Promise.resolve(), 10 * SECOND, 'the core'));
		rmSync(this.dir, { recursive: true, force: true });
		return errors;
	}
}
