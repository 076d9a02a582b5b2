// SPDX-License-Identifier: Apache-2.0
//
// A WIC whose UDP stops in mid-call: consent is lost, nothing better comes, the call is released on both sides.
import assert from 'node:assert/strict';
import { NativeWic } from '../lib/nativewic.js';
import { suite, ORIGIN } from '../lib/suite.js';

const test = suite({ gateway: { agw: { consent: { timeout: '2s' } }, cscf: { T_consent: '1s' } } });

test('no check and no packet of a WIC any more: the call ends on both sides, media path lost, nothing stays [REL-08, ICE-21]', async ({ gw, ue, own }) => {
	const bob = await ue('bob');
	const alice = own(new NativeWic(gw.wssUrl, { user: 'alice', origin: ORIGIN, call: 'bob', duration: 60, payload: 'check' }));
	const at = await bob.incoming();

	await at.answer();
	const { call_id: callId } = await gw.agws[0].logged('dtls-established', {});
	process.kill(alice.process.pid, 'SIGSTOP'); // its TCP stays, its UDP falls silent
	try {
		assert.equal(await at.ended, 'bye received');
	} finally {
		process.kill(alice.process.pid, 'SIGCONT');
	}
	await gw.agws[0].logged('consent-lost', { call_id: callId });
	await gw.cscf.logged('call.record', { call_id: callId, cause: 'media-lost' });
	const { result, output } = await alice.done(); // the BYE waited for it

	assert.deepEqual(result.released, { local: 0, remote: 1, error: 0 }, output);
});

test.end();
