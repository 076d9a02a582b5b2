// SPDX-License-Identifier: Apache-2.0
/*
 * Signing keys and their rotation. Published are: the key that signs; the next one, so that whoever
 * keeps our key set for a while knows it already when it begins to sign; and those that sign no more,
 * for as long as a token of theirs can live. In this order, the signing one first.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';

const MAKE = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

function make(alg) {
  const jwk = MAKE[alg]().privateKey.export({ format: 'jwk' });
  return { retired: null, signs: null, jwk: { ...jwk, kid: randomUUID(), use: 'sig', alg } };
}

export class Keys {
  /** state: where they are kept; keep_s: how long a key that signs no more is published. */
  constructor({ state, alg, keep_s, now = () => Math.floor(Date.now() / 1000) }) {
    Object.assign(this, { state, alg, keep_s, now });
    this.list = state.load('keys') ?? [];
    // None yet, or of another algorithm: all that were are of the past.
    if (!this.#usable()) {
      this.list = [make(alg), make(alg), ...this.list.map((k) => ({ ...k, retired: k.retired ?? now() }))];
      this.list[0].signs = now();
    }
    this.forget();
  }

  #usable() {
    const [signing, next] = this.list;
    return signing?.signs && signing.jwk.alg === this.alg && next?.retired === null;
  }

  /** The next key signs from now on, and there is another next one. */
  rotate() {
    const [signing, next, ...old] = this.list;
    signing.retired = this.now();
    next.signs = this.now();
    this.list = [next, make(this.alg), signing, ...old];
    this.forget();
  }

  /** Drop the keys whose last token is over. */
  forget() {
    this.list = this.list.filter((k) => k.retired === null || k.retired + this.keep_s > this.now());
    this.state.save('keys', this.list);
  }

  get age_s() {
    return this.now() - this.list[0].signs;
  }

  /** Private keys for the provider, the signing one first. */
  jwks() {
    return { keys: this.list.map((k) => k.jwk) };
  }
}
