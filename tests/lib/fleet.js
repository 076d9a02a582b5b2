// SPDX-License-Identifier: Apache-2.0
//
// Several eP-CSCFs and several AGWs, each on a loopback address of its own, found by DNS (dns.js), behind
// the HAProxy of deploy/docker. Any of them can be added, stopped, killed and started again.
//
//   WIC ──> HAProxy 127.N.0.1 ──PROXY v2──> eP-CSCFs 127.N.1.i ──> AGWs 127.N.2.j       N: of the port block
//                 └── names cscf.test, agw.test ──> DNS 127.N.0.1 <──┘
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCerts, merge } from './conf.js';
import { Dns } from './dns.js';
import { Daemon, LATE, ROOT, count, tempDir } from './gateway.js';
import { BASE } from './ports.js';
import { Process } from './proc.js';
import { TcpProxy } from './tcp-proxy.js';
import { SECOND, until } from './wait.js';

const N = Math.floor(BASE / 1000) % 256;
const EDGE = `127.${N}.0.1`;
const [WSS, WS, MW, IQ, OPS, LB, DNS, STATS] = [20, 21, 22, 23, 24, 25, 26, 27].map((n) => BASE + n);
const lateAddress = (i) => `127.${N}.4.${i + 1}`;
export const address = (kind, i) => `127.${N}.${kind === 'cscf' ? 1 : 2}.${i + 1}`;

/** HAProxy with the configuration that is shipped, on this test's addresses. */
function balancer(dir) {
	const file = join(dir, 'haproxy.cfg');
	const change = (text, from, to) => {
		if (!text.includes(from))
			throw new Error(`haproxy.cfg has no ${from}`);
		return text.replaceAll(from, to);
	};
	const text = [['bind :8443', `bind ${EDGE}:${LB}`], ['bind 127.0.0.1:8404', `bind ${EDGE}:${STATS}`],
		['parse-resolv-conf', `nameserver test ${EDGE}:${DNS}`], ['port 9180', `port ${OPS}`],
		['cscf:8443', `cscf.test:${WSS}`], ['maxconn 40000', 'maxconn 2000'], ['mode tcp', `mode tcp\n\tsource ${EDGE}`]]
		.reduce((t, [from, to]) => change(t, from, to), readFileSync(join(ROOT, 'deploy/docker/haproxy.cfg'), 'utf8'));

	writeFileSync(file, text);
	return new Process('haproxy', 'haproxy', ['-db', '-f', file]);
}

export class Fleet {
	agws = [];
	cscfs = [];
	late = [];
	lbAddress = EDGE;

	/** core: { host, port }. cscf, agw: knobs merged over the defaults. lb false: no balancer. */
	static async start({ core, agws = 2, cscfs = 2, cscf = {}, agw = {}, lb = true, origin = 'https://portal.ims.test' }) {
		const fleet = new Fleet();

		fleet.dir = tempDir();
		Object.assign(fleet, { core, origin, knobs: { cscf, agw }, certs: makeCerts(fleet.dir), url: `wss://${EDGE}:${LB}/sip` });
		try {
			fleet.dns = await Dns.start({ host: EDGE, port: DNS });
			await Promise.all(Array.from({ length: agws }, (_, i) => fleet.startAgw(i)));
			fleet.publish('agw');
			await Promise.all(Array.from({ length: cscfs }, (_, i) => fleet.startCscf(i)));
			fleet.publish('cscf');
			if (lb) {
				fleet.lb = balancer(fleet.dir);
				await fleet.balanced(cscfs);
			}
		} catch (err) {
			await fleet.kill();
			throw err;
		}
		return fleet;
	}

	get daemons() {
		return [...this.agws, ...this.cscfs].filter(Boolean);
	}

	get running() {
		return this.daemons.filter((d) => !d.process.exit);
	}

	async #spawn(kind, i, conf, options) {
		const list = this[`${kind}s`];
		const dir = join(this.dir, `${kind}${i}-${list[i] ? ++list[i].times : 0}`);
		const times = list[i]?.times ?? 0;

		mkdirSync(dir);
		conf.ops.ctl_socket = join(dir, 'ctl');
		list[i] = new Daemon(`${kind}${i}`, dir, merge(conf, this.knobs[kind]), options);
		Object.assign(list[i], { index: i, times, host: address(kind, i) });
		await list[i].ready();
		return list[i];
	}

	async startAgw(i, options) {
		const host = address('agw', i);

		if (LATE)
			this.late[i] ??= await TcpProxy.start({ host, port: IQ }, { host: lateAddress(i), port: IQ, delay: LATE });
		return this.#spawn('agw', i, { iq: { listen: `${host}:${IQ}`, agw_id: `agw-${i}` },
			access: { listen_ip: [host], ports: '30000-30999' }, core: { listen_ip: [host], ports: '20000-20999' },
			port: { quarantine: '300ms' }, ops: { listen: `${host}:${OPS}` }, limits: { cpu_percent: 0 } }, options);
	}

	startCscf(i, options) {
		const host = address('cscf', i);
		const { core, certs } = this;

		return this.#spawn('cscf', i, {
			ws: { listen: `${host}:${WSS}`, insecure_listen: `${host}:${WS}`, tls: { cert: certs.cert, key: certs.key },
				allowed_origins: [this.origin], max_per_source: 1000, proxy_protocol_from: [EDGE] },
			mw: { listen: [`${host}:${MW}`], name: host, peers: [core.host] },
			home: { domains: ['ims.test'], options_interval: 0, entry_points: [`sip:${core.host}:${core.port};transport=udp`] },
			emergency: { country: 'DE', lists: ['DE=112 110/sos.police'] },
			agw: { list: [`agw.test:${IQ}`], resolve_interval: '300ms' }, dns: { servers: [this.dns.address] },
			iq: { controller_id: `cscf-${i}` }, sip: { t1: '100ms', t2: '800ms', t4: '1s' },
			overload: { max_lag: '30s' }, auth: { max_failures: 1000 }, reg: { max_initial_rate: 0 },
			regevent: { enable: false }, ops: { listen: `${host}:${OPS}` } }, options);
	}

	/** The name of that kind now has these replicas; without them: all that run. */
	publish(kind, which = this[`${kind}s`].filter((d) => d && !d.process.exit).map((d) => d.index)) {
		this.dns.set(`${kind}.test`, which.map((i) => this.late[i] && kind === 'agw' ? lateAddress(i) : address(kind, i)));
	}

	/** The balancer has so many eP-CSCFs to send WICs to. */
	balanced(n) {
		return until(async () => {
			const rows = (await (await fetch(`http://${EDGE}:${STATS}/stats;csv`)).text()).split('\n').map((l) => l.split(','));

			return rows.filter((r) => r[0] === 'cscf' && /^cscf\d/.test(r[1]) && r[17]?.startsWith('UP')).length === n;
		}, { ms: 15 * SECOND, every: 50, what: () => `${n} eP-CSCFs at the balancer; ${this.lb.tail(5)}` });
	}

	wssUrl(i) {
		return `wss://${address('cscf', i)}:${WSS}/sip`;
	}

	wssPort = WSS;
	wsPort = WS;

	/** `name` of each running daemon's status, by index. */
	async counts(kind, name) {
		const out = [];

		for (const d of this[`${kind}s`])
			out[d.index] = d.process.exit ? 0 : count(await d.status(), name);
		return out;
	}

	/** Every eP-CSCF that runs has links to so many AGWs in service. */
	linked(n) {
		return until(async () => {
			for (const d of this.cscfs.filter((c) => !c.process.exit)) {
				const list = await d.ctl('agw list');

				if ((list.agws ?? list).filter((a) => a.in_service).length !== n)
					return false;
			}
			return true;
		}, { what: `${n} AGWs in service at each eP-CSCF` });
	}

	/** Stop all, eP-CSCFs first; each that was not killed must end with 0 and without a report. */
	async stop() {
		const errors = [];

		for (const d of [...this.cscfs, ...this.agws].filter((x) => x && !x.process.exit))
			await d.stop().catch((err) => errors.push(err.message));
		await this.kill();
		if (errors.length)
			throw new Error(errors.join('\n'));
	}

	async kill() {
		await Promise.all([...this.daemons.map((d) => d.process), this.lb].filter(Boolean)
			.map((p) => p.stop('SIGKILL').catch(() => {})));
		await Promise.all(this.late.splice(0).map((p) => p?.close()));
		await this.dns?.close();
		this.dns = undefined;
		rmSync(this.dir, { recursive: true, force: true });
	}
}
