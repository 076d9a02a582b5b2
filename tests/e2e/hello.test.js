// SPDX-License-Identifier: Apache-2.0
//
// The ClientHello of the browser that is installed: it would have DTLS 1.3 and sends a post-quantum
// key share, so it takes two datagrams. In order, and the second one first.
import assert from 'node:assert/strict';
import { RoughLink } from '../lib/rough-link.js';
import { UE_TONE, browserSuite, hangUp, heardAtUe, page } from './talk.js';

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const test = browserSuite();

/** The fragments of a ClientHello in a datagram, by its records (RFC 6347 §4.1, §4.2.2). */
function fragments(buf) {
	const found = [];

	for (let at = 0; at + 25 <= buf.length; at += 13 + buf.readUInt16BE(at + 11)) {
		const epoch = buf.readUInt16BE(at + 3);

		if (buf[at] === HANDSHAKE && epoch === 0 && buf[at + 13] === CLIENT_HELLO) {
			const n = buf.readUIntBE(at + 22, 3);
			found.push({ total: buf.readUIntBE(at + 14, 3), offset: buf.readUIntBE(at + 19, 3), body: buf.subarray(at + 25, at + 25 + n) });
		}
	}
	return found;
}

/** The first ClientHello that passes, put together; the first datagram with a part of it waits for the second when swapped. */
function tap(link, swapped) {
	const carry = link.up.carry.bind(link.up);
	const parts = new Map();
	let held;
	let holds = swapped;

	link.up.carry = (buf, how, send) => {
		const mine = fragments(buf);

		for (const f of mine)
			parts.set(f.offset, f);
		if (mine.length > 0 && holds) {
			holds = false;
			held = () => carry(buf, how, send);
			return;
		}
		carry(buf, how, send);
		if (mine.length > 0 && held) {
			held();
			held = null;
		}
	};
	return () => [...parts.values()].sort((a, b) => a.offset - b.offset);
}

/** Extensions of a ClientHello by type. */
function extensions(hello) {
	const out = new Map();
	let at = 34;

	at += 1 + hello[at]; // session
	at += 1 + hello[at]; // cookie
	at += 2 + hello.readUInt16BE(at);
	at += 1 + hello[at];
	for (at += 2; at + 4 <= hello.length; at += 4 + hello.readUInt16BE(at + 2))
		out.set(hello.readUInt16BE(at), hello.subarray(at + 4, at + 4 + hello.readUInt16BE(at + 2)));
	return out;
}

for (const swapped of [false, true]) {
	test(`a browser that prefers DTLS 1.3 is served, its hello in two datagrams, ${swapped ? 'the second first' : 'in order'} [DTLS-12, DTLS-14, DTLS-05]`,
		async (env) => {
			const link = env.own(new RoughLink());
			const hello = tap(link, swapped);
			const [wic, bob] = [await page(env, 'alice', { link }), await env.ue('bob')];
			const call = await bob.call('sip:alice@ims.test');

			await wic.event('incoming');
			await wic.do('answer');
			assert.equal((await call.answered).status, 200);
			await wic.event('confirmed');
			call.audio.tone(UE_TONE);
			await wic.heard(UE_TONE);
			await heardAtUe(call);
			const parts = hello();
			const ext = extensions(Buffer.concat(parts.map((p) => p.body)));

			assert.equal(parts.length, 2);
			assert.equal(parts.reduce((n, p) => n + p.body.length, 0), parts[0].total);
			assert.ok(ext.get(43).includes(Buffer.from([0xfe, 0xfc])), 'it knows DTLS 1.3');
			assert.ok(ext.get(51).length > 1000, 'its key share is post-quantum');
			await hangUp(wic, call);
		});
}

test.end();
