// SPDX-License-Identifier: Apache-2.0
//
// A SIP endpoint on UDP and TCP, by hand: sockets, retransmission absorption, inboxes.
// Sends exactly what it is given; keeps every received message with its raw bytes.
// Used by the scripted S-CSCF (scscf.js) and the scripted UE (ue.js).
import dgram from 'node:dgram';
import net from 'node:net';
import { SipMessage, SipStream, param } from './sip.js';
import { Inbox, SECOND } from './wait.js';

const T1 = 500;

export class SipEndpoint {
	requests = new Inbox();
	responses = new Inbox();
	/** Everything received, in order: { msg, raw, transport, from }. */
	log = [];
	#answers = new Map();
	#streams = new Set();
	#retries = new Set();

	static async open({ host = '127.0.0.1', port = 0, tcp = true, udp = true } = {}) {
		const self = new this();

		self.host = host;
		if (udp) {
			self.udp = dgram.createSocket({ type: host.includes(':') ? 'udp6' : 'udp4',
				recvBufferSize: 1 << 20 });
			await new Promise((resolve, reject) => {
				self.udp.once('error', reject);
				self.udp.bind(port, host, resolve);
			});
			self.udp.on('error', () => {});
			self.port = self.udp.address().port;
			self.udp.on('message', (buf, from) => {
				if (buf.length > 4)
					self.#receive(buf, { transport: 'UDP', from: { host: from.address, port: from.port } });
			});
		}
		if (tcp) {
			self.tcp = net.createServer((sock) => self.#accept(sock));
			await new Promise((resolve, reject) => {
				self.tcp.once('error', reject);
				self.tcp.listen(self.port ?? port, host, resolve);
			});
			self.port ??= self.tcp.address().port;
		}
		return self;
	}

	#accept(sock) {
		const parser = new SipStream();

		sock.setNoDelay(true);
		sock.on('error', () => {});
		sock.on('close', () => this.#streams.delete(sock));
		sock.on('data', (data) => {
			for (const raw of parser.feed(data))
				this.#receive(raw, { transport: 'TCP', sock,
					from: { host: sock.remoteAddress, port: sock.remotePort } });
		});
		this.#streams.add(sock);
	}

	#receive(raw, via) {
		const msg = SipMessage.parse(raw);
		const item = { msg, raw: raw.toString('utf8'), ...via };

		if (msg.status) {
			this.#cancelRetry(`${msg.topBranch} ${msg.cseqMethod}`);
			this.log.push(item);
			if (this.onResponse?.(item) !== true)
				this.responses.push(item);
			return;
		}
		const key = `${msg.topBranch} ${msg.method}`;
		if (msg.method !== 'ACK' && this.#answers.has(key)) {
			const again = this.#answers.get(key);

			if (again)
				this.#write(again, item);
			return;
		}
		this.#answers.set(key, null);
		item.reply = (status, reason, options) => this.reply(item, status, reason, options);
		this.log.push(item);
		if (this.onRequest?.(item) !== true)
			this.requests.push(item);
	}

	#write(text, { transport, sock, from }) {
		if (transport === 'TCP' && sock && !sock.destroyed)
			sock.write(text);
		else if (transport === 'UDP')
			this.udp.send(text, from.port, from.host);
	}

	/** Answer a received request; kept for its retransmissions. Returns the message sent. */
	reply(item, status, reason, options) {
		const res = item.msg.answer(status, reason, options);
		const text = res.toString();

		this.#answers.set(`${item.msg.topBranch} ${item.msg.method}`, text);
		this.#write(text, item);
		return res;
	}

	/** Send a message; UDP requests other than ACK are retransmitted (T1 doubling) until answered. */
	async send(msg, { host, port, transport = 'UDP' }) {
		const text = msg.toString();

		if (transport === 'TCP') {
			const sock = await this.#connect(host, port);

			sock.write(text);
			return;
		}
		this.udp.send(text, port, host);
		if (!msg.status && msg.method !== 'ACK')
			this.#retry(`${msg.topBranch} ${msg.method}`, text, host, port);
	}

	#retry(key, text, host, port) {
		const state = { key, wait: T1, left: 7 };
		const again = () => {
			if (--state.left <= 0) {
				this.#retries.delete(state);
				return;
			}
			this.udp.send(text, port, host);
			state.wait = Math.min(state.wait * 2, 4 * SECOND);
			state.timer = setTimeout(again, state.wait);
		};

		state.timer = setTimeout(again, state.wait);
		this.#retries.add(state);
	}

	#cancelRetry(key) {
		for (const state of this.#retries) {
			if (state.key === key) {
				clearTimeout(state.timer);
				this.#retries.delete(state);
			}
		}
	}

	#connect(host, port) {
		for (const sock of this.#streams) {
			if (sock.remotePort === port && sock.remoteAddress === host)
				return Promise.resolve(sock);
		}
		return new Promise((resolve, reject) => {
			const sock = net.connect({ host, port, localAddress: this.host }, () => {
				sock.off('error', reject);
				this.#accept(sock);
				resolve(sock);
			});

			sock.once('error', reject);
		});
	}

	/** The next request of a method (and Call-ID), from now or already received. */
	next(method, { callId, ms, match = () => true } = {}) {
		return this.requests.next(({ msg }) => msg.method === method &&
			(callId === undefined || msg.callId === callId) && match(msg),
		{ ms, what: `${method} at ${this.host}:${this.port}` });
	}

	/** The next response to a request sent; provisional ones only when min is lowered. */
	response(request, { min = 200, ms } = {}) {
		return this.responses.next(({ msg }) => msg.topBranch === request.topBranch &&
			msg.cseqMethod === request.method && msg.status >= min,
		{ ms, what: `answer to ${request.method} at ${this.host}:${this.port}` });
	}

	/** Send and await the final answer. */
	async request(msg, target, options) {
		await this.send(msg, target);
		return (await this.response(msg, options)).msg;
	}

	/** Drop all TCP connections, as a restarting peer does. */
	dropStreams() {
		for (const sock of this.#streams)
			sock.destroy();
	}

	async close() {
		for (const { timer } of this.#retries)
			clearTimeout(timer);
		this.#retries.clear();
		this.dropStreams();
		if (this.udp)
			await new Promise((resolve) => this.udp.close(resolve));
		if (this.tcp)
			await new Promise((resolve) => this.tcp.close(resolve));
	}
}

/** sent-by of a Via value. */
export function viaHost(via) {
	const m = /^SIP\/2\.0\/(\S+)\s+([^;\s]+)/.exec(via);

	return m && { transport: m[1], sentBy: m[2], branch: param(via, 'branch'),
		received: param(via, 'received'), rport: param(via, 'rport') };
}
