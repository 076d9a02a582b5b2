// SPDX-License-Identifier: Apache-2.0
/* How often: a bounded table of names with a count per window, against guessing and draining. */
import { isIPv6 } from 'node:net';

const MAX_NAMES = 10000;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** Who is behind an address: itself, or the /64 that an IPv6 host has to itself. */
export function network(address) {
  const [plain] = (address ?? '').split('%');
  const [, v4] = MAPPED.exec(plain) ?? [];
  if (v4 || !isIPv6(plain)) return v4 ?? plain;
  const [head, tail] = plain.split('::').map((half) => half.split(':').filter(Boolean));
  const words = tail ? [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail] : head;
  return `${words.slice(0, 4).map((word) => Number.parseInt(word, 16).toString(16)).join(':')}::/64`;
}

export class Rate {
  #seen = new Map(); // name -> { count, ends }

  constructor({ max, window_s, now = () => Date.now() / 1000 }) {
    Object.assign(this, { max, window_s, now });
  }

  #entry(name) {
    const entry = this.#seen.get(name);
    return entry && entry.ends > this.now() ? entry : undefined;
  }

  /** Seconds to wait, 0 = go on. */
  wait(name, max = this.max) {
    const entry = this.#entry(name);
    return entry && entry.count >= max ? Math.max(1, Math.ceil(entry.ends - this.now())) : 0;
  }

  /** One more of that name. */
  count(name) {
    const entry = this.#entry(name);
    if (entry) {
      entry.count++;
      return;
    }
    this.#seen.delete(name);
    // The oldest goes: an attacker who fills the table only forgets his own names.
    while (this.#seen.size >= MAX_NAMES) this.#seen.delete(this.#seen.keys().next().value);
    this.#seen.set(name, { count: 1, ends: this.now() + this.window_s });
  }

  /** It was none of those after all. */
  uncount(name) {
    const entry = this.#entry(name);
    if (entry && --entry.count <= 0) this.#seen.delete(name);
  }
}
