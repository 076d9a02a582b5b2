// SPDX-License-Identifier: Apache-2.0
/*
 * What must outlive a restart: signing keys, cookie keys, the eP-CSCF's secret, leases of the pool.
 * Small files of mode 0600 in one directory, replaced as a whole.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

function replace(file, text) {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function readOr(file, make) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    const text = make();
    if (text !== undefined) replace(file, text);
    return text;
  }
}

/** The secret in that file, made when there is none: 256 bits. */
export const secret = (file) => readOr(file, () => `${randomBytes(32).toString('base64url')}\n`).trim();

export class State {
  constructor(dir) {
    this.dir = dir;
  }

  secret(name) {
    return secret(join(this.dir, name));
  }

  /** A kept value, or undefined. */
  load(name) {
    const text = readOr(join(this.dir, `${name}.json`), () => undefined);
    return text === undefined ? undefined : JSON.parse(text);
  }

  save(name, value) {
    replace(join(this.dir, `${name}.json`), JSON.stringify(value));
  }
}
