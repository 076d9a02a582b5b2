// SPDX-License-Identifier: Apache-2.0
//
// What passes the loopback interface over UDP while something happens (tcpdump, root), taken apart as far as
// IPv4 and UDP. It judges nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACCESS_RANGE, CORE_RANGE } from './ports.js';
import { until } from './wait.js';

const GLOBAL = 24, RECORD = 16, ETHER = 14;

/** IPv4 and UDP of each packet of a capture of the loopback: { tos, from, to (ports), source, data }. */
function packets(file) {
	const buf = readFileSync(file);
	const out = [];

	for (let at = GLOBAL; at + RECORD <= buf.length;) {
		const len = buf.readUInt32LE(at + 8);
		const ip = buf.subarray(at + RECORD + ETHER, at + RECORD + len);
		const udp = ip.subarray((ip[0] & 15) * 4);

		out.push({ tos: ip[1], source: [...ip.subarray(12, 16)].join('.'), from: udp.readUInt16BE(0), to: udp.readUInt16BE(2),
			data: udp.subarray(8) });
		at += RECORD + len;
	}
	return out;
}

export const isIn = (p, [low, high]) => p >= low && p <= high;

/** stun, dtls, rtcp or rtp, by the first octets (RFC 7983). */
export function kind(data) {
	if (data[0] < 4)
		return 'stun';
	if (data[0] >= 20 && data[0] < 64)
		return 'dtls';
	return data[1] >= 192 && data[1] <= 223 ? 'rtcp' : 'rtp';
}

/** Everything UDP of the gateway while `during` runs. */
export async function captured(during, [low, high] = [CORE_RANGE[0], ACCESS_RANGE[1]]) {
	const dir = mkdtempSync(join(tmpdir(), 'wicgate-capture-'));
	const file = join(dir, 'lo.pcap');
	const dump = spawn('tcpdump', ['-i', 'lo', '-n', '-U', '-B', '16384', '-s', '2000', '-w', file,
		`udp and portrange ${low}-${high}`], { stdio: ['ignore', 'ignore', 'pipe'] });
	let said = '';

	dump.stderr.on('data', (d) => { said += d; });
	try {
		await until(() => said.includes('listening on'), { what: () => `a capture: ${said}` });
		await during();
		const exit = once(dump, 'exit');
		dump.kill('SIGINT');
		await exit;
		return packets(file);
	} finally {
		dump.kill('SIGKILL');
		rmSync(dir, { recursive: true });
	}
}
