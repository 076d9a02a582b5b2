// SPDX-License-Identifier: Apache-2.0
/*
 * The pool of guest identities (scenario 3 of TS 24.371 §6.1): one guest, one IMPU and IMPI, nobody
 * else's until it is free again. Free it becomes by the eP-CSCF's word that no binding is left
 * (POST /impu-released), or when the last token is over and `grace_s` has passed. A JWT cannot be
 * taken back: with `rest` the identity is given up at that word, and lent again when the last token
 * is over all the same. The identity that rested longest is lent next. A word about an earlier lease
 * never ends a later one, and one that is said again (same key) does nothing.
 */
import { randomBytes } from 'node:crypto';

const NUMBER_DIGITS = 4;
const MAX_KEYS = 10000;

export class Pool {
  #free = [];
  #leases = new Map(); // impu -> lease; `over`: given up, it rests until its last token is over
  #keys = new Set(); // of the words that ended a lease

  constructor({ domain, prefix, size, grace_s, per_address, rest = true, state, now = () => Date.now() / 1000 }) {
    Object.assign(this, { grace_s, per_address, rest, state, now });
    this.#free = Array.from({ length: size }, (_, i) => {
      const name = `${prefix}${String(i + 1).padStart(NUMBER_DIGITS, '0')}`;
      return { impu: `sip:${name}@${domain}`, impi: `${name}.pool@${domain}` };
    });
    for (const lease of state.load('pool') ?? []) {
      const at = this.#free.findIndex((f) => f.impu === lease.impu);
      if (at < 0) continue; // The pool was made smaller.
      this.#free.splice(at, 1);
      this.#leases.set(lease.impu, lease);
    }
    this.sweep();
  }

  #save() {
    this.state.save('pool', [...this.#leases.values()]);
  }

  #end(lease) {
    this.#leases.delete(lease.impu);
    this.#free.push({ impu: lease.impu, impi: lease.impi });
  }

  /** End what is over. */
  sweep() {
    const over = [...this.#leases.values()].filter((l) => l.until <= this.now());
    over.forEach((l) => this.#end(l));
    if (over.length) this.#save();
  }

  /**
   * Lend an identity. @param address  whose guest it is: one address holds `per_address` at most
   * @returns {id, impu, impi, …} or null when none is free or that address holds too many
   */
  take({ address, hold_s }) {
    this.sweep();
    const held = [...this.#leases.values()].filter((l) => l.address === address).length;
    if (held >= this.per_address || !this.#free.length) return null;
    const { impu, impi } = this.#free.shift();
    const since = this.now();
    const lease = { id: randomBytes(12).toString('base64url'), impu, impi, address, since, until: since + hold_s + this.grace_s };
    this.#leases.set(impu, lease);
    this.#save();
    return lease;
  }

  /** The live lease of that id. */
  find(id) {
    this.sweep();
    return [...this.#leases.values()].find((l) => l.id === id && !l.over);
  }

  /** A token that lives until then was given to this guest. */
  extend(lease, until) {
    // The first token replaces the time that was given to fetch it.
    lease.until = Math.max(lease.used ? lease.until : 0, until + this.grace_s);
    lease.used = true;
    this.#save();
  }

  /**
   * The eP-CSCF says that this IMPU has no binding left since `at` (unix seconds).
   * @param key  the same whenever the same is said again
   * @returns 'released', 'free' (it was), 'repeated' (heard before), 'newer' (lent again since: the word is too late), 'unknown'
   */
  release({ impu, impi, at, key }) {
    this.sweep();
    if (this.#free.some((f) => f.impu === impu)) return 'free';
    const lease = this.#leases.get(impu);
    if (!lease || (impi && lease.impi !== impi)) return 'unknown';
    if (key && this.#keys.has(key)) return 'repeated';
    if (lease.over) return 'free';
    if (at < lease.since) return 'newer';
    this.#remember(key);
    if (this.rest && lease.used) lease.over = true;
    else this.#end(lease);
    this.#save();
    return 'released';
  }

  #remember(key) {
    if (!key) return;
    if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.values().next().value);
    this.#keys.add(key);
  }

  /** A guest who gave up before a token was made. */
  giveBack(lease) {
    if (this.#leases.get(lease.impu) !== lease) return;
    this.#end(lease);
    this.#save();
  }

  counts() {
    this.sweep();
    return { free: this.#free.length, lent: this.#leases.size };
  }
}
