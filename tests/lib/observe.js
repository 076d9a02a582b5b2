// SPDX-License-Identifier: Apache-2.0
//
// Reading what a daemon says about itself: log lines, metrics, open file descriptors.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** A structured log line as an object; undefined for anything else. */
export function parseLog(line) {
	const out = {};

	for (const m of line.matchAll(/([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|\S*)/g))
		out[m[1]] ??= m[2].startsWith('"') ? m[2].slice(1, -1).replace(/\\(.)/g, '$1') : m[2];
	return out.event ? out : undefined;
}

/** Prometheus text into a list of { name, labels, value }. */
export function parseMetrics(text) {
	return text.split('\n').filter((l) => l && !l.startsWith('#')).map((line) => {
		const [, name, labels, value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line) ?? [];

		return { name, labels: Object.fromEntries([...(labels ?? '').matchAll(/(\w+)="([^"]*)"/g)]
			.map((m) => [m[1], m[2]])), value: Number(value) };
	});
}

export class Metrics {
	static async read(url) {
		const res = await fetch(url);

		if (res.status !== 200)
			throw new Error(`${url}: ${res.status}`);
		return new Metrics(await res.text());
	}

	constructor(text) {
		this.text = text;
		this.list = parseMetrics(text);
	}

	/** Sum of all series of a name (or matching a pattern) with these labels. */
	sum(name, labels = {}) {
		return this.list.filter((m) => (name instanceof RegExp ? name.test(m.name) : m.name === name) &&
			Object.entries(labels).every(([k, v]) => m.labels[k] === v))
			.reduce((sum, m) => sum + m.value, 0);
	}

	has(name) {
		return this.list.some((m) => m.name === name);
	}

	/** Series that grew since an earlier reading: [{ name, labels, by }]. */
	grownSince(before) {
		const key = (m) => `${m.name}${JSON.stringify(m.labels)}`;
		const old = new Map(before.list.map((m) => [key(m), m.value]));

		return this.list.map((m) => ({ ...m, by: m.value - (old.get(key(m)) ?? 0) })).filter((m) => m.by > 0);
	}
}

/** Inodes of TCP connections to or from one of these remote ports (idle Mw and Iq links). */
function socketInodes(pid, ports) {
	const out = new Set();

	for (const f of ['tcp', 'tcp6']) {
		for (const line of readFileSync(`/proc/${pid}/net/${f}`, 'latin1').split('\n').slice(1)) {
			const col = line.trim().split(/\s+/);
			const at = (s) => parseInt(s?.split(':')[1] ?? '0', 16);

			if (col.length > 9 && (ports.has(at(col[2])) || ports.has(at(col[1]))) && col[3] !== '0A')
				out.add(col[9]);
		}
	}
	return out;
}

/** Datagrams that the kernel threw away at sockets bound to that port, because nobody read them in time. Of this namespace. */
export function udpDrops(port) {
	const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;

	return ['/proc/net/udp', '/proc/net/udp6'].flatMap((f) => readFileSync(f, 'latin1').trim().split('\n').slice(1))
		.map((line) => line.trim().split(/\s+/)).filter((col) => col[1].endsWith(hex))
		.reduce((sum, col) => sum + Number(col.at(-1)), 0);
}

/** Open descriptors of a process by kind, without connections on the given ports. */
export function fdCensus(pid, ignorePorts = []) {
	const ignored = socketInodes(pid, new Set(ignorePorts));
	const out = {};

	for (const fd of readdirSync(`/proc/${pid}/fd`)) {
		let target;

		try {
			target = readlinkSync(`/proc/${pid}/fd/${fd}`);
		} catch {
			continue;
		}
		if (ignored.has(/^socket:\[(\d+)\]$/.exec(target)?.[1]))
			continue;
		const kind = target.replace(/[:[].*$/, '').replace(/^\/.*/, 'file');
		out[kind] = (out[kind] ?? 0) + 1;
	}
	return out;
}
