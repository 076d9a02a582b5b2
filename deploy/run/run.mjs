#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * `make run` after the build: start the chain, place one call through it and judge its media, print
 * what happened, stay up with the softphone page until Ctrl-C. See --help for options.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LEFT, count } from '../../tests/lib/gateway.js';
import { until } from '../../tests/lib/wait.js';
import { Caller, TONE_HZ, hasBrowser } from './browser-call.mjs';
import { Chain, DOMAIN } from './chain.mjs';
import { nativeCall } from './native-call.mjs';
import { choosePorts } from './ports.mjs';

const HELP = `usage: deploy/run/run.sh [options]
  --once            place the automatic call, then stop all; status 0 when it was good, else 1
  --client WHICH    who places it: browser, native, or none (default: browser if there is one)
  --address ADDR    where page and W2 listen (127.0.0.1: this machine only)
  --name NAME       host name or address in the URLs (localhost, or ADDR)
  --media ADDR      address browsers send media to (default: this machine's first)
  --port-base N     take all ports from N on, instead of the product's usual ones
`;

const { values: opt } = parseArgs({
  options: {
    bin: { type: 'string', default: 'build/release/bin' },
    once: { type: 'boolean', default: false },
    client: { type: 'string' },
    address: { type: 'string', default: '127.0.0.1' },
    name: { type: 'string' },
    media: { type: 'string' },
    'port-base': { type: 'string', default: '0' },
    help: { type: 'boolean', default: false },
  },
});

const begun = performance.now();
const say = (text) => console.log(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s] ${text}`);

/* Browsers leave loopback out of ICE: media needs an address of the machine where there is one. */
function mediaAddress() {
  const all = Object.values(networkInterfaces()).flat();
  return all.find((a) => a.family === 'IPv4' && !a.internal)?.address ?? '127.0.0.1';
}

async function browserCall(chain) {
  const caller = await Caller.launch();
  try {
    say('Chromium is up; registering alice');
    await caller.open(chain.pageUrl, { user: 'alice', password: 'alice' });
    const registered = await caller.register();
    say(`registered in ${registered} ms; calling echo`);
    const setUp = await caller.call('echo');
    say(`answered: ${setUp} ms from INVITE to 200; listening`);
    const { heard, audio } = await caller.media();
    const line = await chain.echo.line((l) => l.includes('"event":"heard"') && JSON.parse(l).share > 0.7, { ms: 10000 });
    say(`media: the browser hears ${Math.round(heard.hz)} Hz come back, the UE hears ${(100 * JSON.parse(line).share).toFixed(0)} % ${TONE_HZ} Hz`);
    const last = await caller.hangup();
    await chain.echo.line('"event":"ended"');
    say('released; signing out');
    await caller.signOut();
    const [{ login, password }] = chain.webUsers;
    const web = await caller.signInWeb(login, password);
    say(`${login} signed in at the WAF: registered with a token in ${web} ms; signing out`);
    await caller.signOut();
    return {
      web, client: 'Chromium, softphone page', registered, setUp, sent: audio.sent, received: audio.received, lost: audio.lost,
      verified: `${TONE_HZ} Hz tone heard at the UE and back in the browser`, codec: audio.codec, srtp: audio.srtp,
      pair: `${audio.pair?.local} <-> ${audio.pair?.remote}`, seconds: last.seconds,
    };
  } finally {
    await caller.close();
  }
}

async function nothingLeft(chain) {
  await until(
    async () => {
      for (const which of ['cscf', 'agw']) {
        const status = await chain.status(which);
        for (const name of LEFT[which]) {
          if (count(status, name) !== 0) throw new Error(`${which} still has ${count(status, name)} ${name}`);
        }
      }
      return true;
    },
    { ms: 15000, every: 200, what: 'both processes to hold nothing of the call' },
  );
}

function report(r) {
  const rows = [
    ['client', r.client],
    ['registered', `in ${r.registered} ms`],
    ['answered', `in ${r.setUp} ms`],
    ['web identity', r.web && `signed in and registered in ${r.web} ms`],
    ['packets', `${r.sent} sent, ${r.received} received, ${r.lost} lost`],
    ['media', r.verified],
    ['codec', [r.codec, r.srtp].filter(Boolean).join(', ')],
    ['path', r.pair],
    ['released', 'nothing left in either process'],
  ].filter(([, value]) => value);
  console.log(`\n  One call through the whole chain\n${rows.map(([k, v]) => `    ${k.padEnd(12)} ${v}`).join('\n')}\n`);
}

function invitation(chain) {
  console.log(`  Now you
    page        ${chain.pageUrl}
                (a development certificate: accept it for the page, and once for ${chain.wss.replace('wss', 'https').replace('/sip', '/')})
    user        alice, bob or carol; the password is the name
    or          "Sign in with web identity": ${chain.webUsers.map((u) => `${u.login} ${u.password}`).join(', ')}
                (its page is ${chain.issuer}/: accept that certificate as well)
    or          "Sign in as guest": a number out of the pool
    dial        echo, and hear yourself; or each other, from two windows
    look inside ${opt.bin}/wicgatectl --socket ${chain.ctl.cscf} status
                ${opt.bin}/wicgatectl --socket ${chain.ctl.agw} status
    end         Ctrl-C
`);
}

async function automaticCall(chain) {
  const which = opt.client ?? (hasBrowser() ? 'browser' : 'native');
  if (which === 'none') return true;
  try {
    const result = which === 'browser' ? await browserCall(chain) : await nativeCall(chain, { bin: opt.bin, say });
    await nothingLeft(chain);
    report(result);
    return true;
  } catch (error) {
    say(`the automatic call FAILED: ${error.message}`);
    console.log(chain.tails());
    return false;
  }
}

async function main() {
  if (opt.help) {
    console.log(HELP);
    return 0;
  }
  const dir = mkdtempSync(join(tmpdir(), 'wicgate-run-'));
  const stop = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.removeAllListeners(signal); // of the test library, which would leave without stopping the parts
      process.on(signal, () => resolve(signal));
    }
  });
  const ports = await choosePorts({ base: Number(opt['port-base']), host: opt.address, taken: (name, port) => say(`port ${port} (${name}) is taken, trying another`) });
  const certs = fileURLToPath(new URL('../../build/run/certs', import.meta.url));
  const name = opt.name ?? (opt.address === '127.0.0.1' ? 'localhost' : opt.address);
  const chain = new Chain({ bin: opt.bin, dir, certs, ports, host: opt.address, name, media: opt.media ?? mediaAddress(), say });
  let status = 1;
  try {
    const good = await Promise.race([
      chain.start().then(() => automaticCall(chain)),
      stop.then(() => null),
      chain.died.then(({ name: part, how, tail }) => {
        throw new Error(`${part} died (${how.signal ?? how.error?.message ?? how.code}):\n${tail}`);
      }),
    ]);
    status = good ? 0 : 1;
    if (!opt.once && good !== null) {
      invitation(chain);
      const ended = await Promise.race([stop, chain.died]);
      if (ended.name) {
        say(`${ended.name} died:\n${ended.tail}`);
        status = 1;
      }
    }
  } catch (error) {
    say(`FAILED: ${error.message}`);
    if (existsSync(dir)) console.log(chain.tails());
  }
  say('stopping');
  await chain.stop();
  rmSync(dir, { recursive: true, force: true });
  say('stopped, nothing left running');
  return status;
}

process.exit(await main());
