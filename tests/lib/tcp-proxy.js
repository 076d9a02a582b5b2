// SPDX-License-Identifier: Apache-2.0
//
// A TCP relay in front of one port whose connections a test can cut, as a failing network does.
import net from 'node:net';

export class TcpProxy {
	#pairs = new Set();
	refusing = false;

	/** hold: the near side is not told when the far one ends. delay: ms by which everything comes late, each way. */
	static async start(target, { host = '127.0.0.1', port = 0, hold = false, delay = 0 } = {}) {
		const self = new TcpProxy();

		self.server = net.createServer((near) => {
			if (self.refusing) {
				near.resetAndDestroy?.() ?? near.destroy();
				return;
			}
			const far = net.connect(target);
			const pair = [near, far];

			self.#pairs.add(pair);
			for (const [a, b] of [[near, far], [far, near]]) {
				a.on('error', () => {});
				a.on('close', () => {
					if (hold && a === far)
						return;
					b.destroy();
					self.#pairs.delete(pair);
				});
				if (delay) {
					a.on('data', (d) => setTimeout(() => b.writable && b.write(d), delay));
					a.on('end', () => setTimeout(() => b.end(), delay));
				} else {
					a.pipe(b, { end: !(hold && a === far) });
				}
				if (self.stalled)
					a.pause();
			}
		});
		await new Promise((resolve, reject) => {
			self.server.once('error', reject);
			self.server.listen(port, host, resolve);
		});
		self.server.unref();
		self.port = self.server.address().port;
		return self;
	}

	get connections() {
		return this.#pairs.size;
	}

	/** Reset every connection now; refuse new ones until allow(). */
	cut({ refuse = false } = {}) {
		this.refusing = refuse;
		for (const pair of this.#pairs)
			pair.forEach((s) => s.destroy());
	}

	/** Nothing passes any more, and nobody is told: a partition. */
	stall() {
		this.stalled = true;
		for (const pair of this.#pairs)
			pair.forEach((s) => s.pause());
	}

	flow() {
		this.stalled = false;
		for (const pair of this.#pairs)
			pair.forEach((s) => s.resume());
	}

	allow() {
		this.refusing = false;
	}

	close() {
		this.cut();
		return new Promise((resolve) => this.server.close(resolve));
	}
}
