// SPDX-License-Identifier: Apache-2.0
//
// STUN connectivity checks by hand (RFC 8489, RFC 8445): enough to nominate a pair with an
// ICE-lite peer and to send every kind of wrong check. No state machine.
import { createHmac, randomBytes } from 'node:crypto';

const COOKIE = 0x2112a442;
const crcTable = Array.from({ length: 256 }, (_, n) => {
	let c = n;

	for (let k = 0; k < 8; k++)
		c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
	return c >>> 0;
});

function crc32(buf) {
	let c = 0xffffffff;

	for (const b of buf)
		c = crcTable[(c ^ b) & 0xff] ^ (c >>> 8);
	return (c ^ 0xffffffff) >>> 0;
}

const attr = (type, value) => {
	const head = Buffer.alloc(4);

	head.writeUInt16BE(type, 0);
	head.writeUInt16BE(value.length, 2);
	return Buffer.concat([head, value, Buffer.alloc((4 - value.length % 4) % 4)]);
};

const u32 = (n) => {
	const b = Buffer.alloc(4);

	b.writeUInt32BE(n >>> 0);
	return b;
};

function withLength(msg, extra) {
	const out = Buffer.from(msg);

	out.writeUInt16BE(msg.length - 20 + extra, 2);
	return out;
}

/**
 * A Binding request as a controlling agent sends it.
 * local, remote: { ufrag, pwd }; nominate adds USE-CANDIDATE; every part can be broken.
 */
export function bindingRequest({ local, remote, nominate = true, pwd = remote.pwd, username, integrity = true,
	fingerprint = true, cookie = COOKIE, type = 0x0001, extra = [], transaction = randomBytes(12) }) {
	const head = Buffer.concat([Buffer.from([type >> 8, type & 0xff, 0, 0]), u32(cookie), transaction]);
	let msg = Buffer.concat([head, attr(0x0006, Buffer.from(username ?? `${remote.ufrag}:${local.ufrag}`)),
		attr(0x0024, u32(1853817087)), attr(0x802a, randomBytes(8)), ...nominate ? [attr(0x0025, Buffer.alloc(0))] : [],
		...extra.map(([t, v]) => attr(t, v))]);

	if (integrity) {
		const mac = createHmac('sha1', pwd).update(withLength(msg, 24)).digest();

		msg = Buffer.concat([msg, attr(0x0008, mac)]);
	}
	if (fingerprint)
		msg = Buffer.concat([msg, attr(0x8028, u32(crc32(withLength(msg, 8)) ^ 0x5354554e))]);
	return withLength(msg, 0);
}

/** { type, transaction, error } of a STUN message; error is the number of ERROR-CODE. */
export function parseStun(buf) {
	if (buf.length < 20 || buf[0] > 3)
		return undefined;
	const out = { type: buf.readUInt16BE(0), transaction: buf.subarray(8, 20) };

	for (let at = 20; at + 4 <= buf.length;) {
		const t = buf.readUInt16BE(at), n = buf.readUInt16BE(at + 2);

		if (t === 0x0009 && at + 8 <= buf.length)
			out.error = (buf[at + 6] & 7) * 100 + buf[at + 7];
		at += 4 + n + (4 - n % 4) % 4;
	}
	return out;
}
