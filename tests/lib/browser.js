// SPDX-License-Identifier: Apache-2.0
//
// Headless Chromium with a 1 kHz fake microphone and the test page, through playwright-core.
// One Browser per test file, one Wic (own browser context) per user. Remote audio is judged by
// the same Goertzel detector as the UE's, in the page.
import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { chromium } from 'playwright-core';
import { toneWav } from './rtp.js';
import { SECOND, until } from './wait.js';

const PAGE = fileURLToPath(new URL('../e2e/page/', import.meta.url));
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const MIC_TONE = 1000;

const FLAGS = ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
	'--ignore-certificate-errors', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync', '--disable-gpu', '--disable-dev-shm-usage',
	'--allow-loopback-in-peer-connection', '--autoplay-policy=no-user-gesture-required',
	'--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets'];

/** Serve the page and the bundled script on http://localhost:port. */
export async function servePage(port) {
	const html = readFileSync(join(PAGE, 'index.html'));
	const [script] = buildSync({ entryPoints: [join(PAGE, 'page.js')], bundle: true, write: false,
		format: 'iife', logLevel: 'error' }).outputFiles;
	const server = createServer((req, res) => {
		const isScript = req.url === '/page.js';

		res.writeHead(req.url === '/' || isScript ? 200 : 404,
			{ 'Content-Type': isScript ? 'text/javascript' : 'text/html', Connection: 'close' });
		res.end(isScript ? script.text : req.url === '/' ? html : '');
	});

	await new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, '127.0.0.1', resolve);
	});
	return { origin: `http://localhost:${server.address().port}`,
		close: () => new Promise((resolve) => server.close(resolve)) };
}

export class Browser {
	/** netns: run it in there. The page still comes from this process, by the debugger's way. */
	static async launch({ port = 0, flags = [], netns } = {}) {
		const self = new Browser();

		self.netns = netns;
		self.dir = mkdtempSync(join(tmpdir(), 'wicgate-browser-'));
		const wav = join(self.dir, 'microphone.wav');
		writeFileSync(wav, toneWav(MIC_TONE));
		self.web = await servePage(port);
		self.browser = await chromium.launch({ executablePath: netns?.wrap(self.dir, CHROMIUM) ?? CHROMIUM, headless: true,
			args: [...FLAGS, `--use-file-for-fake-audio-capture=${wav}`, ...flags] });
		return self;
	}

	get origin() {
		return this.web.origin;
	}

	/** A fresh user: own context, page loaded, JsSIP started when `start` is given. clock: one that a test can put on. link: a RoughLink its media takes. */
	async wic(start, { clock = false, link } = {}) {
		const context = await this.browser.newContext({ ignoreHTTPSErrors: true,
			permissions: ['microphone', 'camera'] });
		if (this.netns)
			await context.route(`${this.origin}/**`, async (route) => {
				const res = await fetch(route.request().url());

				await route.fulfill({ status: res.status, contentType: res.headers.get('content-type'), body: await res.text() });
			});
		const page = await context.newPage();
		const wic = new Wic(context, page);

		if (link)
			await page.exposeFunction('viaLink', (sdp) => link.through(sdp));
		page.on('pageerror', (err) => wic.errors.push(String(err)));
		page.on('console', (m) => process.env.WICGATE_TEST_VERBOSE && console.error('page|', m.text()));
		if (clock)
			await page.clock.install();
		await page.goto(`${this.origin}/`);
		if (start)
			await wic.do('start', start);
		return wic;
	}

	async close() {
		await this.browser?.close();
		await this.web.close();
		rmSync(this.dir, { recursive: true, force: true });
	}
}

export class Wic {
	errors = [];
	#seen = 0;

	constructor(context, page) {
		this.context = context;
		this.page = page;
	}

	/** Call a function of window.wic. */
	do(name, ...args) {
		return this.page.evaluate(([n, a]) => window.wic[n](...a), [name, args]);
	}

	events() {
		return this.page.evaluate(() => window.wic.events);
	}

	/** The next event of that name that no earlier event() call has returned. */
	async event(name, { ms = 20 * SECOND } = {}) {
		const match = name instanceof RegExp ? (e) => name.test(e.name) : (e) => e.name === name;

		return until(async () => {
			const all = await this.events();
			const at = all.findIndex((e, i) => i >= this.#seen && match(e));

			if (at < 0)
				return undefined;
			this.#seen = at + 1;
			return all[at];
		}, { ms, what: `page event ${name}; ${this.errors.join(' ')}` }).catch(async (err) => {
			const seen = (await this.events()).map((e) => `${e.name}${e.status ? `(${e.status})` : ''}`);

			throw new Error(`${err.message}; events: ${seen.join(' ')}`);
		});
	}

	/** Share of the remote audio's power at freq. */
	async hears(freq) {
		return (await this.do('sound', freq)).share;
	}

	/** Loudness of the remote audio at freq, 1 = full scale: what counts where nothing should be heard. */
	async level(freq) {
		return (await this.do('sound', freq)).level;
	}

	/** Wait until the remote audio is that tone. */
	heard(freq, { ms = 20 * SECOND, share = 0.7 } = {}) {
		return until(async () => await this.hears(freq) > share, { ms,
			what: `tone of ${freq} Hz in the browser` });
	}

	/** Is the user registered as far as the page knows? */
	async registered() {
		const last = (await this.events()).filter((e) => /^(un)?registered$/.test(e.name)).at(-1);

		return last?.name === 'registered';
	}

	/** Deregister when registered, then close the page and its context. */
	async close() {
		if (await this.registered()) {
			await this.do('unregister');
			await until(async () => !await this.registered(), { what: 'deregistration of the page' });
		}
		await this.do('stop');
		await this.context.close();
	}
}
