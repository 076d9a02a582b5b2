// SPDX-License-Identifier: Apache-2.0
//
// Where a measurement runs: what machine, how quiet, and a network namespace of its own.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

const INSIDE = 'WICGATE_BENCH_NETNS';

/**
 * Run this script again in a network namespace with nothing but lo (root only), so that neither
 * connection tracking nor the ports of the host take part. Ends the process when it did.
 */
export function ownNetwork() {
	if (process.env[INSIDE])
		return;
	const may = process.getuid() === 0 && spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0;

	if (!may) {
		process.env[INSIDE] = 'none';
		return;
	}
	const { status, signal } = spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh',
		process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, [INSIDE]: 'own' } });

	process.exit(signal ? 1 : status);
}

/** Ports the kernel gives away by itself, out of the way of the relays'. Only in a namespace of our own. */
export function smallEphemeralRange() {
	if (process.env[INSIDE] === 'own')
		writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '61000 65535');
}

function cpuTimes() {
	const [, user, nice, system, idle, iowait, ...rest] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).map(Number);

	return { idle: idle + iowait, all: user + nice + system + idle + iowait + rest.slice(0, 3).reduce((a, b) => a + b, 0) };
}

/** The machine as a line of text and as data; looks for two seconds whether it is quiet. */
export async function machine() {
	const before = cpuTimes();

	await new Promise((resolve) => setTimeout(resolve, 2000));
	const after = cpuTimes();
	const busy = 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
	const m = { kernel: release(), cpu: cpus()[0].model.trim(), cpus: cpus().length, memory_gib: Math.round(totalmem() / 2 ** 30),
		load: loadavg().map((l) => l.toFixed(2)).join(' '), busy_percent: Math.round(busy * 100),
		network: process.env[INSIDE] === 'own' ? 'own namespace' : 'the host\'s, with its connection tracking',
		at: new Date().toISOString() };

	m.quiet = busy < 0.05;
	m.text = `${m.cpus} x ${m.cpu}, ${m.memory_gib} GiB, Linux ${m.kernel}; load ${m.load}, ${m.busy_percent} % busy before; network: ${
		m.network}; ${m.at}`;
	return m;
}

export const warning = (m) => m.quiet ? '' : `WARNING: something else keeps ${m.busy_percent} % of this machine busy: latencies and ` +
	'absolute figures are worth little, ratios within the run more';
