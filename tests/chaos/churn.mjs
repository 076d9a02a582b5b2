// SPDX-License-Identifier: Apache-2.0
//
// A steady load of short calls by scripted WICs (signalling alone, no media) which do what a page does when
// its WebSocket goes: come back by way of the balancer, register, go on. Every call's fate is known.
import { WsClient } from '../lib/wsclient.js';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Churn {
	/** lost: a call that was up and whose end was not ours. refused: no call came about, the user was told so or lost the connection. */
	fates = { ok: 0, refused: 0, lost: 0 };
	why = new Map();
	reconnects = 0;
	up = 0;
	#clients = [];
	#on = false;
	#begun = 0;
	#next = 0;

	constructor({ url, origin, users, first = 100 }) {
		Object.assign(this, { url, origin });
		this.#clients = Array.from({ length: users }, (_, i) => ({ user: `load${first + i}`, busy: false }));
	}

	async start() {
		this.#on = true;
		await Promise.all(this.#clients.map((c) => this.#connect(c)));
	}

	async #connect(c) {
		for (let wait = 20 + Math.random() * 50; this.#on; wait = Math.min(1000, wait * 2)) {
			try {
				const ws = await WsClient.open(this.url, { user: c.user, password: 'load', origin: this.origin });

				Object.assign(ws, c.kept);
				c.kept ??= { instance: ws.instance, contactUri: ws.contactUri, host: ws.host };
				c.gone = false;
				ws.closed.then(() => {
					c.gone = true;
					c.ws = undefined;
					if (this.#on) {
						this.reconnects++;
						this.#connect(c);
					}
				});
				const res = await Promise.race([ws.register(), ws.closed]);
				if (res.status === 200) {
					c.ws = ws;
					return;
				}
				const closed = ws.closed;
				if (!c.gone) {
					await ws.close({ abrupt: true }).catch(() => {});
					await closed;
				}
				return; // its end has called us again
			} catch {
				await pause(wait * (0.5 + Math.random()));
			}
		}
	}

	#note(fate, reason) {
		this.fates[fate]++;
		if (fate !== 'ok')
			this.why.set(`${fate}: ${reason}`, (this.why.get(`${fate}: ${reason}`) ?? 0) + 1);
	}

	async #call(c, ms) {
		const { ws } = c;
		const gone = ws.closed.then(({ code }) => ({ gone: code }));

		c.busy = true;
		try {
			const call = ws.invite('sip:bob@ims.test');
			const res = await Promise.race([call.response(200, { ms: 15000 }), gone]);
			if (res.status !== 200) {
				this.#note('refused', res.gone ? `closed ${res.gone}` : res.start);
				return;
			}
			this.up++;
			try {
				const ended = ws.requests.next((m) => m.method === 'BYE' && m.callId === call.callId, { ms: ms + 20000 }).catch(() => ({}));
				const first = await Promise.race([pause(ms).then(() => undefined), gone, ended]);
				if (first) {
					if (first.method)
						ws.send(first.answer(200, 'OK'));
					this.#note('lost', first.gone ? `closed ${first.gone} in a call` : `BYE ${first.get?.('Reason') ?? ''}`);
					return;
				}
				const bye = await Promise.race([call.bye(), gone]);
				this.#note(bye.status === 200 ? 'ok' : 'lost', bye.gone ? `closed ${bye.gone} at BYE` : `BYE answered ${bye.status}`);
			} finally {
				this.up--;
			}
		} catch (err) {
			this.#note('refused', err.message.slice(0, 80));
		} finally {
			c.busy = false;
		}
	}

	/** Begin calls at that rate, each so long, until the returned function is called; it resolves when the last has ended. */
	run({ rate, ms }) {
		const begun = performance.now();
		const calls = new Set();
		let started = 0;

		this.fates = { ok: 0, refused: 0, lost: 0 };
		this.why.clear();
		this.reconnects = 0;
		const timer = setInterval(() => {
			for (const due = (performance.now() - begun) * rate / 1000; started < due; started++) {
				const n = this.#clients.length;
				const c = Array.from({ length: n }, (_, i) => this.#clients[(this.#next + i) % n]).find((x) => x.ws && !x.busy);

				if (!c) {
					this.#note('refused', 'no WIC is idle and registered');
					continue;
				}
				this.#next = (this.#clients.indexOf(c) + 1) % n;
				const one = this.#call(c, ms).finally(() => calls.delete(one));
				calls.add(one);
			}
		}, 20);
		return async () => {
			clearInterval(timer);
			await Promise.all(calls);
			return this.fates;
		};
	}

	async stop() {
		this.#on = false;
		await Promise.all(this.#clients.map((c) => c.ws?.close({ abrupt: true }).catch(() => {})));
	}
}
