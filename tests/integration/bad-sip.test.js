// SPDX-License-Identifier: Apache-2.0
//
// Malformed SIP and SDP: from a WIC and from the core's side. Each message gets its defined
// answer, a counter and a log line; the connection and the other users stay.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import net from 'node:net';
import { suite } from '../lib/suite.js';
import { browserOffer, plainSdp, audioLine } from '../lib/sdp.js';
import { leavesTrace } from '../lib/trace-of.js';
import { HOST, count } from '../lib/gateway.js';
import { port } from '../lib/ports.js';
import { SECOND } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { sip: { max_malformed: 100 }, ws: { rate: 1000, burst: 1000 } } } });

/** [name, change of a good OPTIONS message, status] */
const SIP = [
	['version 3.0', (m) => (m.start = m.start.replace('SIP/2.0', 'SIP/3.0')), 505],
	['unknown scheme', (m) => (m.start = 'OPTIONS gopher:x SIP/2.0'), 416],
	['CSeq of another method', (m) => m.set('CSeq', '1 INVITE'), 400],
	['Max-Forwards 0', (m) => {
		m.start = m.start.replace('OPTIONS', 'MESSAGE');
		m.set('CSeq', '1 MESSAGE').set('Max-Forwards', '0');
	}, 483],
	['Max-Forwards 256', (m) => m.set('Max-Forwards', '256'), 400],
	['Max-Forwards word', (m) => m.set('Max-Forwards', 'many'), 400],
	['Proxy-Require unknown', (m) => m.add('Proxy-Require', 'foo'), 420],
	['Via of UDP', (m) => m.set('Via', m.get('Via').replace(/SIP\/2\.0\/WSS?/, 'SIP/2.0/UDP')), 400],
	['Content-Length too short', (m) => {
		m.body = 'four';
		m.set('Content-Length', '2');
	}, 400],
	['Content-Length too long', (m) => {
		m.body = 'four';
		m.set('Content-Length', '2000');
	}, 400],
	['a line over sip.max_line', (m) => m.add('X-Long', 'y'.repeat(9000)), 400],
	['more than sip.max_headers', (m) => {
		for (let i = 0; i < 220; i++)
			m.add('X-H', i);
	}, 400],
	['larger than sip.max_message', (m) => {
		m.body = 'z'.repeat(40000);
	}, 513],
];

test('malformed SIP from a WIC gets its status, is counted and logged; the connection stays [WS-08, WS-10, WS-14, WS-26, WS-27, WS-28, WS-29, WS-31]',
	async ({ gw, wic }) => {
		const alice = await wic('alice');

		for (const [name, change, status] of SIP) {
			const msg = alice.message('OPTIONS', 'sip:bob@ims.test');

			change(msg);
			const refused = [483, 420].includes(status); // Well-formed, and yet not served.

			await leavesTrace(gw.cscf, {
				counter: refused ? { name: 'cscf_sip_refused_total' } : { name: 'cscf_sip_malformed_total', labels: { action: 'answered' } },
				log: { wait: true, event: refused ? 'sip.refused' : 'sip.malformed',
					values: { status: `${status}`, ...refused && { call_id: msg.callId } } },
			}, async () => {
				alice.send(msg);
				const res = await alice.responses.next((r) => r.callId === msg.callId, { what: `answer to ${name}` });

				assert.equal(res.status, status, name);
				if (status === 420)
					assert.equal(res.get('Unsupported'), 'foo');
			});
		}
		assert.equal((await alice.register()).status, 200);
	});

test('what cannot be answered is dropped, counted and logged [WS-27]', async ({ gw, wic }) => {
	const alice = await wic('alice');

	for (const text of ['hello', 'REGISTER', '\0\0\0\0', 'INVITE sip:x SIP/2.0\r\n\r\n',
		'SIP/2.0 200 OK\r\n\r\n',
		`OPTIONS sip:x SIP/2.0\r\nVia: ${'('.repeat(3000)}\r\n\r\n`]) {
		const seen = alice.frames.length;

		await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_malformed_total', labels: { action: 'dropped' } },
			log: { wait: true, event: 'sip.malformed', values: { action: 'dropped' } } }, async () => alice.send(text));
		assert.deepEqual(alice.frames.slice(seen).map((f) => f.text), [], text);
	}
	assert.equal((await alice.register()).status, 200);
});

test('two messages in one frame: 400, the second is not served [WS-08]', async ({ gw, wic }) => {
	const alice = await wic('alice');
	const one = alice.message('OPTIONS', 'sip:bob@ims.test');
	const two = alice.message('OPTIONS', 'sip:bob@ims.test');

	one.set('Content-Length', '0');
	await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_malformed_total', labels: { action: 'answered' } },
		log: { wait: true, event: 'sip.malformed', values: { status: '400', action: 'answered' } } }, async () => {
		alice.send(one.toString() + two.toString());
		const res = await alice.responses.next((r) => r.callId === one.callId);
		assert.equal(res.status, 400);
	});
	// What is answered after it comes after whatever the second message could have brought.
	assert.equal((await alice.register()).status, 200);
	assert.ok(!alice.frames.some((f) => f.text?.includes(two.callId)));
});

test('sip.max_malformed in a row close the connection with 1002 [WS-27]', async ({ client, gw }) => {
	const alice = await client('alice');

	await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_malformed_total', labels: { action: 'closed' } },
		log: { event: 'sip.malformed_close', values: { in_a_row: '100' } } }, () =>
		leavesTrace(gw.cscf, { counter: { name: 'cscf_ws_closed_total', labels: { cause: 'local' } },
			log: { event: 'ws.close', values: { cause: 'local', code: '1002' } } }, async () => {
			for (let i = 0; i < 101; i++)
				alice.send('nonsense');
			assert.equal((await alice.ended()).code, 1002);
		}));
});

const REFUSED_SDP = { counter: { name: 'cscf_calls_ended_total', labels: { cause: 'sdp' } } };

/** The refusal was logged with the call's identity, and the AGW never heard of the call. */
async function refusedWithoutContext(gw, callId, name) {
	await gw.cscf.logged('call.sdp_refused', { call_id: callId, cause: 'sdp', verdict: /./ }, { ms: 2 * SECOND });
	for (const d of gw.daemons)
		assert.equal(count(await d.status(), 'contexts'), 0, `${d.kind}: ${name}`);
	assert.ok(!gw.agws.some((d) => d.log('ctx.reserved').some((l) => l.call_id === callId)), name);
}

/** [name, SDP, statuses] */
const SDP = [
	['no SDP at all but the type says so', 'hello', [400, 488]],
	['no m-line', 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n', [400, 488]],
	['version 1', browserOffer().replace('v=0', 'v=1'), [400, 488]],
	['no fingerprint', browserOffer().replace(/a=fingerprint.*\r\n/g, ''), [488]],
	['no ICE credentials', browserOffer().replace(/a=ice-(ufrag|pwd).*\r\n/g, ''), [488]],
	['port 70000', browserOffer().replace('m=audio 50000', 'm=audio 70000'), [400, 488]],
	['only bundle-only lines', browserOffer().replace('m=audio 50000', 'm=audio 0')
		.replace('a=sendrecv', 'a=bundle-only\r\na=sendrecv'), [488]],
	['65 m-lines', browserOffer() + 'm=audio 9 RTP/AVP 0\r\n'.repeat(65), [400, 488]],
	['a line of 5000 octets', browserOffer({ extra: [`a=x:${'y'.repeat(5000)}`] }), [400, 488]],
];

test('malformed SDP in an INVITE: 400 or 488, no context, counted and logged [CALL-41, SDP-38, BUN-07]',
	async ({ gw, wic }) => {
		const alice = await wic('alice');

		for (const [name, sdp, statuses] of SDP) {
			const call = await leavesTrace(gw.cscf, REFUSED_SDP, async () => {
				const c = alice.invite('sip:bob@ims.test', { sdp });
				const res = await c.response();

				assert.ok(statuses.includes(res.status), `${name}: ${res.start}`);
				return c;
			});
			await refusedWithoutContext(gw, call.callId, name);
		}
		assert.equal((await alice.register()).status, 200);
	});

test('an INVITE from the core with broken SDP is refused and never reaches the WIC [CALL-41]',
	async ({ gw, wic, ue }) => {
		const [alice, bob] = [await wic('alice'), await ue('bob')];

		for (const sdp of ['garbage\r\n', plainSdp(HOST, [audioLine(70000)]),
			plainSdp(HOST, [{ type: 'audio', port: 4000, proto: 'RTP/SAVP', pts: ['0'] }])]) {
			const call = await leavesTrace(gw.cscf, REFUSED_SDP, async () => {
				const c = await bob.call('sip:alice@ims.test', { sdp });
				const final = await c.answered;

				assert.ok([400, 488].includes(final.status), final.start);
				return c;
			});
			await refusedWithoutContext(gw, call.callId, sdp);
		}
		assert.equal(alice.requests.all().filter((m) => m.method === 'INVITE').length, 0);
	});

test('garbage on the Mw port: dropped and counted, TCP and UDP [SEC-05]', async ({ gw, wic }) => {
	const alice = await wic('alice');

	await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_malformed_total', labels: { action: 'dropped' } },
		log: { wait: true, event: 'sip.malformed', values: { transport: /udp/i, action: 'dropped' } } }, async () => {
		const sock = dgram.createSocket('udp4');

		await new Promise((resolve) => sock.send('not sip at all\r\n\r\n', gw.mw.port, gw.mw.host, resolve));
		sock.close();
	});
	for (const [text, log] of [
		['INVITE sip:x SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n', { event: 'sip.malformed', values: { transport: /tcp/i } }],
		// A head without an end: no message to be malformed.
		['x'.repeat(200000), { event: 'sip.tcp_bad_frame' }]]) {
		await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_tcp_rejects_total', labels: { reason: 'bad-frame' } },
			log: { wait: true, ...log } }, async () => {
			const sock = net.connect(gw.mw.port, gw.mw.host);
			const closed = new Promise((resolve) => sock.once('close', resolve));

			sock.on('error', () => {});
			sock.resume();
			sock.write(text);
			await closed;
		});
	}
	assert.equal((await alice.register()).status, 200);
});

test('Mw from an address that is not a peer is dropped [SEC-05]', async ({ gw }) => {
	const sock = dgram.createSocket('udp4');
	const local = await port();

	await new Promise((resolve) => sock.bind(local, '127.0.0.2', resolve));
	await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_refused_total', labels: { reason: 'not-a-peer' } },
		log: { event: 'sip.not_a_peer' } }, () => new Promise((resolve) =>
		sock.send(`OPTIONS sip:${gw.mw.host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:${local};branch=z9hG4bKx\r\n` +
			'From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n' +
			'Content-Length: 0\r\n\r\n', gw.mw.port, gw.mw.host, resolve)));
	sock.close();
});

test('a CANCEL of nothing is 481, counted and logged [CALL-25, SEC-26]', async ({ gw, wic }) => {
	const alice = await wic('alice');
	const msg = alice.message('CANCEL', 'sip:bob@ims.test');

	await leavesTrace(gw.cscf, { counter: { name: 'cscf_sip_refused_total', labels: { reason: 'cancel-of-nothing' } },
		log: { wait: true, event: 'sip.refused', values: { status: '481', method: 'CANCEL', call_id: msg.callId } } },
	async () => assert.equal((await alice.request(msg)).status, 481));
});

test.end();
