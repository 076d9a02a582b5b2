// SPDX-License-Identifier: Apache-2.0
/*
 * Drives the softphone page in a headless Chromium: one `Caller` is one browser with its own
 * 1 kHz microphone. Says what happened and when; judges media by the tone that comes back and by
 * the packet counters. Used by `make run` and by the compose test. Needs playwright-core of tests/.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toneWav } from '../../tests/lib/rtp.js';
import { until } from '../../tests/lib/wait.js';

const require = createRequire(new URL('../../tests/package.json', import.meta.url));
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const TONE_HZ = 1000;

const FLAGS = [
  '--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--ignore-certificate-errors',
  '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-gpu', '--disable-dev-shm-usage', '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required', '--disable-features=WebRtcHideLocalIpsWithMdns',
];

/** Is there a Chromium, and the library that drives it? */
export function hasBrowser() {
  return existsSync(CHROMIUM) && existsSync(new URL('../../tests/node_modules/playwright-core', import.meta.url));
}

export class Caller {
  #dir = mkdtempSync(join(tmpdir(), 'wicgate-caller-'));
  #errors = [];

  /** executable: a wrapper around Chromium (another network namespace); flags: more of them. */
  static async launch({ executable = CHROMIUM, flags = [] } = {}) {
    const self = new Caller();
    const wav = join(self.#dir, 'microphone.wav');
    writeFileSync(wav, toneWav(TONE_HZ));
    const { chromium } = require('playwright-core');
    self.browser = await chromium.launch({ executablePath: executable, headless: true, args: [...FLAGS, `--use-file-for-fake-audio-capture=${wav}`, ...flags] });
    return self;
  }

  /** A caller of its own (cookies, storage, page) in another caller's browser. */
  static beside(other) {
    const self = new Caller();
    self.browser = other.browser;
    self.guest = true;
    return self;
  }

  /** Open the page with these settings in its query; `quiet` is set, the ring would drown the tone. */
  async open(url, settings) {
    this.context = await this.browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone', 'camera'] });
    this.page = await this.context.newPage();
    this.page.on('pageerror', (error) => this.#errors.push(error.message));
    await this.page.goto(`${url}?${new URLSearchParams({ ...settings, quiet: '1' })}`);
    await this.page.waitForFunction(() => window.softphone);
  }

  state() {
    return this.page.evaluate(() => window.softphone.state);
  }

  log() {
    return this.page.evaluate(() => window.softphone.log.map((e) => `${e.level}: ${e.text}`));
  }

  /** Wait until the page's state satisfies test; a page error or a shown sentence ends the wait. */
  async until(test, what, ms = 20000) {
    const failed = (s) => this.#errors[0] ?? (s.error && `${s.error.title}: ${s.error.text}`);
    return until(
      async () => {
        const state = await this.state();
        if (test(state)) return { state };
        return failed(state) ? { failure: failed(state) } : undefined;
      },
      { ms, every: 25, what },
    ).then(
      async ({ state, failure }) => {
        if (failure) throw new Error(`${what}: ${failure}; events: ${(await this.log()).join(' | ')}`);
        return state;
      },
      async (error) => {
        throw new Error(`${error.message}; events: ${(await this.log()).join(' | ')}`);
      },
    );
  }

  /** Press Register; @returns milliseconds until registered. */
  async register() {
    const begun = performance.now();
    await this.page.click('[data-testid=register]');
    await this.until((s) => s.registration === 'registered', 'registration');
    return Math.round(performance.now() - begun);
  }

  /** Sign in at the WAF's page and register with the token; @returns milliseconds from its last click. */
  async signInWeb(login, password) {
    await this.page.click('[data-testid=web-signin]');
    await this.page.fill('[data-testid=waf-login]', login);
    await this.page.fill('[data-testid=waf-password]', password);
    return this.#back('waf-submit');
  }

  /** The same as a guest: the number is the pool's choice. */
  async signInGuest() {
    await this.page.click('[data-testid=guest-signin]');
    return this.#back('waf-guest');
  }

  async #back(button) {
    const begun = performance.now();
    await this.page.click(`[data-testid=${button}]`);
    await this.until((s) => s.registration === 'registered', 'registration with a web identity');
    return Math.round(performance.now() - begun);
  }

  /** Dial and wait for the answer; @returns milliseconds from INVITE to 200 as the page saw them. */
  async call(number) {
    await this.page.fill('[data-testid=number]', number);
    await this.page.click('[data-testid=call]');
    const state = await this.until((s) => s.call.phase === 'active', `answer of ${number}`);
    return state.call.setupMs;
  }

  /** Wait until the tone comes back and packets were counted both ways; @returns the figures. */
  async media({ packets = 50 } = {}) {
    const heard = await until(
      async () => {
        const top = await this.page.evaluate(() => window.softphone.listener.loudest());
        return top && Math.abs(top.hz - TONE_HZ) < 40 && top.aboveDb > 25 ? top : undefined;
      },
      { ms: 20000, every: 100, what: `${TONE_HZ} Hz in the browser` },
    ).catch(async (error) => {
      const { figures } = await this.state();
      throw new Error(`${error.message}; figures: ${JSON.stringify(figures)}; events: ${(await this.log()).join(' | ')}`);
    });
    const state = await this.until((s) => s.figures?.media.audio?.sent >= packets && s.figures.media.audio.received >= packets, `${packets} packets each way`);
    return { heard, audio: state.figures.media.audio };
  }

  async hangup() {
    await this.page.click('[data-testid=hangup]');
    return (await this.until((s) => s.call.phase === 'idle', 'release')).lastCall;
  }

  /** Deregister and wait for it. */
  async signOut() {
    await this.page.click('[data-testid=signout]');
    await this.until((s) => s.connection === 'off', 'sign-out');
  }

  async close() {
    await (this.guest ? this.context : this.browser)?.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
