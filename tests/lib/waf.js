// SPDX-License-Identifier: Apache-2.0
//
// A scripted WAF (OAuth authorization server) on loopback TLS: JWKS and introspection endpoints,
// the pool's release notice, and tokens of any shape, broken ones included. It counts what is
// asked and can be slow, down, wrong, or rotate its keys. The CA is made at run time.
//
//   const waf = await Waf.start({ port: await port(), dir });
//   Gateway.start({ cscf: { token: waf.conf() } });
//   client.register({ authorization: `Bearer ${waf.mint({ ims_impi: 'alice@ims.test' })}` });
import { constants, createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import { makeCerts } from './conf.js';
import { Inbox } from './wait.js';

const b64 = (x) => Buffer.from(typeof x === 'string' || Buffer.isBuffer(x) ? x : JSON.stringify(x))
	.toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

const ALGS = {
	ES256: { type: 'ec', gen: { namedCurve: 'P-256' }, hash: 'sha256', sign: { dsaEncoding: 'ieee-p1363' } },
	ES384: { type: 'ec', gen: { namedCurve: 'P-384' }, hash: 'sha384', sign: { dsaEncoding: 'ieee-p1363' } },
	RS256: { type: 'rsa', gen: { modulusLength: 2048 }, hash: 'sha256', sign: {} },
	PS256: { type: 'rsa', gen: { modulusLength: 2048 }, hash: 'sha256',
		sign: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } },
	EdDSA: { type: 'ed25519', gen: {}, hash: null, sign: {} },
};

/** A signing key as this WAF keeps it: { kid, alg, privateKey, jwk }. */
export function makeKey(alg = 'ES256', kid = `waf-${randomUUID().slice(0, 8)}`) {
	const { publicKey, privateKey } = generateKeyPairSync(ALGS[alg].type, ALGS[alg].gen);

	return { kid, alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

/** Compact JWS of a header and a payload (objects or raw text); nothing is checked or added. */
export function signJws(header, payload, { alg = header.alg, privateKey, secret } = {}) {
	const input = `${b64(header)}.${b64(payload)}`;

	if (alg === 'none')
		return `${input}.`;
	if (/^HS/.test(alg))
		return `${input}.${createHmac(`sha${alg.slice(2)}`, secret).update(input).digest('base64url')}`;
	return `${input}.${sign(ALGS[alg].hash, Buffer.from(input), { key: privateKey, ...ALGS[alg].sign })
		.toString('base64url')}`;
}

export class Waf {
	/** Requests per endpoint: jwks, introspect, released, other. */
	counts = { jwks: 0, introspect: 0, released: 0, other: 0 };
	/** Every request: { endpoint, method, headers, body, form }. */
	requests = new Inbox();
	/** Bodies of /impu-released. */
	released = new Inbox();
	/**
	 * Faults by endpoint, or for all of them under '*': { delay: ms } slow; { hang: true } never
	 * answers; { status, body, headers } says exactly that; { huge: octets }; { redirect: url };
	 * { reset: true } drops the connection.
	 */
	faults = {};
	keys = [];
	#opaque = new Map();
	#revoked = new Set();
	#sockets = new Set();

	static async start({ port, dir, host = '127.0.0.1', name = 'waf', alg = 'ES256', issuer, audience = 'wicgate',
		clientId = 'epcscf', clientSecret = 'rs secret/+:' } = {}) {
		const waf = new Waf();

		Object.assign(waf, { port, host, dir, audience, clientId, clientSecret });
		mkdirSync(dir, { recursive: true });
		waf.certs = makeCerts(dir);
		waf.ca = waf.certs.ca;
		waf.url = `https://${host}:${port}`;
		waf.issuer = issuer ?? `https://${name}.ims.test`;
		waf.jwksUrl = `${waf.url}/jwks`;
		waf.introspectionUrl = `${waf.url}/introspect`;
		waf.releaseUrl = `${waf.url}/impu-released`;
		waf.rotate({ alg });
		await waf.up();
		return waf;
	}

	// --- configuration of the eP-CSCF ------------------------------------------------------

	/** One entry of token.issuers; introspection: with that endpoint instead of JWKS. */
	issuerConf({ introspection = false, ...more } = {}) {
		return { issuer: this.issuer, audience: this.audience,
			...introspection ? { introspection_url: this.introspectionUrl, client_id: this.clientId,
				client_secret: this.clientSecret } : { jwks_url: this.jwksUrl }, ...more };
	}

	/** The whole `token` block for this WAF alone. */
	conf({ issuer = {}, ...more } = {}) {
		return { issuers: [this.issuerConf(issuer)], tls_ca: this.ca, ...more };
	}

	// --- tokens ------------------------------------------------------------------------------

	/** Good claims for one user of ims.test; undefined in `over` drops a claim. */
	claims(over = {}) {
		const user = over.user ?? 'alice';
		const all = { iss: this.issuer, sub: user, aud: this.audience, iat: now(), exp: now() + 600, jti: randomUUID(),
			client_id: 'wwsf-portal', scope: 'openid ims.register', ims_impi: `${user}.wic@ims.test`,
			ims_impus: [`sip:${user}@ims.test`], ...over };

		delete all.user;
		return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined));
	}

	/**
	 * A signed access token. over: claims() changes. header: changes to the JOSE header
	 * (undefined drops). key: sign with that one; alg: another algorithm; secret: of HS*.
	 */
	mint(over = {}, { header = {}, key = this.keys.at(-1), alg = header.alg ?? key.alg, secret, payload } = {}) {
		const full = Object.fromEntries(Object.entries({ alg, kid: key.kid, typ: 'at+jwt', ...header })
			.filter(([, v]) => v !== undefined));

		return signJws(full, payload ?? this.claims(over), { alg, privateKey: key.privateKey, secret });
	}

	/** An opaque token that introspection knows. */
	mintOpaque(over = {}) {
		const token = `opaque-${randomUUID()}/+~==`;

		this.#opaque.set(token, this.claims(over));
		return token;
	}

	/** Introspection says active: false from now on. */
	revoke(token) {
		this.#revoked.add(token);
	}

	/** A new signing key; keep: the older ones stay in the JWKS. */
	rotate({ alg = this.keys.at(-1)?.alg ?? 'ES256', keep = false, kid } = {}) {
		const key = makeKey(alg, kid);

		this.keys = keep ? [...this.keys, key] : [key];
		return key;
	}

	// --- the server --------------------------------------------------------------------------

	/** Listen (again) on the same port. */
	async up() {
		this.server = https.createServer({ cert: readFileSync(this.certs.cert), key: readFileSync(this.certs.key) },
			(req, res) => this.#serve(req, res));
		this.server.on('connection', (s) => {
			this.#sockets.add(s);
			s.on('close', () => this.#sockets.delete(s));
		});
		this.server.on('tlsClientError', () => {});
		await new Promise((resolve, reject) => {
			this.server.once('error', reject);
			this.server.listen(this.port, this.host, resolve);
		});
	}

	/** Refuse connections; those that are open are cut. */
	async down() {
		const closed = new Promise((resolve) => this.server.close(resolve));

		for (const s of this.#sockets)
			s.destroy();
		await closed;
	}

	close() {
		return this.down();
	}

	async stop() {
		await this.down();
	}

	#serve(req, res) {
		const chunks = [];
		const endpoint = { '/jwks': 'jwks', '/introspect': 'introspect', '/impu-released': 'released' }[
			new URL(req.url, this.url).pathname] ?? 'other';

		req.on('error', () => {});
		req.on('data', (c) => chunks.push(c));
		req.on('end', () => {
			const body = Buffer.concat(chunks).toString();
			const item = { endpoint, method: req.method, url: req.url, headers: req.headers, body,
				form: new URLSearchParams(body) };
			const fault = this.faults[endpoint] ?? this.faults['*'] ?? {};

			this.counts[endpoint]++;
			this.requests.push(item);
			res.setHeader('Connection', 'close'); // leaves no idle descriptor in the gateway
			if (fault.hang)
				return;
			setTimeout(() => this.#answer(item, res, fault), fault.delay ?? 0);
		});
	}

	#answer(item, res, fault) {
		const json = (status, value) => {
			res.writeHead(status, { 'Content-Type': 'application/json' });
			res.end(JSON.stringify(value));
		};

		if (fault.reset)
			return res.destroy();
		if (fault.huge)
			return res.end('x'.repeat(fault.huge));
		if (fault.redirect) {
			res.writeHead(302, { Location: fault.redirect });
			return res.end();
		}
		if (fault.status || fault.body !== undefined) {
			res.writeHead(fault.status ?? 200, fault.headers ?? {});
			return res.end(fault.body ?? '');
		}
		if (item.endpoint === 'jwks')
			return json(200, { keys: this.keys.map((k) => k.jwk) });
		if (item.endpoint === 'introspect')
			return json(...this.#introspect(item));
		if (item.endpoint === 'released') {
			this.released.push(JSON.parse(item.body));
			return json(200, {});
		}
		return json(404, { error: 'not_found' });
	}

	#introspect(item) {
		const form = (v) => encodeURIComponent(v).replace(/%20/g, '+');
		const basic = (id, secret) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
		const token = item.form.get('token');

		if (item.method !== 'POST')
			return [405, { error: 'method' }];
		// RFC 6749 s2.3.1: the two halves are form-encoded first.
		if (item.headers.authorization !== basic(form(this.clientId), form(this.clientSecret)))
			return [401, { error: 'invalid_client' }];
		const claims = this.#opaque.get(token) ?? this.#jwtClaims(token);

		if (!claims || this.#revoked.has(token) || !(claims.exp > now()))
			return [200, { active: false }];
		return [200, { active: true, token_type: 'Bearer', ...claims }];
	}

	#jwtClaims(token) {
		try {
			return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
		} catch {
			return undefined;
		}
	}
}
