// SPDX-License-Identifier: Apache-2.0
//
// RTP for tests: header read and write, G.711 mu-law, tone source, Goertzel tone detector,
// and a UDP port pair that sends a tone, echoes or only counts. No SIP, no SDP.
import dgram from 'node:dgram';
import { randomBytes, randomInt } from 'node:crypto';
import { goertzel } from './goertzel.js';
import { udpDrops } from './observe.js';
import { uePorts } from './ports.js';

export { goertzel };
export const RATE = 8000;
const defaultPorts = uePorts();
/** Receive buffer of a UE's socket. */
const ROOM = 2 << 20;

export function ulawEncode(sample) {
	const sign = sample < 0 ? 0x80 : 0;
	let s = Math.min(Math.abs(sample), 32635) + 132;
	let exp = 7;

	for (let mask = 0x4000; (s & mask) === 0 && exp > 0; mask >>= 1)
		exp--;
	return ~(sign | (exp << 4) | ((s >> (exp + 3)) & 0x0f)) & 0xff;
}

export function ulawDecode(byte) {
	const b = ~byte & 0xff;
	const s = ((((b & 0x0f) << 3) + 132) << ((b >> 4) & 7)) - 132;

	return b & 0x80 ? -s : s;
}

/** Mono 16-bit WAV of a tone. */
export function toneWav(freq, seconds = 4, rate = 48000) {
	const n = Math.round(seconds * rate);
	const out = Buffer.alloc(44 + n * 2);

	out.write('RIFF', 0);
	out.writeUInt32LE(36 + n * 2, 4);
	out.write('WAVEfmt ', 8);
	out.writeUInt32LE(16, 16);
	out.writeUInt16LE(1, 20);
	out.writeUInt16LE(1, 22);
	out.writeUInt32LE(rate, 24);
	out.writeUInt32LE(rate * 2, 28);
	out.writeUInt16LE(2, 32);
	out.writeUInt16LE(16, 34);
	out.write('data', 36);
	out.writeUInt32LE(n * 2, 40);
	for (let i = 0; i < n; i++)
		out.writeInt16LE(Math.round(12000 * Math.sin(2 * Math.PI * freq * i / rate)), 44 + i * 2);
	return out;
}

/** Samples of a mono or stereo 16-bit WAV (first channel) and its rate. */
export function readWav(buf) {
	let at = 12, rate = 0, channels = 1;

	while (at + 8 <= buf.length) {
		const id = buf.toString('latin1', at, at + 4);
		const size = Math.min(buf.readUInt32LE(at + 4), buf.length - at - 8);

		if (id === 'fmt ') {
			channels = buf.readUInt16LE(at + 10);
			rate = buf.readUInt32LE(at + 12);
		} else if (id === 'data') {
			const samples = [];

			for (let i = at + 8; i + 2 * channels <= at + 8 + size; i += 2 * channels)
				samples.push(buf.readInt16LE(i));
			return { rate, samples };
		}
		at += 8 + size + (size & 1);
	}
	return { rate, samples: [] };
}

export function parseRtp(buf) {
	if (buf.length < 12 || buf[0] >> 6 !== 2)
		return undefined;
	let at = 12 + 4 * (buf[0] & 0x0f);

	if (buf[0] & 0x10) {
		if (buf.length < at + 4)
			return undefined;
		at += 4 + 4 * buf.readUInt16BE(at + 2);
	}
	if (at > buf.length)
		return undefined;
	return { pt: buf[1] & 0x7f, marker: buf[1] >> 7, seq: buf.readUInt16BE(2), ts: buf.readUInt32BE(4),
		ssrc: buf.readUInt32BE(8), ext: (buf[0] & 0x10) !== 0, payload: buf.subarray(at) };
}

export function buildRtp({ pt, seq, ts, ssrc, marker = 0, payload }) {
	const head = Buffer.alloc(12);

	head[0] = 0x80;
	head[1] = (marker << 7) | pt;
	head.writeUInt16BE(seq & 0xffff, 2);
	head.writeUInt32BE(ts >>> 0, 4);
	head.writeUInt32BE(ssrc >>> 0, 8);
	return Buffer.concat([head, payload]);
}

function bind(host, port) {
	return new Promise((resolve, reject) => {
		const sock = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');

		sock.once('error', reject);
		sock.bind(port, host, () => {
			sock.off('error', reject);
			sock.on('error', () => {});
			// A busy test process reads late: some seconds of video wait meanwhile.
			sock.setRecvBufferSize(ROOM);
			resolve(sock);
		});
	});
}

/** One m-line's RTP + RTCP sockets. Counts everything; sends a tone or echoes when told. */
export class RtpPort {
	static async open(host, ports = defaultPorts) {
		const self = new RtpPort();

		for (let tries = 0; tries < 50; tries++) {
			const port = ports();

			try {
				self.rtp = await bind(host, port);
			} catch {
				continue;
			}
			try {
				self.rtcp = await bind(host, port + 1);
			} catch {
				self.rtp.close();
				continue;
			}
			self.host = host;
			self.port = port;
			self.#listen();
			return self;
		}
		throw new Error(`no free RTP port pair on ${host}`);
	}

	received = 0;
	octets = 0;
	sent = 0;
	rtcpReceived = 0;
	bad = 0;
	byPt = new Map();
	sources = new Set();
	ssrcs = new Set();
	#window = [];
	#echo = false;
	#timer;
	#remote;

	#listen() {
		this.rtp.on('message', (buf, from) => this.#onRtp(buf, from));
		this.rtcp.on('message', (buf, from) => {
			this.rtcpReceived++;
			if (this.#echo)
				this.rtcp.send(buf, from.port, from.address);
		});
	}

	#onRtp(buf, from) {
		const p = parseRtp(buf);

		if (!p) {
			this.bad++;
			return;
		}
		this.received++;
		this.octets += p.payload.length;
		this.byPt.set(p.pt, (this.byPt.get(p.pt) ?? 0) + 1);
		this.sources.add(`${from.address}:${from.port}`);
		this.ssrcs.add(p.ssrc);
		if (p.pt === 0) {
			for (const b of p.payload)
				this.#window.push(ulawDecode(b));
			if (this.#window.length > 2 * RATE)
				this.#window.splice(0, this.#window.length - RATE);
		}
		if (this.#echo) {
			this.sent++;
			this.rtp.send(buf, from.port, from.address);
		}
	}

	/** Packets that came while this process was busy elsewhere, more than its socket could hold: the UE's own loss. */
	get overflow() {
		return udpDrops(this.port);
	}

	setRemote(host, port) {
		this.#remote = { host, port };
	}

	/** Send back every packet to where it came from, RTCP too. */
	echo(on = true) {
		this.#echo = on;
	}

	/** Send a mu-law tone to the remote, 20 ms packets paced by the clock, until stop(). */
	tone(freq, { ssrc = randomBytes(4).readUInt32BE(), seq = randomInt(65536) } = {}) {
		let n = 0;
		const begun = performance.now();

		clearInterval(this.#timer);
		this.#timer = setInterval(() => {
			const due = Math.floor((performance.now() - begun) / 20);

			// Catch up after a late timer, but never with more than half a second at once.
			for (n = Math.max(n, due - 25); n < due; n++) {
				const payload = Buffer.alloc(160);

				for (let i = 0; i < 160; i++)
					payload[i] = ulawEncode(Math.round(
						9000 * Math.sin(2 * Math.PI * freq * (n * 160 + i) / RATE)));
				this.sent++;
				this.seq = seq & 0xffff;
				this.rtp.send(buildRtp({ pt: 0, seq: seq++, ts: n * 160, ssrc, marker: n === 0 ? 1 : 0,
					payload }), this.#remote.port, this.#remote.host);
			}
		}, 10);
	}

	/** Send n packets of mu-law silence at once. */
	burst(n, { ssrc = randomBytes(4).readUInt32BE(), seq = 0 } = {}) {
		for (let i = 0; i < n; i++)
			this.rtp.send(buildRtp({ pt: 0, seq: (seq + i) & 0xffff, ts: i * 160, ssrc, payload: Buffer.alloc(160, 0xff) }),
				this.#remote.port, this.#remote.host);
		this.sent += n;
	}

	/** Share of the last received second that is the tone; 0 until half a second was heard. */
	hears(freq) {
		const w = this.#window.slice(-RATE);

		return w.length < RATE / 2 ? 0 : goertzel(w, freq);
	}

	forget() {
		this.#window = [];
	}

	stop() {
		clearInterval(this.#timer);
		this.#echo = false;
	}

	async close() {
		this.stop();
		await Promise.all([this.rtp, this.rtcp].map((s) => new Promise((r) => s.close(r))));
	}
}
