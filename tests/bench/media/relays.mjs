// SPDX-License-Identifier: Apache-2.0
//
// The relays under test, each a fresh process per measurement with one media thread on CPU 0 (two
// threads: two CPUs); the generator has the last CPU.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SECOND, until } from '../../lib/wait.js';

const IP = '127.0.0.1';
const LAST = cpus().length - 1;
const pin = (list, cmd) => LAST > 0 ? ['taskset', '-c', list, ...cmd] : cmd;

/** name -> { where, ready, command(calls), cpus, target }. */
export function relayTable({ dir, bin, base, also }) {
	const PORT = { iq: base, ng: base + 1, relay: 20000 };
	const conf = join(dir, 'agw.yaml');
	const agw = (program, sets = []) => ({ where: `${IP}:${PORT.iq}`, ready: 'call', target: 'wicgate', cpus: '0',
		command: () => [program, '--config', conf, ...sets.flatMap((s) => ['--set', s])] });

	writeFileSync(conf, `iq: { listen: "${IP}:${PORT.iq}" }
access: { listen_ip: [${IP}], ports: 50000-54999 }
core: { listen_ip: [${IP}], ports: 55000-59999 }
media: { workers: 1 }
ops: { listen: "", ctl_socket: "" }
log: { level: warn }
limits: { handshakes: 5000, cpu_percent: 0 }
`);
	const table = {
		wicgate: agw(join(bin, 'wicgate-agw')),
		shared: agw(join(bin, 'wicgate-agw'), ['access.shared_ports=1', 'media.max_batch_wait_us=1000']),
		'two workers': { ...agw(join(bin, 'wicgate-agw'), ['media.workers=2']), cpus: '0,1' },
		rtpengine: { where: `${IP}:${PORT.ng}`, ready: 'call', cpus: '0', command: () => ['rtpengine', '--foreground',
			'--table=-1', `--interface=${IP}`, `--listen-ng=${IP}:${PORT.ng}`, '--port-min=50000', '--port-max=59999',
			'--num-threads=1', '--log-level=3', '--log-stderr'] },
		relay: { where: `${IP}:${PORT.relay}`, ready: 'line', cpus: '0',
			command: (calls) => [join(bin, 'wicgate-bench-relay'), `${IP}:${PORT.relay}`, String(calls)] },
	};
	for (const one of also) {
		const [name, rest] = one.split(/=(.*)/s);
		const [program, ...sets] = rest.split(',');

		table[name] = agw(program, sets);
	}
	for (const [name, r] of Object.entries(table))
		Object.assign(r, { name, bin, target: r.target ?? name });
	return table;
}

const probe = (relay) => new Promise((resolve) => {
	const p = spawn(join(relay.bin, 'wicgate-bench-media'), ['--target', relay.target, '--where', relay.where, '--calls', '1',
		'--window', '0'], { stdio: 'ignore' });

	p.once('exit', (code) => resolve(code === 0));
});

/** Wait until the relay takes a set-up of one call: the only readiness that all have. */
async function started(relay, calls) {
	const [cmd, ...args] = pin(relay.cpus, relay.command(calls));
	const child = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'] });
	const ended = new Promise((resolve) => child.once('exit', resolve));
	let log = '';

	child.stderr.on('data', (d) => { log = (log + d).slice(-4000); });
	child.stdout.on('data', (d) => { log = (log + d).slice(-4000); });
	try {
		await until(async () => child.exitCode !== null || (relay.ready === 'line' ? /ready/.test(log) : await probe(relay)),
			{ ms: 10 * SECOND, every: 100, what: () => `${relay.name} to get ready:\n${log}` });
	} catch (err) {
		child.kill('SIGKILL');
		throw err;
	}
	if (child.exitCode !== null)
		throw new Error(`${relay.name} ended with ${child.exitCode}:\n${log}`);
	return { child, ended };
}

/** One measurement: what the generator says of it. traffic: { payload, interval, profile }. */
export async function measure(relay, calls, traffic, { window, warm }) {
	const process = await started(relay, calls);
	const [cmd, ...args] = pin(String(LAST), [join(relay.bin, 'wicgate-bench-media'), '--target', relay.target, '--where', relay.where,
		'--calls', calls, '--window', window, '--warm', warm, '--payload', traffic.payload, '--interval', traffic.interval,
		'--profile', traffic.profile, '--pid', process.child.pid].map(String));
	const load = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'inherit'] });
	let result;

	for await (const line of createInterface(load.stdout))
		if (line.startsWith('{'))
			result = JSON.parse(line);
	process.child.kill('SIGTERM');
	const timer = setTimeout(() => process.child.kill('SIGKILL'), 5000);
	await process.ended;
	clearTimeout(timer);
	if (!result)
		throw new Error(`no result for ${relay.name} at ${calls} calls`);
	return result;
}
