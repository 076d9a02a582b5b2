// SPDX-License-Identifier: Apache-2.0
//
// A video call between a browser behind a rough link and a UE whose core speaks plain AVP, which mirrors it.
import assert from 'node:assert/strict';
import { Mirror } from '../lib/mirror.js';
import { RoughLink } from '../lib/rough-link.js';
import { page } from './talk.js';

export async function avpVideoCall(env, seed) {
	const link = env.own(new RoughLink({ seed }));
	const [wic, bob] = [await page(env, 'alice', { link }), await env.ue('bob')];
	const call = await bob.call('sip:alice@ims.test', { video: true, avp: true });

	// From the first picture on: there may be no other.
	for (const m of call.media)
		env.own(new Mirror(m, { clock: m.type === 'video' ? 90000 : 8000 }));
	await wic.event('incoming');
	await wic.do('answer', { video: true });
	assert.equal((await call.answered).status, 200);
	await wic.event('confirmed');
	return { link, wic, call };
}
