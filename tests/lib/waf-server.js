// SPDX-License-Identifier: Apache-2.0
//
// The real WAF of deploy/waf as a child process, and a browser's part of it spoken by hand: the
// authorization request with PKCE, the forms of the sign-in page, the code's exchange. Tokens of
// any other shape come from the scripted WAF (waf.js).
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { merge } from './conf.js';
import { Process } from './proc.js';

const PROGRAM = fileURLToPath(new URL('../../deploy/waf/waf.mjs', import.meta.url));
export const AUDIENCE = 'https://epcscf.ims.test';
export const CLIENT = 'wicgate-softphone';
export const RESOURCE_SERVER = 'epcscf';
const NAMES = [['alice', '+15550101'], ['bob', '+15550102'], ['carol', '+15550103']];

const b64url = (bytes) => Buffer.from(bytes).toString('base64url');

/** Users as the core stand-in knows them; the password is the login and "-web". */
export const USERS = NAMES.map(([login, tel]) => ({ login, password: `${login}-web`, impi: `${login}.wic@ims.test`,
	impus: [`sip:${login}@ims.test`, `tel:${tel}`] }));

/** Header and payload of a JWT, unverified. */
export function readJwt(token) {
	const [header, payload] = token.split('.').slice(0, 2).map((p) => JSON.parse(Buffer.from(p, 'base64url')));

	return { header, payload };
}

/** What fetch would do, but with a CA of the test's own and no redirect followed. */
function ask(url, { method = 'GET', headers = {}, body, ca, from } = {}) {
	const form = body instanceof URLSearchParams;

	return new Promise((resolve, reject) => {
		const req = (url.startsWith('https:') ? https : http).request(url, { method, ca, agent: false,
			...from && { localAddress: from, family: 4 },
			headers: { ...form && { 'Content-Type': 'application/x-www-form-urlencoded' }, ...headers } }, (res) => {
			const parts = [];

			res.on('data', (d) => parts.push(d)).on('error', reject).on('end', () => {
				const text = Buffer.concat(parts).toString();

				resolve({ status: res.statusCode, headers: res.headers, text, json: () => JSON.parse(text) });
			});
		});

		req.on('error', reject).end(body?.toString());
	});
}

export class WafServer {
	/** conf: what differs from the configuration below; tls: { cert, key, ca } for HTTPS. */
	static async start({ port, dir, redirect = 'http://localhost:1/', conf = {}, tls }) {
		const waf = new WafServer();

		mkdirSync(dir, { recursive: true });
		Object.assign(waf, { dir, redirect, port, issuer: `${tls ? 'https' : 'http'}://localhost:${port}` });
		waf.conf = merge({ issuer: waf.issuer, listen: `127.0.0.1:${port}`, ...tls && { tls: { cert: tls.cert, key: tls.key } },
			state_dir: join(dir, 'state'), audience: AUDIENCE, clients: [{ client_id: CLIENT, redirect_uris: [redirect] }],
			resource_server: { client_id: RESOURCE_SERVER, secret_file: join(dir, 'epcscf.secret') },
			users: USERS, pool: { domain: 'ims.test', size: 3, grace_s: 5 } }, conf);
		waf.ca = tls && readFileSync(tls.ca);
		waf.secret = randomBytes(24).toString('base64url');
		writeFileSync(join(dir, 'epcscf.secret'), `${waf.secret}\n`, { mode: 0o600 });
		writeFileSync(join(dir, 'waf.json'), JSON.stringify(waf.conf), { mode: 0o600 });
		await waf.run();
		return waf;
	}

	/** Start the program; again after stop(), with what it kept. */
	async run() {
		this.process = new Process('waf', process.execPath, [PROGRAM, '--config', join(this.dir, 'waf.json')]);
		await Promise.race([this.process.line('event=waf.serving'), this.process.ended.then(() => {
			throw new Error(`the WAF ended:\n${this.process.tail()}`);
		})]);
	}

	/** A new signing key, now. */
	async rotate() {
		const since = this.process.lines.length;

		this.process.child.kill('SIGHUP');
		await this.process.line('event=waf.key_rotated', { since });
	}

	get basic() {
		return { Authorization: `Basic ${Buffer.from(`${RESOURCE_SERVER}:${this.secret}`).toString('base64')}` };
	}

	/** { status, headers, text, json() } of a request to this server. */
	ask(path, options = {}) {
		return ask(`${this.issuer}${path}`, { ca: this.ca, ...options });
	}

	post(path, fields, headers = {}) {
		return this.ask(path, { method: 'POST', body: new URLSearchParams(fields), headers });
	}

	/** A sign-in by one browser, up to the page: { uid, jar, page, verifier, state, nonce }. from: its address. */
	async begin({ view, query = {}, from } = {}) {
		const flow = { from, jar: new Map(), verifier: b64url(randomBytes(32)), state: b64url(randomBytes(9)), nonce: b64url(randomBytes(9)) };
		const params = { client_id: CLIENT, response_type: 'code', redirect_uri: this.redirect, scope: 'openid ims.register',
			code_challenge: b64url(createHash('sha256').update(flow.verifier).digest()), code_challenge_method: 'S256',
			state: flow.state, nonce: flow.nonce, ...view && { view }, ...query };

		for (const [name, v] of Object.entries(params)) {
			if (v === undefined)
				delete params[name];
		}
		flow.response = await this.follow(flow, `${this.issuer}/auth?${new URLSearchParams(params)}`);
		flow.uid = /\/interaction\/([^/?]+)/.exec(flow.response.url)?.[1];
		flow.page = flow.response.text;
		return flow;
	}

	/** GET or POST with the browser's cookies, and after it wherever this server redirects to. */
	async follow(flow, url, fields) {
		for (let hops = 0; hops < 8; hops++) {
			const res = await ask(url, { ca: this.ca, from: flow.from, method: fields ? 'POST' : 'GET', body: fields && new URLSearchParams(fields),
				headers: { Cookie: [...flow.jar].map(([k, v]) => `${k}=${v}`).join('; ') } });

			for (const line of res.headers['set-cookie'] ?? []) {
				const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);

				if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line))
					flow.jar.delete(name);
				else
					flow.jar.set(name, value);
			}
			const to = res.headers.location ? new URL(res.headers.location, url) : null;
			if (!to || to.origin !== new URL(this.issuer).origin)
				return { status: res.status, url, text: res.text, headers: res.headers, location: to };
			url = to.href;
			fields = undefined;
		}
		throw new Error('redirected in circles');
	}

	/** Press a button of the sign-in page: 'login' (with fields), 'guest' or 'abort'. */
	submit(flow, button, fields = {}) {
		return this.follow(flow, `${this.issuer}/interaction/${flow.uid}/${button}`, fields);
	}

	/** The code for tokens. */
	async exchange(flow, location, more = {}) {
		const res = await this.post('/token', { grant_type: 'authorization_code', client_id: CLIENT, redirect_uri: this.redirect,
			code: location.searchParams.get('code'), code_verifier: flow.verifier, ...more });

		return { status: res.status, ...res.json() };
	}

	async #tokens(flow, answer) {
		if (!answer.location)
			throw new Error(`no redirect to the client: ${answer.status} ${answer.text}`);
		return { ...await this.exchange(flow, answer.location), flow, location: answer.location };
	}

	/** Tokens of a user. */
	async signIn(login = 'alice', password = `${login}-web`, options = {}) {
		const flow = await this.begin(options);

		return this.#tokens(flow, await this.submit(flow, 'login', { login, password }));
	}

	/** Tokens of a guest. */
	async guest(options = {}) {
		const flow = await this.begin({ view: 'guest', ...options });

		return this.#tokens(flow, await this.submit(flow, 'guest'));
	}

	async refresh(refresh_token) {
		const res = await this.post('/token', { grant_type: 'refresh_token', client_id: CLIENT, refresh_token });

		return { status: res.status, ...res.json() };
	}

	revoke(token) {
		return this.post('/token/revocation', { client_id: CLIENT, token });
	}

	async introspect(token, headers = this.basic) {
		const res = await this.post('/token/introspection', { token }, headers);

		return { status: res.status, ...res.json() };
	}

	/** What an eP-CSCF says when a pool identity has no binding left. */
	async released(notice, headers = this.basic) {
		const res = await this.ask('/impu-released', { method: 'POST', body: JSON.stringify(notice),
			headers: { 'Content-Type': 'application/json', ...headers } });

		return { status: res.status, ...res.json() };
	}

	async jwks() {
		return (await this.ask('/jwks')).json().keys;
	}

	async pool() {
		return (await this.ask('/healthz')).json().pool;
	}

	stop() {
		return this.process.stop();
	}
}
