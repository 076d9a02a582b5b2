// SPDX-License-Identifier: Apache-2.0
//
// Alone: a load for a minute.
// 200 registered WICs and 50 concurrent calls with checked payload for a minute, under the
// sanitizers. Not a benchmark: it asserts that everything works, not how fast.
import assert from 'node:assert/strict';
import { suite, ORIGIN } from '../lib/suite.js';
import { NativeWic } from '../lib/nativewic.js';
import { Sipp } from '../lib/sipp.js';
import { count } from '../lib/gateway.js';
import { port, ports } from '../lib/ports.js';
import { SECOND, until } from '../lib/wait.js';

const WICS = 200;
const CALLS = 50;
const SECONDS = Number(process.env.WICGATE_LOAD_SECONDS ?? 60);
const answer = await port();
const test = suite({
	timeout: (SECONDS + 120) * SECOND,
	coreOptions: ['--fixed', `answer=sip:answer@127.0.0.1:${answer}`],
	// 100 lines of log a call would be the load: events only.
	gateway: { cscf: { log: { level: 'info' } }, agw: { log: { level: 'info' } } },
});

test(`${WICS} registered WICs and ${CALLS} concurrent calls for ${SECONDS} s [REL-01]`, async (env) => {
	env.own(await Sipp.start('uas-answer', { port: answer, mediaPort: (await ports(1))[0], calls: CALLS, dir: env.dir,
		options: ['-l', '1000'] }));
	const wic = env.own(new NativeWic(env.gw.wssUrl, { user: 'load%d', password: 'load', origin: ORIGIN, count: WICS,
		'reg-rate': 50, call: 'sip:answer@ims.test', calls: CALLS, total: CALLS, rate: 10, duration: SECONDS,
		payload: 'check', pt: 0, 'max-loss': 1 }));

	await until(async () => count(await env.gw.cscf.status(), 'dialogs') === CALLS, { ms: 60 * SECOND,
		what: () => `${CALLS} calls; the client says:\n${wic.process.tail(5)}` });
	assert.equal(count(await env.gw.cscf.status(), 'registrations'), WICS);
	assert.equal(count(await env.gw.agws[0].status(), 'contexts'), CALLS);
	// A minute is long to look at nothing.
	const telling = setInterval(() => env.gw.agws[0].metrics().then(
		(m) => console.log(`load: ${m.sum('agw_rtp_packets_relayed_total')} packets relayed`), () => {}), 5 * SECOND);
	const { code, result, output } = await wic.done().finally(() => clearInterval(telling));

	assert.equal(code, 0, output);
	assert.ok(result);
	const metrics = await env.gw.agws[0].metrics();
	const relayed = metrics.sum('agw_rtp_packets_relayed_total');
	const dropped = metrics.sum('agw_rtp_packets_dropped_total');
	// Fifty packets a second there and back again, less what the start of a call takes.
	assert.ok(relayed > CALLS * SECONDS * 50 * 1.5, `${relayed} relayed\n${metrics.text}`);
	assert.ok(metrics.has('agw_rtp_packets_dropped_total') && dropped <= relayed / 100,
		`${dropped} dropped, ${relayed} relayed\n${metrics.text}`);
});

test.end();
