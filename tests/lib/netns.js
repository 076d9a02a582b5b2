// SPDX-License-Identifier: Apache-2.0
//
// A network namespace of its own, joined to the host by a veth pair, for a program whose address
// is to change while it runs. Needs root. Two private addresses of one /28 that nobody else has.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

export class NetNs {
	/** Made and up; the host is at .host, the namespace at .address. */
	static create() {
		const self = new NetNs();
		const id = randomBytes(3);

		self.name = `wicgate-${id.toString('hex')}`;
		self.near = `wg${id.toString('hex')}h`;
		self.far = `wg${id.toString('hex')}n`;
		self.net = `10.203.${id[0]}`;
		self.host = `${self.net}.1`;
		self.address = `${self.net}.2`;
		ip('netns', 'add', self.name);
		try {
			ip('link', 'add', self.near, 'type', 'veth', 'peer', 'name', self.far, 'netns', self.name);
			ip('address', 'add', `${self.host}/28`, 'dev', self.near);
			ip('link', 'set', self.near, 'up');
			self.#in('link', 'set', 'lo', 'up');
			self.#in('address', 'add', `${self.address}/28`, 'dev', self.far);
			self.#in('link', 'set', self.far, 'up');
		} catch (err) {
			self.close();
			throw err;
		}
		return self;
	}

	#in(...args) {
		return ip('-n', this.name, ...args);
	}

	/**
	 * The namespace has another address from now on, and the old one no more; TCP connections of the old
	 * one end for those inside, as mobile systems see to. Nobody tells the other end.
	 */
	move(last) {
		const old = this.address;

		this.address = `${this.net}.${last}`;
		this.#in('address', 'del', `${old}/28`, 'dev', this.far);
		this.#in('address', 'add', `${this.address}/28`, 'dev', this.far);
		execFileSync('ip', ['netns', 'exec', this.name, 'ss', '-K', '-t', 'src', old], { stdio: 'ignore' });
		return old;
	}

	/** Nothing by UDP leaves the namespace any more, as in networks that let only the web through. */
	blockUdp() {
		this.#in('rule', 'add', 'ipproto', 'udp', 'blackhole');
	}

	/** A script that runs that program inside. */
	wrap(dir, program) {
		const path = join(dir, 'inside');

		writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${program} "$@"\n`, { mode: 0o755 });
		return path;
	}

	close() {
		ip('netns', 'del', this.name); // the pair goes with it
	}
}
