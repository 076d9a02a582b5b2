// SPDX-License-Identifier: Apache-2.0
//
// A WIC in a call loses its connection and is back in time on another one: what waited for it is
// delivered there, and the call goes on; and what crosses or repeats itself in a dialog.
// Media through an address change is in e2e/address-change.test.js.
import assert from 'node:assert/strict';
import { Cell, all, follow } from '../lib/callcell.js';
import { browserAnswer, browserOffer, parseSdp } from '../lib/sdp.js';
import { token } from '../lib/sip.js';
import { suite } from '../lib/suite.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: { sip: { t1: '100ms', t2: '400ms', t4: '500ms' }, flow: { grace: '8s', hold: '6s' } } } });

const both = (rows) => ['from', 'to'].flatMap((direction) => Object.entries(rows).map(([name, [get, act, want]]) => ({
	name: `${direction} the WIC, ${name}`, direction, state: { get }, act, want })));
const hangUp = async (c) => {
	await c.sendFromCore('BYE');
};
const drop = async (c) => {
	await c.wic.close({ abrupt: true });
	await until(async () => (await c.shown().catch(() => ({ conn: 0 }))).conn === 0, { what: 'a lost flow' });
};
/** The core's request at the WIC, on whichever connection it has. */
const next = (c, method) => c.wic.requests.next((m) => m.method === method && m.callId === c.callId, { what: `${method} on W2` });

const BACK = {
	'nothing was under way': [(c) => c.up(), async (c) => {
		await drop(c);
		await c.comeBack();
		await hangUp(c);
	}, 'BYE | 200 BYE | bye 200'],
	'a re-INVITE of the core was with it': [async (c) => {
		await c.up();
		await c.fromCore('INVITE', { body: Cell.coreSdp('sendonly') });
	}, async (c) => {
		await drop(c);
		await c.comeBack();
		const again = await next(c, 'INVITE');

		assert.equal(parseSdp(again.body).media[0].dir, 'sendonly');
		c.againAtWic = again;
		await c.wicReply(200, { sdp: true, to: again });
		await c.dialog.ack(c.requestSent.cseq);
		await next(c, 'ACK');
		await hangUp(c);
	}, 'INVITE, ACK, BYE | 200 INVITE, 200 BYE | bye 200'],
	'an UPDATE of the core was with it': [async (c) => {
		await c.up();
		await c.fromCore('UPDATE', { body: Cell.coreSdp() });
	}, async (c) => {
		await drop(c);
		await c.comeBack();
		const again = await next(c, 'UPDATE');

		c.call.reply(200, 'OK', { to: again, body: browserAnswer(again.body) });
		await c.node.response(c.requestSent);
		await hangUp(c);
	}, 'UPDATE, BYE | 200 UPDATE, 200 BYE | bye 200'],
	'an INFO of the core comes while it is away': [(c) => c.up(), async (c) => {
		await drop(c);
		await c.sendFromCore('INFO');
		await until(async () => (await c.shown()).waiting, { what: 'a request that waits for the WIC' });
		await c.comeBack();
		c.call.reply(200, 'OK', { to: await next(c, 'INFO') });
		await c.node.response(c.requestSent);
		await hangUp(c);
	}, 'INFO, BYE | 200 INFO, 200 BYE | bye 200'],
	'the core hangs up while it is away: it hears of it': [(c) => c.up(), async (c) => {
		await drop(c);
		await c.sendFromCore('BYE');
		await c.node.response(c.requestSent);
		await until(async () => (await c.env.gw.agws[0].ctl('context list')).every((x) => x.call_id !== c.callId),
			{ what: 'no context, at once' });
		await c.comeBack();
	}, 'BYE | 200 BYE | bye 200'],
	'a BYE of the core was with it': [async (c) => {
		await c.up();
		await c.byeFromCore();
	}, async (c) => {
		await drop(c);
		c.keepBye = false;
		await c.comeBack();
	}, 'BYE | 200 BYE | bye 200'],
	'its own re-INVITE is answered while it is away: it hears so': [async (c) => {
		await c.up();
		c.again = await c.fromWic('INVITE', { body: Cell.holdOffer() });
	}, async (c) => {
		await drop(c);
		c.coreReply(200, 'OK', { to: c.again, sdp: true, dir: 'recvonly' });
		await c.settle();
		await c.comeBack();
		const res = await c.wic.response(c.reinviteSent);

		assert.equal(parseSdp(res.body).media[0].dir, 'recvonly');
		c.wic.send(c.call.request('ACK', { cseq: c.reinviteSent.cseq }));
		await c.node.next('ACK', { callId: c.callId });
		await hangUp(c);
	}, '200 INVITE, BYE | ACK, 200 BYE | bye 200'],
	'its own re-INVITE is refused when it is back: it hears so, the call stays up': [async (c) => {
		await c.up();
		c.again = await c.fromWic('INVITE', { body: Cell.holdOffer() });
	}, async (c) => {
		await drop(c);
		await c.comeBack();
		c.coreReply(488, 'Not Acceptable Here', { to: c.again });
		await c.node.next('ACK', { callId: c.callId });
		await hangUp(c);
	}, '488 INVITE, BYE | ACK, 200 BYE | bye 200'],
};

test('the WIC is back in time: what the core asked is asked there, BYE too, and the call goes on [DEREG-43, REL-10, DEREG-42]',
	(env) => {
		const list = both(BACK);

		return all(list, (cell, n) => follow(env, cell, `m${n}`, cell.act, cell.want));
	});

test('the ACK that the WIC missed is said on its new connection [DEREG-43, CALL-24]', (env) => follow(env,
	{ direction: 'to', state: { async get(c) {
		await c.sentToWic();
		await c.wicReply(200, { sdp: true });
	} } }, 'k0', async (c) => {
		await drop(c);
		await c.dialog.ack(1);
		await until(async () => (await c.shown()).state === 'CONFIRMED', { what: 'a confirmed call' });
		await c.comeBack();
		await next(c, 'ACK');
		await hangUp(c);
	}, 'ACK, BYE | 200 BYE | bye 200'));

test('the 200 that began the call and was not acknowledged is said on the new connection [DEREG-43, CALL-24]', (env) => follow(env,
	{ direction: 'from', state: { async get(c) {
		await c.sent();
		await c.answered();
	} } }, 'k1', async (c) => {
		await drop(c);
		await c.comeBack();
		const { body } = await c.wic.response(c.call.invite);

		assert.equal(body, c.answer);
		await c.ackFromWic();
		await hangUp(c);
	}, 'BYE | ACK, 200 BYE | bye 200'));

test('after the return an ICE restart: new credentials both ways on the same port, nothing to the core; gap of signalling measured [ICE-17, REL-10, DEREG-43]',
	(env) => all(both({ 'ICE restart': [(c) => c.up(), async (c) => {
		const before = (await c.shown()).streams[0];
		const [mine, theirs] = c.direction === 'from' ? [c.call.invite.body, c.answer] : [c.answer, c.call.invite.body];
		const had = parseSdp(theirs).media[0];
		const lost = performance.now();

		await drop(c);
		await c.sendFromCore('INFO');
		await c.comeBack();
		c.call.reply(200, 'OK', { to: await next(c, 'INFO') });
		await c.node.response(c.requestSent);
		c.gap = performance.now() - lost;
		const re = c.call.request('INVITE', { body: mine.replace(/(a=ice-ufrag:).*/g, `$1${token(2)}`)
			.replace(/(a=ice-pwd:).*/g, `$1${token(12)}`).replace(/a=setup:.*/g, 'a=setup:actpass') });

		c.reinviteSent = re;
		c.wic.send(re);
		const res = await c.wic.response(re);

		assert.equal(res.status, 200, res.toString());
		const { media: [audio] } = parseSdp(res.body);
		assert.equal(audio.port, before.access_port);
		assert.notEqual(audio.attr('ice-ufrag'), had.attr('ice-ufrag'));
		assert.notEqual(audio.attr('ice-pwd'), had.attr('ice-pwd'));
		assert.equal(audio.attr('fingerprint'), had.attr('fingerprint'));
		c.wic.send(c.call.request('ACK', { cseq: re.cseq }));
		await c.settle();
		await hangUp(c);
		c.env.t.diagnostic(`signalling: ${c.gap.toFixed(0)} ms from the loss to the first request answered on the new connection`);
	}, 'INFO, 200 INVITE, BYE | 200 INFO, 200 BYE | bye 200'] }), (cell, n) => follow(env, cell, `i${n}`, cell.act, cell.want)));

const refused = (side, method, status) => async (c) => {
	if (side === 'core') {
		const item = await c.fromWic(method, { body: Cell.holdOffer() });

		c.coreReply(status, 'No', { to: item });
	} else {
		const msg = await c.fromCore(method, { body: Cell.coreSdp() });

		c.call.reply(status, 'No', { to: msg });
	}
};

const CROSS = {
	'BYE of the WIC, then one of the core': [(c) => c.up(), async (c) => {
		await c.byeFromWic();
		await hangUp(c);
		await c.node.response(c.requestSent);
		c.byeAtCore.reply(481, 'Gone');
	}, '481 BYE | BYE, 200 BYE | bye 200'],
	'BYE of the core, then one of the WIC': [(c) => c.up(), async (c) => {
		await c.byeFromCore();
		const bye = c.call.request('BYE');

		c.wic.send(bye);
		await c.wic.response(bye);
		c.wic.send(c.byeAtWic.answer(481, 'Gone'));
	}, 'BYE, 200 BYE | 481 BYE | bye 200'],
	'a re-INVITE of the WIC after the BYE of the core': [(c) => c.up(), async (c) => {
		await c.byeFromCore();
		c.reinviteSent = c.call.request('INVITE', { body: browserOffer() });
		c.wic.send(c.reinviteSent);
		await c.wic.response(c.reinviteSent);
		c.answerBye();
	}, 'BYE, 481 INVITE | 200 BYE | bye 200'],
	'481 of the core to a re-INVITE': [(c) => c.up(), refused('core', 'INVITE', 481),
		'481 INVITE, BYE{481} | INVITE, ACK, BYE{481} | dialog-gone 200'],
	'408 of the core to a re-INVITE': [(c) => c.up(), refused('core', 'INVITE', 408),
		'408 INVITE, BYE{408} | INVITE, ACK, BYE{408} | core-silent 200'],
	'481 of the core to an UPDATE': [(c) => c.up(), refused('core', 'UPDATE', 481),
		'481 UPDATE, BYE{481} | UPDATE, BYE{481} | dialog-gone 200'],
	'481 of the WIC to a re-INVITE': [(c) => c.up(), refused('wic', 'INVITE', 481),
		'INVITE, ACK, BYE{481} | 481 INVITE, BYE{481} | dialog-gone 200'],
	'408 of the WIC to an UPDATE': [(c) => c.up(), refused('wic', 'UPDATE', 408),
		'UPDATE, BYE{408} | 408 UPDATE, BYE{408} | no-answer 200'],
	'nobody acknowledges the 200 to a re-INVITE of the WIC': [(c) => c.up(), async (c) => {
		c.coreReply(200, 'OK', { to: await c.fromWic('INVITE', { body: Cell.holdOffer() }), sdp: true, dir: 'recvonly' });
	}, '200 INVITE, BYE{408 no ACK} | INVITE, BYE{408 no ACK} | no-ack 200'],
	'nobody acknowledges the 200 to a re-INVITE of the core': [(c) => c.up(), async (c) => {
		await c.wicReply(200, { to: await c.fromCore('INVITE', { body: Cell.coreSdp('sendonly') }), sdp: true });
	}, 'INVITE, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200'],
	'488 to a re-INVITE is no end': [(c) => c.up(), async (c) => {
		await refused('core', 'INVITE', 488)(c);
		await c.wic.response(c.reinviteSent);
		await hangUp(c);
	}, '488 INVITE, BYE | INVITE, ACK, 200 BYE | bye 200'],
};

const REPEAT = [
	{ name: 'the core says its 200 again: the ACK was lost', direction: 'from', state: { get: (c) => c.up() }, want: 'BYE | 200 BYE | bye 200',
		async act(c) {
			c.coreReply(200, 'OK', { sdp: true });
			await c.node.next('ACK', { callId: c.callId });
			await hangUp(c);
		} },
	{ name: 'the WIC says its 200 again', direction: 'to', state: { get: (c) => c.up() }, want: 'BYE | 200 BYE | bye 200',
		async act(c) {
			c.call.reply(200, 'OK', { body: browserAnswer(c.call.invite.body) });
			await next(c, 'ACK');
			await hangUp(c);
		} },
];

test('what crosses and repeats itself in a dialog: BYE and BYE, BYE and re-INVITE, a 2xx once more, 481 and 408 [REL-14, REL-15, REL-05, CALL-24, REL-17]',
	(env) => all([...both(CROSS), ...REPEAT], (cell, n) => follow(env, cell, `x${n}`, cell.act, cell.want)));

test.end();
