// SPDX-License-Identifier: Apache-2.0
//
// Pages that set bundlePolicy. The gateway answers without BUNDLE: balanced and max-compat have a
// call with a transport per line, max-bundle has a failure that both ends and the operator hear of.
import assert from 'node:assert/strict';
import { browserSuite, callIn, callOut, hangUp, page, talk, talkVideo } from './talk.js';

const test = browserSuite();

for (const bundlePolicy of ['balanced', 'max-compat']) {
	test(`${bundlePolicy}: audio and video from the page, a transport each; hold and resume repeat the answer without BUNDLE [BUN-02, BUN-10, DTLS-26]`,
		async (env) => {
			const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
			const call = await callOut(wic, bob, { video: true, bundlePolicy });

			await talkVideo(wic, call);
			await wic.do('hold');
			await call.request('INVITE');
			await wic.event('signaling');
			await wic.do('unhold');
			await call.request('INVITE');
			await talkVideo(wic, call);
			const answers = (await wic.events()).filter((e) => e.name === 'sdp' && e.type === 'answer');
			assert.ok(answers.length >= 3);
			for (const { sdp } of answers)
				assert.doesNotMatch(sdp, /a=group:/);
			await hangUp(wic, call);
		});

	test(`${bundlePolicy}: audio and video to the page [BUN-12]`, async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callIn(wic, bob, { video: true, answer: { video: true, bundlePolicy } });

		await talkVideo(wic, call);
		assert.doesNotMatch(await wic.do('remoteDescription'), /a=group:|bundle-only/);
		await hangUp(wic, call);
	});
}

test('max-bundle, audio and video from the page: video is refused, the page cannot take the answer and says so, the UE gets a BYE; logged [BUN-09]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

		await wic.do('call', 'sip:bob@ims.test', { video: true, bundlePolicy: 'max-bundle' });
		const call = await bob.incoming();
		assert.deepEqual(call.offer.media.map((m) => m.type), ['audio']);
		await call.answer();
		assert.equal(await call.ended, 'bye received');
		assert.match((await wic.event('sdp.failed')).error, /BUNDLE/);
		assert.equal((await wic.events()).find((e) => e.name === 'failed').cause, 'Bad Media Description');
		await env.gw.cscf.logged('call.max_bundle', { call_id: call.callId });
		assert.match((await call.request('BYE')).get('Reason'), /cause=488/);
	});

test('max-bundle, audio alone from the page: the same [BUN-02]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test', { bundlePolicy: 'max-bundle' });
	const call = await bob.incoming();
	await call.answer();
	assert.equal(await call.ended, 'bye received');
	assert.match((await wic.event('sdp.failed')).error, /BUNDLE/);
});

test('max-bundle, a call to the page: it refuses our offer with 488, and the UE is told [BUN-12]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test');

	await wic.event('incoming');
	await wic.do('answer', { bundlePolicy: 'max-bundle' });
	assert.equal((await call.answered).status, 488);
	assert.match((await wic.event('sdp.failed')).error, /bundle/i);
});

test('max-compat, audio alone [BUN-02]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob, { bundlePolicy: 'max-compat' });

	await talk(wic, call);
	await hangUp(wic, call);
});

test.end();
