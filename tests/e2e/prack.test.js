// SPDX-License-Identifier: Apache-2.0
//
// Reliable 183s towards a page whose stack knows no PRACK (JsSIP does not), with
// interwork.100rel=local: the core has its PRACK, the page its sound before the answer, and the
// answer once more in the 200 that the core sends without one.
import assert from 'node:assert/strict';
import { Gateway } from '../lib/gateway.js';
import { SPARE, port, ports } from '../lib/ports.js';
import { Sipp } from '../lib/sipp.js';
import { until } from '../lib/wait.js';
import { MIC_TONE, UE_TONE, browserSuite, hangUp, page, talk } from './talk.js';

const sippPort = await port();
const test = browserSuite({
	coreOptions: ['--fixed', `prack=sip:prack@127.0.0.1:${sippPort}`],
	gateway: { cscf: { interwork: { '100rel': 'local' } } },
});

const progress = async (wic) => (await wic.events()).filter((e) => e.name === 'progress').map((e) => e.status);

/** The core is told that 100rel may be used, the page has not said so. */
async function invited(env) {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	const call = await bob.incoming();
	return { wic, call, invite: call.invited.msg };
}

test('a UE\'s reliable 183 with its answer: PRACK to the UE, plain 183 and sound to the page, the answer again in the 200 [CALL-27, RTP-05]',
	async (env) => {
		const { wic, call, invite } = await invited(env);

		assert.ok(invite.all('Supported').includes('100rel'));
		await call.earlyAnswer({ reliable: 31 });
		const prack = await call.request('PRACK');
		assert.equal(prack.get('RAck'), `31 ${invite.cseq} INVITE`);
		call.audio.tone(620);
		await wic.event('progress');
		await wic.heard(620);
		call.ring({ reliable: 32 });
		assert.equal((await call.request('PRACK')).get('RAck'), `32 ${invite.cseq} INVITE`);
		await call.answer({ sdp: '' });
		await wic.event('confirmed');
		await talk(wic, call, { tone: UE_TONE });
		assert.deepEqual(await progress(wic), [183, 180]);
		assert.ok(call.requests.filter((m) => m.method === 'PRACK').every((m) => m.cseq > invite.cseq));
		await wic.do('hold');
		await call.request('INVITE');
		await wic.do('unhold');
		await call.request('INVITE');
		await talk(wic, call);
		const numbers = call.requests.filter((m) => m.method !== 'ACK').map((m) => m.cseq);
		assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
		await hangUp(wic, call);
	});

test('SIPp answers reliably and wants its PRACK: the page hears its own voice back [CALL-27]', async (env) => {
	const wic = await page(env, 'alice');
	const sipp = env.own(await Sipp.start('uas-prack', { port: sippPort, mediaPort: (await ports(1))[0], dir: env.dir }));

	await wic.do('call', 'sip:prack@ims.test');
	assert.equal((await wic.event('progress')).status, 183);
	await wic.event('confirmed');
	await wic.heard(MIC_TONE);
	await wic.do('hangup');
	const code = await sipp.done();
	assert.equal(code, 0, sipp.complaint);
});

test('the page cancels after a PRACK of ours: CANCEL, nothing left [CALL-27, CALL-25]', async (env) => {
	const { wic, call } = await invited(env);

	await call.earlyAnswer({ reliable: 5 });
	await call.request('PRACK');
	await wic.event('progress');
	await wic.do('hangup');
	assert.equal(await call.ended, 'cancelled');
	await until(async () => (await env.gw.cscf.ctl('call list')).length === 0, { what: 'no call' });
});

test('interwork.100rel=pass: the core is not told of a 100rel that the page does not know [CALL-18, CALL-27]', async (env) => {
	const gw = env.own(await Gateway.start({ core: env.core, origins: env.origins, ...SPARE }));
	const { wic, call, invite } = await invited({ ...env, gw });

	assert.ok(!invite.all('Supported').includes('100rel'));
	await call.answer();
	await wic.event('confirmed');
	call.audio.tone(UE_TONE);
	await wic.heard(UE_TONE);
	await hangUp(wic, call);
});

test.end();
