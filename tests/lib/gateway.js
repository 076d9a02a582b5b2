// SPDX-License-Identifier: Apache-2.0
//
// The product under test: any number of wicgate-agw and one wicgate-cscf with ports of the
// test's choice, their operator sockets, logs and metrics, and the check that nothing is left
// behind. Programs come from WICGATE_BIN (default build/asan/bin).
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCerts, merge, writeConf } from './conf.js';
import { ctl } from './ctl.js';
import { Metrics, fdCensus, parseLog } from './observe.js';
import { Process } from './proc.js';
import { ACCESS_RANGE, CORE_RANGE, ports } from './ports.js';
import { TcpProxy } from './tcp-proxy.js';
import { SECOND, until } from './wait.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const BIN = process.env.WICGATE_BIN ?? join(ROOT, 'build/asan/bin');
/** "a.b=v,c.d=v": knobs of every AGW of a run, to see a whole tier with another setting. */
const EVERY_AGW = (process.env.WICGATE_TEST_AGW ?? '').split(',').filter(Boolean).map((s) => s.split('='))
	.reduce((out, [key, v]) => merge(out, key.split('.').reduceRight((inner, name) => ({ [name]: inner }), v)), {});
/** ms by which the control channel is late each way: shows tests that ask an AGW before it can know. */
export const LATE = Number(process.env.WICGATE_TEST_LATE ?? 0);
export const program = (name) => join(BIN, name);
export const HOST = '127.0.0.1';
/** Exit code of a sanitizer's report, so that it can never pass for a clean end. */
const SANITIZER_EXIT = 99;
const SAN_ENV = {
	ASAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:detect_leaks=1:abort_on_error=0:strict_string_checks=1`,
	UBSAN_OPTIONS: `print_stacktrace=1:exitcode=${SANITIZER_EXIT}`,
	LSAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:suppressions=${fileURLToPath(new URL('lsan.supp', import.meta.url))
		}:print_suppressions=0`,
};
const REPORT = /ERROR: (Address|Leak|Undefined)|WARNING: ThreadSanitizer|runtime error:|ASSERT/;

export function tempDir() {
	return mkdtempSync(join(tmpdir(), 'wicgate-test-'));
}

/** One daemon: process, operator socket, metrics, log. */
export class Daemon {
	/** via: a command in front of the program, [] = none. */
	constructor(kind, dir, conf, { args = [], env = {}, via = [] } = {}) {
		Object.assign(this, { kind, dir, conf });
		this.ctlPath = conf.ops.ctl_socket;
		this.opsUrl = `http://${conf.ops.listen}`;
		const [command, ...rest] = [...via, program(`wicgate-${kind.replace(/\d+$/, '')}`), '--config',
			writeConf(dir, `${kind}.yaml`, conf), ...args];

		this.process = new Process(kind, command, rest, { env: { ...SAN_ENV, ...env }, cwd: dir });
	}

	ctl(cmd, ...args) {
		return ctl(this.ctlPath, cmd, args);
	}

	status() {
		return this.ctl('status');
	}

	metrics() {
		return Metrics.read(`${this.opsUrl}/metrics`);
	}

	async http(path, options) {
		const res = await fetch(`${this.opsUrl}${path}`, options);

		return { status: res.status, text: await res.text() };
	}

	live() {
		return this.process.ready(async () => (await this.http('/livez')).status === 200);
	}

	ready() {
		return this.process.ready(async () => (await this.http('/readyz')).status === 200);
	}

	/** Log lines as objects, of one event when named. */
	log(event) {
		return this.process.lines.map(parseLog).filter((l) => l && (!event || l.event === event));
	}

	/** Await a log line of that event (string or pattern) with these values. */
	async logged(event, values = {}, { since = 0, ms } = {}) {
		return parseLog(await this.process.line((text) => {
			const l = parseLog(text);

			return l && (event instanceof RegExp ? event.test(l.event) : l.event === event) &&
				Object.entries(values).every(([k, v]) => v instanceof RegExp ? v.test(l[k] ?? '') : l[k] === v);
		}, { since, ms }));
	}

	/** Other knobs (or a text) into the file, SIGHUP, and the log line of that event. */
	reload(conf, event) {
		const since = this.process.lines.length;

		writeConf(this.dir, `${this.kind}.yaml`, typeof conf === 'string' ? conf : { ...this.conf, ...conf });
		process.kill(this.process.pid, 'SIGHUP');
		return this.logged(event, {}, { since });
	}

	/** SIGTERM, exit code 0, and no sanitizer report anywhere in what it printed. */
	async stop() {
		const how = await this.process.stop('SIGTERM', 30 * SECOND);
		const report = this.process.lines.findIndex((l) => REPORT.test(l));

		if (report >= 0)
			throw new Error(`${this.kind} reported:\n${
				this.process.lines.slice(report, report + 40).join('\n')}`);
		if (how.code !== 0)
			throw new Error(`${this.kind} ended with ${how.signal ?? how.code}; last lines:\n${
				this.process.tail()}`);
	}
}

export class Gateway {
	agws = [];
	/** Where the control channel is to be slow. */
	late = [];

	/**
	 * core: { host, port } of the next hop. origins: allowed Origins. agws: how many. cscf, agw:
	 * knobs that are merged over the defaults below. waitReady false: live is enough.
	 * moreAgws: further addresses for agw.list that the test serves itself. links: ports of servers to
	 * which the eP-CSCF may keep idle connections. env: of the eP-CSCF.
	 */
	static async start({ core, origins = ['http://localhost'], agws = 1, cscf = {}, agw = {},
		coreTransport = 'udp', coreRange = CORE_RANGE, accessRange = ACCESS_RANGE, waitReady = true,
		moreAgws = [], links = [], env = {} } = {}) {
		const gw = new Gateway();
		const list = [];

		gw.links = links;
		gw.dir = tempDir();
		gw.origin = origins[0];
		gw.core = core;
		const certs = makeCerts(gw.dir);
		const share = (range, i) => {
			const n = Math.floor((range[1] - range[0] + 1) / agws / 2) * 2;

			return `${range[0] + i * n}-${range[0] + (i + 1) * n - 1}`;
		};
		try {
			for (let i = 0; i < agws; i++) {
				const [iqPort, opsPort] = await ports(2);
				const dir = join(gw.dir, `agw${i}`);

				mkdirSync(dir);
				const daemon = new Daemon(`agw${i}`, dir, merge({
					iq: { listen: `${HOST}:${iqPort}` },
					access: { listen_ip: [HOST], ports: share(accessRange, i) },
					core: { listen_ip: [HOST], ports: share(coreRange, i) },
					port: { quarantine: '300ms' },
					ops: { listen: `${HOST}:${opsPort}`, ctl_socket: join(dir, 'ctl') },
					log: { level: 'debug' },
				}, merge(EVERY_AGW, agw)));
				gw.agws.push(daemon);
				await daemon.ready();
				gw.iqPorts = [...gw.iqPorts ?? [], iqPort];
				if (LATE)
					gw.late.push(await TcpProxy.start({ host: HOST, port: iqPort }, { host: HOST, delay: LATE }));
				list.push(`${HOST}:${gw.late[i]?.port ?? iqPort}`);
			}
			const [wsPort, wssPort, mwPort, opsPort] = await ports(4);
			const dir = join(gw.dir, 'cscf');

			mkdirSync(dir);
			gw.mw = { host: HOST, port: mwPort };
			gw.cscf = new Daemon('cscf', dir, merge({
				ws: { listen: `${HOST}:${wssPort}`, insecure_listen: `${HOST}:${wsPort}`,
					tls: { cert: certs.cert, key: certs.key }, allowed_origins: origins, max_per_source: 1000 },
				mw: { listen: [`${HOST}:${mwPort}`], name: HOST, peers: [HOST] },
				// Transactions linger for 64*T1: seconds, not half a minute.
				sip: { t1: '100ms', t2: '800ms', t4: '1s' },
				home: { domains: ['ims.test'],
					// The core of a test is asked for what the test asks.
					options_interval: 0,
					entry_points: [`sip:${core.host}:${core.port};transport=${coreTransport}`] },
				emergency: { country: 'DE', lists: ['DE=112 110/sos.police'] },
				agw: { list: [...list, ...moreAgws] },
				ops: { listen: `${HOST}:${opsPort}`, ctl_socket: join(dir, 'ctl') },
				log: { level: 'debug' },
				// A machine that is busy with other tests is no overload of ours.
				overload: { max_lag: '30s' },
				// All clients of a test come from one address, and many at once.
				auth: { max_failures: 1000 },
				reg: { max_initial_rate: 0 },
				// A test that wants the subscriptions of the eP-CSCF itself says so.
				regevent: { enable: false },
			}, cscf), { env });
			gw.wsUrl = `ws://${HOST}:${wsPort}/sip`;
			gw.wssUrl = `wss://${HOST}:${wssPort}/sip`;
			gw.wsPort = wsPort;
			gw.wssPort = wssPort;
			await (waitReady ? gw.cscf.ready() : gw.cscf.live());
			gw.idle = await gw.census();
		} catch (err) {
			await gw.kill();
			throw err;
		}
		return gw;
	}

	get daemons() {
		return [...this.agws, ...this.cscf ? [this.cscf] : []];
	}

	/** Descriptors of each daemon, without the long-lived links on Mw and Iq and our own questions. */
	census() {
		return this.daemons.map((d) => fdCensus(d.process.pid, [this.core.port, this.mw.port, ...this.iqPorts, ...this.late.map((p) => p.port), ...this.links,
			Number(new URL(d.opsUrl).port)]));
	}

	/**
	 * Wait until both processes are as they were at the start: no connection, registration,
	 * dialog, transaction, context, stream, port or descriptor more. Throws with what is left.
	 */
	async assertNothingLeft({ ms = 15 * SECOND, allow = [] } = {}) {
		let left;

		await until(async () => {
			left = [];
			for (const d of this.daemons) {
				if (d.process.exit)
					return true; // Who asked sees that it died.
				const status = await d.status();

				for (const name of LEFT[d.kind.replace(/\d+$/, '')]) {
					const n = count(status, name);

					if (n === undefined)
						throw new Error(`${d.kind} status has no ${name}: ${JSON.stringify(status)}`);
					if (n !== 0 && !allow.includes(name))
						left.push(`${d.kind}: ${n} ${name}`);
				}
			}
			if (this.daemons.some((d) => d.process.exit))
				return true;
			this.census().forEach((now, i) => {
				for (const kind of new Set([...Object.keys(now), ...Object.keys(this.idle[i])])) {
					if ((now[kind] ?? 0) > (this.idle[i][kind] ?? 0))
						left.push(`${this.daemons[i].kind}: ${now[kind]} descriptors "${kind}", idle ${
							this.idle[i][kind] ?? 0}`);
				}
			});
			return left.length === 0;
		}, { ms, every: 100, what: () => `nothing left, but: ${left.join('; ')}` });
	}

	/**
	 * Stop all in order (eP-CSCF first); every one must end with 0 and without a report.
	 * killed: some were killed by the test itself, which is no fault.
	 */
	async stop({ killed = false } = {}) {
		const errors = [];

		for (const d of [...this.daemons].reverse()) {
			if (killed && d.process.exit?.signal === 'SIGKILL')
				continue;
			try {
				await d.stop();
			} catch (err) {
				errors.push(err.message);
			}
		}
		rmSync(this.dir, { recursive: true, force: true });
		if (errors.length)
			throw new Error(errors.join('\n'));
	}

	async kill() {
		await Promise.all(this.daemons.map((d) => d.process.stop('SIGKILL').catch(() => {})));
	}
}

/** What `status` counts and must be 0 when nothing goes on. */
export const LEFT = {
	cscf: ['connections', 'registrations', 'subscriptions', 'dialogs', 'transactions', 'contexts'],
	agw: ['contexts', 'streams', 'ports_in_use'],
};

/** A number anywhere in the status object under that name; nested objects are searched. */
export function count(status, name) {
	if (status === null || typeof status !== 'object')
		return undefined;
	if (typeof status[name] === 'number')
		return status[name];
	for (const v of Object.values(status)) {
		const n = count(v, name);

		if (n !== undefined)
			return n;
	}
	return undefined;
}

export const haveProduct = () => existsSync(program('wicgate-cscf')) && existsSync(program('wicgate-agw'));
