// SPDX-License-Identifier: Apache-2.0
//
// Hostile packets on the AGW: STUN, DTLS and RTP on the ports of a call, frames on Iq. Each is
// dropped or answered as defined, counted, logged where it is an event, and the call stays up.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { suite } from '../lib/suite.js';
import { HOST, Gateway, count } from '../lib/gateway.js';
import { RawSocket } from '../lib/wsclient.js';
import { buildRtp } from '../lib/rtp.js';
import { SPARE, port } from '../lib/ports.js';
import { browserOffer, parseSdp } from '../lib/sdp.js';
import { bindingRequest, parseStun } from '../lib/stun.js';
import { leavesTrace } from '../lib/trace-of.js';
import { Inbox, SECOND, until } from '../lib/wait.js';
import net from 'node:net';

const test = suite();

/** A UDP socket with an inbox. */
async function udp(local = 0) {
	const sock = dgram.createSocket('udp4');
	const inbox = new Inbox();

	sock.on('message', (data) => inbox.push(data));
	await new Promise((resolve) => sock.bind(local, HOST, resolve));
	return { sock, inbox, port: sock.address().port, send: (data, to) => sock.send(data, to.port, to.host),
		close: () => new Promise((resolve) => sock.close(resolve)) };
}

/** A call that is up, with what is needed to speak ICE to its access port. */
async function iceCall({ wic, ue, own }, sdp) {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const wan = own(await udp());
	const offer = sdp?.(wan.port) ?? browserOffer({ port: wan.port });
	const call = alice.invite('sip:bob@ims.test', { sdp: offer });
	const at = await bob.incoming();
	const [res] = await Promise.all([call.response(), at.answer()]);
	const line = parseSdp(res.body).media[0];
	const mine = parseSdp(offer).media[0];

	return { alice, bob, call, at, wan, access: { host: line.host, port: line.port },
		core: { host: at.remoteSdp.media[0].host, port: at.remoteSdp.media[0].port },
		remote: { ufrag: line.attr('ice-ufrag'), pwd: line.attr('ice-pwd') },
		local: { ufrag: mine.attr('ice-ufrag'), pwd: mine.attr('ice-pwd') } };
}

const answerOf = (c, req) => c.wan.inbox.next((d) => parseStun(d)?.transaction.equals(req.subarray(8, 20)),
	{ ms: 5 * SECOND, what: 'STUN answer' }).then(parseStun);

async function nominate(c) {
	const req = bindingRequest(c);

	c.wan.send(req, c.access);
	const res = await answerOf(c, req);
	assert.equal(res.type, 0x0101);
}

test('STUN: a good check is answered, bad ones get 400/401/487 or silence; the call stays [ICE-10, ICE-11]',
	async (env) => {
		const c = await iceCall(env);
		const agw = env.gw.agws[0];
		const counted = { counter: { name: 'agw_media_drop_total', labels: { reason: 'stun-bad' } } };

		await nominate(c);
		for (const [name, options, error] of [['wrong password', { pwd: 'x'.repeat(24) }, 401],
			['wrong username', { username: 'nobody:knows' }, 401], ['no integrity', { integrity: false }, 400]]) {
			const req = bindingRequest({ ...c, ...options });

			await leavesTrace(agw, counted, async () => c.wan.send(req, c.access));
			const res = await answerOf(c, req);
			assert.equal(res.type, 0x0111, name);
			assert.equal(res.error, error, name);
		}
		const good = bindingRequest(c);
		for (const bad of [good.subarray(0, 19), good.subarray(0, 60), Buffer.concat([good, Buffer.from('tail')]),
			bindingRequest({ ...c, cookie: 1 }), randomBytes(100).fill(0, 0, 1)]) {
			await leavesTrace(agw, counted, async () => c.wan.send(bad, c.access)).catch((err) =>
				assert.fail(`${bad.toString('hex').slice(0, 40)} (${bad.length}): ${err.message}`));
		}
		await agw.logged('bad-input', { reason: 'stun-bad', call_id: c.call.callId });
		await nominate(c);
		assert.equal((await c.call.bye()).status, 200);
	});

test('DTLS: garbage, truncated and oversized records are dropped and counted; the call stays [DTLS-24]',
	async (env) => {
		const c = await iceCall(env);
		const agw = env.gw.agws[0];

		await nominate(c);
		for (const bad of [Buffer.from([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]),
			Buffer.concat([Buffer.from([22]), randomBytes(200)]), Buffer.concat([Buffer.from([63]), randomBytes(1400)]),
			Buffer.concat([Buffer.from([20, 254, 253]), randomBytes(60)])]) {
			await leavesTrace(agw, { counter: { name: 'agw_media_drop_total', labels: { reason: 'dtls-bad' } } }, async () => c.wan.send(bad, c.access)).catch((err) =>
				assert.fail(`${bad.toString('hex').slice(0, 40)}: ${err.message}`));
		}
		await agw.logged('bad-input', { reason: 'dtls-bad', call_id: c.call.callId });
		assert.equal((await c.call.bye()).status, 200);
	});

test('first octets of no protocol of ours, and SRTP before DTLS, are dropped by reason [RTP-01, RTP-24]',
	async (env) => {
		const c = await iceCall(env);
		const agw = env.gw.agws[0];
		const rtp = buildRtp({ pt: 0, seq: 1, ts: 1, ssrc: 1, payload: Buffer.alloc(170) });

		await nominate(c);
		for (const [bad, reason] of [[Buffer.from([17, 1, 2, 3]), 'demux'], [Buffer.from([70, 0, 0, 0]), 'demux'],
			[Buffer.from([200, 1]), 'demux'], [Buffer.from([22]), 'demux'], [rtp, 'not-ready']]) {
			await leavesTrace(agw, { counter: { name: 'agw_media_drop_total', labels: { reason } } },
				async () => c.wan.send(bad, c.access));
		}
		assert.equal(c.at.audio.received, 0);
		assert.equal((await c.call.bye()).status, 200);
	});

test('RTP from the core: short, wrong version, CSRC past the end, foreign source: dropped by reason [RTP-07, RTP-24]',
	async (env) => {
		const c = await iceCall(env);
		const agw = env.gw.agws[0];
		const good = buildRtp({ pt: 0, seq: 1, ts: 1, ssrc: 1, payload: Buffer.alloc(160) });
		const v1 = Buffer.from(good);
		const csrc = Buffer.from(good.subarray(0, 20));
		const ext = Buffer.from(good.subarray(0, 20));
		const pad = Buffer.from(good);

		v1[0] = 0x40;
		csrc[0] = 0x8f;
		ext[0] = 0x90;
		ext.writeUInt16BE(0xffff, 14);
		pad[0] = 0xa0;
		pad[pad.length - 1] = 255;
		// The first octet of version 1 is no RTP to the demultiplexer already.
		for (const [bad, reason] of [[good.subarray(0, 11), 'malformed'], [v1, 'demux'], [csrc, 'malformed'], [ext, 'malformed'],
			[pad, 'malformed']])
			await leavesTrace(agw, { counter: { name: 'agw_media_drop_total', labels: { reason } } }, async () =>
				c.at.audio.rtp.send(bad, c.core.port, c.core.host)).catch((err) =>
				assert.fail(`${bad.toString('hex').slice(0, 40)} (${bad.length}): ${err.message}`));
		const stranger = dgram.createSocket('udp4');
		await new Promise((resolve) => stranger.bind(0, '127.0.0.3', resolve));
		await leavesTrace(agw, { counter: { name: 'agw_media_drop_total', labels: { reason: 'source' } } }, async () =>
			stranger.send(good, c.core.port, c.core.host));
		stranger.close();
		await agw.logged('bad-input', { reason: 'malformed', side: 'core', call_id: c.call.callId });
		assert.equal((await c.call.bye()).status, 200);
	});

test('a DTLS peer with another certificate than the offer\'s is refused and the call released [DTLS-07, REL-06]',
	async (env) => {
		const c = await iceCall(env, (p) => browserOffer({ port: p, setup: 'active' }));

		await nominate(c);
		await c.wan.close();
		c.wan.close = () => {};
		const certs = `${env.gw.dir}`;
		const client = execFile('openssl', ['s_client', '-dtls1_2', '-use_srtp', 'SRTP_AES128_CM_SHA1_80', '-connect',
			`${c.access.host}:${c.access.port}`, '-bind', `${HOST}:${c.wan.port}`, '-cert', `${certs}/node.pem`, '-key',
			`${certs}/node.key`]);
		env.own({ close: () => client.kill('SIGKILL') });
		const [bye, why] = await Promise.all([c.call.next('BYE'), c.at.ended]);
		assert.equal(why, 'bye received');
		assert.ok(bye.get('Reason'));
		await env.gw.agws[0].logged('dtls-failed', { call_id: c.call.callId, level: 'warn' }, { ms: SECOND });
		await env.gw.cscf.logged('call.dtls_failed', { call_id: c.call.callId }, { ms: SECOND });
	});

test('Iq: wrong lengths and bytes that are no message close the connection, are counted and logged [IQ-17]',
	async ({ gw, wic, ue }) => {
		const [alice, bob] = [await wic('alice'), await ue('bob')];
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		await Promise.all([call.response(), at.answer()]);

		for (const [bytes, name, code, detail] of [
			[Buffer.from([0, 0, 0, 0]), 'agw_iq_garbage_total', 'INVALID_ARGUMENT', /^not a frame: /],
			[Buffer.from([0xff, 0xff, 0xff, 0xff]), 'agw_iq_garbage_total', 'INVALID_ARGUMENT', /^not a frame: /],
			[Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'agw_iq_garbage_total', 'INVALID_ARGUMENT', /^not a frame: /],
			// 0xff: a field number and wire type that no message has.
			[Buffer.concat([Buffer.from([0, 0, 0, 40]), Buffer.alloc(40, 0xff)]), 'agw_iq_garbage_total', 'INVALID_ARGUMENT',
				/^not a message: /],
			[Buffer.from([0, 0, 0, 2, 0x08, 0x01]), 'agw_iq_rejected_total', 'UNSUPPORTED_PARAMETER', /^no message known here/]]) {
			const log = { event: 'iq.bye', values: { level: 'warn', code, detail } };

			await leavesTrace(gw.agws[0], { counter: { name }, log }, async () => {
				const sock = await RawSocket.open({ port: gw.iqPorts[0] });

				sock.write(bytes);
				await sock.closed;
			});
		}
		assert.equal(count(await gw.agws[0].status(), 'contexts'), 1);
		assert.equal((await call.bye()).status, 200);
	});

test('an AGW that answers garbage is left alone, calls go to the good one [IQ-17, IQ-22]', async ({ own, core, client, ue }) => {
	let hits = 0;
	const bad = net.createServer((sock) => {
		hits++;
		sock.on('error', () => {});
		sock.resume();
		sock.write(randomBytes(200));
	});
	const badPort = await port();
	await new Promise((resolve) => bad.listen(badPort, HOST, resolve));
	own({ close: () => new Promise((resolve) => bad.close(resolve)) });
	const gw = await Gateway.start({ core, ...SPARE, origins: ['https://portal.ims.test'], moreAgws: [`${HOST}:${badPort}`] });
	own({ close: () => gw.stop() });
	await until(() => hits > 0, { what: 'a connection to the bad AGW' });
	const alice = await client('alice', { url: gw.wssUrl });
	const bob = await ue('bob');

	assert.equal((await alice.register()).status, 200);
	for (let i = 0; i < 3; i++) {
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		const [res] = await Promise.all([call.response(), at.answer()]);

		assert.equal(res.status, 200);
		await call.bye();
		await at.ended;
	}
	assert.ok((await gw.cscf.metrics()).sum(/^cscf_iq_.*bad/) > 0);
	await alice.unregister();
	alice.gone = true;
	await alice.close();
});

test.end();
