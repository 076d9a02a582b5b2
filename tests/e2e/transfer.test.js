// SPDX-License-Identifier: Apache-2.0
//
// REFER through Kamailio, blind and attended, with the browser in each of the three parts: it
// transfers, it is transferred, it is what a call is transferred to. The call that comes of it has
// media both ways, and the transferor is told how it went.
import assert from 'node:assert/strict';
import { Baresip } from '../lib/baresip.js';
import { UE_RANGE, port } from '../lib/ports.js';
import { parseUri } from '../lib/sip.js';
import { MIC_TONE, UE_TONE, browserSuite, callIn, callOut, heardAtUe, page, talk } from './talk.js';

const test = browserSuite();

/** The URI of a Refer-To and the headers within it. */
function referTo(msg) {
	const [, uri, query = ''] = /<([^?>]*)\??([^>]*)>/.exec(msg.get('Refer-To'));

	return { uri, headers: query.split('&').filter(Boolean).map((h) => h.split('=').map(decodeURIComponent)) };
}

test('blind: the browser refers the UE to another browser, which hears it; NOTIFYs tell, the first call ends [CALL-38, CALL-39]',
	async (env) => {
		const [alice, carol, bob] = [await page(env, 'alice'), await page(env, 'carol'), await env.ue('bob')];
		const call = await callOut(alice, bob);

		await talk(alice, call);
		await alice.do('refer', 'sip:carol@ims.test');
		const refer = await call.request('REFER');
		await alice.event('refer.requestSucceeded');
		assert.match(refer.get('Referred-By'), /alice@ims\.test/);
		assert.equal((await call.notifyRefer(refer, 'SIP/2.0 100 Trying')).status, 200);
		await alice.event('refer.trying');

		const second = await bob.call(referTo(refer).uri, { headers: [['Referred-By', refer.get('Referred-By')]] });
		await carol.event('incoming');
		await carol.do('answer', { tone: 700 });
		assert.equal((await second.answered).status, 200);
		await carol.event('confirmed');
		assert.equal((await call.notifyRefer(refer, 'SIP/2.0 200 OK', true)).status, 200);
		assert.equal((await alice.event('refer.accepted')).status, 200);
		await alice.do('hangup');
		assert.equal(await call.ended, 'bye received');
		await talk(carol, second, { tone: 620, mic: 700 });
		assert.equal((await second.bye()).status, 200);
		await carol.event('ended');
	});

test('blind, refused: the browser learns 486 from the NOTIFY and goes on with its call [CALL-38]', async (env) => {
	const [alice, bob, carol] = [await page(env, 'alice'), await env.ue('bob'), await env.ue('carol')];
	const call = await callOut(alice, bob);

	await talk(alice, call);
	await alice.do('refer', 'sip:carol@ims.test');
	const refer = await call.request('REFER');
	const second = await bob.call(referTo(refer).uri);
	(await carol.incoming()).reject(486, 'Busy Here');
	assert.equal((await second.answered).status, 486);
	await call.notifyRefer(refer, 'SIP/2.0 486 Busy Here', true);
	assert.equal((await alice.event('refer.failed')).status, 486);
	await talk(alice, call);
	assert.equal((await call.bye()).status, 200);
	await alice.event('ended');
});

test('blind: the UE refers the browser to another UE, they hear each other; the browser\'s NOTIFYs reach the UE [CALL-38, CALL-39]',
	async (env) => {
		const [alice, bob, carol] = [await page(env, 'alice'), await env.ue('bob'), await env.ue('carol')];
		const call = await callIn(alice, bob);

		await talk(alice, call);
		const sent = await call.send('REFER', { headers: [['Refer-To', '<sip:carol@ims.test>'], ['Referred-By', '<sip:bob@ims.test>']] });
		assert.equal(sent.status, 202);
		assert.match((await alice.event('refer')).to, /carol/);
		await alice.do('agree');
		const second = await carol.incoming();
		second.ring();
		await second.answer();
		await alice.event('confirmed');
		for (const line of [/^SIP\/2\.0 100 /, /^SIP\/2\.0 180 /, /^SIP\/2\.0 200 /]) {
			const notify = await call.request('NOTIFY', (m) => line.test(m.body));
			assert.match(notify.get('Content-Type'), /message\/sipfrag/);
			assert.match(notify.get('Event'), /^refer/);
		}
		assert.equal((await call.bye()).status, 200);
		await talk(alice, second, { tone: 620 });
		await alice.do('hangup');
		assert.equal(await second.ended, 'bye received');
	});

test('attended: the browser joins its two calls, a UE and a browser then hear each other [CALL-06, CALL-38]', async (env) => {
	const [alice, carol, bob] = [await page(env, 'alice'), await page(env, 'carol'), await env.ue('bob')];
	const call = await callOut(alice, bob);

	await talk(alice, call);
	await alice.do('hold');
	await alice.event('hold');
	await call.request('INVITE');
	await alice.do('call', 'sip:carol@ims.test');
	await carol.event('incoming');
	await carol.do('answer', { tone: 700 });
	await Promise.all([alice.event('confirmed'), carol.event('confirmed')]);
	await alice.heard(700);
	await carol.heard(MIC_TONE);

	await alice.do('use', 0);
	await alice.do('refer', 'sip:carol@ims.test', 1);
	const refer = await call.request('REFER');
	const { uri, headers } = referTo(refer);
	assert.equal(parseUri(uri).user, 'carol');
	const second = await bob.call(uri, { headers });
	const { what } = await carol.event('replaces');
	assert.equal(what, headers[0][1]);
	await carol.do('agree');
	await carol.event('incoming');
	await carol.do('answer', { tone: 700 });
	assert.equal((await second.answered).status, 200);
	// JsSIP ends the replaced call before it says that the new one is there.
	assert.equal((await carol.event('ended')).call, 0);
	await carol.event('confirmed');
	assert.equal((await alice.event('ended')).call, 1);
	await call.notifyRefer(refer, 'SIP/2.0 200 OK', true);
	await alice.event('refer.accepted');
	await alice.do('hangup');
	assert.equal(await call.ended, 'bye received');
	await talk(carol, second, { tone: 620, mic: 700 });
	assert.equal((await second.bye()).status, 200);
	await carol.event('ended');
});

test('attended by the UE: the browser calls the third with the Replaces that it was given [CALL-06, CALL-38]', async (env) => {
	const [alice, bob, carol] = [await page(env, 'alice'), await env.ue('bob'), await env.ue('carol')];
	const call = await callIn(alice, bob);

	await talk(alice, call);
	const replaces = 'other-call@bob;to-tag=77;from-tag=88';
	await call.send('REFER', { headers: [['Refer-To', `<sip:carol@ims.test?Replaces=${encodeURIComponent(replaces)}>`],
		['Referred-By', '<sip:bob@ims.test>']] });
	await alice.event('refer');
	await alice.do('agree');
	const second = await carol.incoming();
	assert.equal(second.invited.msg.get('Replaces'), replaces);
	await second.answer();
	await alice.event('confirmed');
	await call.request('NOTIFY', (m) => /^SIP\/2\.0 200 /.test(m.body));
	await call.bye();
	await talk(alice, second, { tone: UE_TONE });
	await heardAtUe(second);
	assert.equal((await second.bye()).status, 200);
	await alice.event('ended');
});

test('baresip transfers the browser to a UE: they hear each other, baresip is done [CALL-38, CALL-39]', async (env) => {
	const [alice, carol] = [await page(env, 'alice'), await env.ue('carol')];
	const bob = env.own(await Baresip.start({ user: 'bob', control: await port(), port: await port(), core: env.core, dir: env.dir,
		tone: 520, rtp: [UE_RANGE[1] - 40, UE_RANGE[1] - 1] }));

	await alice.do('call', 'sip:bob@ims.test');
	await alice.event('confirmed');
	await alice.heard(520);
	await bob.command('transfer', 'sip:carol@ims.test');
	assert.match((await alice.event('refer')).to, /carol@ims\.test/);
	await alice.do('agree');
	const second = await carol.incoming();
	second.ring();
	await second.answer();
	await alice.event('confirmed');
	// Told 200 by NOTIFY, baresip hangs up. Its console says so most of the time, its BYE always.
	await alice.event('ended');
	await talk(alice, second, { tone: 620 });
	assert.equal((await second.bye()).status, 200);
	await alice.event('ended');
});

test.end();
