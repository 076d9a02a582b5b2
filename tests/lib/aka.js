// SPDX-License-Identifier: Apache-2.0
//
// IMS AKA for tests: a USIM (client side) and an authentication centre (what HSS and S-CSCF do)
// over Milenage, and HTTP Digest AKA on top (RFC 3310, RFC 4169; SHA-256 as TS 33.203 X.2.3).
// The gateway has no part in any of it: it relays.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { milenage, opc, xor } from './milenage.js';
import { digestAuthorize, digestParams, token } from './sip.js';

const AMF = Buffer.from('8000', 'hex');
/** f1* and thus AUTS are computed with AMF 0 (TS 33.102 6.3.3). */
const AMF_RESYNC = Buffer.alloc(2);
const SQN_STEP = 32n;

const sqnBuffer = (n) => Buffer.from(n.toString(16).padStart(12, '0'), 'hex');
const sqnNumber = (b) => BigInt(`0x${b.toString('hex')}`);

/** RFC 4169 3: password of AKAv2 from PRF(RES || IK || CK, label), base64. */
export function akav2Password({ res, ik, ck }, hash = 'sha256') {
	return createHmac(hash, Buffer.concat([res, ik, ck])).update('http-digest-akav2-password').digest('base64');
}

/** RFC 3310: AKAv1 takes RES itself. */
export const akaPassword = (algorithm, keys) => /^AKAv1/i.test(algorithm) ? keys.res
	: akav2Password(keys, /MD5/i.test(algorithm) ? 'md5' : 'sha256');

/** The card: K, OPc and the highest SQN it accepted. */
export class Usim {
	constructor({ k, op, sqn = 0n }) {
		Object.assign(this, { k, opc: opc(k, op), sqn });
	}

	/** { res, ik, ck }, or { auts } when SQN is not fresh; throws when AUTN is not of this home. */
	authenticate(rand, autn) {
		const amf = autn.subarray(6, 8);
		const { ak } = milenage({ k: this.k, opc: this.opc, rand, sqn: Buffer.alloc(6), amf });
		const sqn = xor(autn.subarray(0, 6), ak);
		const f = milenage({ k: this.k, opc: this.opc, rand, sqn, amf });

		if (!f.macA.equals(autn.subarray(8)))
			throw new Error('AUTN of another network');
		if (sqnNumber(sqn) <= this.sqn) {
			const own = sqnBuffer(this.sqn);
			const s = milenage({ k: this.k, opc: this.opc, rand, sqn: own, amf: AMF_RESYNC });

			return { auts: Buffer.concat([xor(own, s.akStar), s.macS]) };
		}
		this.sqn = sqnNumber(sqn);
		return f;
	}
}

/** Credentials for a Digest AKA challenge: { authorization, resync, keys }. */
export function answerChallenge(usim, challenge, { username, uri, nc, tamper = (keys) => keys }) {
	const c = digestParams(challenge);
	const nonce = Buffer.from(c.nonce, 'base64');
	const keys = usim.authenticate(nonce.subarray(0, 16), nonce.subarray(16, 32));
	const { auts } = keys;
	// RFC 3310 3.4: a resynchronisation is signed with an empty password.
	const password = auts ? '' : akaPassword(c.algorithm, tamper(keys));
	const text = digestAuthorize(challenge, { method: 'REGISTER', uri, username, password, nc });

	return { keys, resync: Boolean(auts),
		authorization: auts ? `${text}, auts="${auts.toString('base64')}"` : text };
}

/** The home: makes vectors, challenges through a scripted S-CSCF, checks what comes back. */
export class AuthCentre {
	vectors = new Map();

	constructor({ k, op, sqn = SQN_STEP, algorithm = 'AKAv2-SHA-256', realm = 'ims.test' }) {
		Object.assign(this, { k, opc: opc(k, op), sqn, algorithm, realm });
	}

	/** Next vector: { rand, autn, nonce, res, ik, ck }. */
	vector() {
		const rand = randomBytes(16);
		const f = milenage({ k: this.k, opc: this.opc, rand, sqn: sqnBuffer(this.sqn), amf: AMF });
		const autn = Buffer.concat([xor(sqnBuffer(this.sqn), f.ak), AMF, f.macA]);
		const v = { ...f, rand, autn, nonce: Buffer.concat([rand, autn]).toString('base64') };

		this.sqn += SQN_STEP;
		this.vectors.set(v.nonce, v);
		return v;
	}

	/** WWW-Authenticate value; keys as the S-CSCF sends them to a P-CSCF (TS 24.229 5.4.1.2.1A). */
	challenge(v = this.vector(), { ik = 'ik', ck = 'ck' } = {}) {
		return `Digest realm="${this.realm}", nonce="${v.nonce}", algorithm=${this.algorithm}, qop="auth", ${
			ik}="${v.ik.toString('hex')}", ${ck}="${v.ck.toString('hex')}"`;
	}

	/** Is the Digest response of these credentials right? */
	accepts(authorization, method = 'REGISTER') {
		const p = digestParams(authorization);
		const v = this.vectors.get(p.nonce);

		if (!v || p.auts)
			return false;
		const hash = /MD5/i.test(this.algorithm) ? 'md5' : 'sha256';
		const h = (...parts) => createHash(hash).update(Buffer.concat(parts.map((x) => Buffer.from(x)))).digest('hex');
		const ha1 = h(`${p.username}:${p.realm}:`, akaPassword(this.algorithm, v));

		return p.response === h(`${ha1}:${p.nonce}:${p.nc}:${p.cnonce}:auth:${h(`${method}:${p.uri}`)}`);
	}

	/** Take a resynchronisation: the SQN of the card, checked by MAC-S. */
	resynchronise(authorization) {
		const p = digestParams(authorization);
		const { rand } = this.vectors.get(p.nonce);
		const auts = Buffer.from(p.auts, 'base64');
		const { akStar } = milenage({ k: this.k, opc: this.opc, rand, sqn: Buffer.alloc(6), amf: AMF_RESYNC });
		const sqn = xor(auts.subarray(0, 6), akStar);
		const { macS } = milenage({ k: this.k, opc: this.opc, rand, sqn, amf: AMF_RESYNC });

		if (!macS.equals(auts.subarray(6)))
			throw new Error('AUTS with a wrong MAC-S');
		this.sqn = sqnNumber(sqn) + SQN_STEP;
		return this.sqn;
	}

	/** 401 with a fresh vector. */
	ask(item, options) {
		const v = this.vector();

		item.reply(401, 'Unauthorized', { toTag: token(4), headers: [['WWW-Authenticate', this.challenge(v, options)]] });
		return v;
	}
}
