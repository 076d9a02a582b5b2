// SPDX-License-Identifier: Apache-2.0
//
// Offers that cross: the browser's re-INVITE and the UE's meet, each gets 491, and after their
// pauses both come through.
import assert from 'node:assert/strict';
import { parseSdp } from '../lib/sdp.js';
import { browserSuite, callIn, callOut, hangUp, page, talk, unheardAtPage } from './talk.js';

const test = browserSuite();

const dir = (msg) => parseSdp(msg.body).media[0].dir;

/** The UE sends this while the browser's re-INVITE is on its way, and refuses that one as RFC 3261 s14.2 says. */
function cross(call, request) {
	return new Promise((resolve, reject) => {
		call.before = (item) => {
			if (item.msg.method !== 'INVITE')
				return false;
			call.before = undefined;
			request().then((own) => {
				item.reply(491, 'Request Pending');
				resolve(own);
			}).catch(reject);
			return true;
		};
	});
}

test('two re-INVITEs cross: 491 each way, then the browser\'s hold and the UE\'s refresh succeed [CALL-29, CALL-30]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	const crossed = cross(call, () => call.reinvite('sendrecv'));
	await wic.do('hold');
	assert.equal((await crossed).status, 491);
	await call.request('INVITE');
	// JsSIP tries again after a second (with the CSeq it had).
	assert.equal(dir(await call.request('INVITE')), 'sendonly');
	await unheardAtPage(env, wic, call);
	assert.equal((await call.reinvite('recvonly')).status, 200);
	await wic.do('unhold');
	await call.request('INVITE');
	await talk(wic, call);
	await hangUp(wic, call);
});

test('an UPDATE with an offer crosses the browser\'s re-INVITE: 491, the re-INVITE goes on [CALL-28, CALL-30]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);
	let update;

	await talk(wic, call);
	const crossed = new Promise((resolve, reject) => {
		call.before = (item) => {
			if (item.msg.method !== 'INVITE')
				return false;
			call.before = undefined;
			call.send('UPDATE', { body: call.ownSdp('inactive') }).then((res) => {
				update = res;
				call.onRequest(item);
				resolve();
			}).catch(reject);
			return true;
		};
	});
	await wic.do('hold');
	await crossed;
	assert.equal(update.status, 491);
	await unheardAtPage(env, wic, call);
	await wic.do('unhold');
	await talk(wic, call);
	assert.equal((await call.update('sendrecv')).status, 200);
	await talk(wic, call);
	await hangUp(wic, call);
});

test('a second UPDATE of the UE before the first is answered: 500 with Retry-After, the first is served [CALL-28, CALL-30]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callIn(wic, bob);

		await talk(wic, call);
		await wic.do('stall');
		const first = call.update('sendrecv');
		await wic.event('stalled');
		const second = await call.send('UPDATE', { body: call.ownSdp() });
		assert.equal(second.status, 500);
		assert.match(second.get('Retry-After'), /^([0-9]|10)$/);
		await wic.do('go');
		assert.equal((await first).status, 200);
		await talk(wic, call);
		await hangUp(wic, call);
	});

test('the UE refuses the browser\'s re-INVITE with 488: the call goes on with its old media [SDP-35]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callOut(wic, bob);

		await talk(wic, call);
		call.before = (item) => {
			if (item.msg.method !== 'INVITE')
				return false;
			call.before = undefined;
			item.reply(488, 'Not Acceptable Here');
			return true;
		};
		// Past JsSIP's own re-INVITE, since it hangs up when one is refused.
		await wic.do('request', 'INVITE', { headers: ['Content-Type: application/sdp', 'Contact: <sip:alice@page.invalid;transport=ws>'],
			body: await wic.do('localDescription') });
		assert.equal((await wic.event('answer')).status, 488);
		await talk(wic, call);
		await hangUp(wic, call);
	});

test.end();
