// SPDX-License-Identifier: Apache-2.0
//
// One test file = one suite: a core (Kamailio or the scripted S-CSCF) and a gateway, started at
// the first test and shared; each test owns its clients, and ends only when both processes are
// back to idle. A daemon that died is reported by the test it died in and started again.
import { test } from 'node:test';
import { Core } from './core.js';
import { Gateway } from './gateway.js';
import { Scscf } from './scscf.js';
import { port, uePorts } from './ports.js';
import { Ue } from './ue.js';
import { WsClient } from './wsclient.js';
import { SECOND, within } from './wait.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ORIGIN = 'https://portal.ims.test';

/**
 * scripted: use the scripted S-CSCF instead of Kamailio. gateway: options of Gateway.start.
 * coreOptions: of start-core.sh. extra(env): start what else the file shares; returns closers.
 */
export function suite({ scripted = false, gateway = {}, coreOptions = [], extra, timeout = 60 * SECOND } = {}) {
	const env = {};
	let closers = [];

	async function begin() {
		if (env.gw && !env.dirty && env.gw.daemons.every((d) => !d.process.exit))
			return;
		if (!env.core) {
			env.dir = mkdtempSync(join(tmpdir(), 'wicgate-suite-'));
			env.rtpPorts = uePorts();
			env.core = scripted ? await Scscf.start({ port: await port() })
				: await Core.start({ port: await port(), dir: join(env.dir, 'core'), options: coreOptions });
			closers = await extra?.(env) ?? [];
		}
		// After a test that left something behind the next one gets a fresh gateway.
		await env.gw?.stop().catch(() => env.gw.kill());
		env.dirty = false;
		env.gw = await Gateway.start({ core: env.core, origins: [ORIGIN, ...env.origins ?? []], ...gateway });
	}

	function run(name, fn, options = {}) {
		return test(name, { timeout: timeout + 30 * SECOND }, async (t) => {
			await begin();
			const owned = [];
			const own = (thing) => {
				owned.push(thing);
				return thing;
			};
			const help = {
				...env, t, own,
				/** A WebSocket client, not registered. */
				async client(user, o = {}) {
					return own(await WsClient.open(o.url ?? env.gw.wssUrl, { user, origin: ORIGIN, ...o }));
				},
				/** A WebSocket client registered at the core. */
				async wic(user, o = {}) {
					const c = await help.client(user, o);
					const res = await c.register();

					if (res.status !== 200)
						throw new Error(`REGISTER of ${user} answered ${res.start}`);
					return c;
				},
				/** A scripted IMS UE registered at the core. */
				async ue(user, o = {}) {
					const ue = own(await Ue.start({ user, core: env.core, rtpPorts: env.rtpPorts, ...o }));
					const res = await ue.register();

					if (res.status !== 200)
						throw new Error(`REGISTER of UE ${user} answered ${res.start}`);
					return ue;
				},
			};
			const errors = [];
			const attempt = (f) => f().catch((err) => errors.push(err));

			await attempt(() => within(fn(help), timeout - 10 * SECOND, 'the test itself'));
			env.core.serve?.(true);
			for (const thing of owned.reverse())
				await attempt(() => release(thing));
			await env.core.forget?.();
			env.core.serve?.(false);
			for (const d of env.gw.daemons) {
				if (d.process.exit)
					errors.push(new Error(`${d.kind} died: ${JSON.stringify(d.process.exit)}\n${d.process.tail(60)}`));
			}
			if (env.gw.daemons.every((d) => !d.process.exit))
				await attempt(() => env.gw.assertNothingLeft({ allow: ['transactions'], ...options.left }).catch((err) => {
					env.dirty = true;
					throw err;
				}));
			if (errors.length) {
				if (process.env.WICGATE_TEST_LOGS)
					for (const d of env.gw.daemons)
						console.error(`--- ${d.kind}\n${d.process.tail(80)}`);
				if (errors.length > 1)
					errors[0].message += errors.slice(1).map((e) => `\nand then: ${e.message}`).join('');
				throw errors[0];
			}
		});
	}

	/** The last test of a file: SIGTERM, exit code 0, no sanitizer report. */
	run.end = () => test('SIGTERM ends every process with 0 and no sanitizer report', { timeout: timeout + 40 * SECOND }, async () => {
		try {
			// Transactions linger as long as RFC 3261 says; at the end none may be left either.
			if (env.gw && !env.dirty)
				await env.gw.assertNothingLeft({ ms: 40 * SECOND });
			assertNoSecrets(env.gw);
			await env.gw?.stop();
		} finally {
			await env.gw?.kill();
			for (const c of closers.reverse())
				await release(c).catch(() => {});
			await (scripted ? env.core?.close() : env.core?.stop());
			if (env.dir)
				rmSync(env.dir, { recursive: true, force: true });
		}
	});
	run.env = env;
	return run;
}

// What must never stand in a log line, at any level (SEC-10): web tokens, Digest responses, AKA and
// ICE secrets. A value that was masked has stars.
const SECRETS = [/\beyJ[\w-]{16,}\.[\w-]{16,}/, /\bresponse="?[0-9a-f]{32}/i, /\b[ic]k="?[0-9a-f]{32}/i, /a=ice-pwd:[^*\s]/];

function assertNoSecrets(gw) {
	for (const d of gw?.daemons ?? []) {
		const line = d.process.lines.find((l) => SECRETS.some((s) => s.test(l)));

		if (line)
			throw new Error(`${d.kind} logged a secret: ${line.slice(0, 300)}`);
	}
}

/** Leave nothing of a client behind: bindings at the core, sockets, processes. */
async function release(thing) {
	if (thing instanceof WsClient) {
		if (thing.ws.readyState === thing.ws.OPEN) {
			if (thing.routes && !thing.gone)
				await thing.unregister();
			if (thing.ws.readyState === thing.ws.OPEN)
				await thing.close();
		}
		return;
	}
	if (thing instanceof Ue)
		await thing.unregister().catch(() => {});
	await (thing.close?.() ?? thing.stop?.());
}
