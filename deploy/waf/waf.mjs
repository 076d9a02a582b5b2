#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * The WAF's program:
 *   node waf.mjs --config FILE                    serve what the file says
 *   node waf.mjs --dev DIR [options]              the same with a configuration for a lab, made in DIR
 *                                                 when there is none: users with passwords of chance
 *   node waf.mjs --hash                           password on stdin -> what "scrypt" in the file takes
 * SIGHUP lets the next key sign; SIGTERM ends it. One line per event on stdout.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { hash } from './src/accounts.js';
import { checkConfig, readConfig } from './src/config.js';
import { devConfig } from './src/dev.js';
import { Waf } from './src/server.js';

const { values: opt } = parseArgs({
  options: {
    config: { type: 'string' },
    dev: { type: 'string' },
    hash: { type: 'boolean', default: false },
    issuer: { type: 'string', default: 'https://localhost:8444' },
    listen: { type: 'string', default: '127.0.0.1:8444' },
    cert: { type: 'string' },
    key: { type: 'string' },
    page: { type: 'string', default: 'https://localhost:8080/' },
    domain: { type: 'string', default: 'ims.test' },
    'pool-size': { type: 'string', default: '20' },
    secret: { type: 'string' },
    'token-ttl': { type: 'string', default: '600' },
  },
});

function say(level, event, values = {}) {
  const rest = Object.entries(values).map(([k, v]) => ` ${k}=${JSON.stringify(String(v))}`);
  console.log(`${new Date().toISOString()} level=${level} proc=waf event=${event}${rest.join('')}`);
}

async function main() {
  if (opt.hash) {
    for await (const line of createInterface({ input: process.stdin })) {
      console.log(await hash(line));
      return;
    }
  }
  if (!opt.config === !opt.dev) throw new Error('give --config FILE or --dev DIR');
  const conf = opt.config ? readConfig(opt.config) : checkConfig(devConfig(opt));
  const waf = await new Waf(conf, say).start();
  process.on('SIGHUP', () => waf.rotate());
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => waf.stop().then(() => process.exit(0)));
  if (opt.dev) for (const { login, password } of conf.users) console.log(`waf: sign in as ${login}, password ${password}`);
  say('info', 'waf.serving', { issuer: conf.issuer, listen: `${conf.listen.host}:${waf.port}`, users: conf.users.length, pool: conf.pool.size });
}

main().catch((error) => {
  console.error(`waf: ${error.message}`);
  process.exit(1);
});
