// SPDX-License-Identifier: Apache-2.0
//
// One child process of a test: started, known ready by a probe or a line it prints, stopped by
// its own PID, its output kept. Never waits for time; never touches a process it did not start.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { SECOND, until, within } from './wait.js';

const KEEP = 20000;
const live = new Set();

process.on('exit', () => {
	// Each child leads its own process group, so its children go with it.
	for (const child of live) {
		try {
			process.kill(-child.pid, 'SIGKILL');
		} catch {
			// Gone already.
		}
	}
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.once(signal, () => process.exit(128 + constants.signals[signal]));

export class Process {
	/** Lines of stdout and stderr, oldest first, at most KEEP. */
	lines = [];
	exit;
	#watchers = new Set();

	constructor(name, command, args = [], { env = {}, cwd, stdin = 'ignore' } = {}) {
		this.name = name;
		this.child = spawn(command, args.map(String),
			{ stdio: [stdin, 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd,
				detached: true });
		live.add(this.child);
		this.pid = this.child.pid;
		this.#collect(this.child.stdout);
		this.#collect(this.child.stderr);
		this.ended = new Promise((resolve) => {
			this.child.once('error', (err) => resolve({ error: err }));
			this.child.once('close', (code, signal) => resolve({ code, signal }));
		}).then((how) => {
			live.delete(this.child);
			this.exit = how;
			return how;
		});
	}

	#collect(stream) {
		let rest = '';

		stream.setEncoding('utf8');
		stream.on('data', (text) => {
			const parts = (rest + text).split('\n');

			rest = parts.pop();
			for (const line of parts)
				this.#line(line);
		});
		stream.on('end', () => rest && this.#line(rest));
	}

	#line(line) {
		this.lines.push(line);
		if (this.lines.length > KEEP)
			this.lines.splice(0, KEEP / 2);
		if (process.env.WICGATE_TEST_VERBOSE)
			process.stderr.write(`${this.name}| ${line}\n`);
		for (const w of this.#watchers)
			w(line);
	}

	get output() {
		return this.lines.join('\n');
	}

	/** First line that matches, already printed (from index since) or printed later. */
	line(match, { ms = 15 * SECOND, since = 0 } = {}) {
		const test = typeof match === 'function' ? match : (l) => match instanceof RegExp ? match.test(l)
			: l.includes(match);
		const found = this.lines.slice(since).find(test);

		if (found !== undefined)
			return Promise.resolve(found);
		let watcher;
		const promise = new Promise((resolve) => {
			watcher = (l) => test(l) && resolve(l);
			this.#watchers.add(watcher);
		});
		return within(promise, ms, () => `${match} from ${this.name}; last lines:\n${this.tail()}`)
			.finally(() => this.#watchers.delete(watcher));
	}

	/** Poll a probe until true; fails at once when the process ends. */
	async ready(probe, ms = 20 * SECOND) {
		const gone = this.ended.then(({ code, signal, error }) => {
			throw new Error(`${this.name} ended before it was ready (${error?.message ?? signal ?? code}):\n${
				this.tail()}`);
		});
		gone.catch(() => {});
		await Promise.race([gone, until(async () => {
			try {
				return await probe();
			} catch {
				return false;
			}
		}, { ms, every: 25, what: () => `${this.name} ready; last lines:\n${this.tail()}` })]);
		return this;
	}

	tail(n = 25) {
		return this.lines.slice(-n).join('\n');
	}

	/** Open file descriptors right now. */
	fds() {
		return readdirSync(`/proc/${this.pid}/fd`).length;
	}

	/** Send a signal and wait for the end; SIGKILL when it takes longer than ms. */
	async stop(signal = 'SIGTERM', ms = 15 * SECOND) {
		if (this.exit)
			return this.exit;
		this.child.kill(signal);
		try {
			return await within(this.ended, ms, `${this.name} to stop`);
		} catch (err) {
			this.child.kill('SIGKILL');
			await this.ended;
			throw err;
		}
	}
}
