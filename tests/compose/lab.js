// SPDX-License-Identifier: Apache-2.0
//
// The compose file under test: engine, images, up with replicas, questions to one container, down.
// Needs root and no network but Debian's packages. Says each step: building takes a while.
import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CHROMIUM } from '../../deploy/run/browser-call.mjs';
import { SECOND, until } from '../lib/wait.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ENGINE = join(ROOT, 'deploy/setup/docker-engine.sh');
const FILES = ['deploy/compose/compose.yaml', 'tests/compose/test.yaml'];
const run = promisify(execFile);

export const say = (text) => process.stderr.write(`compose: ${text}\n`);

/** Run a program whose output is for people; rejects with its last lines. */
function show(command, args, { env, prefix }) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
		const lines = [];
		const take = (text) => {
			for (const line of String(text).split('\n').filter((l) => l.trim())) {
				lines.push(line);
				if (/^(Step|Successfully|#\d+ |Creating|Removing|Stopping)/.test(line.trim()))
					say(`${prefix}: ${line.trim().slice(0, 120)}`);
			}
		};

		child.stdout.on('data', take);
		child.stderr.on('data', take);
		child.on('error', reject);
		child.on('close', (code) => (code === 0 ? resolve(lines)
			: reject(new Error(`${prefix} failed (${code}):\n${lines.slice(-30).join('\n')}`))));
	});
}

export class Lab {
	/** An engine that answers and the base image; fails with the reason when there can be none. */
	static async open({ project, pagePort, w2Port, wafPort }) {
		const lab = new Lab();

		lab.project = project;
		lab.dir = mkdtempSync(join(tmpdir(), 'wicgate-compose-'));
		lab.env = { ...process.env, PAGE_PORT: String(pagePort), W2_PORT: String(w2Port), WAF_PORT: String(wafPort), PAGE_HOST: 'web',
			COMPOSE_PROJECT_NAME: project, DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' };
		const { stderr: started } = await run(ENGINE, ['start']);
		lab.ownEngine = started.includes('starting dockerd');
		say(started.trim().split('\n').at(-1));
		say((await run(ENGINE, ['base'])).stderr.trim().split('\n').at(-1));
		const { stdout } = await run(ENGINE, ['env']);
		lab.docker = /DOCKER=(.*)/.exec(stdout)[1];
		lab.compose = /COMPOSE=(.*)/.exec(stdout)[1].replaceAll('\\', '').split(' ');
		return lab;
	}

	#composed(...args) {
		return [...this.compose.slice(1), ...FILES.flatMap((f) => ['-f', f]), ...args];
	}

	/** The page is bundled and the WAF's packages are fetched here, so that images need no npm; then the images. */
	async build() {
		await show('make', ['--no-print-directory', 'softphone', 'deps-npm'], { env: this.env, prefix: 'page' });
		return show(this.compose[0], this.#composed('build'), { env: this.env, prefix: 'build' });
	}

	/** Start everything; resolves when every service with a health check is healthy. */
	async up(scale) {
		const replicas = Object.entries(scale).flatMap(([service, n]) => ['--scale', `${service}=${n}`]);

		await show(this.compose[0], this.#composed('up', '-d', '--no-build', ...replicas),
			{ env: this.env, prefix: 'up' });
		for (const service of ['core', 'waf', 'agw', 'lb', 'cscf', 'web'])
			await this.healthy(service);
	}

	async healthy(service) {
		const ids = await this.ids(service);

		await until(async () => {
			const states = await Promise.all(ids.map((id) => this.inspect(id, '{{.State.Health.Status}}')));

			if (states.every((s) => s === 'healthy'))
				return true;
			throw new Error(states.join(', '));
		}, { ms: 60 * SECOND, every: 250, what: `${service} healthy` })
			.catch(async (err) => {
				throw new Error(`${err.message}\n${await this.logs(service)}`);
			});
		say(`${service}: ${ids.length} healthy`);
	}

	async output(command, args) {
		return (await run(command, args, { cwd: ROOT, env: this.env, maxBuffer: 1 << 24 })).stdout.trim();
	}

	/** Container ids of a service. */
	async ids(service) {
		const text = await this.output(this.compose[0], this.#composed('ps', '-q', service));

		return text.split('\n').filter(Boolean);
	}

	inspect(id, format) {
		return this.output(this.docker, ['inspect', '-f', format, id]);
	}

	address(id) {
		return this.inspect(id, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');
	}

	exec(id, ...command) {
		return this.output(this.docker, ['exec', id, ...command]);
	}

	/** Run one program in a fresh container of an image; resolves with what it printed. */
	once(image, program, ...args) {
		return this.output(this.docker, ['run', '--rm', '--network', 'none', '--entrypoint', program, image, ...args]);
	}

	/** What a daemon says of itself: wicgatectl inside its container. */
	async status(id, kind) {
		return JSON.parse(await this.exec(id, 'wicgatectl', '--socket', `/run/wicgate/${kind}.sock`, '--json', 'status'));
	}

	async logs(service, lines = 40) {
		return this.output(this.compose[0], this.#composed('logs', '--no-color', `--tail=${lines}`, service))
			.catch((err) => String(err));
	}

	/**
	 * A program that runs Chromium inside the compose network: the process is this machine's, the
	 * network namespace is the browser container's. @returns { executable, flags }
	 */
	async browser() {
		const [id] = await this.ids('browser');
		const addresses = await Promise.all(['web', 'waf', 'lb'].map(async (name) => `MAP ${name} ${await this.address((await this.ids(name))[0])}`));
		const pid = await this.inspect(id, '{{.State.Pid}}');
		const executable = join(this.dir, 'chromium-in-network');

		writeFileSync(executable, `#!/bin/sh\nexec nsenter --net=/proc/${pid}/ns/net ${CHROMIUM} "$@"\n`);
		chmodSync(executable, 0o755);
		return { executable, flags: [`--host-resolver-rules=${addresses.join(',')}`] };
	}

	/** Stop and remove containers, network and volume. @returns what is left of the project */
	async down() {
		await show(this.compose[0], this.#composed('down', '-v', '--remove-orphans', '-t', '10'),
			{ env: this.env, prefix: 'down' });
		const label = `label=com.docker.compose.project=${this.project}`;
		const left = await Promise.all([['ps', '-aq'], ['network', 'ls', '-q'], ['volume', 'ls', '-q']]
			.map((what) => this.output(this.docker, [...what, '--filter', label])));

		return left.join('');
	}

	async close() {
		if (this.ownEngine)
			say((await run(ENGINE, ['stop'])).stderr.trim());
		rmSync(this.dir, { recursive: true, force: true });
	}
}
