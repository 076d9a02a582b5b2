// SPDX-License-Identifier: Apache-2.0
//
// Short form of `make flood`: malformed, changed and replayed STUN, DTLS, SRTP, SRTCP, RTP and RTCP at
// the ports of calls that go on, from strangers' addresses and from the calls' own. The calls lose
// nothing, nothing reaches anybody that was not sent, and the counters say where the flood went.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { judge, live } from '../bench/media/live.mjs';
import { BIN, tempDir } from '../lib/gateway.js';
import { ACCESS_RANGE, CORE_RANGE, ports } from '../lib/ports.js';
import { SECOND } from '../lib/wait.js';

const CALLS = 40;

for (const shared of [0, 1]) {
	test(`${CALLS} calls keep every packet in a flood at their ports, ${shared ? 'shared' : 'each its own'} [ICE-31, DTLS-24, RTP-24]`,
		{ timeout: 90 * SECOND }, async (t) => {
			const [iqPort, opsPort] = await ports(2);
			const dir = tempDir();

			t.after(() => rmSync(dir, { recursive: true, force: true }));
			const r = await live({ bin: BIN, dir, iqPort, opsPort, accessPorts: ACCESS_RANGE.join('-'), corePorts: CORE_RANGE.join('-'),
				quarantine: 1, leaks: false, stay: CALLS, rate: 5, hold: 500, seconds: 8, flood: 2000, shared });

			assert.deepEqual(judge(r), []);
			assert.ok(r.end.flood.sent > 2000, `${r.end.flood.sent} sent`);
			assert.ok(Object.values(r.end.flood.by_kind).every((n) => n > 0), JSON.stringify(r.end.flood.by_kind));
			for (const reason of ['demux', 'source', 'srtp-auth', 'srtp-replay', 'malformed', 'stun-bad', 'dtls-bad'])
				assert.ok(r.drops[reason] > 0, `nothing dropped as ${reason}`);
		});
}
