// SPDX-License-Identifier: Apache-2.0
//
// GStreamer's webrtcbin as the media of a WIC (tests/interop): a process that takes and gives
// descriptions and says what it hears and sees. The signalling is the test's.
import { program } from './gateway.js';
import { parseLog } from './observe.js';
import { Process } from './proc.js';
import { SECOND, within } from './wait.js';

export class Webrtcbin {
	#seen = 0;

	/** options: its command line without the dashes; true for a flag. */
	static async start(options = {}) {
		const self = new Webrtcbin();
		const args = Object.entries({ ip: '127.0.0.1', ...options }).flatMap(([name, v]) => v === true ? [`--${name}`] : [`--${name}`, v]);

		// The sanitizers are for our own code; GStreamer keeps what it once had.
		self.process = new Process('webrtcbin', program('wicgate-webrtcbin'), args, { stdin: 'pipe', env: { ASAN_OPTIONS: 'detect_leaks=0' } });
		// It may have ended by itself when it is told to: its end is what says so.
		self.process.child.stdin.on('error', () => {});
		await self.event((e) => e.event === 'ready');
		return self;
	}

	/** The next event that match accepts and no earlier event() returned. */
	async event(match, ms = 20 * SECOND) {
		const fits = (l) => {
			const e = parseLog(l);

			return e && (match(e) || e.event === 'problem');
		};
		const line = await this.process.line(fits, { ms, since: this.#seen });
		const e = parseLog(line);

		this.#seen = this.process.lines.indexOf(line, this.#seen) + 1;
		if (e.event === 'problem')
			throw new Error(`webrtcbin: ${e.what}`);
		return e;
	}

	async #description(type) {
		const { sdp } = await this.event((e) => e.event === 'description' && e.type === type);

		return Buffer.from(sdp, 'base64').toString();
	}

	#say(line) {
		this.process.child.stdin.write(`${line}\n`);
	}

	/** Its offer, with all its candidates. */
	offer() {
		this.#say('offer');
		return this.#description('offer');
	}

	/** The answer to its offer. */
	answered(sdp) {
		this.#say(`answer ${Buffer.from(sdp).toString('base64')}`);
	}

	/** Its answer to that offer. */
	answer(sdp) {
		this.#say(`take ${Buffer.from(sdp).toString('base64')}`);
		return this.#description('answer');
	}

	/** It hears the tone that it was told to look for: a whole second of little else. */
	heard(ms) {
		return this.event((e) => e.event === 'heard' && Number(e.share) > 0.8, ms);
	}

	/** It has decoded so many frames. */
	seen(frames, ms) {
		return this.event((e) => e.event === 'frames' && Number(e.count) >= frames, ms);
	}

	async stop() {
		if (!this.process.exit)
			this.#say('quit');
		try {
			await within(this.process.ended, 5 * SECOND, 'webrtcbin to end');
		} catch {
			await this.process.stop('SIGKILL');
		}
	}
}
