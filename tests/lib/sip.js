// SPDX-License-Identifier: Apache-2.0
//
// SIP messages for tests: parse, print, answer, Digest. Keeps header order, spelling and
// repetition, because the tests compare them; does not validate. No I/O.
import { createHash, randomBytes } from 'node:crypto';

const SHORT = { v: 'via', f: 'from', t: 'to', i: 'call-id', m: 'contact', l: 'content-length',
	c: 'content-type', k: 'supported', s: 'subject', o: 'event', r: 'refer-to', u: 'allow-events' };

const canon = (name) => SHORT[name.toLowerCase()] ?? name.toLowerCase();

export const token = (n = 8) => randomBytes(n).toString('hex');
export const branch = () => `z9hG4bK${token()}`;

export class SipMessage {
	constructor(start, headers = [], body = '') {
		this.start = start;
		this.headers = headers.map(([n, v]) => [n, String(v)]);
		this.body = body;
		const m = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(start);
		if (m) {
			this.status = Number(m[1]);
			this.reason = m[2];
		} else {
			[this.method, this.uri] = start.split(' ');
		}
	}

	static parse(data) {
		const text = Buffer.isBuffer(data) ? data.toString('utf8') : data;
		const end = text.indexOf('\r\n\r\n');
		const head = (end < 0 ? text : text.slice(0, end)).replace(/\r\n[ \t]+/g, ' ');
		const [start, ...lines] = head.split('\r\n');
		const headers = lines.filter(Boolean).map((line) => {
			const colon = line.indexOf(':');
			return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
		});
		return new SipMessage(start, headers, end < 0 ? '' : text.slice(end + 4));
	}

	/** First value of a header (whole line), or undefined. */
	get(name) {
		return this.headers.find(([n]) => canon(n) === canon(name))?.[1];
	}

	/** All values; lines that carry a list are split at commas outside quotes and <>. */
	all(name) {
		return this.headers.filter(([n]) => canon(n) === canon(name))
			.flatMap(([, v]) => splitList(v));
	}

	has(name) {
		return this.get(name) !== undefined;
	}

	set(name, value) {
		const at = this.headers.findIndex(([n]) => canon(n) === canon(name));
		if (value === undefined)
			this.headers = this.headers.filter(([n]) => canon(n) !== canon(name));
		else if (at < 0)
			this.headers.push([name, String(value)]);
		else
			this.headers[at][1] = String(value);
		return this;
	}

	add(name, value) {
		this.headers.push([name, String(value)]);
		return this;
	}

	get callId() {
		return this.get('Call-ID');
	}

	get cseq() {
		return Number(/^\d+/.exec(this.get('CSeq'))?.[0]);
	}

	get cseqMethod() {
		return this.get('CSeq')?.split(/\s+/)[1];
	}

	get topBranch() {
		return param(this.all('Via')[0] ?? '', 'branch');
	}

	get fromTag() {
		return param(this.get('From') ?? '', 'tag');
	}

	get toTag() {
		return param(this.get('To') ?? '', 'tag');
	}

	/** Answer to this request: Via, From, To (+tag), Call-ID, CSeq, Record-Route copied. */
	answer(status, reason, { toTag, headers = [], body = '' } = {}) {
		const copy = this.headers.filter(([n]) => ['via', 'from', 'to', 'call-id', 'cseq']
			.includes(canon(n)) || (canon(n) === 'record-route' && status > 100));
		const res = new SipMessage(`SIP/2.0 ${status} ${reason}`, copy, body);
		if (toTag && !res.toTag)
			res.set('To', `${res.get('To')};tag=${toTag}`);
		for (const [n, v] of headers)
			res.add(n, v);
		return res;
	}

	toString() {
		const length = Buffer.byteLength(this.body);
		const headers = this.headers.some(([n]) => canon(n) === 'content-length')
			? this.headers : [...this.headers, ['Content-Length', length]];
		return `${this.start}\r\n${headers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n${this.body}`;
	}
}

/** Split a header value at commas outside quotes and angle brackets. */
export function splitList(value) {
	const out = [];
	let depth = 0, quoted = false, start = 0;

	// Credentials and challenges use commas inside one value.
	if (/^(Digest|Bearer)\s/i.test(value))
		return [value];
	for (let i = 0; i < value.length; i++) {
		const c = value[i];

		if (quoted) {
			if (c === '\\')
				i++;
			else if (c === '"')
				quoted = false;
		} else if (c === '"') {
			quoted = true;
		} else if (c === '<') {
			depth++;
		} else if (c === '>') {
			depth--;
		} else if (c === ',' && depth === 0) {
			out.push(value.slice(start, i).trim());
			start = i + 1;
		}
	}
	out.push(value.slice(start).trim());
	return out;
}

/** Header parameter of a name-addr, Via or similar; true when it has no value. */
export function param(value, name) {
	const rest = value.includes('>') ? value.slice(value.lastIndexOf('>') + 1) : value;
	const m = new RegExp(`(?:^|;)\\s*${name}(?:\\s*=\\s*("[^"]*"|[^;,\\s]*))?(?=[;,\\s]|$)`, 'i').exec(rest);

	if (!m)
		return undefined;
	return m[1] === undefined ? true : m[1].replace(/^"|"$/g, '');
}

/** The URI inside <> or the bare one. */
export function uriOf(value) {
	return /<([^>]*)>/.exec(value)?.[1] ?? value.split(';')[0].trim();
}

/** user, host, port, params of a sip/sips URI. */
export function parseUri(uri) {
	const m = /^(sips?|tel):(?:([^@]*)@)?([^;?]*)(.*)$/i.exec(uri);

	if (!m)
		return undefined;
	const hp = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(m[3]);
	return { scheme: m[1].toLowerCase(), user: m[2], host: hp?.[1].replace(/^\[|\]$/g, ''),
		port: hp?.[2] ? Number(hp[2]) : undefined, params: m[4] };
}

/** Parameters of a Digest challenge or credentials. */
export function digestParams(value) {
	const out = {};

	for (const m of value.matchAll(/([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi))
		out[m[1].toLowerCase()] = m[2] ?? m[3];
	return out;
}

const HASH = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' }; // AKAv1-, AKAv2- before it

/** Authorization value that answers a WWW-Authenticate/Proxy-Authenticate challenge. */
export function digestAuthorize(challenge, { method, uri, username, password, nc = 1 }) {
	const c = digestParams(challenge);
	const hash = HASH[(c.algorithm ?? 'MD5').toUpperCase().replace(/^AKAV[12]-/, '')];
	const h = (...parts) => createHash(hash).update(Buffer.concat(parts.map((x) => Buffer.from(x)))).digest('hex');
	const cnonce = token(4);
	const count = nc.toString(16).padStart(8, '0');
	const ha1 = h(`${username}:${c.realm}:`, password); // AKAv1 has octets for a password
	const ha2 = h(`${method}:${uri}`);
	const qop = c.qop?.split(',').map((q) => q.trim()).includes('auth');
	const response = qop ? h(`${ha1}:${c.nonce}:${count}:${cnonce}:auth:${ha2}`)
		: h(`${ha1}:${c.nonce}:${ha2}`);
	const parts = [`username="${username}"`, `realm="${c.realm}"`, `nonce="${c.nonce}"`,
		`uri="${uri}"`, `response="${response}"`, `algorithm=${c.algorithm ?? 'MD5'}`];

	if (c.opaque)
		parts.push(`opaque="${c.opaque}"`);
	if (qop)
		parts.push(`qop=auth`, `nc=${count}`, `cnonce="${cnonce}"`);
	return `Digest ${parts.join(', ')}`;
}

/** Stream splitter for SIP over TCP: feed bytes, get whole messages (Content-Length framing). */
export class SipStream {
	#buf = Buffer.alloc(0);

	feed(data) {
		const out = [];

		this.#buf = Buffer.concat([this.#buf, data]);
		for (;;) {
			while (this.#buf.length >= 2 && this.#buf[0] === 13 && this.#buf[1] === 10)
				this.#buf = this.#buf.subarray(2);
			const end = this.#buf.indexOf('\r\n\r\n');
			if (end < 0)
				return out;
			const length = Number(/^(?:content-length|l)\s*:\s*(\d+)/im
				.exec(this.#buf.toString('latin1', 0, end))?.[1] ?? 0);
			if (this.#buf.length < end + 4 + length)
				return out;
			out.push(this.#buf.subarray(0, end + 4 + length));
			this.#buf = this.#buf.subarray(end + 4 + length);
		}
	}
}
