// SPDX-License-Identifier: Apache-2.0
//
// An AGW with ports for one call: the next call gets the very same ones, and the last one's ends do not stop
// sending. Nothing of theirs reaches the next call, and nothing of it reaches them; it is dropped and counted.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { captured, isIn, kind } from '../lib/capture.js';
import { count } from '../lib/gateway.js';
import { suite, ORIGIN } from '../lib/suite.js';
import { NativeWic } from '../lib/nativewic.js';
import { ACCESS_RANGE, CORE_RANGE } from '../lib/ports.js';
import { until } from '../lib/wait.js';

const CORE = [CORE_RANGE[0], CORE_RANGE[0] + 1];
const ACCESS = [ACCESS_RANGE[0], ACCESS_RANGE[0]];
const test = suite({ gateway: { agw: { core: { ports: CORE.join('-') }, access: { ports: ACCESS.join('-') }, port: { quarantine: '4s' } } } });

const ssrcOf = (data) => data.readUInt32BE(8);
const media = (list) => list.filter((p) => kind(p.data) === 'rtp');

/** alice or carol calls that UE, both hear each other for two seconds; all that was on the wire of the AGW. */
async function heardCall(env, user, ue, tone, ssrc, during = () => {}) {
	let call;
	const seen = await captured(async () => {
		const wic = env.own(new NativeWic(env.gw.wssUrl, { user, password: user, origin: ORIGIN, call: `sip:${ue.user}@ims.test`,
			duration: 3, payload: 'tone:1000', 'expect-tone': tone, pt: 0 }));

		call = await ue.incoming();
		await call.answer();
		call.audio.tone(tone, { ssrc });
		await until(() => call.audio.hears(1000) > 0.8, { what: '1 kHz at the UE' });
		await during();
		assert.equal(await call.ended, 'bye received');
		const { code, output } = await wic.done();
		assert.equal(code, 0, output);
	});

	return { call, seen, toAccess: seen.filter((p) => isIn(p.to, ACCESS)), toCore: seen.filter((p) => isIn(p.to, CORE)),
		fromAccess: seen.filter((p) => isIn(p.from, ACCESS)), fromCore: seen.filter((p) => isIn(p.from, CORE)) };
}

/** Send those datagrams again and again from where they came from; what comes back is counted. */
async function late(packets) {
	const [{ source, from }] = packets;
	const sock = dgram.createSocket('udp4');
	const it = { sent: 0, answers: [] };

	await new Promise((resolve, reject) => {
		sock.once('error', reject);
		sock.bind(from, source, resolve);
	});
	sock.on('error', () => {}); // nobody listens while the ports rest
	sock.on('message', (data) => it.answers.push(data));
	const timer = setInterval(() => {
		const p = packets[it.sent++ % packets.length];

		sock.send(p.data, p.to, '127.0.0.1', () => {});
	}, 10);

	it.stop = () => {
		clearInterval(timer);
		return new Promise((resolve) => sock.close(resolve));
	};
	return it;
}

test('the same ports twice in a row: no packet of call 1 enters call 2, they are dropped and counted [RTP-20, RTP-07]', async (env) => {
	const bob = await env.ue('bob', { host: '127.0.0.2' });
	const echo = await env.ue('echo', { host: '127.0.0.3' });
	const agw = env.gw.agws[0];
	const first = await heardCall(env, 'alice', bob, 440, 0x11111111);

	await first.call.closeMedia();
	const fromWic = first.toAccess.filter((p) => p.from === media(first.toAccess)[0].from);
	const fromUe = media(first.toCore);
	assert.ok(fromUe.every((p) => p.source === '127.0.0.2' && ssrcOf(p.data) === 0x11111111));
	assert.deepEqual([...new Set(fromWic.map((p) => kind(p.data)))].filter((k) => k !== 'rtcp').sort(), ['dtls', 'rtp', 'stun']);
	const ssrcOfWic = ssrcOf(media(fromWic)[0].data);
	await until(async () => count(await agw.status(), 'ports_quarantined') > 0, { what: 'ports at rest' });
	const senders = [await late(fromWic), await late(fromUe)];
	try {
		// While they rest nobody gets them.
		const wic = await env.wic('alice');
		assert.equal((await wic.invite('sip:echo@ims.test').response()).status, 503);
		await until(async () => count(await agw.status(), 'ports_quarantined') === 0, { what: 'the ports to be free' });
		// An AGW without a free port is overloaded, and says so until it has one.
		await until(async () => (await env.gw.cscf.ctl('agw list'))[0].in_service, { what: 'the eP-CSCF to know' });
		const sentBefore = senders.map((s) => s.sent);
		const second = await heardCall(env, 'carol', echo, 660, 0x22222222, async () => {
			await until(() => senders.every((s, i) => s.sent > sentBefore[i] + 200), { what: '200 late packets of each' });
		});

		// The very same ports.
		for (const side of ['fromAccess', 'fromCore']) {
			const [a, b] = [first, second].map((c) => [...new Set(media(c[side]).map((p) => p.from))]);

			assert.equal(a.length, 1);
			assert.deepEqual(a, b, side);
		}
		// What the AGW sent on is call 2's alone, and went to its ends alone.
		assert.deepEqual([...new Set(media(second.fromAccess).map((p) => ssrcOf(p.data)))], [0x22222222]);
		const up = new Set(media(second.fromCore).map((p) => ssrcOf(p.data)));
		assert.ok(up.size === 1 && !up.has(ssrcOfWic), `${[...up]}`);
		assert.deepEqual([...second.call.audio.ssrcs], [...up]);
		for (const s of senders)
			// A check with call 1's credentials is refused, in an answer of its own.
			assert.deepEqual(s.answers.filter((d) => kind(d) !== 'stun' || d.readUInt16BE(0) !== 0x0111), [],
				'nothing of call 2 for the ends of call 1');
		const record = await env.gw.cscf.logged('call.record', { call_id: second.call.callId });
		for (const way of ['up', 'down']) {
			assert.ok(Number(record[`${way}_dropped`]) > 0, `${way}: ${JSON.stringify(record)}`);
			assert.ok(Number(record[`${way}_packets`]) < 250, `${way}: ${JSON.stringify(record)}`);
		}
	} finally {
		await Promise.all(senders.map((s) => s.stop()));
	}
});

test.end();
