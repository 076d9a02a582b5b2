// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration for a lab: the users of the core stand-in, with passwords of chance that are kept
 * in DIR/users.json (0600) so that a restart does not change them. Never for people of the world.
 */
import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import { State } from './state.js';

const NAMES = [['alice', '+15550101'], ['bob', '+15550102'], ['carol', '+15550103']];
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';

const password = () => Array.from({ length: 12 }, () => LETTERS[randomInt(LETTERS.length)]).join('');

function users(state, domain) {
  const kept = state.load('users');
  if (kept?.every((u) => u.impi.endsWith(`@${domain}`))) return kept;
  const made = NAMES.map(([login, tel]) => ({ login, password: password(), impi: `${login}.wic@${domain}`, impus: [`sip:${login}@${domain}`, `tel:${tel}`] }));
  state.save('users', made);
  return made;
}

/** What a file for --config would say. opt: the program's options. */
export function devConfig(opt) {
  const dir = resolve(opt.dev);
  const state = new State(dir);
  return {
    issuer: opt.issuer,
    listen: opt.listen,
    tls: opt.cert && opt.key ? { cert: opt.cert, key: opt.key } : null,
    state_dir: dir,
    audience: `https://epcscf.${opt.domain}`,
    clients: [{ client_id: 'wicgate-softphone', name: 'The softphone', redirect_uris: opt.page.split(',') }],
    resource_server: { client_id: 'epcscf', secret_file: (opt.secret && resolve(opt.secret)) ?? join(dir, 'epcscf.secret') },
    token: { ttl_s: Number(opt['token-ttl']) },
    users: users(state, opt.domain),
    // In a lab everybody may come from one address.
    pool: { domain: opt.domain, size: Number(opt['pool-size']), per_address: Number(opt['pool-size']) },
  };
}
