// SPDX-License-Identifier: Apache-2.0
// make lint: who may include whom (README of each process draws it). A file includes downward
// or, at its own level, another folder's public header; never upward, never another folder's
// *_int.h, never the other process. Third-party headers stay in the folders that own them.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

// Higher may include lower or equal. Files directly in cscf/ or agw/ build the process.
const LEVEL = {
  common: 0, proto: 1,
  'cscf/ws': 2, 'cscf/http': 2, 'cscf/sip': 3, 'cscf/sdp': 4, 'cscf/iq': 4, 'cscf/authz': 4,
  'cscf/xml': 4, 'cscf/registrar': 5, 'cscf/regevent': 6, 'cscf/emergency': 6, 'cscf/story': 5, 'cscf/session': 7, 'cscf/ops': 8, cscf: 9,
  'agw/net': 2, 'agw/ice': 3, 'agw/dtls': 4, 'agw/srtp': 4, 'agw/relay': 5, 'agw/worker': 6,
  'agw/context': 7, 'agw/iq': 8, 'agw/ops': 9, agw: 10,
};
// A process's configuration struct is plain data: readable from every level of that process.
const PLAIN = new Set(['cscf/config.h', 'agw/config.h']);
const THIRD = [
  [/^osip/, ['cscf/sip', 'cscf/sdp']],
  [/^(nice|stun)\//, ['agw/ice']],
  [/^srtp2\//, ['agw/srtp']],
  [/^libxml\//, ['cscf/xml']],
  [/^wslay\//, ['cscf/ws']],
  [/^curl\//, ['cscf/http']],
  [/^jose\//, ['cscf/authz']],
  [/^(openssl)\//, ['common', 'proto', 'cscf', 'cscf/ws', 'cscf/sip', 'cscf/authz', 'cscf/iq', 'agw', 'agw/iq', 'agw/dtls', 'agw/srtp']],
];

function walk(dir, out = []) {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) walk(path, out);
    else if (/\.[ch]$/.test(path)) out.push(path);
  }
  return out;
}

let bad = 0;
const complain = (file, what, why) => { console.error(`${file}: includes ${what}: ${why}`); bad++; };
for (const file of ['common', 'proto', 'cscf', 'agw'].flatMap((d) => walk(d))) {
  const folder = dirname(file);
  for (const [, open, name] of readFileSync(file, 'utf8').matchAll(/^#include ([<"])([^>"]+)[>"]/gm)) {
    if (open === '<') {
      for (const [re, owners] of THIRD) if (re.test(name) && !owners.includes(folder)) complain(file, name, `belongs to ${owners.join(', ')}`);
      continue;
    }
    const target = dirname(name);
    if (name.endsWith('.pb-c.h')) { if (!(LEVEL[folder] >= 1)) complain(file, name, 'generated code is for proto and above'); continue; }
    if (!(target in LEVEL) || !(folder in LEVEL)) { complain(file, name, 'unknown folder'); continue; }
    if (PLAIN.has(name) && name.split('/')[0] === folder.split('/')[0]) continue;
    const [a, b] = [folder.split('/')[0], target.split('/')[0]];
    if ((a === 'cscf' && b === 'agw') || (a === 'agw' && b === 'cscf')) complain(file, name, 'the other process');
    else if (LEVEL[target] > LEVEL[folder]) complain(file, name, `${target} is above ${folder}`);
    else if (target !== folder && name.endsWith('_int.h')) complain(file, name, 'private to its folder');
  }
}
process.exit(bad > 0 ? 1 : 0);
