// SPDX-License-Identifier: Apache-2.0
//
// A WIC that is ICE-lite, as the gateway is: it checks nothing. Its default candidate, c= and m=,
// travels through the eP-CSCF to the AGW, which begins DTLS there and asks for consent, unasked.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { suite } from '../lib/suite.js';
import { HOST } from '../lib/gateway.js';
import { browserOffer, parseSdp } from '../lib/sdp.js';
import { bindingAnswer, isIntegral, parseStun } from '../lib/stun.js';
import { Inbox, SECOND } from '../lib/wait.js';

const test = suite({ gateway: { agw: { consent: { timeout: '7s' } } } });

/** What comes at a socket of ours, from where. */
async function socket({ own }) {
	const sock = dgram.createSocket('udp4');
	const inbox = new Inbox();

	sock.on('message', (data, from) => inbox.push({ data, from, at: performance.now() }));
	await new Promise((resolve) => sock.bind(0, HOST, resolve));
	own({ close: () => new Promise((resolve) => sock.close(resolve)) });
	return { sock, inbox, port: sock.address().port };
}

/** A call of a WIC whose SDP says a=ice-lite, on the wire but for its media. */
async function lite(env, { candidates }) {
	const [alice, bob, at] = [await env.wic('alice'), await env.ue('bob'), await socket(env)];
	let offer = browserOffer({ port: at.port, setup: 'passive' }).replace('t=0 0\r\n', 't=0 0\r\na=ice-lite\r\n');

	if (!candidates)
		offer = offer.replace(/a=candidate:.*\r\n/g, '');
	const call = alice.invite('sip:bob@ims.test', { sdp: offer });
	const [res] = await Promise.all([call.response(), bob.incoming().then((c) => c.answer())]);
	const creds = (m) => ({ ufrag: m.attr('ice-ufrag'), pwd: m.attr('ice-pwd') });
	const theirs = parseSdp(res.body).media[0];

	return { call, ...at, theirs, access: { host: theirs.host, port: theirs.port }, local: creds(parseSdp(offer).media[0]),
		remote: creds(theirs) };
}

/** The first thing that comes, unasked: the gateway's ClientHello at c= and m=. */
async function met(c) {
	const { data, from } = await c.inbox.next(({ data: d }) => d[0] === 22, { ms: 8 * SECOND, what: 'ClientHello' });

	assert.equal(c.theirs.attr('setup'), 'active');
	assert.deepEqual([data[13], from.address, from.port], [1, c.access.host, c.access.port]);
}

test('a lite WIC is met without a check, at c= and m= where it names no candidate [ICE-19]', async (env) => {
	const c = await lite(env, { candidates: false });

	await met(c);
	await c.call.bye();
});

test('a lite WIC is asked for consent although checks would only be watched, and its answers keep it [ICE-19, ICE-22]',
	async (env) => {
		const c = await lite(env, { candidates: true });

		await met(c);
		// the second request comes after consent.timeout: by then only the answer to the first has kept it
		for (let i = 0; i < 2; i++) {
			const { data } = await c.inbox.next(({ data: d }) => parseStun(d)?.type === 0x0001, { ms: 8 * SECOND, what: 'a request' });

			assert.equal(parseStun(data).username, `${c.local.ufrag}:${c.remote.ufrag}`);
			assert.ok(isIntegral(data, c.local.pwd));
			c.sock.send(bindingAnswer(data, { pwd: c.local.pwd, from: c.access }), c.access.port, c.access.host);
		}
		await c.call.bye();
	});

test.end();
