// SPDX-License-Identifier: Apache-2.0
/*
 * The WAF as a server: the OAuth library behind one door, beside it the sign-in page and what the
 * eP-CSCF says about pool identities.
 *
 *   GET  /auth … POST /token, /token/revocation, /token/introspection, GET /jwks   the library
 *   GET  /interaction/UID, POST /interaction/UID/{login,guest,abort}               the person
 *   POST /impu-released                                                            the eP-CSCF
 *   GET  /healthz
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { Accounts, Busy } from './accounts.js';
import { Keys } from './keys.js';
import { Rate, network } from './limits.js';
import { errorPage, signInPage } from './pages.js';
import { Pool } from './pool.js';
import { makeProvider } from './provider.js';
import { State, secret } from './state.js';
import { Store } from './store.js';

const MAX_BODY = 8192;
const SWEEP_MS = 10000;
const REQUEST_MS = 15000;

class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const digest = (text) => createHash('sha256').update(text).digest();

async function body(req) {
  const parts = [];
  let size = 0;
  for await (const part of req) {
    size += part.length;
    if (size > MAX_BODY) throw new Refusal(413, 'the request is too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function form(req) {
  if (!/^application\/x-www-form-urlencoded\b/.test(req.headers['content-type'] ?? '')) throw new Refusal(415, 'that is no form');
  return new URLSearchParams(await body(req));
}

function answer(res, status, value, headers = {}) {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  res.end(`${JSON.stringify(value)}\n`);
}

/* No sign-in is remembered: what a browser still holds of an earlier one is not looked at. */
function forgetSession(req) {
  const left = (req.headers.cookie ?? '').split(/;\s*/).filter((c) => c && !/^_session(\.|=)/.test(c));
  if (left.length) req.headers.cookie = left.join('; ');
  else delete req.headers.cookie;
}

export class Waf {
  /** conf: of config.js. say(level, event, values): one line of log; never a secret in it. */
  constructor(conf, say = () => {}) {
    Object.assign(this, { conf, say });
    this.host = new URL(conf.issuer).host;
    const state = new State(conf.state_dir);
    const { token, limits } = conf;
    this.cookieKey = state.secret('cookie.key');
    this.clientSecret = secret(conf.resource_server.secret_file);
    this.keys = new Keys({ state, alg: token.alg, keep_s: token.ttl_s + 60 });
    this.pool = new Pool({ ...conf.pool, rest: conf.pool.rest && token.format === 'jwt', state });
    this.store = new Store();
    this.accounts = new Accounts({ users: conf.users, pool: this.pool });
    this.store.isAccount = (id) => this.accounts.identity(id) !== undefined;
    this.failures = new Rate({ max: limits.failures, window_s: limits.window_s });
    this.guests = new Rate({ max: limits.guests_per_window, window_s: limits.window_s });
    // A form may end at a client's redirect URI: browsers hold form-action against that as well.
    this.origins = [...new Set(conf.clients.flatMap((c) => c.redirect_uris.map((uri) => new URL(uri).origin)))];
  }

  async start() {
    await this.accounts.open();
    this.#make();
    const { tls, listen } = this.conf;
    const handler = (req, res) => this.#handle(req, res);
    this.server = tls ? https.createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key), minVersion: 'TLSv1.2' }, handler) : http.createServer(handler);
    this.server.requestTimeout = REQUEST_MS;
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(listen.port, listen.host, resolve));
    this.timer = setInterval(() => this.#tick(), SWEEP_MS).unref();
    this.port = this.server.address().port;
    return this;
  }

  #make() {
    const { conf, keys, accounts, pool, store, cookieKey, clientSecret, say } = this;
    this.provider = makeProvider({ conf, keys, accounts, pool, store, cookieKey, clientSecret, say,
      renderError: (ctx, out) => {
        ctx.respond = false;
        errorPage(ctx.res, ctx.status, out.error_description ?? out.error);
      },
    });
    this.library = this.provider.callback();
  }

  /** The next key signs from now on; the old one is published until its last token is over. */
  rotate() {
    this.keys.rotate();
    this.#make();
    this.say('info', 'waf.key_rotated', { keys: this.keys.list.length });
  }

  #tick() {
    this.store.sweep();
    this.pool.sweep();
    const { key_rotation_s } = this.conf;
    if (key_rotation_s && this.keys.age_s >= key_rotation_s) this.rotate();
    else if (this.keys.list.length > 2) {
      const before = this.keys.list.length;
      this.keys.forget();
      if (this.keys.list.length !== before) this.#make();
    }
  }

  async #handle(req, res) {
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Referrer-Policy', 'no-referrer');
    // Addresses in answers are the issuer's, whatever name was asked.
    req.headers.host = this.host;
    forgetSession(req);
    try {
      const { pathname } = new URL(req.url, this.conf.issuer);
      const [, uid, action] = /^\/interaction\/([A-Za-z0-9_-]{1,64})(?:\/(login|guest|abort))?$/.exec(pathname) ?? [];
      if (uid) await this.#interaction(req, res, uid, action);
      else if (pathname === '/impu-released') await this.#released(req, res);
      else if (pathname === '/healthz') answer(res, 200, { ok: true, pool: this.pool.counts() });
      else await this.library(req, res);
    } catch (error) {
      const status = error.status ?? error.statusCode ?? 500;
      if (status >= 500) this.say('error', 'waf.failed', { error: error.message });
      if (!res.headersSent) errorPage(res, status, status < 500 ? (error.error_description ?? error.message) : 'Something went wrong here.');
    }
  }

  async #interaction(req, res, uid, action) {
    if (req.method !== (action ? 'POST' : 'GET')) throw new Refusal(405, 'that is not possible here');
    const details = await this.provider.interactionDetails(req, res);
    if (details.uid !== uid) throw new Refusal(400, 'this sign-in is not yours');
    const client = this.conf.clients.find((c) => c.client_id === details.params.client_id);
    const show = (more = {}) => signInPage(res, { uid, client: client?.name ?? 'A page', guests: this.conf.pool.size > 0, view: details.params.view, login: details.params.login_hint, origins: this.origins, ...more });

    if (!action) show();
    else if (action === 'login') await this.#login(req, res, show);
    else if (action === 'guest') await this.#guest(req, res, show);
    else await this.provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'the sign-in was cancelled' }, { mergeWithLastSubmission: false });
  }

  /*
   * An address that guesses is blocked, a login never: nobody can lock another out. But while a login is
   * guessed at from many addresses, each of them has one guess at it.
   */
  #guesses(address, login) {
    const [all, pair, whose] = [`address ${address}`, `pair ${address} ${login}`, `login ${login}`];
    const retry_s = Math.max(this.failures.wait(all), this.failures.wait(whose) ? this.failures.wait(pair, 1) : 0);
    return { retry_s, names: [all, pair, whose] };
  }

  async #login(req, res, show) {
    const address = network(req.socket.remoteAddress);
    const fields = await form(req);
    const [login, password] = ['login', 'password'].map((name) => fields.get(name) ?? '');
    const { retry_s, names } = this.#guesses(address, login.slice(0, 128));
    if (retry_s) {
      this.say('warn', 'waf.login_blocked', { address });
      return show({ login, status: 429, retry_s, problem: `Too many wrong passwords. Try again in ${retry_s} seconds.` });
    }
    // Counted before the comparison, so that many at once cannot all slip through.
    names.forEach((name) => this.failures.count(name));
    let accountId;
    try {
      accountId = login.length <= 128 && password.length <= 256 ? await this.accounts.signIn(login, password) : null;
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      names.forEach((name) => this.failures.uncount(name));
      return show({ login, status: 503, retry_s: 1, problem: 'Too many sign-ins at this moment. Try again.' });
    }
    if (!accountId) {
      this.say('warn', 'waf.login_failed', { address });
      return show({ login, status: 401, problem: 'Login or password is wrong.' });
    }
    names.forEach((name) => this.failures.uncount(name));
    this.say('info', 'waf.login', { account: accountId });
    return this.provider.interactionFinished(req, res, { login: { accountId, remember: false } }, { mergeWithLastSubmission: false });
  }

  async #guest(req, res, show) {
    const address = network(req.socket.remoteAddress);
    const retry_s = this.guests.wait(address);
    if (retry_s) return show({ status: 429, retry_s, problem: `Too many guests from here. Try again in ${retry_s} seconds.` });
    this.guests.count(address);
    // Until there is a token, the guest has the time of one to fetch it.
    const lease = this.pool.take({ address, hold_s: 60 });
    if (!lease) {
      this.say('warn', 'waf.pool_empty', { address, ...this.pool.counts() });
      return show({ status: 503, retry_s: 30, problem: 'All guest numbers are in use. Try again later.' });
    }
    this.say('info', 'waf.guest', { impu: lease.impu });
    try {
      return await this.provider.interactionFinished(req, res, { login: { accountId: `guest:${lease.id}`, remember: false } }, { mergeWithLastSubmission: false });
    } catch (error) {
      this.pool.giveBack(lease);
      throw error;
    }
  }

  /* HTTP Basic as at the introspection endpoint, or the same secret as a Bearer credential. */
  #isResourceServer(req) {
    const [scheme, value = ''] = (req.headers.authorization ?? '').split(' ');
    const { client_id } = this.conf.resource_server;
    const given = /^basic$/i.test(scheme) ? Buffer.from(value, 'base64').toString('utf8') : /^bearer$/i.test(scheme) ? `${client_id}:${value}` : '';
    return timingSafeEqual(digest(given), digest(`${client_id}:${this.clientSecret}`));
  }

  async #released(req, res) {
    if (req.method !== 'POST') return answer(res, 405, { error: 'method_not_allowed' }, { Allow: 'POST' });
    const address = network(req.socket.remoteAddress);
    if (this.failures.wait(`release ${address}`)) return answer(res, 429, { error: 'slow_down' }, { 'Retry-After': '60' });
    if (!this.#isResourceServer(req)) {
      this.failures.count(`release ${address}`);
      return answer(res, 401, { error: 'invalid_client' }, { 'WWW-Authenticate': 'Basic realm="waf"' });
    }
    let notice;
    try {
      notice = JSON.parse(await body(req));
    } catch (error) {
      if (error instanceof Refusal) return answer(res, error.status, { error: 'invalid_request' });
      notice = null;
    }
    const at = typeof notice?.at === 'string' ? Date.parse(notice.at) / 1000 : notice?.at;
    if (typeof notice?.impu !== 'string' || !Number.isFinite(at)) return answer(res, 400, { error: 'invalid_request', error_description: 'impu and at are required' });
    const key = String(req.headers['idempotency-key'] ?? notice.id ?? '').slice(0, 128);
    const result = this.pool.release({ impu: notice.impu, impi: notice.impi, at, key });
    this.say('info', 'waf.impu_released', { impu: notice.impu, result });
    return answer(res, result === 'unknown' ? 404 : 200, { result });
  }

  async stop() {
    clearInterval(this.timer);
    this.server.closeAllConnections?.();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
