// SPDX-License-Identifier: Apache-2.0
/*
 * The automatic call of `make run` where there is no browser: the native client of tests/wic. Its
 * payload is numbered and hashed, so what the echo UE sends back proves both directions octet by octet.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Process } from '../../tests/lib/proc.js';
import { within } from '../../tests/lib/wait.js';
import { DOMAIN } from './chain.mjs';

const MEDIA_S = 4;

/** @returns the same facts as the browser's call. */
export async function nativeCall(chain, { bin, say }) {
  const program = join(bin, 'wicgate-wic');
  if (!existsSync(program)) throw new Error(`neither Chromium nor ${program} is here to place a call`);
  say(`the native client registers alice and calls echo, ${MEDIA_S} s of media`);
  const wic = new Process('wic', program, [
    '--url', chain.wss, '--ca', join(chain.certs, 'ca.pem'), '--origin', new URL(chain.pageUrl).origin, '--user', 'alice',
    '--password', 'alice', '--domain', DOMAIN, '--call', `sip:echo@${DOMAIN}`, '--once', '--duration', `${MEDIA_S}`,
    '--payload', 'check', '--json',
  ]);
  const { code } = await within(wic.ended, 40000, () => `the native client to end:\n${wic.tail()}`);
  const line = wic.lines.findLast((l) => l.startsWith('{'));
  if (code !== 0 || !line) throw new Error(`the native client ended with ${code}:\n${wic.tail()}`);
  const r = JSON.parse(line);
  if (!r.ok || r.media.corrupt !== 0 || r.media.received === 0) throw new Error(`the native client says: ${r.problem ?? line}`);
  await chain.echo.line('"event":"ended"');
  return {
    client: 'native test client (wicgate-wic)', registered: Math.round(r.register_ms.p50), setUp: Math.round(r.setup_ms.p50),
    sent: r.media.sent, received: r.media.received, lost: r.media.lost,
    verified: `payload verified octet by octet after the round trip, ${r.media.corrupt} corrupt`, srtp: r.media.profile,
  };
}
