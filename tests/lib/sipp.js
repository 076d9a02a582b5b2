// SPDX-License-Identifier: Apache-2.0
//
// SIPp as an IMS UE: scenarios of integration/sipp, run in the background on chosen ports.
// Ready when its UDP port is bound; its exit code says whether every call went as written.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Process } from './proc.js';

const DIR = fileURLToPath(new URL('../integration/sipp/', import.meta.url));

/** Is a UDP port bound on this machine? Reads /proc, sends nothing. */
export function udpBound(port) {
	const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;

	return ['/proc/net/udp', '/proc/net/udp6'].some((f) => readFileSync(f, 'latin1').split('\n')
		.some((l) => (l.trim().split(/\s+/)[1] ?? '').concat(' ').endsWith(hex)));
}

export class Sipp {
	/** calls: how many until it ends by itself (0 = runs on). target: the core, for a calling scenario. */
	static async start(scenario, { host = '127.0.0.1', port, mediaPort, calls = 1, target, service,
		domain = 'ims.test', echo = true, dir, options = [] }) {
		const sipp = new Sipp();
		const args = ['-sf', `${DIR}${scenario}.xml`, '-i', host, '-p', port, '-mi', host, '-nostdin'];

		if (mediaPort)
			args.push('-mp', mediaPort);
		if (echo)
			args.push('-rtp_echo');
		if (calls)
			args.push('-m', calls);
		if (service)
			args.push('-s', service);
		args.push('-key', 'domain', domain, '-trace_err', '-error_file', `${dir}/sipp-${port}.err`,
			...options);
		if (target)
			args.push(target);
		sipp.process = new Process('sipp', 'sipp', args, { env: { TERM: 'dumb' }, cwd: dir });
		Object.assign(sipp, { host, port, errors: `${dir}/sipp-${port}.err`, uri: `sip:sipp@${host}:${port}` });
		if (!target)
			await sipp.process.ready(() => udpBound(port));
		return sipp;
	}

	/** Exit code 0 = all calls as written. */
	async done() {
		return (await this.process.ended).code;
	}

	/** What it did not expect, for the message of an assertion. */
	get complaint() {
		return existsSync(this.errors) ? readFileSync(this.errors, 'latin1').slice(0, 2000) : this.process.tail(5);
	}

	/** End it now, calls or not: it has no state worth keeping. */
	stop() {
		return this.process.stop('SIGKILL');
	}
}
