// SPDX-License-Identifier: Apache-2.0
/*
 * Who may sign in, and what the IMS knows them as. Passwords are compared as scrypt, in the same
 * time for a login that nobody has. An account id is "user:LOGIN" or "guest:LEASE".
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(scrypt);
const LENGTH = 32;
const COST = { N: 16384, r: 8, p: 1 };
const MAX_AT_ONCE = 4;

/** "salt:hash" of a password, as the configuration keeps it. */
export async function hash(password, salt = randomBytes(16)) {
  return `${salt.toString('base64url')}:${(await derive(password, salt, LENGTH, COST)).toString('base64url')}`;
}

export class Busy extends Error {}

export class Accounts {
  #users = new Map();
  #nobody;
  #running = 0;

  constructor({ users, pool }) {
    this.pool = pool;
    this.users = users;
  }

  async open() {
    this.#nobody = await hash(randomBytes(16).toString('hex'));
    for (const { login, name, password, scrypt: kept, impi, impus } of this.users)
      this.#users.set(login, { login, name, impi, impus, kept: kept ?? (await hash(password)) });
    return this;
  }

  /** @returns the account id, or null. Throws Busy when too many passwords are being compared. */
  async signIn(login, password) {
    const user = this.#users.get(login);
    if (this.#running >= MAX_AT_ONCE) throw new Busy('too many sign-ins at once');
    this.#running++;
    try {
      const [salt, expected] = (user?.kept ?? this.#nobody).split(':').map((part) => Buffer.from(part, 'base64url'));
      const given = await derive(password, salt, LENGTH, COST);
      return timingSafeEqual(given, expected) && user ? `user:${login}` : null;
    } finally {
      this.#running--;
    }
  }

  /** What a token says of that account; undefined when it is no more. */
  identity(id) {
    const [kind, name] = [id.slice(0, id.indexOf(':')), id.slice(id.indexOf(':') + 1)];
    if (kind === 'user') {
      const user = this.#users.get(name);
      return user && { name: user.name, impi: user.impi, impus: user.impus, pool: false };
    }
    const lease = kind === 'guest' ? this.pool.find(name) : undefined;
    return lease && { name: 'Guest', impi: lease.impi, impus: [lease.impu], pool: true, lease };
  }
}
