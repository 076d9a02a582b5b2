// SPDX-License-Identifier: Apache-2.0
/* The automatic call of `make run` where there is no browser: the native client of tests/wic. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** @returns the same facts as the browser's call. */
export async function nativeCall(chain, { bin, say }) {
  const program = join(bin, 'wicgate-wic');
  if (!existsSync(program)) throw new Error(`neither Chromium nor ${program} is here to place a call`);
  say(`calling echo with ${program}`);
  throw new Error('not wired');
}
