// SPDX-License-Identifier: Apache-2.0
//
// What the signalling benchmarks share: the processes they start, and what they read of them.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCerts, merge, writeConf } from '../lib/conf.js';
import { ctl } from '../lib/ctl.js';
import { Metrics } from '../lib/observe.js';
import { Process } from '../lib/proc.js';

export const HOST = '127.0.0.1';
export const ORIGIN = 'https://portal.ims.test';
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = process.env.WICGATE_BIN ?? join(ROOT, 'build/release/bin');
const HZ = 100; // USER_HZ of Linux, whatever the kernel's own

export const program = (name) => join(BIN, name);

export function workDir() {
	const dir = mkdtempSync(join(tmpdir(), 'wicgate-bench-'));

	return { dir, certs: makeCerts(dir), end: () => rmSync(dir, { recursive: true, force: true }) };
}

/** A process and all it has forked. */
function family(pid) {
	const parent = new Map();

	for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
		try {
			parent.set(Number(name), Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))[1]));
		} catch {
			// Gone meanwhile.
		}
	}
	const out = [pid];

	for (let i = 0; i < out.length; i++)
		for (const [child, of] of parent)
			if (of === out[i])
				out.push(child);
	return out;
}

/** CPU seconds (user and system) of a process and its children so far. */
export function cpuSeconds(pid) {
	return family(pid).reduce((sum, p) => {
		const fields = readFileSync(`/proc/${p}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');

		return sum + (Number(fields[11]) + Number(fields[12])) / HZ;
	}, 0);
}

/** CPU seconds as the scheduler counts them: good for short phases. Threads that ended are missed. */
export function cpuFine(pid) {
	return family(pid).reduce((sum, p) => readdirSync(`/proc/${p}/task`).reduce((of, t) => of +
		Number(readFileSync(`/proc/${p}/task/${t}/schedstat`, 'utf8').split(' ')[0]) / 1e9, sum), 0);
}

/** Memory of a process and its children, kB; PSS, so that what they share counts once. */
export function memoryKb(pid) {
	return family(pid).reduce((sum, p) => {
		const text = readFileSync(`/proc/${p}/smaps_rollup`, 'utf8');

		return sum + Number(/^Pss:\s+(\d+)/m.exec(text)[1]);
	}, 0);
}

/** A program that is ready when it says so, in JSON, and answers in JSON lines. */
class Tool {
	static async start(name, args, options = {}) {
		const t = new Tool();

		t.process = new Process(name, program(`wicgate-bench-${name}`), args, { stdin: 'pipe', ...options });
		t.pid = t.process.pid;
		await t.process.line('"ready"');
		return t;
	}

	/** All JSON lines so far, of an event when named. */
	said(event) {
		return this.process.lines.filter((l) => l.startsWith('{')).map((l) => JSON.parse(l))
			.filter((o) => !event || o.event === event);
	}

	/** Send a command; resolves with its result. */
	async run(command, ms = 120_000) {
		const since = this.process.lines.length;
		const event = command.split(' ')[0];

		this.process.child.stdin.write(`${command}\n`);
		const out = JSON.parse(await this.process.line((l) => l.includes(`"event":"${event}"`) ||
			l.includes('"event":"error"'), { since, ms }));
		if (out.event === 'error')
			throw new Error(`bench-load does not know ${command}`);
		return out;
	}

	stop() {
		return this.process.stop('SIGKILL');
	}
}

export const startCore = (port, ringMs) => Tool.start('core', [`${HOST}:${port}`, ...(ringMs === undefined ? [] : [ringMs])]);
export const startLoad = (port, { clients, prefix = 'load', args = [] }) => Tool.start('load',
	['--server', `${HOST}:${port}`, '--clients', clients, '--prefix', prefix, ...args]);
export const startTls = (port, certs) => Tool.start('tls', [`${HOST}:${port}`, certs.cert, certs.key]);

/** The eP-CSCF, log to a file; knobs are merged over what a benchmark needs. */
export async function startCscf({ dir, certs }, { wss, mw, ops, core, transport = 'tcp', knobs = {}, name = 'cscf', bin = BIN,
	fds = 4096 }) {
	const home = join(dir, name);

	mkdirSync(home);
	const conf = merge({
		ws: { listen: `${HOST}:${wss}`, tls: { cert: certs.cert, key: certs.key }, allowed_origins: [ORIGIN],
			rate: 1000, burst: 1000 },
		mw: { listen: [`${HOST}:${mw}`], name: HOST, peers: [HOST] },
		home: { domains: ['ims.test'], entry_points: [`sip:${HOST}:${core};transport=${transport}`] },
		agw: { list: [`${HOST}:9`] }, emergency: { country: 'AT', lists: ['AT=112'] },
		reg: { max_initial_rate: 0 },
		ops: { listen: `${HOST}:${ops}`, ctl_socket: join(home, 'ctl') },
	}, knobs);
	const file = writeConf(home, 'cscf.yaml', conf);
	const log = join(home, 'log');
	const p = new Process(name, '/bin/sh', ['-c', `ulimit -n ${fds} 2>/dev/null; exec "$0" --config "$1" >"$2" 2>&1`, join(bin, 'wicgate-cscf'),
		file, log]);

	await p.ready(async () => (await fetch(`http://${HOST}:${ops}/livez`)).status === 200).catch((err) => {
		throw new Error(`${err.message}${readFileSync(log, 'utf8').slice(-2000)}`);
	});
	return { pid: p.pid, log, process: p, stop: () => p.stop('SIGTERM').catch(() => {}),
		ctl: (...args) => ctl(conf.ops.ctl_socket, ...args),
		metrics: () => Metrics.read(`http://${HOST}:${ops}/metrics`) };
}

/** alloc: its memory manager; qm is what it uses when not told otherwise, fm the faster one. */
export async function startKamailio({ dir, certs }, { wss, mw, core, alloc = 'qm', template = 'kamailio-edge.cfg', more = {} }) {
	const text = readFileSync(new URL(template, import.meta.url), 'utf8');
	const values = { HOST, WSS: wss, MW: mw, CORE: `${HOST}:${core}`, CERT: certs.cert, KEY: certs.key, ...more };
	const file = join(dir, `kamailio-${alloc}.cfg`);

	const home = join(dir, `kamailio-${alloc}`);

	mkdirSync(home);
	writeFileSync(file, text.replace(/BENCH_([A-Z_]+)/g, (all, name) => values[name] ?? all));
	const p = new Process('kamailio', '/bin/sh', ['-c',
		'ulimit -n $(ulimit -Hn); exec kamailio -f "$0" -DD -E -x "$2" -X "$2" -m 2048 -M 16 -w "$1" -Y "$1" >"$0.log" 2>&1', file, home, alloc]);

	await p.ready(async () => readFileSync(`/proc/net/tcp`, 'utf8').includes(
		`:${wss.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`));
	return { pid: p.pid, process: p, stop: () => p.stop('SIGTERM').catch(() => {}) };
}

/** The eIMS-AGW, its media on an address of its own. */
export async function startAgw({ dir }, { iq, ops, ip, knobs = {}, bin = BIN }) {
	const home = join(dir, 'agw');

	mkdirSync(home);
	const file = writeConf(home, 'agw.yaml', merge({ iq: { listen: `${HOST}:${iq}` },
		access: { listen_ip: [ip], ports: '10000-29999' }, core: { listen_ip: [ip], ports: '30000-59999' },
		port: { quarantine: '1s' }, limits: { cpu_percent: 0 },
		ops: { listen: `${HOST}:${ops}`, ctl_socket: join(home, 'ctl') } }, knobs));
	const p = new Process('agw', '/bin/sh', ['-c', 'exec "$0" --config "$1" >"$2" 2>&1', join(bin, 'wicgate-agw'), file,
		join(home, 'log')]);

	await p.ready(async () => (await fetch(`http://${HOST}:${ops}/livez`)).status === 200).catch((err) => {
		throw new Error(`${err.message}${readFileSync(join(home, 'log'), 'utf8').slice(-2000)}`);
	});
	return { pid: p.pid, process: p, stop: () => p.stop('SIGTERM').catch(() => p.stop('SIGKILL')) };
}

/** rtpengine without its kernel module, media on an address of its own, ng on a UDP port. */
export async function startRtpengine({ dir }, { ng, ip, threads = 2 }) {
	const log = join(dir, 'rtpengine.log');
	const p = new Process('rtpengine', '/bin/sh', ['-c', 'exec rtpengine "$@" >"$0" 2>&1', log, '--foreground', '--table=-1',
		`--interface=${ip}`, `--listen-ng=${HOST}:${ng}`, '--port-min=10000', '--port-max=59999',
		`--num-threads=${threads}`, '--delete-delay=0', '--log-level=3', '--log-stderr', '--no-log-timestamps']);

	await p.ready(async () => readFileSync('/proc/net/udp', 'utf8').includes(
		`:${ng.toString(16).toUpperCase().padStart(4, '0')} `));
	return { pid: p.pid, process: p, log, stop: () => p.stop('SIGTERM').catch(() => {}) };
}

/** Middle and spread of some figures. */
export function summary(values) {
	const v = [...values].sort((a, b) => a - b);

	return { min: v[0], mid: v[Math.floor(v.length / 2)], max: v.at(-1) };
}

/** Rows of cells as a table of even columns. */
export function table(rows) {
	const width = rows[0].map((_, i) => Math.max(...rows.map((r) => String(r[i]).length)));

	return rows.map((r) => r.map((cell, i) => i === 0 ? String(cell).padEnd(width[i])
		: String(cell).padStart(width[i])).join('  ')).join('\n');
}
