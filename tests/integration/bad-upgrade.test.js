// SPDX-License-Identifier: Apache-2.0
//
// Malformed HTTP upgrades and WebSocket frames on W2: each gets its defined answer or close
// code, a counter and a log line, while a registered user notices nothing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, ORIGIN } from '../lib/suite.js';
import { RawSocket } from '../lib/wsclient.js';
import { leavesTrace } from '../lib/trace-of.js';
import { until } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { ws: { max_message: 65536, handshake_timeout: '2s', unauth_timeout: '30s' } } } });

const open = (gw, secure = true) => RawSocket.open({ port: secure ? gw.wssPort : gw.wsPort, secure });

/** [name, upgrade options, HTTP status, reason in counter and log, header of the answer] */
const UPGRADES = [
	['another method', { method: 'POST' }, 405, 'method'],
	['another path', { path: '/other' }, 404, 'path'],
	...['HTTP/1.0', 'HTPT/1.1', ' HTTP/1.1'].map((version) => [`"${version}"`, { version }, 400, 'http-version']),
	...['HTTP/1.10', 'HTTP/01.1', 'HTTP/1.1 ', 'HTTPS/1.1'].map((version) => [`"${version}"`, { version }, 400, 'malformed']),
	['no Upgrade header', { headers: { Upgrade: undefined } }, 400, 'no-upgrade'],
	['Upgrade: h2c', { headers: { Upgrade: 'h2c' } }, 400, 'no-upgrade'],
	['no Connection: Upgrade', { headers: { Connection: 'keep-alive' } }, 400, 'no-upgrade'],
	['version 8', { headers: { 'Sec-WebSocket-Version': '8' } }, 426, 'version', /Sec-WebSocket-Version: 13/],
	['no key', { headers: { 'Sec-WebSocket-Key': undefined } }, 400, 'key'],
	['key of 15 bytes', { headers: { 'Sec-WebSocket-Key': randomBytes(15).toString('base64') } }, 400, 'key'],
	['no subprotocol', { headers: { 'Sec-WebSocket-Protocol': undefined } }, 400, 'subprotocol'],
	['subprotocol xmpp', { headers: { 'Sec-WebSocket-Protocol': 'xmpp' } }, 400, 'subprotocol'],
	['no Origin', { headers: { Origin: undefined } }, 403, 'origin-absent'],
	['Origin null', { headers: { Origin: 'null' } }, 403, 'origin'],
	['Origin with a suffix', { headers: { Origin: `${ORIGIN}.evil.tld` } }, 403, 'origin'],
	['Origin with another scheme', { headers: { Origin: ORIGIN.replace('https', 'http') } }, 403, 'origin'],
	['Origin with another port', { headers: { Origin: `${ORIGIN}:8443` } }, 403, 'origin'],
];

test('a refused upgrade gets its HTTP status, is counted and logged; others stay connected [WS-01, WS-02, WS-03, WS-05, WS-36, DEREG-44, SEC-26]',
	async ({ gw, wic, own }) => {
		const alice = await wic('alice');

		for (const [name, options, status, reason, header] of UPGRADES) {
			await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason } },
				log: { event: 'ws.reject', values: { reason } } }, async () => {
				const sock = own(await open(gw));
				const res = await sock.upgrade({ ...options, headers: { Origin: ORIGIN, ...options.headers } });

				assert.equal(res.status, status, name);
				if (header)
					assert.match(res.head, header);
				await sock.closed;
			});
		}
		assert.equal((await alice.register()).status, 200);
	});

test('the good upgrade names the subprotocol and no extension [WS-03, WS-13]', async ({ gw, own }) => {
	const sock = own(await open(gw));
	const res = await sock.upgrade({ headers: { Origin: ORIGIN, 'Sec-WebSocket-Protocol': 'chat, sip',
		'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });

	assert.equal(res.status, 101);
	assert.match(res.head, /Sec-WebSocket-Protocol: sip\r?$/im);
	assert.doesNotMatch(res.head, /Sec-WebSocket-Extensions/i);
});

test('garbage instead of HTTP, and headers without end, are refused [WS-01]', async ({ gw, own }) => {
	for (const [secure, bytes, reason] of [[true, '\x16\x03\x01 not http\r\n\r\n', 'malformed'],
		[false, randomBytes(300), 'malformed'], [true, `GET /sip HTTP/1.1\r\n${'X-Long: y\r\n'.repeat(4000)}`, 'header-size']]) {
		await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason } },
			log: { event: 'ws.reject' } }, async () => {
			const sock = own(await open(gw, secure));

			sock.write(bytes);
			await sock.closed;
		});
	}
});

test('a handshake that never ends is closed at its deadline [WS-24]', async ({ gw, own }) => {
	await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason: 'timeout' } } }, async () => {
		const sock = own(await open(gw));

		sock.write('GET /sip HTTP/1.1\r\nHost: x\r\n');
		await sock.closed;
	});
});

test('plain text on the TLS port is refused and counted [WS-04]', async ({ gw, own }) => {
	await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_reject_total', labels: { reason: 'tls' } },
		log: { event: 'ws.reject', values: { reason: 'tls' } } }, async () => {
		const sock = own(await RawSocket.open({ port: gw.wssPort }));

		sock.write('GET /sip HTTP/1.1\r\n\r\n');
		await sock.closed;
	});
});

const sip = 'OPTIONS sip:ims.test SIP/2.0\r\n';

/** [name, frames, close code, cause] */
const FRAMES = [
	['an unmasked frame', [{ mask: false, payload: sip }], 1002, 'protocol'],
	['reserved bits', [{ rsv: 4, payload: sip }], 1002, 'protocol'],
	['opcode 3', [{ opcode: 3, payload: sip }], 1002, 'protocol'],
	['opcode 11', [{ opcode: 11 }], 1002, 'protocol'],
	['a fragmented ping', [{ opcode: 9, fin: false, payload: 'x' }], 1002, 'protocol'],
	['a ping of 126 octets', [{ opcode: 9, payload: 'x'.repeat(126) }], 1002, 'protocol'],
	['a continuation of nothing', [{ opcode: 0, payload: sip }], 1002, 'protocol'],
	['a new message inside a fragmented one', [{ fin: false, payload: 'a' }, { payload: 'b' }], 1002, 'protocol'],
	['invalid UTF-8 in a text message', [{ payload: Buffer.from([0xc3, 0x28]) }], 1007, 'protocol'],
	['a message over ws.max_message', [{ payload: 'x'.repeat(65537) }], 1009, 'too-big'],
	['a length that promises 2 GiB', [{ payload: '', length: 0x7fffffff }], 1009, 'too-big'],
	['a close frame with one octet', [{ opcode: 8, payload: 'x' }], 1002, 'protocol'],
];

test('a broken frame closes its connection with its code, is counted and logged; others stay [WS-09, WS-11, SEC-26]',
	async ({ gw, wic, own }) => {
		const alice = await wic('alice');

		for (const [name, frames, code, cause] of FRAMES) {
			await leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_closed_total', labels: { cause } },
				log: { event: 'ws.close', values: { cause } } }, async () => {
				const sock = own(await open(gw));

				assert.equal((await sock.upgrade({ headers: { Origin: ORIGIN } })).status, 101);
				frames.forEach((f) => sock.frame(f));
				assert.equal(await sock.closeCode().catch((err) => `${err.message} ${sock.frames().length}`), code, name);
			});
		}
		assert.equal((await alice.register()).status, 200);
	});

test('ping is answered with its payload, between fragments of a message that is put together [WS-09, WS-12, WS-20]',
	async ({ gw, own, client }) => {
		const sock = own(await open(gw));
		const text = (await client('alice')).registerMsg().toString();

		await sock.upgrade({ headers: { Origin: ORIGIN } });
		sock.frame({ fin: false, payload: text.slice(0, 50) });
		sock.frame({ opcode: 9, payload: 'are you there' });
		sock.frame({ opcode: 0, fin: false, payload: text.slice(50, 200) });
		sock.frame({ opcode: 9, payload: 'y'.repeat(125) });
		sock.frame({ opcode: 0, payload: text.slice(200) });
		await until(() => sock.frames().some((f) => f.opcode === 1), { what: 'the answer' });
		const frames = sock.frames();
		assert.deepEqual(frames.filter((f) => f.opcode === 10).map((f) => f.payload.toString()),
			['are you there', 'y'.repeat(125)]);
		assert.match(frames.find((f) => f.opcode === 1).payload.toString(), /^SIP\/2\.0 401 /);
		assert.ok(frames.every((f) => f.masked === 0));
	});

test('a close frame is answered with its code [WS-11]', async ({ gw, own }) => {
	const sock = own(await open(gw));

	await sock.upgrade({ headers: { Origin: ORIGIN } });
	sock.frame({ opcode: 8, payload: Buffer.from([0x03, 0xe8]) });
	assert.equal(await sock.closeCode(), 1000);
});

test.end();
