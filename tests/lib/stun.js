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
	return sealed(Buffer.concat([head(type, transaction, cookie), attr(0x0006, Buffer.from(username ?? `${remote.ufrag}:${local.ufrag}`)),
		attr(0x0024, u32(1853817087)), attr(0x802a, randomBytes(8)), ...nominate ? [attr(0x0025, Buffer.alloc(0))] : [],
		...extra.map(([t, v]) => attr(t, v))]), { pwd, integrity, fingerprint });
}

/** The answer to a request that came from `from`, by the one who has `pwd`; with `error` an error response. */
export function bindingAnswer(request, { pwd, from, error, integrity = true }) {
	const { transaction } = parseStun(request);
	const address = from.host.split('.').map((n, i) => Number(n) ^ u32(COOKIE)[i]);
	const what = error ? attr(0x0009, Buffer.from([0, 0, Math.floor(error / 100), error % 100]))
		: attr(0x0020, Buffer.from([0, 1, ...u32((from.port ^ COOKIE >>> 16) << 16).subarray(0, 2), ...address]));

	return sealed(Buffer.concat([head(error ? 0x0111 : 0x0101, transaction), what]), { pwd, integrity });
}

/** Is its MESSAGE-INTEGRITY by that password? */
export function isIntegral(msg, pwd) {
	const at = msg.length - 8 - 24; // before FINGERPRINT

	return msg.readUInt16BE(at) === 0x0008 &&
		createHmac('sha1', pwd).update(withLength(msg.subarray(0, at), 24)).digest().equals(msg.subarray(at + 4, at + 24));
}

const head = (type, transaction, cookie = COOKIE) => Buffer.concat([Buffer.from([type >> 8, type & 0xff, 0, 0]), u32(cookie), transaction]);

function sealed(msg, { pwd, integrity = true, fingerprint = true }) {
	if (integrity) {
		const mac = createHmac('sha1', pwd).update(withLength(msg, 24)).digest();

		msg = Buffer.concat([msg, attr(0x0008, mac)]);
	}
	if (fingerprint)
		msg = Buffer.concat([msg, attr(0x8028, u32(crc32(withLength(msg, 8)) ^ 0x5354554e))]);
	return withLength(msg, 0);
}

/** { type, transaction, username, error } of a STUN message; error is the number of ERROR-CODE. */
export function parseStun(buf) {
	if (buf.length < 20 || buf[0] > 3)
		return undefined;
	const out = { type: buf.readUInt16BE(0), transaction: buf.subarray(8, 20) };

	for (let at = 20; at + 4 <= buf.length;) {
		const t = buf.readUInt16BE(at), n = buf.readUInt16BE(at + 2);

		if (t === 0x0006)
			out.username = buf.toString('latin1', at + 4, at + 4 + n);
		if (t === 0x0009 && at + 8 <= buf.length)
			out.error = (buf[at + 6] & 7) * 100 + buf[at + 7];
		at += 4 + n + (4 - n % 4) % 4;
	}
	return out;
}
