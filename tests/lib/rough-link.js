// SPDX-License-Identifier: Apache-2.0
//
// A bad network between one WIC and the gateway, for its media alone: datagrams pass through relays
// that lose, delay and reorder them as `tc netem` does, each way by dice of its own with a seed (the
// kernels this is tested on have no netem). It is as transparent as an address translator: the
// gateway sees one address of ours for each of the WIC's, the WIC the candidate that through() wrote
// into its description. Clean until rough() is called.
import dgram from 'node:dgram';

/** Dice that fall alike for the same seed (mulberry32): 0 <= x < 1. */
function dice(seed) {
	let a = seed >>> 0;

	return () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), a | 1);

		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** What a datagram is, by its first octet (RFC 7983). */
function kindOf(buf) {
	if (buf[0] < 4)
		return 'stun';
	if (buf[0] >= 20 && buf[0] < 64)
		return 'dtls';
	return buf[1] >= 192 && buf[1] < 224 ? 'rtcp' : 'rtp';
}

const socket = (host) => new Promise((resolve, reject) => {
	const s = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');

	s.once('error', reject);
	s.bind(0, host, () => {
		s.off('error', reject);
		s.on('error', () => {}); // refused: the far end is gone
		resolve(s);
	});
});

class Way {
	/** By kind: what passed, what was lost; and of all what overtook another. */
	passed = {};
	lost = {};
	overtaken = 0;
	#last = 0;

	constructor(seed) {
		this.roll = dice(seed);
	}

	carry(buf, { loss = 0, delay = 0, jitter = 0 }, send) {
		const kind = kindOf(buf);
		const fate = this.roll();
		const late = delay + jitter * (2 * this.roll() - 1);

		if (fate < loss) {
			this.lost[kind] = (this.lost[kind] ?? 0) + 1;
			return;
		}
		this.passed[kind] = (this.passed[kind] ?? 0) + 1;
		if (late <= 0) {
			send();
			return;
		}
		const due = performance.now() + late;
		if (due < this.#last)
			this.overtaken++;
		this.#last = Math.max(due, this.#last);
		setTimeout(send, late);
	}
}

export class RoughLink {
	#relays = new Map();
	#how = {};
	#closed = false;

	constructor({ seed = 1, ...how } = {}) {
		this.up = new Way(2 * seed);
		this.down = new Way(2 * seed + 1);
		this.#how = how;
	}

	/**
	 * From now on: loss 0..1, delay and jitter in ms (each datagram takes delay ± jitter, whoever was first);
	 * with `only` 'up' or 'down' that way alone.
	 */
	rough(how) {
		this.#how = how;
	}

	#on(way) {
		return (this.#how.only ?? way) === way ? this.#how : {};
	}

	clean() {
		this.#how = {};
	}

	/** A description of the gateway with its candidates, and what says the same, behind this link. */
	async through(sdp) {
		const lines = [];

		for (const line of sdp.split('\r\n')) {
			const [, head, host, port, tail] = /^(a=candidate:\S+ \d+ udp \d+) (\S+) (\d+)( .*)$/i.exec(line) ?? [];

			lines.push(head ? `${head} ${host} ${(await this.#relay(host, Number(port))).address().port}${tail}` : line);
		}
		return lines.join('\r\n');
	}

	async #relay(host, port) {
		const key = `${host}|${port}`;

		if (!this.#relays.has(key)) {
			const near = await socket(host);
			const outside = new Map();

			near.on('message', async (buf, from) => {
				const who = `${from.address}|${from.port}`;

				if (!outside.has(who))
					outside.set(who, this.#outside(host, near, from));
				const far = await outside.get(who);
				this.up.carry(buf, this.#on('up'), () => this.#closed || far.send(buf, port, host));
			});
			this.#relays.set(key, { near, outside });
		}
		return this.#relays.get(key).near;
	}

	/** Our address for one of the WIC's. */
	async #outside(host, near, from) {
		const far = await socket(host);

		far.on('message', (buf) => this.down.carry(buf, this.#on('down'), () => this.#closed || near.send(buf, from.port, from.address)));
		return far;
	}

	toString() {
		const one = (w) => `${JSON.stringify(w.passed)} passed, ${JSON.stringify(w.lost)} lost, ${w.overtaken} overtaken`;

		return `up ${one(this.up)}; down ${one(this.down)}`;
	}

	async close() {
		this.#closed = true;
		for (const { near, outside } of this.#relays.values()) {
			near.close();
			for (const far of outside.values())
				(await far).close();
		}
		this.#relays.clear();
	}
}
