// SPDX-License-Identifier: Apache-2.0
//
// Start and question the IMS core stand-in (tests/core). One per test file is enough.
import { fileURLToPath } from 'node:url';
import { Process } from './proc.js';

const START = fileURLToPath(new URL('../core/start-core.sh', import.meta.url));

export class Core {
	static async start({ host = '127.0.0.1', port, domain = 'ims.test', dir, options = [] }) {
		const core = new Core();

		Object.assign(core, { host, port, domain });
		core.process = new Process('core', START, ['--addr', host, '--port', port, '--domain', domain,
			'--dir', dir, ...options]);
		await core.process.ready(async () =>
			(await fetch(`http://${host}:${port}/ready`)).status === 200);
		return core;
	}

	async rpc(method, params = []) {
		const res = await fetch(`http://${this.host}:${this.port}/RPC`, { method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
		const answer = await res.json();

		if (answer.error)
			throw new Error(`core ${method}: ${answer.error.message}`);
		return answer.result;
	}

	/** Contacts bound to a user: [{ Address, Path, Expires, … }]; [] when not registered. */
	async contacts(user) {
		const dump = await this.rpc('ul.dump');

		return dump.Domains.flatMap((d) => d.Domain.AoRs)
			.filter((a) => a.Info.AoR === user)
			.flatMap((a) => a.Info.Contacts.map((c) => c.Contact));
	}

	/** Forget every binding that a test has left, so that the next one does not fork to it. */
	async forget() {
		const dump = await this.rpc('ul.dump');

		for (const { Info } of dump.Domains.flatMap((d) => d.Domain.AoRs))
			await this.rpc('ul.rm', ['location', Info.AoR]);
	}

	stop() {
		return this.process.stop();
	}
}
