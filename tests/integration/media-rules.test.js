// SPDX-License-Identifier: Apache-2.0
//
// The operator's rules for packets, by configuration of the eP-CSCF alone, as they are on the wire:
// DSCP of every packet by side, one SSRC towards the WIC over a change of sender, policing.
import assert from 'node:assert/strict';
import { captured, isIn, kind } from '../lib/capture.js';
import { suite, ORIGIN } from '../lib/suite.js';
import { NativeWic } from '../lib/nativewic.js';
import { ACCESS_RANGE, CORE_RANGE } from '../lib/ports.js';
import { until } from '../lib/wait.js';

const test = suite({ gateway: { cscf: {
	rtp: { ssrc_mode: 'rewrite' },
	media: { policing: 'as', dscp: { audio: 46, core_audio: 26 } },
} } });

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
	// No more at once than the kernel keeps for a socket: what it drops nobody polices.
	await until(async () => {
		call.audio.burst(100);
		return (await env.gw.agws[0].metrics()).sum('agw_media_drop_total', { reason: 'policed' }) > 1000;
	}, { what: '1000 packets to be policed' });
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
