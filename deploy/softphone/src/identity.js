// SPDX-License-Identifier: Apache-2.0
/*
 * A web identity: OAuth 2.0 authorization code with PKCE against the WAF, done by hand since it is
 * four requests. The tokens live in this object and nowhere else: a page that is left has none. What
 * has to survive the way to the WAF and back (verifier, state, nonce) is in sessionStorage, and is
 * taken out when the browser comes back. Says 'renewed' with a new token, 'lost' when there is none
 * to be had any more.
 */
const KEPT = 'wicgate.signin';
const SCOPE = 'openid ims.register';
const SPARE_S = 60; // A token is renewed this long before its end, but not before its half.
const ANSWER_MS = 15000;

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** A failure to tell the person: { title, text }. */
export class SignInError extends Error {
  constructor(title, text, { link = null } = {}) {
    super(text);
    this.sentence = { title, text, code: 0, link, action: link ? '' : 'signin' };
  }
}

const unreachable = (issuer) =>
  new SignInError('Sign-in service not reached', `${issuer} does not answer, or the browser does not trust its certificate.`, { link: { href: `${issuer}/healthz`, text: 'Open it once and accept its certificate' } });

function readIdToken(token) {
  const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The address of this page as the WAF knows it: without query and fragment. */
const redirectUri = () => location.origin + location.pathname;

/** Leave for the WAF's sign-in page. waf: { issuer, client_id }. */
export async function goSignIn(waf, { guest = false } = {}) {
  const kept = { issuer: waf.issuer, verifier: random(), state: random(), nonce: random(), search: location.search };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(kept.verifier));
  const query = new URLSearchParams({
    client_id: waf.client_id, response_type: 'code', redirect_uri: redirectUri(), scope: SCOPE, state: kept.state, nonce: kept.nonce,
    code_challenge: base64url(digest), code_challenge_method: 'S256',
  });
  if (guest) query.set('view', 'guest');
  location.assign(`${waf.issuer}/auth?${query}`);
}

/**
 * Did the browser just come back from the WAF? Takes the answer out of the address bar, so that
 * neither a reload nor a copied link repeats it. @returns { answer, kept } or null
 */
export function takeReturn() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has('state') || !(answer.has('code') || answer.has('error'))) return null;
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, '', `${location.pathname}${kept?.search ?? ''}`);
  return { answer, kept };
}

export class Identity extends EventTarget {
  #access = '';
  #refresh = '';
  #timer = 0;
  #renewing = null;
  #halfAt = 0;

  constructor(waf) {
    super();
    this.waf = waf;
  }

  async #ask(path, fields, options = {}) {
    let response;
    try {
      response = await fetch(`${this.waf.issuer}${path}`, {
        method: 'POST', body: new URLSearchParams({ client_id: this.waf.client_id, ...fields }), credentials: 'omit', referrerPolicy: 'no-referrer',
        signal: AbortSignal.timeout(ANSWER_MS), ...options,
      });
    } catch {
      throw unreachable(this.waf.issuer);
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new SignInError('Sign-in not completed', `The sign-in service refused: ${answer.error_description || answer.error || response.status}. Sign in again.`);
    return answer;
  }

  #take({ access_token, refresh_token, expires_in }) {
    const lives = Number(expires_in) || 300;
    this.#access = access_token;
    this.#refresh = refresh_token ?? '';
    const due = Math.max(lives / 2, lives - SPARE_S);
    this.#halfAt = Date.now() + (lives / 2) * 1000;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew().catch(() => {}), due * 1000);
  }

  /** Finish what goSignIn began. @returns the identity; throws SignInError */
  static async finish(waf, { answer, kept }) {
    if (!kept || answer.get('state') !== kept.state || kept.issuer !== waf.issuer || (answer.get('iss') ?? waf.issuer) !== waf.issuer)
      throw new SignInError('Sign-in not completed', 'The answer does not belong to a sign-in that this page began. Sign in again.');
    if (answer.has('error')) {
      const cancelled = answer.get('error') === 'access_denied';
      throw new SignInError(cancelled ? 'Sign-in cancelled' : 'Sign-in not completed', cancelled ? 'You are not signed in.' : `The sign-in service says: ${answer.get('error_description') || answer.get('error')}.`);
    }
    const self = new Identity(waf);
    const tokens = await self.#ask('/token', { grant_type: 'authorization_code', code: answer.get('code'), redirect_uri: redirectUri(), code_verifier: kept.verifier });
    const claims = readIdToken(tokens.id_token);
    if (claims.nonce !== kept.nonce || claims.iss !== waf.issuer || claims.aud !== waf.client_id)
      throw new SignInError('Sign-in not completed', 'The sign-in service answered for another sign-in. Sign in again.');
    self.#take(tokens);
    self.name = claims.name ?? '';
    self.guest = claims.ims_pool === true;
    self.impus = claims.ims_impus ?? [];
    return self;
  }

  /** For `Authorization` of a SIP request. */
  get credentials() {
    return `Bearer ${this.#access}`;
  }

  /** sip:USER@DOMAIN of the first identity. */
  get user() {
    return /^sips?:([^@;]+)@/.exec(this.impus[0] ?? '')?.[1] ?? '';
  }

  get domain() {
    return /@([^;:]+)/.exec(this.impus[0] ?? '')?.[1] ?? '';
  }

  /** A new access token now; one request at a time. */
  renew() {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew() {
    if (!this.#refresh) throw new SignInError('Sign-in ended', 'Your sign-in is over. Sign in again.');
    try {
      this.#take(await this.#ask('/token', { grant_type: 'refresh_token', refresh_token: this.#refresh }));
    } catch (error) {
      // Without an answer the token at hand may still be good for a while: ask again, soon.
      if (error.sentence.link) this.#timer = setTimeout(() => this.renew().catch(() => {}), 5000);
      else this.#refresh = '';
      this.dispatchEvent(new CustomEvent('lost', { detail: error.sentence }));
      throw error;
    }
    this.dispatchEvent(new Event('renewed'));
  }

  /** Renew when more than half of the token's life is over. */
  async fresh() {
    if (Date.now() >= this.#halfAt) await this.renew();
  }

  /** Sign out at the WAF: the refresh token is withdrawn, the tokens are forgotten. */
  async end() {
    const refresh = this.#refresh;
    clearTimeout(this.#timer);
    this.#access = this.#refresh = '';
    if (refresh) await this.#ask('/token/revocation', { token: refresh }, { keepalive: true }).catch(() => {});
  }
}
