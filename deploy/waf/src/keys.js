// SPDX-License-Identifier: Apache-2.0
/*
 * Signing keys and their rotation. The first key signs; the others are only published, for as long
 * as a token that they signed can live. A new key is published and signs at once: the eP-CSCF asks
 * for the key set when it meets a kid it does not know.
 */
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';

const MAKE = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

function make(alg, now) {
  const jwk = MAKE[alg]().privateKey.export({ format: 'jwk' });
  return { retired: null, made: now, jwk: { ...jwk, kid: randomUUID(), use: 'sig', alg } };
}

export class Keys {
  /** state: where they are kept; keep_s: how long a key that signs no more is published. */
  constructor({ state, alg, keep_s, now = () => Math.floor(Date.now() / 1000) }) {
    Object.assign(this, { state, alg, keep_s, now });
    this.list = state.load('keys') ?? [];
    if (this.list[0]?.jwk.alg !== alg) this.rotate();
    else this.forget();
  }

  /** A new key signs from now on. */
  rotate() {
    const now = this.now();
    if (this.list[0]) this.list[0].retired ??= now;
    this.list.unshift(make(this.alg, now));
    this.forget();
  }

  /** Drop the keys whose last token is over. */
  forget() {
    this.list = this.list.filter((k) => k.retired === null || k.retired + this.keep_s > this.now());
    this.state.save('keys', this.list);
  }

  get age_s() {
    return this.now() - this.list[0].made;
  }

  /** Private keys for the provider, the signing one first. */
  jwks() {
    return { keys: this.list.map((k) => k.jwk) };
  }

  /** kid -> public key, for a check. */
  publicKey(kid) {
    const found = this.list.find((k) => k.jwk.kid === kid);
    return found && createPublicKey({ key: found.jwk, format: 'jwk' });
  }
}
