// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration file: JSON, read once, every key checked, an unknown one refused. Secrets are
 * not written here but stand in files that it names (made at run time, mode 0600).
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const IMPU = /^(sips?:[^@\s<>;]+@[A-Za-z0-9.-]+|tel:\+?[0-9().-]+)$/;
const IMPI = /^[^@\s":]+@[A-Za-z0-9.-]+$/;

class Wrong extends Error {}

function fail(path, what) {
  throw new Wrong(`${path}: ${what}`);
}

const kinds = {
  text: (v) => typeof v === 'string' && v.length > 0 && v.length <= 1024,
  count: (v) => Number.isSafeInteger(v) && v >= 0,
  positive: (v) => Number.isSafeInteger(v) && v > 0,
  flag: (v) => typeof v === 'boolean',
  list: (v) => Array.isArray(v) && v.length <= 10000,
};

/* name: [kind, default]; no default = required; a function as kind checks an object. */
function table(path, value, keys) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) fail(path, 'is not an object');
  for (const name of Object.keys(value)) if (!(name in keys)) fail(`${path}.${name}`, 'is no known key');
  const out = {};
  for (const [name, [kind, initial]] of Object.entries(keys)) {
    const given = value[name] ?? initial;
    if (given === undefined) fail(`${path}.${name}`, 'is required');
    if (typeof kind === 'function') out[name] = kind(`${path}.${name}`, given);
    else if (given !== null && !kinds[kind](given)) fail(`${path}.${name}`, `is no ${kind}`);
    else out[name] = given;
  }
  return out;
}

const each = (check) => (path, list) => {
  if (!kinds.list(list)) fail(path, 'is no list');
  return list.map((item, i) => check(`${path}[${i}]`, item));
};

const text = (pattern, what) => (path, v) => (kinds.text(v) && pattern.test(v) ? v : fail(path, `is no ${what}`));

/* A redirect URI is compared as a whole: absolute, without fragment, and https but for loopback. */
function redirectUri(path, v) {
  let url;
  try {
    url = new URL(v);
  } catch {
    fail(path, 'is no absolute URL');
  }
  if (url.hash || v.includes('*')) fail(path, 'has a fragment or a wildcard');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.has(url.hostname))) fail(path, 'is neither https nor loopback');
  return v;
}

const client = (path, v) => table(path, v, { client_id: ['text'], name: ['text', 'softphone'], redirect_uris: [each(redirectUri)] });

function user(path, v) {
  const u = table(path, v, {
    login: ['text'], name: ['text', v?.login], password: ['text', null], scrypt: ['text', null],
    impi: [text(IMPI, 'IMPI')], impus: [each(text(IMPU, 'IMPU'))],
  });
  if (!u.password === !u.scrypt) fail(path, 'needs one of password and scrypt');
  if (!u.impus.length) fail(`${path}.impus`, 'is empty');
  return u;
}

const pool = (path, v) => table(path, v, { domain: ['text', 'ims.test'], prefix: ['text', 'guest-'], size: ['count', 0], grace_s: ['count', 60], per_address: ['positive', 5], rest: ['flag', true] });
const limits = (path, v) => table(path, v, { failures: ['positive', 5], window_s: ['positive', 60], guests_per_window: ['positive', 20] });
const tls = (path, v) => (v === null ? null : table(path, v, { cert: ['text'], key: ['text'] }));
const server = (path, v) => table(path, v, { client_id: ['text', 'epcscf'], secret_file: ['text'] });

function token(path, v) {
  const t = table(path, v, { format: ['text', 'jwt'], alg: ['text', 'ES256'], ttl_s: ['positive', 600], refresh_ttl_s: ['positive', 28800] });
  if (!['jwt', 'opaque'].includes(t.format)) fail(`${path}.format`, 'is neither jwt nor opaque');
  if (!['ES256', 'RS256', 'PS256', 'EdDSA'].includes(t.alg)) fail(`${path}.alg`, 'is not one of ES256, RS256, PS256, EdDSA');
  return t;
}

function issuer(path, v) {
  const url = redirectUri(path, v);
  if (new URL(url).pathname !== '/' || url.endsWith('/')) fail(path, 'is not just scheme, host and port');
  return url;
}

/** Check an object as read from the file; `dir` is what relative file names start from. Throws. */
export function checkConfig(value, dir = '.') {
  const conf = table('config', value, {
    issuer: [issuer],
    listen: ['text', '127.0.0.1:8444'],
    tls: [tls, null],
    state_dir: ['text'],
    audience: ['text', 'https://epcscf.ims.test'],
    scope: ['text', 'ims.register'],
    clients: [each(client)],
    resource_server: [server],
    token: [token, {}],
    key_rotation_s: ['count', 86400],
    users: [each(user), []],
    pool: [pool, {}],
    limits: [limits, {}],
  });
  const [, host, port] = /^(.+):(\d+)$/.exec(conf.listen) ?? fail('config.listen', 'is no HOST:PORT');
  conf.listen = { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  for (const what of ['login', 'impi']) {
    const all = conf.users.map((u) => u[what]);
    if (new Set(all).size !== all.length) fail('config.users', `has a ${what} twice`);
  }
  if (!conf.tls && !LOOPBACK.has(new URL(conf.issuer).hostname)) fail('config.tls', 'is required beyond loopback');
  conf.state_dir = resolve(dir, conf.state_dir);
  conf.resource_server.secret_file = resolve(dir, conf.resource_server.secret_file);
  if (conf.tls) for (const name of ['cert', 'key']) conf.tls[name] = resolve(dir, conf.tls[name]);
  return conf;
}

export function readConfig(file) {
  let value;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Wrong(`${file}: ${error.message}`);
  }
  return checkConfig(value, dirname(resolve(file)));
}
