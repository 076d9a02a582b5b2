// SPDX-License-Identifier: Apache-2.0
//
// The operator's rules for packets, by configuration of the eP-CSCF alone, as they are on the wire:
// DSCP of every packet by side, one SSRC towards the WIC over a change of sender, policing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { suite, ORIGIN } from '../lib/suite.js';
import { NativeWic } from '../lib/nativewic.js';
import { ACCESS_RANGE, CORE_RANGE } from '../lib/ports.js';
import { until } from '../lib/wait.js';

const test = suite({ gateway: { cscf: {
	rtp: { ssrc_mode: 'rewrite' },
	media: { policing: 'as', dscp: { audio: 46, core_audio: 26 } },
} } });

const GLOBAL = 24, RECORD = 16, ETHER = 14;

/** IPv4 and UDP of each packet of a capture of the loopback. */
function packets(file) {
	const buf = readFileSync(file);
	const out = [];

	for (let at = GLOBAL; at + RECORD <= buf.length;) {
		const len = buf.readUInt32LE(at + 8);
		const ip = buf.subarray(at + RECORD + ETHER, at + RECORD + len);
		const udp = ip.subarray((ip[0] & 15) * 4);

		out.push({ tos: ip[1], from: udp.readUInt16BE(0), to: udp.readUInt16BE(2), data: udp.subarray(8) });
		at += RECORD + len;
	}
	return out;
}

const isIn = (p, [low, high]) => p >= low && p <= high;

function kind(data) {
	if (data[0] < 4)
		return 'stun';
	if (data[0] >= 20 && data[0] < 64)
		return 'dtls';
	return data[1] >= 192 && data[1] <= 223 ? 'rtcp' : 'rtp';
}

/** Everything UDP of the gateway while `during` runs. */
async function captured(during) {
	const dir = mkdtempSync(join(tmpdir(), 'wicgate-capture-'));
	const file = join(dir, 'lo.pcap');
	const dump = spawn('tcpdump', ['-i', 'lo', '-n', '-U', '-B', '16384', '-s', '200', '-w', file,
		`udp and portrange ${CORE_RANGE[0]}-${ACCESS_RANGE[1]}`], { stdio: ['ignore', 'ignore', 'pipe'] });
	let said = '';

	dump.stderr.on('data', (d) => { said += d; });
	try {
		await until(() => said.includes('listening on'), { what: () => `a capture: ${said}` });
		await during();
		const exit = once(dump, 'exit');
		dump.kill('SIGINT');
		await exit;
		return packets(file);
	} finally {
		dump.kill('SIGKILL');
		rmSync(dir, { recursive: true });
	}
}

test('DSCP of each side on media, RTCP, DTLS and STUN, and never an ECN bit; the WIC hears one SSRC [RTP-15, RTP-16, RTP-09]',
	async (env) => {
		const bob = await env.ue('bob');
		const seen = await captured(async () => {
			const wic = env.own(new NativeWic(env.gw.wssUrl, { user: 'alice', password: 'alice', origin: ORIGIN,
				call: 'sip:bob@ims.test', duration: 5, payload: 'tone:1000', 'expect-tone': 440, pt: 0 }));
			const call = await bob.incoming();

			await call.answer();
			call.audio.tone(440, { ssrc: 0x01020304, seq: 60000 });
			await until(() => call.audio.hears(1000) > 0.8, { what: '1 kHz at the UE' });
			call.audio.tone(440, { ssrc: 0x05060708, seq: 9 }); /* another sender from the same port */
			assert.equal(await call.ended, 'bye received');
			const { code, output } = await wic.done();
			assert.equal(code, 0, output);
		});
		const sides = { access: seen.filter((p) => isIn(p.from, ACCESS_RANGE)), core: seen.filter((p) => isIn(p.from, CORE_RANGE)) };
		const kinds = (list) => [...new Set(list.map((p) => kind(p.data)))].sort();

		assert.deepEqual(kinds(sides.access).filter((k) => k !== 'rtcp'), ['dtls', 'rtp', 'stun']);
		assert.ok(kinds(sides.core).includes('rtp'));
		for (const [side, dscp] of [['access', 46], ['core', 26]])
			for (const k of kinds(sides[side]))
				assert.deepEqual([...new Set(sides[side].filter((p) => kind(p.data) === k).map((p) => p.tos))], [dscp << 2],
					`${k} on ${side}`);

		const toWic = sides.access.filter((p) => kind(p.data) === 'rtp').map((p) => p.data);
		const fromUe = seen.filter((p) => isIn(p.to, CORE_RANGE) && kind(p.data) === 'rtp').map((p) => p.data.readUInt32BE(8));
		assert.equal(new Set(fromUe.filter((s) => s === 0x01020304 || s === 0x05060708)).size, 2);
		assert.equal(new Set(toWic.map((d) => d.readUInt32BE(8))).size, 1);
		assert.ok(![0x01020304, 0x05060708].includes(toWic[0].readUInt32BE(8)));
		const steps = toWic.slice(1).map((d, i) => (d.readUInt16BE(2) - toWic[i].readUInt16BE(2)) & 0xffff);
		assert.deepEqual([...new Set(steps)], [1]);
	});

test('a core that floods is policed to what was agreed, told once [RTP-23]', async (env) => {
	const bob = await env.ue('bob');
	const wic = env.own(new NativeWic(env.gw.wssUrl, { user: 'alice', password: 'alice', origin: ORIGIN,
		call: 'sip:bob@ims.test', duration: 5, payload: 'tone:1000', pt: 0 }));
	const call = await bob.incoming();

	await call.answer();
	await until(() => call.audio.hears(1000) > 0.8, { what: '1 kHz at the UE' });
	call.audio.burst(2000);
	const told = await env.gw.agws[0].logged('policed', { call_id: call.callId });
	assert.equal(told.side, 'core');
	assert.equal(await call.ended, 'bye received');
	await wic.done();
	assert.equal(env.gw.agws[0].log('policed').filter((l) => l.call_id === call.callId).length, 1);
	const record = await env.gw.cscf.logged('call.record', { call_id: call.callId });
	assert.ok(Number(record.down_dropped) > 1000, JSON.stringify(record));
	assert.ok(Number(record.up_dropped) === 0, JSON.stringify(record));
});

test.end();
