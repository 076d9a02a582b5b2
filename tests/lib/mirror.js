// SPDX-License-Identifier: Apache-2.0
//
// The far end of a media stream that keeps books: on an RtpPort of a UE it counts what comes as a
// receiver does (RFC 3550 A.1, A.3, A.8: by sequence numbers, for each SSRC), answers with receiver
// reports, and sends each packet back under an SSRC of its own; a picture that is asked for there
// is asked for here. Plain RTP only.
import { randomBytes } from 'node:crypto';
import { parseRtp } from './rtp.js';

const SR = 200, RR = 201, SDES = 202, PSFB = 206;
const PLI = 1;
/** One report a second; the fifth of RFC 3550's interval tells a browser its round trip soon. */
const REPORT_MS = 1000;

/** The parts of a compound packet: { type, fmt, body } with body from the first SSRC on. */
export function parseRtcp(buf) {
	const out = [];

	for (let at = 0; at + 8 <= buf.length;) {
		const end = at + 4 * (buf.readUInt16BE(at + 2) + 1);

		if (end > buf.length)
			break;
		out.push({ type: buf[at + 1], fmt: buf[at] & 0x1f, body: buf.subarray(at + 4, end) });
		at = end;
	}
	return out;
}

function rtcpPart(type, count, body) {
	const head = Buffer.alloc(4);

	head[0] = 0x80 | count;
	head[1] = type;
	head.writeUInt16BE(body.length / 4, 2);
	return Buffer.concat([head, body]);
}

const u32 = (...values) => {
	const out = Buffer.alloc(4 * values.length);

	values.forEach((v, i) => out.writeUInt32BE(v >>> 0, 4 * i));
	return out;
};

/** Reception of one SSRC. */
class Source {
	received = 0;
	duplicate = 0;
	late = 0;
	jitter = 0;
	#seen = new Set();
	#lsr = 0;
	#lsrAt = 0;
	#transit;

	constructor(ssrc, clock) {
		Object.assign(this, { ssrc, clock });
	}

	take({ seq, ts }) {
		const now = performance.now();

		if (this.base === undefined)
			this.base = this.max = seq;
		const ext = this.max + ((((seq - this.max) & 0xffff) ^ 0x8000) - 0x8000);
		if (this.#seen.has(ext)) {
			this.duplicate++;
			return;
		}
		this.#seen.add(ext);
		this.#seen.delete(ext - 4096);
		this.received++;
		if (ext < this.max)
			this.late++;
		this.max = Math.max(this.max, ext);
		this.base = Math.min(this.base, ext);
		const transit = now * this.clock / 1000 - ts;
		if (this.#transit !== undefined)
			this.jitter += (Math.abs(transit - this.#transit) - this.jitter) / 16;
		this.#transit = transit;
	}

	sent(body) {
		this.#lsr = body.readUInt32BE(6);
		this.#lsrAt = performance.now();
	}

	get lost() {
		return this.max - this.base + 1 - this.received;
	}

	block() {
		const lost = Math.max(0, this.lost);
		const dlsr = this.#lsr ? (performance.now() - this.#lsrAt) * 65.536 : 0;

		return u32(this.ssrc, lost & 0xffffff, this.max, Math.min(this.jitter, 0xffffffff), this.#lsr, dlsr);
	}
}

export class Mirror {
	sources = new Map();
	received = 0;
	sent = 0;
	pli = 0;
	#own = randomBytes(4).readUInt32BE();
	#flip = (randomBytes(4).readUInt32BE() | 1) >>> 0;
	#timer;

	/** port: an open RtpPort whose remote is known. back: false = only listen and report. */
	constructor(port, { clock, back = true }) {
		Object.assign(this, { port, clock, back });
		port.rtp.on('message', this.#onRtp);
		port.rtcp.on('message', this.#onRtcp);
		this.#timer = setInterval(() => this.#report(), REPORT_MS);
	}

	#onRtp = (buf, from) => {
		const p = parseRtp(buf);

		if (!p)
			return;
		let source = this.sources.get(p.ssrc);
		if (!source)
			this.sources.set(p.ssrc, source = new Source(p.ssrc, this.clock));
		this.received++;
		source.take(p);
		this.from = from;
		if (!this.back)
			return;
		const copy = Buffer.from(buf);
		copy.writeUInt32BE((p.ssrc ^ this.#flip) >>> 0, 8);
		this.sent++;
		this.port.rtp.send(copy, from.port, from.address);
	};

	#onRtcp = (buf, from) => {
		this.rtcpFrom = from;
		for (const { type, fmt, body } of parseRtcp(buf)) {
			if (type === SR)
				this.sources.get(body.readUInt32BE(0))?.sent(body);
			if (type === PSFB && fmt === PLI && body.length >= 8) {
				this.pli++;
				this.#send([rtcpPart(PSFB, PLI, u32(this.#own, body.readUInt32BE(4) ^ this.#flip))]);
			}
		}
	};

	#send(more = []) {
		if (!this.rtcpFrom)
			return;
		const blocks = [...this.sources.values()].map((s) => s.block());
		const cname = Buffer.from('mirror');
		const item = Buffer.concat([u32(this.#own), Buffer.from([1, cname.length]), cname]);
		const pad = Buffer.alloc(4 - item.length % 4);

		this.port.rtcp.send(Buffer.concat([rtcpPart(RR, blocks.length, Buffer.concat([u32(this.#own), ...blocks])),
			rtcpPart(SDES, 1, Buffer.concat([item, pad])), ...more]), this.rtcpFrom.port, this.rtcpFrom.address);
	}

	#report() {
		this.#send();
	}

	/** Sums over all SSRCs. */
	get lost() {
		return [...this.sources.values()].reduce((sum, s) => sum + s.lost, 0);
	}

	stop() {
		clearInterval(this.#timer);
		this.port.rtp.off('message', this.#onRtp);
		this.port.rtcp.off('message', this.#onRtcp);
	}
}
