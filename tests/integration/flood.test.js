// SPDX-License-Identifier: Apache-2.0
//
// Connections that want too much or give too little: readers that stop, handshakes and sockets that
// idle, floods, oversized messages, a thousand certificate reloads, a stop with many users.
import assert from 'node:assert/strict';
import tls from 'node:tls';
import { copyFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { deflateRawSync } from 'node:zlib';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway } from '../lib/gateway.js';
import { makeCerts } from '../lib/conf.js';
import { SPARE } from '../lib/ports.js';
import { leavesTrace } from '../lib/trace-of.js';
import { SECOND, until, within } from '../lib/wait.js';
import { RawSocket, WsClient } from '../lib/wsclient.js';

const test = suite({ scripted: true, gateway: { cscf: { ws: { send_queue_max: '256KiB', unauth_timeout: '3s',
	handshake_timeout: '2s' } } }, timeout: 120 * SECOND });

async function registered({ client, core }, user = 'alice', options = {}) {
	const wic = await client(user, options);
	const [res] = await Promise.all([wic.register(), core.registration()]);

	assert.equal(res.status, 200);
	return wic;
}

/** A WebSocket by hand that can stop reading. */
async function raw(gw) {
	const sock = await RawSocket.open({ port: gw.wssPort, secure: true });

	assert.equal((await sock.upgrade({ headers: { Origin: ORIGIN } })).status, 101);
	return sock;
}

test('a reader that stops is closed when its queue is full; others are served meanwhile [WS-37]', async ({ own, core }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { ws: { rate: 0, send_queue_max: '256KiB' } } });
	own({ close: () => gw.stop() });
	const open = async (user) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN }));
	const bob = await registered({ core, client: open }, 'bob');
	const slow = await registered({ core, client: open }, 'slow');
	const { pathTarget } = core;
	const before = await gw.cscf.metrics();
	let worst = 0;

	slow.ws._socket.pause();
	await until(async () => {
		for (let i = 0; i < 20; i++)
			await core.send(core.terminating('MESSAGE', { body: 'z'.repeat(25000), transport: 'TCP' }), { ...pathTarget, transport: 'TCP' });
		const from = performance.now();
		const options = bob.message('OPTIONS', 'sip:bob@ims.test');
		options.set('Max-Forwards', '0');
		assert.equal((await bob.request(options)).status, 483);
		worst = Math.max(worst, performance.now() - from);
		assert.ok((await gw.cscf.status()).send_queue_octets <= 1 << 18);
		return (await gw.cscf.metrics()).grownSince(before).some((m) => m.labels.cause === 'queue-full');
	}, { ms: 60 * SECOND, every: 1, what: 'the slow reader to be closed' });
	assert.ok(worst < 2 * SECOND, `bob waited ${worst} ms`);
	await gw.cscf.logged('ws.close', { cause: 'queue-full' });
	slow.ws.terminate();
	slow.gone = true;
	const [res] = await Promise.all([bob.unregister(), core.next('REGISTER').then((r) => core.accept(r, { expires: 0 }))]);
	assert.equal(res.status, 200);
	bob.gone = true;
});

test('slow-loris: bytes that drip in do not move the deadline of the handshake [WS-24]', async ({ gw, own }) => {
	await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason: 'timeout' } },
		log: { event: 'ws.reject', values: { reason: 'timeout' } } }, async () => {
		const sock = own(await RawSocket.open({ port: gw.wssPort, secure: true }));
		const text = `GET /sip HTTP/1.1\r\nHost: x\r\nX-Slow: ${'y'.repeat(4000)}`;
		const from = Date.now();

		for (let i = 0; !sock.ended && i < text.length; i++) {
			sock.write(text[i]);
			await Promise.race([sock.closed, new Promise((resolve) => setTimeout(resolve, 50))]);
		}
		assert.ok(Date.now() - from < 6 * SECOND);
	});
});

test('who does not register is closed with 1008 at ws.unauth_timeout, talking or not; who is registered stays [WS-24]', async (env) => {
	const { gw, client } = env;
	const alice = await registered(env);

	await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_closed_total', labels: { cause: 'unauth-timeout' } },
		log: { event: 'ws.close', values: { cause: 'unauth-timeout', code: '1008' } } }, async () => {
		const [idle, talker] = [await client('idle'), await client('talker')];
		const talk = setInterval(() => talker.ws.readyState === talker.ws.OPEN && talker.send('\r\n\r\n'), 200);

		try {
			assert.equal((await idle.ended()).code, 1008);
			assert.equal((await talker.ended()).code, 1008);
		} finally {
			clearInterval(talk);
		}
	});
	assert.equal(alice.ws.readyState, alice.ws.OPEN);
});

test('connections in all, per address and per Origin are limited, counted and refused with 503 [WS-24, SEC-26]', async ({ core, own }) => {
	const origins = [ORIGIN, 'https://other.ims.test'];
	const gw = await Gateway.start({ core, ...SPARE, origins, cscf: { ws: { max_connections: 8, max_per_source: 4, max_per_origin: 5 } } });
	own({ close: () => gw.stop() });
	const open = async (origin, localAddress) => own(await WsClient.open(gw.wssUrl, { user: 'x', origin, localAddress }));
	const refused = async (origin, localAddress, reason) => leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason } },
		log: { event: 'ws.reject', values: { reason } } }, () => assert.rejects(open(origin, localAddress), (e) => e.status === 503));

	for (let i = 0; i < 4; i++)
		await open(ORIGIN, '127.0.0.1');
	await refused(origins[1], '127.0.0.1', 'max-per-source');
	await open(ORIGIN, '127.0.0.2');
	await refused(ORIGIN, '127.0.0.2', 'max-per-origin');
	for (let i = 0; i < 3; i++)
		await open(origins[1], '127.0.0.3');
	await refused(origins[1], '127.0.0.4', 'max-connections');
});

test('1000 REGISTERs at once from one socket: 503 with Retry-After, then 1008; the core sees what the bucket let through [WS-25, SEC-26]',
	async ({ core, own }) => {
		const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN] });
		own({ close: () => gw.stop() });
		const wic = own(await WsClient.open(gw.wssUrl, { user: 'alice', origin: ORIGIN }));
		const neighbour = own(await WsClient.open(gw.wssUrl, { user: 'bob', origin: ORIGIN }));

		core.onRequest = (item) => item.msg.method === 'REGISTER' && !!core.challenge(item);
		await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_refused_total', labels: { reason: 'rate' } },
			log: { event: 'sip.refused', values: { reason: 'rate' } } }, async () => {
			for (let i = 0; i < 1000; i++) {
				const msg = wic.registerMsg();

				msg.set('Call-ID', `flood-${i}`);
				wic.send(msg);
			}
			assert.equal((await wic.ended()).code, 1008);
		});
		const refused = wic.responses.all().filter((r) => r.status === 503);
		assert.ok(refused.length >= 1);
		assert.ok(refused.every((r) => Number(r.get('Retry-After')) > 0));
		const seen = core.log.filter((i) => i.msg.callId?.startsWith('flood-')).length;
		assert.ok(seen <= 160, `${seen} of 1000 came to the core`);
		assert.equal((await neighbour.request(neighbour.registerMsg())).status, 401);
		core.onRequest = undefined;
	});

test('oversized: a message over ws.max_message is 1009, 10 000 headers are refused, a frame that promises a gigabyte at once [WS-26, WS-09]',
	async ({ gw, own, client }) => {
		const alice = await client('alice');

		alice.send(alice.message('OPTIONS', 'sip:bob@ims.test', { headers: [['X-Long', 'y'.repeat(1 << 20)]] }));
		assert.equal((await alice.ended()).code, 1009);
		const bob = await client('bob');
		const many = bob.message('OPTIONS', 'sip:bob@ims.test', { headers: Array.from({ length: 10000 }, () => ['X', '']) });
		bob.send(many);
		assert.equal((await bob.responses.next((r) => r.callId === many.callId)).status, 513);
		const some = bob.message('OPTIONS', 'sip:bob@ims.test', { headers: Array.from({ length: 300 }, () => ['X', '']) });
		bob.send(some);
		assert.equal((await bob.responses.next((r) => r.callId === some.callId)).status, 400);
		const sock = own(await raw(gw));
		sock.frame({ opcode: 1, length: 1 << 30 });
		assert.equal(await sock.closeCode(), 1009);
	});

test('a compressed bomb is a protocol error: no compression was agreed, whatever was offered [WS-13]', async ({ gw, own }) => {
	const sock = own(await RawSocket.open({ port: gw.wssPort, secure: true }));
	const res = await sock.upgrade({ headers: { Origin: ORIGIN,
		'Sec-WebSocket-Extensions': 'permessage-deflate; server_no_context_takeover' } });

	assert.equal(res.status, 101);
	assert.doesNotMatch(res.head, /extensions/i);
	sock.frame({ opcode: 1, rsv: 4, payload: deflateRawSync(Buffer.alloc(40 << 20)) });
	assert.equal(await sock.closeCode(), 1002);
});

const RELOADS = 1000;
const WARM = 200;

test(`${RELOADS} certificate reloads: no connection is dropped, new ones get the new certificate, memory stays [SEC-02]`,
	async ({ core, own }) => {
		// Freed memory goes back at once, so that what grows is what is kept.
		const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { ws: { unauth_timeout: '0' }, log: { level: 'info' } },
			env: { ASAN_OPTIONS: 'exitcode=99:detect_leaks=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=16:abort_on_error=0' } });
		own({ close: () => gw.stop() });
		const wics = await Promise.all(Array.from({ length: 20 }, async (_, i) =>
			own(await WsClient.open(gw.wssUrl, { user: `user${i}`, origin: ORIGIN }))));
		const { cert, key } = gw.cscf.conf.ws.tls;
		const serial = () => within(new Promise((resolve, reject) => {
			const s = tls.connect({ host: '127.0.0.1', port: gw.wssPort, rejectUnauthorized: false }, () => {
				resolve(s.getPeerCertificate().fingerprint256);
				s.destroy();
			});

			s.once('error', reject);
		}), 5 * SECOND, 'a TLS handshake');
		const count = async () => (await gw.cscf.metrics()).sum('cscf_ws_tls_reloads_total');
		const old = await serial();
		let done = await count();
		const reload = async (n) => {
			for (let i = 0; i < n; i++) {
				const since = gw.cscf.process.lines.length;

				process.kill(gw.cscf.process.pid, 'SIGHUP');
				await gw.cscf.process.line((l) => l.includes('event=cscf.tls_reload err=ok'), { since });
				done++;
			}
		};
		const memory = async () => (await gw.cscf.status()).memory_octets;

		await reload(WARM);
		const before = await memory();
		const fresh = makeCerts(execFileSync('mktemp', ['-d', '-p', gw.dir]).toString().trim());
		copyFileSync(fresh.key, key);
		copyFileSync(fresh.cert, cert);
		await reload(RELOADS - WARM);
		const grown = await memory() - before;
		assert.equal(await count(), done);

		assert.ok(grown < 8 << 20, `${grown} octets more after ${RELOADS - WARM} reloads`);
		assert.notEqual(await serial(), old);
		for (const w of wics) {
			assert.equal(w.ws.readyState, w.ws.OPEN);
			const options = w.message('OPTIONS', 'sip:bob@ims.test');
			options.set('Max-Forwards', '0');
			assert.equal((await w.request(options)).status, 483, 'served on its old session');
		}
		// A file that is no certificate changes nothing.
		copyFileSync(key, cert);
		process.kill(gw.cscf.process.pid, 'SIGHUP');
		await gw.cscf.logged('cscf.tls_reload', { err: /^(?!ok)/ });
		assert.equal(await count(), done);
		assert.notEqual(await serial(), old);
	});

test('SIGTERM with 100 users: no new ones, 503 to what they ask, 1001 to each, exit 0 [WS-35]', async ({ core, own }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { overload: { retry_after: '11s', retry_after_max: '19s' },
		shutdown: { grace: '2s' }, ws: { drain_time: '3s', drain_rate: 0 } } });
	own({ close: () => gw.kill() });
	const open = async (user) => own(await WsClient.open(gw.wssUrl, { user, origin: ORIGIN }));

	core.onRequest = (item) => item.msg.method === 'REGISTER' && !!core.accept(item);
	const wics = [];
	for (let i = 0; i < 100; i++) {
		const w = await open(`user${i}`);

		assert.equal((await w.register()).status, 200);
		w.gone = true;
		wics.push(w);
	}
	core.onRequest = undefined;
	// A call keeps the drain open long enough to be asked.
	const call = wics[0].invite('sip:bob@ims.test');
	const invite = await core.next('INVITE');
	invite.reply(180, 'Ringing', { toTag: 'b' });
	await call.response(180);
	process.kill(gw.cscf.process.pid, 'SIGTERM');
	await until(async () => (await gw.cscf.http('/readyz')).status === 503, { what: 'not ready' });
	const res = await wics[1].request(wics[1].message('MESSAGE', 'sip:bob@ims.test', { body: 'x', type: 'text/plain' }));
	assert.equal(res.status, 503);
	assert.ok(Number(res.get('Retry-After')) >= 11);
	await assert.rejects(open('late'));
	const codes = await Promise.all(wics.map((w) => w.ended(20 * SECOND).then((c) => c.code)));
	assert.deepEqual([...new Set(codes)], [1001]);
	const end = await within(gw.cscf.process.ended, 20 * SECOND, 'the end');
	assert.equal(end.code, 0);
	for (const a of gw.agws)
		await a.stop();
});

test.end();
