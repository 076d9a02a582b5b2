// SPDX-License-Identifier: Apache-2.0
/* How often: a bounded table of names with a count per window, against guessing and draining. */
const MAX_NAMES = 10000;

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
  wait(name) {
    const entry = this.#entry(name);
    return entry && entry.count >= this.max ? Math.max(1, Math.ceil(entry.ends - this.now())) : 0;
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

  forget(name) {
    this.#seen.delete(name);
  }
}
