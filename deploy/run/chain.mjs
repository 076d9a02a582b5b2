// SPDX-License-Identifier: Apache-2.0
/*
 * The whole chain on one machine, as child processes: core stand-in, echo UE, WAF, AGW, eP-CSCF, page.
 * `start` brings it up in order and says each step; `stop` ends what was started, in reverse, by PID.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Core } from '../../tests/lib/core.js';
import { ctl } from '../../tests/lib/ctl.js';
import { Process } from '../../tests/lib/proc.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
export const DOMAIN = 'ims.test';

const path = (...part) => join(ROOT, ...part);
const sets = (values) => Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
const ready = (port) => async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;

export class Chain {
  #parts = [];
  died = new Promise((resolve) => (this.onDeath = resolve));

  /** options: { bin, dir, certs, ports, host (browser side and page), media (address of RTP), say } */
  constructor(options) {
    Object.assign(this, options);
    this.ctl = { cscf: join(this.dir, 'cscf.sock'), agw: join(this.dir, 'agw.sock') };
    this.pageUrl = `https://${this.name}:${this.ports.page}/`;
    this.wss = `wss://${this.name}:${this.ports.w2}/sip`;
    this.issuer = `https://${this.name}:${this.ports.waf}`;
  }

  #own(name, process) {
    this.#parts.push({ name, process });
    process.ended.then((how) => {
      if (!this.stopping) this.onDeath({ name, how, tail: process.tail(15) });
    });
    return process;
  }

  async certificates() {
    mkdirSync(this.certs, { recursive: true });
    await run(path('deploy/setup/devcerts.sh'), [this.certs, this.name, this.host]);
  }

  async core() {
    const core = await Core.start({ host: '127.0.0.1', port: this.ports.core, domain: DOMAIN, dir: join(this.dir, 'core'), options: ['--trusted', '127.0.0.1'] });
    this.#own('core', core.process);
  }

  async ue() {
    const ue = this.#own(
      'echo UE',
      new Process('echo-ue', process.execPath, [
        path('deploy/run/echo-ue.mjs'), '--core', `127.0.0.1:${this.ports.core}`, '--host', '127.0.0.1',
        '--port', this.ports.ue, '--domain', DOMAIN, '--rtp-ports', this.ports.ueRange,
      ]),
    );
    await ue.line('"event":"ready"');
    this.echo = ue;
  }

  /* Its state is kept beside the certificates, so that passwords stay the same from run to run. */
  async waf() {
    const state = join(this.certs, '../waf');
    const waf = this.#own(
      'WAF',
      new Process('waf', process.execPath, [
        path('deploy/waf/waf.mjs'), '--dev', state, '--issuer', this.issuer, '--listen', `${this.host}:${this.ports.waf}`,
        '--cert', join(this.certs, 'waf.pem'), '--key', join(this.certs, 'waf.key'), '--page', this.pageUrl, '--domain', DOMAIN,
      ]),
    );
    await waf.line('event=waf.serving');
    this.webUsers = waf.lines.map((l) => /^waf: sign in as (\S+), password (\S+)$/.exec(l)).filter(Boolean).map(([, login, password]) => ({ login, password }));
    this.wafSecret = readFileSync(join(state, 'epcscf.secret'), 'utf8').trim();
  }

  async agw() {
    const agw = this.#own(
      'AGW',
      new Process('agw', path(this.bin, 'wicgate-agw'), [
        '--config', path('deploy/conf/wicgate-agw.yaml'),
        ...sets({
          'iq.listen': `127.0.0.1:${this.ports.iq}`,
          'ops.listen': `127.0.0.1:${this.ports.agwOps}`,
          'ops.ctl_socket': this.ctl.agw,
          'access.listen_ip': this.media,
          'access.ports': this.ports.accessRange,
          'core.listen_ip': '127.0.0.1',
          'core.ports': this.ports.coreRange,
          'iq.tls.cert': join(this.certs, 'iq-agw.pem'),
          'iq.tls.key': join(this.certs, 'iq-agw.key'),
          'iq.tls.ca': join(this.certs, 'ca.pem'),
        }),
      ]),
    );
    await agw.ready(ready(this.ports.agwOps));
  }

  async cscf() {
    const local = ['0.0.0.0', '::'].includes(this.host) ? '127.0.0.1' : this.host;
    const cscf = this.#own(
      'eP-CSCF',
      new Process('cscf', path(this.bin, 'wicgate-cscf'), [
        '--config', path('deploy/conf/wicgate-cscf.yaml'),
        ...sets({
          'ws.listen': `${this.host}:${this.ports.w2}`,
          'ws.allowed_origins': new URL(this.pageUrl).origin,
          'ws.tls.cert': join(this.certs, 'server.pem'),
          'ws.tls.key': join(this.certs, 'server.key'),
          'mw.listen': `127.0.0.1:${this.ports.mw}`,
          'mw.name': '127.0.0.1',
          'mw.peers': '127.0.0.1',
          'home.domains': DOMAIN,
          'home.entry_points': `127.0.0.1:${this.ports.core}`,
          'agw.list': `127.0.0.1:${this.ports.iq}`,
          'agw.tls.cert': join(this.certs, 'iq-cscf.pem'),
          'agw.tls.key': join(this.certs, 'iq-cscf.key'),
          'agw.tls.name': 'agw',
          'agw.tls.ca': join(this.certs, 'ca.pem'),
          'token.issuers.0.issuer': this.issuer,
          'token.issuers.0.jwks_url': `https://${local}:${this.ports.waf}/jwks`,
          'token.issuers.0.audience': `https://epcscf.${DOMAIN}`,
          'token.tls_ca': join(this.certs, 'ca.pem'),
          'pool.release_url': `https://${local}:${this.ports.waf}/impu-released`,
          'ops.listen': `127.0.0.1:${this.ports.cscfOps}`,
          'ops.ctl_socket': this.ctl.cscf,
        }),
      ], { env: { WICGATE_POOL_RELEASE_TOKEN: this.wafSecret } }),
    );
    await cscf.ready(ready(this.ports.cscfOps));
  }

  async page() {
    const web = this.#own(
      'page',
      new Process('page', process.execPath, [
        path('deploy/softphone/serve.mjs'), '--listen', `${this.host}:${this.ports.page}`,
        '--cert', join(this.certs, 'server.pem'), '--key', join(this.certs, 'server.key'),
        '--config', JSON.stringify({ wss: this.wss, domain: DOMAIN, user: 'alice', number: 'echo', waf: { issuer: this.issuer, client_id: 'wicgate-softphone' } }),
      ]),
    );
    await web.line('serving');
  }

  async start() {
    for (const [step, text] of [
      ['certificates', 'development certificates'],
      ['core', `IMS core stand-in (Kamailio) on 127.0.0.1:${this.ports.core}`],
      ['ue', 'echo UE, registered at the core'],
      ['waf', `WAF (sign-in server) on ${this.issuer}`],
      ['agw', `wicgate-agw, Iq on 127.0.0.1:${this.ports.iq}, media on ${this.media}`],
      ['cscf', `wicgate-cscf, W2 on ${this.wss}`],
      ['page', `softphone page on ${this.pageUrl}`],
    ]) {
      const begun = performance.now();
      await this[step]();
      this.say(`${text} (${Math.round(performance.now() - begun)} ms)`);
    }
  }

  /** What a process ('cscf', 'agw') says of itself over its operator's socket. */
  status(which) {
    return ctl(this.ctl[which], 'status');
  }

  /** Last lines of every part: what to show when something failed. */
  tails(lines = 12) {
    return this.#parts.map(({ name, process }) => `--- ${name}\n${process.tail(lines)}`).join('\n');
  }

  async stop() {
    this.stopping = true;
    for (const { name, process } of this.#parts.reverse()) {
      const how = await process.stop().catch((error) => ({ error }));
      if (how.error || (how.code && how.code !== 0)) this.say(`${name} ended with ${how.error?.message ?? how.code}`);
    }
    this.#parts = [];
  }
}
