// SPDX-License-Identifier: Apache-2.0
/*
 * Where the provider keeps codes, grants, tokens and log-ins: in memory, with an end for each and a
 * bound for all. A restart signs everybody out. One store outlives the provider objects, which are
 * made anew when a key rotates.
 */
const MAX = 50000;
const OF_A_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

export class Store {
  #entries = new Map(); // key -> { value, ends }
  /** Is that account still somebody's? Nothing that was given to it is good any more if not. */
  isAccount = () => true;
  #grants = new Map(); // grant id -> set of keys
  #byUid = new Map();

  #get(key) {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.ends > Date.now()) return entry.value;
    this.#drop(key);
    return undefined;
  }

  #drop(key) {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (entry?.value.uid) this.#byUid.delete(entry.value.uid);
    const keys = this.#grants.get(entry?.value.grantId);
    keys?.delete(key);
    if (keys?.size === 0) this.#grants.delete(entry.value.grantId);
  }

  sweep() {
    for (const [key, entry] of this.#entries) if (entry.ends <= Date.now()) this.#drop(key);
    while (this.#entries.size > MAX) this.#drop(this.#entries.keys().next().value);
  }

  get size() {
    return this.#entries.size;
  }

  /** The constructor that the provider wants: one object per kind of thing. */
  adapter() {
    const store = this;
    return class {
      constructor(model) {
        this.model = model;
      }

      async upsert(id, value, lives_s) {
        const key = `${this.model}:${id}`;
        store.#drop(key);
        store.#entries.set(key, { value, ends: lives_s === undefined ? Infinity : Date.now() + lives_s * 1000 });
        if (store.#entries.size > MAX) store.sweep();
        if (this.model === 'Session') store.#byUid.set(value.uid, id);
        if (value.grantId && OF_A_GRANT.has(this.model)) {
          const keys = store.#grants.get(value.grantId) ?? new Set();
          store.#grants.set(value.grantId, keys.add(key));
        }
      }

      async find(id) {
        const value = store.#get(`${this.model}:${id}`);
        if (value && OF_A_GRANT.has(this.model) && !store.isAccount(value.accountId)) return undefined;
        return value;
      }

      async findByUid(uid) {
        return this.find(store.#byUid.get(uid));
      }

      async findByUserCode() {
        return undefined;
      }

      async consume(id) {
        const value = store.#get(`${this.model}:${id}`);
        if (value) value.consumed = Math.floor(Date.now() / 1000);
      }

      async destroy(id) {
        store.#drop(`${this.model}:${id}`);
      }

      async revokeByGrantId(grantId) {
        for (const key of [...(store.#grants.get(grantId) ?? [])]) store.#drop(key);
      }
    };
  }
}
