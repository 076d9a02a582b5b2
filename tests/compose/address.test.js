// SPDX-License-Identifier: Apache-2.0
//
// Whose PROXY header the eP-CSCFs of the compose file believe: that of the balancer's address, which does
// not change when the balancer is made anew. By what docker-compose makes of the file; no engine is asked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

for (const net of [undefined, '10.9.8'])
	test(`the balancer has the address that is believed, ${net ?? 'by default'} [SEC-28]`, () => {
		const env = { ...process.env, ...net && { LAB_NET: net } };
		const text = execFileSync('docker-compose', ['-f', 'deploy/compose/compose.yaml', 'config'],
			{ cwd: ROOT, env, encoding: 'utf8' });
		const believed = /WICGATE_WS_PROXY_PROTOCOL_FROM: (\S+)/.exec(text)?.[1];

		assert.ok(believed, 'an address is believed');
		assert.equal(/ipv4_address: (\S+)/.exec(text)?.[1], believed);
		assert.ok(!/WICGATE_WS_PROXY_PROTOCOL_FROM=/.test(text), 'nothing overrides it at the start');
		assert.equal(believed.split('.').slice(0, 3).join('.'), net ?? '172.31.77');
	});
