// SPDX-License-Identifier: Apache-2.0
//
// A WebSocket SIP client by hand: registers, calls, answers, and sends anything malformed.
// There is no ICE or DTLS behind it: for media use a browser or the native test client.
// RawSocket below speaks bytes: HTTP upgrade and frames exactly as the test writes them.
import net from 'node:net';
import tls from 'node:tls';
import { randomBytes, randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { SipMessage, branch, digestAuthorize, token, uriOf } from './sip.js';
import { browserAnswer, browserOffer } from './sdp.js';
import { Inbox, SECOND, within } from './wait.js';

export class WsClient {
	requests = new Inbox();
	responses = new Inbox();
	frames = [];
	#cseq = 1;
	#nc = 0;

	/** Open the connection. user/password/domain as in the core; origin must be allowed; localAddress: from where. */
	static async open(url, { user, password = user, domain = 'ims.test', origin, impi = user,
		protocols = ['sip'], headers, tls: tlsOptions = {}, localAddress } = {}) {
		const self = new WsClient();
		const host = `${token(6)}.invalid`;

		Object.assign(self, { user, password, domain, impi, host, aor: `sip:${user}@${domain}`,
			contactUri: `sip:${token(4)}@${host};transport=ws`, regCallId: token(), regTag: token(4),
			instance: `<urn:uuid:${randomUUID()}>`, viaTransport: url.startsWith('wss') ? 'WSS' : 'WS' });
		self.ws = new WebSocket(url, protocols, { ...tlsOptions, origin, rejectUnauthorized: false, headers,
			perMessageDeflate: false, localAddress });
		self.closed = new Promise((resolve) => {
			self.ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
		});
		self.ws.on('message', (data, isBinary) => self.#onMessage(data, isBinary));
		await within(new Promise((resolve, reject) => {
			self.ws.once('open', resolve);
			self.ws.once('error', reject);
			self.ws.once('unexpected-response', (req, res) => reject(Object.assign(
				new Error(`handshake answered ${res.statusCode}`), { status: res.statusCode,
					headers: res.headers })));
		}), 10 * SECOND, `WebSocket ${url}`);
		self.ws.on('error', () => {});
		return self;
	}

	#onMessage(data, isBinary) {
		const text = data.toString('utf8');

		this.frames.push({ text, isBinary });
		if (text.trim() === '')
			return;
		const msg = SipMessage.parse(text);
		if (msg.status)
			this.responses.push(msg);
		else
			this.requests.push(msg);
	}

	via(b = branch()) {
		return `SIP/2.0/${this.viaTransport} ${this.host};branch=${b};rport`;
	}

	/** Send a message object or any text or bytes. */
	send(msg) {
		this.ws.send(msg instanceof SipMessage ? msg.toString() : msg);
	}

	response(msg, { min = 200, ms } = {}) {
		return this.responses.next((r) => r.topBranch === msg.topBranch && r.cseqMethod === msg.method &&
			r.status >= min, { ms, what: `answer to ${msg.method} on W2` });
	}

	async request(msg, options) {
		this.send(msg);
		return this.response(msg, options);
	}

	next(method, { ms } = {}) {
		return this.requests.next((m) => m.method === method, { ms, what: `${method} on W2` });
	}

	registerMsg({ expires = 600, auth, headers = [], outbound = true } = {}) {
		return new SipMessage(`REGISTER sip:${this.domain} SIP/2.0`, [['Via', this.via()],
			['Max-Forwards', 70], ['From', `<${this.aor}>;tag=${this.regTag}`], ['To', `<${this.aor}>`],
			['Call-ID', this.regCallId], ['CSeq', `${this.#cseq++} REGISTER`],
			['Supported', outbound ? 'path, outbound, gruu' : 'path'],
			['Contact', `<${this.contactUri}>${outbound ? `;reg-id=1;+sip.instance="${this.instance}"` : ''};expires=${
				expires}`], ...(auth ? [['Authorization', auth]] : []), ...headers]);
	}

	authorize(challenge, { method = 'REGISTER', uri = `sip:${this.domain}`, password = this.password } = {}) {
		return digestAuthorize(challenge, { method, uri, username: this.impi, password, nc: ++this.#nc });
	}

	/** REGISTER with at most one challenge answered; returns the final response. */
	async register(options = {}) {
		const first = await this.request(this.registerMsg(options));

		if (first.status !== 401)
			return first;
		const auth = this.authorize(first.get('WWW-Authenticate'), options);
		const final = await this.request(this.registerMsg({ ...options, auth }));

		if (final.status === 200)
			this.routes = final.all('Service-Route');
		return final;
	}

	unregister() {
		return this.register({ expires: 0 });
	}

	/** Request outside a dialog, with the Service-Route. */
	message(method, uri, { headers = [], body = '', type = 'application/sdp', callId = token(),
		cseq = 1 } = {}) {
		return new SipMessage(`${method} ${uri} SIP/2.0`, [['Via', this.via()], ['Max-Forwards', 70],
			...(this.routes ?? []).map((r) => ['Route', r]), ['From', `<${this.aor}>;tag=${token(4)}`],
			['To', `<${uri}>`], ['Call-ID', callId], ['CSeq', `${cseq} ${method}`],
			['Contact', `<${this.contactUri};ob>`], ...headers, ...(body ? [['Content-Type', type]] : [])], body);
	}

	/** INVITE with a browser-like offer. */
	invite(uri, { sdp = browserOffer(), ...options } = {}) {
		return new WsCall(this, this.message('INVITE', uri, { body: sdp, ...options }));
	}

	/** The next incoming INVITE as a call. */
	async incoming(options) {
		return new WsCall(this, await this.next('INVITE', options), true);
	}

	/** Wait for the connection to end by the other side; { code, reason }. */
	ended(ms = 15 * SECOND) {
		return within(this.closed, ms, 'the server to close the WebSocket');
	}

	/** Orderly close, or the TCP connection cut without a close frame. */
	async close({ abrupt = false } = {}) {
		if (abrupt)
			this.ws.terminate();
		else
			this.ws.close(1000);
		return within(this.closed, 10 * SECOND, 'WebSocket to close');
	}
}

/** One call of a WsClient: the dialog's requests and answers, sent only when the test says so. */
export class WsCall {
	constructor(client, invite, incoming = false) {
		Object.assign(this, { client, invite, incoming, callId: invite.callId, cseq: invite.cseq });
		if (incoming) {
			this.local = `${invite.get('To')};tag=${token(4)}`;
			this.remote = invite.get('From');
			this.target = uriOf(invite.get('Contact'));
			this.routes = invite.all('Record-Route');
			this.cseq = 500;
		} else {
			this.local = invite.get('From');
			this.remote = invite.get('To');
			client.send(invite);
		}
	}

	/** Next response to the INVITE with at least that status. */
	async response(min = 200, options) {
		const res = await this.client.response(this.invite, { min, ...options });

		if (res.status >= 200)
			this.#final(res);
		return res;
	}

	#final(res) {
		if (res.status < 300) {
			this.remote = res.get('To');
			this.target = uriOf(res.get('Contact'));
			this.routes = res.all('Record-Route').reverse();
			this.client.send(this.request('ACK', { cseq: this.invite.cseq }));
			return;
		}
		const ack = this.request('ACK', { cseq: this.invite.cseq });
		ack.set('Via', this.invite.get('Via'));
		ack.set('To', res.get('To'));
		ack.start = `ACK ${this.invite.uri} SIP/2.0`;
		this.client.send(ack);
	}

	request(method, { cseq = ++this.cseq, headers = [], body = '' } = {}) {
		return new SipMessage(`${method} ${this.target ?? this.invite.uri} SIP/2.0`,
			[['Via', this.client.via()], ['Max-Forwards', 70], ...(this.routes ?? []).map((r) => ['Route', r]),
				['From', this.local], ['To', this.remote], ['Call-ID', this.callId], ['CSeq', `${cseq} ${method}`],
				...(method === 'INVITE' ? [['Contact', `<${this.client.contactUri};ob>`]] : []), ...headers,
				...(body ? [['Content-Type', 'application/sdp']] : [])], body);
	}

	/** Any request in the dialog; resolves with the final answer. */
	send(method, options) {
		return this.client.request(this.request(method, options));
	}

	bye(headers) {
		return this.send('BYE', { headers });
	}

	cancelMsg(headers = []) {
		return new SipMessage(`CANCEL ${this.invite.uri} SIP/2.0`, [['Via', this.invite.get('Via')],
			['Max-Forwards', 70], ...this.invite.all('Route').map((r) => ['Route', r]), ['From', this.local],
			['To', this.invite.get('To')], ['Call-ID', this.callId], ['CSeq', `${this.invite.cseq} CANCEL`],
			...headers]);
	}

	cancel(headers) {
		return this.client.request(this.cancelMsg(headers));
	}

	/** Answer the incoming INVITE (or another request of the dialog). */
	reply(status, reason, { to = this.invite, headers = [], body = '' } = {}) {
		const res = to.answer(status, reason, { toTag: /tag=(\w+)/.exec(this.local)?.[1], headers: [
			...(to.method === 'INVITE' && status > 100 && status < 300
				? [['Contact', `<${this.client.contactUri};ob>`]] : []), ...headers,
			...(body ? [['Content-Type', 'application/sdp']] : [])], body });

		this.client.send(res);
		return res;
	}

	ring() {
		return this.reply(180, 'Ringing');
	}

	/** 200 with a browser-like answer; resolves with the ACK. */
	async answer() {
		this.reply(200, 'OK', { body: browserAnswer(this.invite.body) });
		return this.client.requests.next((m) => m.method === 'ACK' && m.callId === this.callId,
			{ what: 'ACK on W2' });
	}

	/** Next request of the dialog from the other side; answered 200 when `ok`. */
	async next(method, { ok = true, ms } = {}) {
		const msg = await this.client.requests.next((m) => m.method === method &&
			m.callId === this.callId, { ms, what: `${method} on W2` });

		if (ok && method !== 'ACK')
			this.client.send(msg.answer(200, 'OK'));
		return msg;
	}
}

/** Bytes on a TCP or TLS connection, and what comes back. */
export class RawSocket {
	received = Buffer.alloc(0);
	ended = false;

	static async open({ host = '127.0.0.1', port, secure = false, localAddress }) {
		const self = new RawSocket();

		self.sock = secure ? tls.connect({ host, port, localAddress, rejectUnauthorized: false })
			: net.connect({ host, port, localAddress });
		self.sock.on('data', (d) => {
			self.received = Buffer.concat([self.received, d]);
		});
		self.closed = new Promise((resolve) => self.sock.once('close', () => {
			self.ended = true;
			resolve();
		}));
		await within(new Promise((resolve, reject) => {
			self.sock.once(secure ? 'secureConnect' : 'connect', resolve);
			self.sock.once('error', reject);
		}), 10 * SECOND, `connection to ${host}:${port}`);
		self.sock.on('error', () => {});
		return self;
	}

	write(data) {
		this.sock.write(data);
	}

	/** Wait until the received text matches. */
	async text(match, ms = 10 * SECOND) {
		const end = Date.now() + ms;

		for (;;) {
			const text = this.received.toString('latin1');

			if (match.test(text))
				return text;
			if (this.ended || Date.now() > end)
				throw new Error(`waited for ${match}, got ${JSON.stringify(text.slice(0, 300))}${
					this.ended ? ' and the end' : ''}`);
			await new Promise((resolve) => {
				const timer = setTimeout(resolve, Math.min(100, ms));

				this.sock.once('data', () => {
					clearTimeout(timer);
					resolve();
				});
			});
		}
	}

	/** Upgrade as a browser does, with overrides; resolves with the HTTP answer's head. */
	async upgrade({ path = '/sip', method = 'GET', version = 'HTTP/1.1', headers = {} } = {}) {
		const all = { Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade',
			'Sec-WebSocket-Key': randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13',
			'Sec-WebSocket-Protocol': 'sip', ...headers };
		const lines = Object.entries(all).filter(([, v]) => v !== undefined)
			.map(([n, v]) => `${n}: ${v}\r\n`).join('');

		this.write(`${method} ${path} ${version}\r\n${lines}\r\n`);
		const head = (await this.text(/\r\n\r\n/)).split('\r\n\r\n')[0];
		this.received = this.received.subarray(head.length + 4);
		return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head };
	}

	/** A WebSocket frame with every bit at the test's choice. */
	frame({ opcode = 1, fin = true, rsv = 0, mask = true, payload = '', length }) {
		const data = Buffer.from(payload);
		const n = length ?? data.length;
		const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
		const key = randomBytes(4);

		if (n < 126)
			head.push((mask ? 0x80 : 0) | n);
		else if (n < 65536)
			head.push((mask ? 0x80 : 0) | 126, n >> 8, n & 0xff);
		else
			head.push((mask ? 0x80 : 0) | 127, 0, 0, 0, 0, (n >>> 24) & 0xff, (n >> 16) & 0xff, (n >> 8) & 0xff,
				n & 0xff);
		if (mask)
			for (let i = 0; i < data.length; i++)
				data[i] ^= key[i & 3];
		this.write(Buffer.concat([Buffer.from(head), mask ? key : Buffer.alloc(0), data]));
	}

	/** Close code of the server's close frame; undefined when the connection just ended. */
	async closeCode(ms = 10 * SECOND) {
		await within(this.closed, ms, 'the server to close');
		return this.frames().find((f) => f.opcode === 8)?.payload.readUInt16BE(0);
	}

	/** Server frames received so far. */
	frames() {
		const out = [];
		let at = 0;
		const b = this.received;

		while (at + 2 <= b.length) {
			let n = b[at + 1] & 0x7f, head = 2;

			if (n === 126) {
				n = b.readUInt16BE(at + 2);
				head = 4;
			} else if (n === 127) {
				n = Number(b.readBigUInt64BE(at + 2));
				head = 10;
			}
			if (at + head + n > b.length)
				break;
			out.push({ opcode: b[at] & 0x0f, masked: b[at + 1] >> 7, payload: b.subarray(at + head, at + head + n) });
			at += head + n;
		}
		return out;
	}

	close() {
		this.sock.destroy();
	}
}
