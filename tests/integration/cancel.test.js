// SPDX-License-Identifier: Apache-2.0
//
// CANCEL at every moment of a call, from either side: what both legs see from the CANCEL to the
// end, the codes, the Reason, and that nothing is left. The cells of a test run at once.
import assert from 'node:assert/strict';
import { Cell, all, follow } from '../lib/callcell.js';
import { browserAnswer } from '../lib/sdp.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const TIMES = { sip: { t1: '50ms', t2: '200ms', t4: '250ms', timer_c: '5s' }, flow: { grace: '1s', hold: '500ms' } };
const test = suite({ scripted: true, gateway: { cscf: TIMES } });

const REASON = [['Reason', 'SIP;cause=200;text="elsewhere"']];
const rel = { sdp: true, headers: Cell.reliable };
const RACK = { headers: [['RAck', '1 1 INVITE']] };

/** The caller cancels, with a Reason; the answer to it is in what is seen. */
const cancel = (c) => c.direction === 'from' ? c.call.cancel(REASON) : c.cancelFromCore(REASON);

/* name: [how to get there, what happens, want] */
const FROM = {
	'before any answer; the core rings later': [(c) => c.sent(), async (c) => {
		await cancel(c);
		c.coreReply(180, 'Ringing');
	}, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'before any answer; the core only says 100': [(c) => c.sent(), async (c) => {
		await cancel(c);
		c.coreReply(100, 'Trying');
	}, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'before any answer; the core refuses': [(c) => c.sent(), async (c) => {
		await cancel(c);
		c.coreReply(486, 'Busy Here');
	}, '200 CANCEL, 487 INVITE | ACK | cancelled 487'],
	'before any answer; the core answers at once': [(c) => c.sent(), async (c) => {
		await cancel(c);
		c.coreReply(200, 'OK', { sdp: true });
	}, '200 CANCEL, 487 INVITE | ACK, BYE{487 cancelled} | cancelled 487'],
	'before any answer; the core says nothing ever': [(c) => c.sent(), cancel, '200 CANCEL, 487 INVITE | | cancelled 487'],
	'after 100': [async (c) => {
		await c.sent();
		c.coreReply(100, 'Trying');
		await c.settle();
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'after 180': [async (c) => {
		await c.sent();
		await c.provisional(180);
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'after 180, without Reason': [async (c) => {
		await c.sent();
		await c.provisional(180);
	}, (c) => c.call.cancel(), '200 CANCEL, 487 INVITE | CANCEL, ACK | cancelled 487'],
	'after 183 with SDP': [async (c) => {
		await c.sent();
		await c.provisional(183, { sdp: true });
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'after a reliable 183, before its PRACK': [async (c) => {
		await c.sent([['Supported', '100rel']]);
		await c.provisional(183, rel);
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'while PRACK is under way': [async (c) => {
		await c.sent([['Supported', '100rel']]);
		await c.provisional(183, rel);
		await c.fromWic('PRACK', RACK);
	}, cancel, '200 CANCEL, 487 INVITE, 481 PRACK | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'after PRACK': [async (c) => {
		await c.sent([['Supported', '100rel']]);
		await c.provisional(183, rel);
		(await c.fromWic('PRACK', RACK)).reply(200, 'OK');
		await c.wic.response(c.lastFromWic);
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'the CANCEL crosses the 200 on the way to the core': [async (c) => {
		await c.sent();
		await c.provisional(180);
		c.onCancel = () => c.coreReply(200, 'OK', { sdp: true });
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK, BYE{487 cancelled} | cancelled 487'],
	'twice': [async (c) => {
		await c.sent();
		await c.provisional(180);
	}, (c) => {
		const msg = c.call.cancelMsg(REASON);

		c.wic.send(msg);
		c.wic.send(msg);
	}, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487'],
	'the core takes the CANCEL and never ends the INVITE': [async (c) => {
		await c.sent();
		await c.provisional(180);
		c.onCancel = () => {};
	}, cancel, '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere} | cancelled 487'],
	'after the 200, before the ACK: too late': [async (c) => {
		await c.sent();
		await c.answered();
	}, async (c) => {
		await cancel(c);
		await c.ackFromWic();
		await c.sendFromCore('BYE');
	}, '200 CANCEL, BYE | ACK, 200 BYE | bye 200'],
	'after a 486 and its ACK': [(c) => c.sent(), async (c) => {
		c.coreReply(486, 'Busy Here');
		await c.wic.response(c.call.invite);
		await c.settle();
		await cancel(c);
	}, '486 INVITE, 481 CANCEL | ACK | rejected 486'],
};

const TO = {
	'before any answer; the WIC rings later': [(c) => c.sentToWic(), async (c) => {
		await cancel(c);
		c.call.ring();
	}, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'before any answer; the WIC refuses': [(c) => c.sentToWic(), async (c) => {
		await cancel(c);
		c.call.reply(486, 'Busy Here');
	}, 'ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'before any answer; the WIC answers at once': [(c) => c.sentToWic(), async (c) => {
		await cancel(c);
		c.call.reply(200, 'OK', { body: browserAnswer(c.call.invite.body) });
	}, 'ACK, BYE{487 cancelled} | 200 CANCEL, 487 INVITE | cancelled 487'],
	'before any answer; the WIC says nothing ever': [(c) => c.sentToWic(), cancel, '| 200 CANCEL, 487 INVITE | cancelled 487'],
	'after 100': [async (c) => {
		await c.sentToWic();
		c.call.reply(100, 'Trying');
		await c.settle();
	}, cancel, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'after 180': [async (c) => {
		await c.sentToWic();
		await c.wicReply(180);
	}, cancel, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'after 183 with SDP': [async (c) => {
		await c.sentToWic();
		await c.wicReply(183, { sdp: true });
	}, cancel, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'after a reliable 183, before its PRACK': [async (c) => {
		await c.sentToWic([['Supported', '100rel']]);
		await c.wicReply(183, rel);
	}, cancel, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'while PRACK is under way': [async (c) => {
		await c.sentToWic([['Supported', '100rel']]);
		await c.wicReply(183, rel);
		await c.fromCore('PRACK', RACK);
	}, cancel, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE, 481 PRACK | cancelled 487'],
	'the CANCEL crosses the 200 on the way to the WIC': [async (c) => {
		await c.sentToWic();
		await c.wicReply(180);
		c.onCancel = () => c.call.reply(200, 'OK', { body: browserAnswer(c.call.invite.body) });
	}, cancel, 'CANCEL{200 elsewhere}, ACK, BYE{487 cancelled} | 200 CANCEL, 487 INVITE | cancelled 487'],
	'twice': [async (c) => {
		await c.sentToWic();
		await c.wicReply(180);
	}, async (c) => {
		await cancel(c);
		await cancel(c);
	}, 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487'],
	'after the 200, before the ACK: too late': [async (c) => {
		await c.sentToWic();
		await c.wicReply(200, { sdp: true });
	}, async (c) => {
		await cancel(c);
		await c.ackFromCore();
		await c.sendFromCore('BYE');
	}, 'ACK, BYE | 200 CANCEL, 200 BYE | bye 200'],
};

const cells = (direction, rows) => Object.entries(rows).map(([name, [get, act, want]]) => ({ name: `${direction} the WIC, ${name}`,
	direction, state: { get }, act, want }));

test('CANCEL at every moment: on with its Reason when the callee has answered, 487 at once, BYE for who answered meanwhile [CALL-25, REL-01, REL-04, REL-14]',
	(env) => {
		const list = [...cells('from', FROM), ...cells('to', TO)];

		return all(list, (cell, n) => follow(env, cell, `c${n}`, cell.act, cell.want));
	});

/* While the AGW owes an answer. get() runs before, then() leads into the wait. */
const WAITING = {
	from: {
		'for a Reserve': [() => {}, (c) => c.dial(),
			{ cancel: '200 CANCEL, 487 INVITE | | cancelled 487', gone: '| | wic-gone 480' }],
		'to configure a 183': [(c) => c.sent(), (c) => c.coreReply(183, 'Progress', { sdp: true }),
			{ cancel: '200 CANCEL, 487 INVITE | CANCEL{200 elsewhere}, ACK | cancelled 487',
				gone: '| CANCEL{503 access connection lost}, ACK | wic-gone 480' }],
		'to configure a 200': [(c) => c.sent(), (c) => c.coreReply(200, 'OK', { sdp: true }),
			{ cancel: '200 CANCEL, 487 INVITE | ACK, BYE{487 cancelled} | cancelled 487',
				gone: '| ACK, BYE{503 access connection lost} | wic-gone 480' }],
	},
	to: {
		'for a Reserve': [() => {}, (c) => c.dialFromCore(),
			{ cancel: '| 200 CANCEL, 487 INVITE | cancelled 487', gone: '| 430 INVITE | wic-gone 430' }],
		'to configure a 183': [(c) => c.sentToWic(), (c) => c.call.reply(183, 'Progress', { body: browserAnswer(c.call.invite.body) }),
			{ cancel: 'CANCEL{200 elsewhere}, ACK | 200 CANCEL, 487 INVITE | cancelled 487', gone: '| 430 INVITE | wic-gone 430' }],
		'to configure a 200': [(c) => c.sentToWic(), (c) => c.call.reply(200, 'OK', { body: browserAnswer(c.call.invite.body) }),
			{ cancel: 'ACK, BYE{487 cancelled} | 200 CANCEL, 487 INVITE | cancelled 487', gone: '| 430 INVITE | wic-gone 430' }],
	},
};

const ACTS = { cancel, gone: (c) => c.wic.close({ abrupt: true }) };

test('CANCEL, or the WIC gone, while the AGW owes an answer: the call ends without waiting for it, and what it then gives is given back [CALL-25, IQ-24, REL-01, REL-10, REL-17]',
	async (env) => {
		const { pid } = env.gw.agws[0].process;
		const list = Object.entries(WAITING).flatMap(([direction, rows]) => Object.entries(rows).flatMap(([name, [get, then, want]]) =>
			Object.entries(want).map(([event, text]) => ({ name: `${direction} the WIC, ${name}: ${event}`, direction,
				state: { get }, then, act: ACTS[event], want: text }))));
		let here = 0, ended = 0, stop, resume;
		const stopped = new Promise((resolve) => {
			stop = resolve;
		});
		const resumed = new Promise((resolve) => {
			resume = resolve;
		});
		const step = (n, all_, go) => n === all_ && go();

		try {
			const done = all(list, (cell, n) => follow(env, cell, `w${n}`, async (c) => {
				step(++here, list.length, () => {
					process.kill(pid, 'SIGSTOP');
					stop();
				});
				await stopped;
				await cell.then(c);
				await until(async () => (await c.shown()).waiting, { what: 'a call that waits for the AGW' });
				c.mark();
				await cell.act(c);
				await until(async () => (await c.shown().catch(() => ({}))).state !== 'OFFERING', { what: 'the end, AGW or not' });
				step(++ended, list.length, resume);
				await resumed;
			}, cell.want));

			await resumed;
			process.kill(pid, 'SIGCONT');
			await done;
			assert.equal(ended, list.length);
		} finally {
			process.kill(pid, 'SIGCONT');
		}
	});

test.end();
