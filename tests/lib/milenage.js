// SPDX-License-Identifier: Apache-2.0
//
// Milenage (TS 35.206): f1, f1*, f2..f5, f5* over AES-128. Buffers in, buffers out; no state.
// Checked against the published test sets (TS 35.207, TS 35.208) by aka.test.js.
import { createCipheriv } from 'node:crypto';

/** c1..c5 and r1..r5 of TS 35.206 clause 4.1: last octet of the constant, octets to rotate by. */
const CONST = [[0, 8], [1, 0], [2, 4], [4, 8], [8, 12]];

export const xor = (a, b) => Buffer.from(a.map((octet, i) => octet ^ b[i]));

function encrypt(k, block) {
	const aes = createCipheriv('aes-128-ecb', k, null).setAutoPadding(false);

	return Buffer.concat([aes.update(block), aes.final()]);
}

export const opc = (k, op) => xor(encrypt(k, op), op);

/** OUT1..OUT5 (index 0..4); out(0) needs sqn and amf. */
function outputs(k, opcKey, rand) {
	const temp = encrypt(k, xor(rand, opcKey));
	const rotate = (b, n) => Buffer.concat([b.subarray(n), b.subarray(0, n)]);
	const constant = (i) => Buffer.concat([Buffer.alloc(15), Buffer.from([CONST[i][0]])]);

	return (i, in1) => {
		const [, r] = CONST[i];
		const block = i === 0 ? xor(xor(temp, rotate(xor(in1, opcKey), r)), constant(0))
			: xor(rotate(xor(temp, opcKey), r), constant(i));

		return xor(encrypt(k, block), opcKey);
	};
}

/** All functions for one RAND: { macA, macS, res, ck, ik, ak, akStar }. */
export function milenage({ k, opc: opcKey, rand, sqn, amf }) {
	const out = outputs(k, opcKey, rand);
	const mac = out(0, Buffer.concat([sqn, amf, sqn, amf]));
	const out2 = out(1);

	return { macA: mac.subarray(0, 8), macS: mac.subarray(8), res: out2.subarray(8), ak: out2.subarray(0, 6),
		ck: out(2), ik: out(3), akStar: out(4).subarray(0, 6) };
}
