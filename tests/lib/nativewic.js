// SPDX-License-Identifier: Apache-2.0
//
// The native WIC of tests/wic (wicgate-wic) as a process: signalling, ICE, DTLS-SRTP and RTP
// whose payload it checks itself. Its result is the JSON object it prints last.
import { Process } from './proc.js';
import { program } from './gateway.js';
import { parseLog } from './observe.js';

export class NativeWic {
	/** options: its command line without the dashes; true for a flag. */
	constructor(url, options) {
		const args = Object.entries({ url, json: true, ...options }).filter(([, v]) => v !== undefined && v !== false)
			.flatMap(([name, v]) => v === true ? [`--${name}`] : [`--${name}`, String(v)]);

		this.process = new Process('wic', program('wicgate-wic'), args);
	}

	/** Await an event line it prints. */
	async event(name, ms) {
		return parseLog(await this.process.line((l) => parseLog(l)?.event === name, { ms }));
	}

	/** Wait for its end: { code, result }. */
	async done() {
		const { code } = await this.process.ended;
		const line = this.process.lines.findLast((l) => l.startsWith('{'));

		return { code, result: line ? JSON.parse(line) : undefined, output: this.process.tail(15) };
	}

	stop() {
		return this.process.stop();
	}
}
