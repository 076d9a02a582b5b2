// SPDX-License-Identifier: Apache-2.0
//
// Ports of a test run, all out of one block of 1000: single ports from the front, then the
// gateways' core and access ranges, then the RTP ports of the tests' own UEs.
// WICGATE_TEST_PORTS moves the block, so that several runs fit on one machine.
import dgram from 'node:dgram';
import net from 'node:net';
import { randomInt } from 'node:crypto';

export const BASE = Number(process.env.WICGATE_TEST_PORTS ?? 42000);
/** For a second gateway beside the suite's own: few calls. */
export const SPARE = { coreRange: [BASE + 140, BASE + 169], accessRange: [BASE + 170, BASE + 199] };
export const CORE_RANGE = [BASE + 200, BASE + 399];
export const ACCESS_RANGE = [BASE + 400, BASE + 599];
export const UE_RANGE = [BASE + 600, BASE + 998];

let next = randomInt(100);

const tryListen = (port, host) => new Promise((resolve) => {
	const server = net.createServer();

	server.once('error', () => resolve(false));
	server.listen(port, host, () => server.close(() => resolve(true)));
});

const tryBind = (port, host) => new Promise((resolve) => {
	const sock = dgram.createSocket('udp4');

	sock.once('error', () => resolve(false));
	sock.bind(port, host, () => sock.close(() => resolve(true)));
});

/** A port free for TCP and UDP just now. */
export async function port(host = '127.0.0.1') {
	for (let tries = 0; tries < 200; tries++) {
		const candidate = BASE + next;

		next = (next + 1) % 140;
		if (await tryListen(candidate, host) && await tryBind(candidate, host))
			return candidate;
	}
	throw new Error('no free port in the test block');
}

export async function ports(n, host) {
	const out = [];

	while (out.length < n)
		out.push(await port(host));
	return out;
}

/** Even RTP ports for a UE, the next one to try at each call. */
export function uePorts() {
	let at = randomInt((UE_RANGE[1] - UE_RANGE[0]) / 2);

	return () => {
		at = (at + 1) % ((UE_RANGE[1] - UE_RANGE[0]) / 2);
		return UE_RANGE[0] + 2 * at;
	};
}
