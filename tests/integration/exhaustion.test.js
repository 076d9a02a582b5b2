// SPDX-License-Identifier: Apache-2.0
//
// The AGW has ports for two calls. What more is asked for is refused on either side with its own
// code, harms no call that is up, and is possible again when a port is free.
import assert from 'node:assert/strict';
import { callFromWic } from '../lib/corecall.js';
import { ACCESS_RANGE, CORE_RANGE } from '../lib/ports.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, plainSdp } from '../lib/sdp.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const PAIRS = 2;
const test = suite({ scripted: true, gateway: { coreRange: [CORE_RANGE[0], CORE_RANGE[0] + 2 * PAIRS - 1], accessRange: ACCESS_RANGE,
	agw: { port: { quarantine: '0s' } } } });
const body = plainSdp('127.0.0.1', [audioLine(49998)]);

/** A Retry-After of ours (overload.retry_after, up to .retry_after_max). */
function saysWhen(res) {
	assert.match(res.get('Retry-After') ?? '', /^\d+$/);
	assert.ok(Number(res.get('Retry-After')) >= 10 && Number(res.get('Retry-After')) <= 60, res.get('Retry-After'));
}

test('ports run out: 503 to the WIC, 500 to the core, both with Retry-After; calls stay, and a freed port serves again [RTP-21]',
	async (env) => {
		const { core, gw } = env;
		const { wic, path, contact } = await registered(env);
		const up = [];

		for (let i = 0; i < PAIRS; i++)
			up.push((await callFromWic(env, wic)).call);
		const refused = await wic.invite('sip:far@ims.test').response();
		assert.equal(refused.status, 503);
		saysWhen(refused);
		Object.assign(core, { path, contact });
		const terminating = core.terminating('INVITE', { body });
		await core.send(terminating, core.pathTarget);
		const { msg } = await core.response(terminating);
		assert.equal(msg.status, 500, 'a 503 would have us left alone by the core');
		saysWhen(msg);
		assert.equal((await gw.agws[0].status()).contexts, PAIRS);

		for (const call of up.splice(0, 1)) {
			const [res] = await Promise.all([call.send('BYE'), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
			assert.equal(res.status, 200);
		}
		await until(async () => (await gw.agws[0].status()).contexts === PAIRS - 1 && (await gw.cscf.ctl('agw list'))[0].in_service,
			{ what: 'the ports to be free' });
		up.push((await callFromWic(env, wic)).call);
		for (const call of up) {
			const [res] = await Promise.all([call.send('BYE'), core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);
			assert.equal(res.status, 200);
		}
		await leave(env, wic);
	});

test.end();
