#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * The echo UE of `make run` and of the compose files: registers at the core like any IMS phone,
 * answers every call and sends every packet back. It listens as well: once a second it says how
 * much of what it hears is the test tone, so that uplink media is verified where it arrives.
 *   node echo-ue.mjs --core HOST:PORT [--host ADDR] [--port N] [--user echo] [--password echo]
 *                    [--domain ims.test] [--rtp-ports 42600-42999] [--tone 1000]
 * Prints one JSON object a line: ready, call, heard, ended. SIGTERM deregisters and ends.
 */
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Ue } from '../../tests/lib/ue.js';

const EXPIRES_S = 600;

const { values: opt } = parseArgs({
  options: {
    core: { type: 'string', default: '127.0.0.1:5070' },
    host: { type: 'string' },
    port: { type: 'string', default: '0' },
    user: { type: 'string', default: 'echo' },
    password: { type: 'string', default: 'echo' },
    domain: { type: 'string', default: 'ims.test' },
    'rtp-ports': { type: 'string', default: '42600-42999' },
    tone: { type: 'string', default: '1000' },
  },
});

const say = (event, more = {}) => console.log(JSON.stringify({ event, at: new Date().toISOString(), ...more }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const address = async (name) => (await lookup(name, 4)).address;

/* The core may start after us: its name and its answer may take a while. */
async function patiently(what, step) {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      say('waiting', { for: what, reason: error.message });
      await pause(500);
    }
  }
}

function evenPorts(range) {
  const [first, last] = range.split('-').map(Number);
  let next = first + (first % 2);
  return () => {
    const port = next;
    next = next + 3 > last ? first + (first % 2) : next + 2;
    return port;
  };
}

/* The core of these set-ups is asked by address; a name is looked up once. */
async function start() {
  const colon = opt.core.lastIndexOf(':');
  const core = { host: await patiently('core address', () => address(opt.core.slice(0, colon))), port: Number(opt.core.slice(colon + 1)) };
  const host = opt.host ?? (await address(hostname()));
  return Ue.start({ user: opt.user, password: opt.password, domain: opt.domain, host, port: Number(opt.port), core, rtpPorts: evenPorts(opt['rtp-ports']) });
}

async function register(ue) {
  const answer = await ue.register(EXPIRES_S);
  if (answer.status !== 200) throw new Error(`the core answered ${answer.status} ${answer.reason ?? ''}`.trim());
}

async function serve(call) {
  const from = (/<?(sips?:[^>;]+|tel:[^>;]+)/.exec(call.invited.msg.get('From')) ?? [])[1] ?? '?';
  const id = { call: call.callId, from };
  say('call', id);
  call.ring();
  /* A port for video too: a caller may add it later. */
  await call.openMedia(['audio', 'video']);
  await call.answer();
  for (const port of call.media) port.echo();
  say('answered', { ...id, media: (call.offer?.media ?? []).map((m) => m.type) });
  const timer = setInterval(() => {
    const a = call.audio;
    if (a) say('heard', { ...id, received: a.received, sent: a.sent, hz: Number(opt.tone), share: Number(a.hears(Number(opt.tone)).toFixed(3)), from_media: [...a.sources] });
  }, 1000);
  const why = await call.ended;
  clearInterval(timer);
  say('ended', { ...id, why, media: call.media.filter((m) => m.received).map((m) => ({ type: m.type, received: m.received, sent: m.sent })) });
  await call.closeMedia();
}

const ue = await start();
await patiently('registration', () => register(ue));
say('ready', { aor: ue.aor, contact: ue.contact });
setInterval(() => register(ue).catch((error) => say('registration', { reason: error.message })), (EXPIRES_S / 2) * 1000).unref();

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, async () => {
    await Promise.race([ue.unregister().catch(() => {}), pause(1000)]);
    process.exit(0);
  });

for (;;) {
  const call = await ue.incomingCalls.next(() => true, { ms: 2 ** 31 - 1, what: 'a call' });
  serve(call).catch((error) => say('failed', { call: call.callId, reason: error.message }));
}
