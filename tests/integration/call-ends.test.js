// SPDX-License-Identifier: Apache-2.0
//
// How calls end and survive: whoever disappears, at every state of a call, in both directions.
// Rows are states, columns are events; a cell says what the WIC and what the core saw from the
// event to the end, and cause and status of the call's record (table 4.12 of the specification).
// Alone: 64*T1 is 3.2 s here, and every cell has to be in its state well before.
// The cells of a test run at once over one gateway; nothing may be left of any.
import assert from 'node:assert/strict';
import { Cell, all, follow } from '../lib/callcell.js';
import { suite } from '../lib/suite.js';
import { Daemon, Gateway } from '../lib/gateway.js';
import { until } from '../lib/wait.js';

// 64*T1 is 3.2 s: timers B, F and H, and what waits for an ACK.
const TIMES = { sip: { t1: '50ms', t2: '200ms', t4: '250ms', timer_c: '5s' }, flow: { grace: '1s', hold: '500ms' } };
const test = suite({ scripted: true, gateway: { cscf: TIMES } });

const rel = { sdp: true, headers: Cell.reliable };
const RACK = { headers: [['RAck', '1 1 INVITE']] };

/*
 * A state: get() leads there. at: 'early', 'answered' (no ACK yet), 'up', 'ending' (a BYE is under way).
 * waits: whose answer or ACK is awaited. rings: the INVITE had a provisional answer.
 */
const state = (at, waits, get, more = {}) => ({ at, waits, get, ...more });

const FROM = {
	'no answer yet': state('early', 'core', (c) => c.sent()),
	'100': state('early', 'core', async (c) => {
		await c.sent();
		c.coreReply(100, 'Trying');
		await c.settle();
	}, { rings: true }),
	'180': state('early', 'core', async (c) => {
		await c.sent();
		await c.provisional(180);
	}, { rings: true }),
	'183 with SDP': state('early', 'core', async (c) => {
		await c.sent();
		await c.provisional(183, { sdp: true });
	}, { rings: true }),
	'reliable 183, no PRACK yet': state('early', 'core', async (c) => {
		await c.sent([['Supported', '100rel']]);
		await c.provisional(183, rel);
	}, { rings: true }),
	'PRACK under way': state('early', 'core', async (c) => {
		await FROM['reliable 183, no PRACK yet'].get(c);
		await c.fromWic('PRACK', RACK);
	}, { rings: true }),
	'early UPDATE under way': state('early', 'core', async (c) => {
		await FROM['PRACK under way'].get(c);
		(await c.node.log.findLast(({ msg }) => msg.method === 'PRACK')).reply(200, 'OK');
		await c.wic.response(c.lastFromWic);
		await c.fromWic('UPDATE', { body: Cell.holdOffer() });
	}, { rings: true }),
	'200, no ACK yet': state('answered', 'wic', async (c) => {
		await c.sent();
		await c.answered();
	}),
};

const TO = {
	'no answer yet': state('early', 'wic', (c) => c.sentToWic()),
	'100': state('early', 'wic', async (c) => {
		await c.sentToWic();
		c.call.reply(100, 'Trying');
		await c.settle();
	}, { rings: true }),
	'180': state('early', 'wic', async (c) => {
		await c.sentToWic();
		await c.wicReply(180);
	}, { rings: true }),
	'183 with SDP': state('early', 'wic', async (c) => {
		await c.sentToWic();
		await c.wicReply(183, { sdp: true });
	}, { rings: true }),
	'reliable 183, no PRACK yet': state('early', 'wic', async (c) => {
		await c.sentToWic([['Supported', '100rel']]);
		await c.wicReply(183, rel);
	}, { rings: true }),
	'PRACK under way': state('early', 'wic', async (c) => {
		await TO['reliable 183, no PRACK yet'].get(c);
		await c.fromCore('PRACK', RACK);
	}, { rings: true }),
	'200, no ACK yet': state('answered', 'core', async (c) => {
		await c.sentToWic();
		await c.wicReply(200, { sdp: true });
	}),
};

const UP = {
	'confirmed': state('up', undefined, (c) => c.up()),
	'held': state('up', undefined, async (c) => {
		await c.up();
		await c.hold();
	}),
	're-INVITE of the WIC': state('up', 'core', async (c) => {
		await c.up();
		await c.fromWic('INVITE', { body: Cell.holdOffer() });
	}),
	're-INVITE of the core': state('up', 'wic', async (c) => {
		await c.up();
		await c.fromCore('INVITE', { body: Cell.coreSdp('sendonly') });
	}),
	'UPDATE of the WIC': state('up', 'core', async (c) => {
		await c.up();
		await c.fromWic('UPDATE', { body: Cell.holdOffer() });
	}),
	'UPDATE of the core': state('up', 'wic', async (c) => {
		await c.up();
		await c.fromCore('UPDATE', { body: Cell.coreSdp() });
	}),
	'BYE of the WIC': state('ending', 'core', async (c) => {
		await c.up();
		await c.byeFromWic();
	}),
	'BYE of the core': state('ending', 'wic', async (c) => {
		await c.up();
		await c.byeFromCore();
	}),
};

/** What the side that is left does when nothing comes any more. */
async function goOn(c, side) {
	const s = c.state;

	if (s.at === 'answered' && s.waits !== side)
		return; // no callee hangs up before the ACK
	if (s.at === 'early' && side === 'wic' && c.direction === 'from') {
		await c.call.cancel();
	} else if (s.at === 'early' && side === 'wic') {
		c.call.reply(200, 'OK', { body: Cell.answerOf(c) });
	} else if (s.at === 'early') {
		c.coreReply(200, 'OK', { sdp: true });
	} else if (s.at === 'ending') {
		c.answerBye();
	} else if (side === 'wic') {
		if (s.at === 'answered')
			c.wic.send(c.call.request('ACK', { cseq: c.call.invite.cseq }));
		c.wic.send(c.call.request('BYE'));
	} else {
		if (s.at === 'answered')
			await c.dialog.ack(1);
		await c.sendFromCore('BYE');
	}
}

const silent = (side, other) => async (c) => {
	c.polite[side] = false;
	if (c.state.waits !== side)
		await goOn(c, other);
};

const EVENTS = {
	'WIC gone': (c) => c.wic.close({ abrupt: true }),
	'WIC silent': silent('wic', 'core'),
	'core silent': silent('core', 'wic'),
	/** Its connection is reset, and refused from then on. */
	'core gone': async (c) => {
		const { at, waits, rings } = c.state;

		await c.closeNode();
		if (c.lastFromWic && at !== 'ending' && waits === 'core')
			await c.wic.response(c.lastFromWic);
		if (waits !== 'core' || rings || at === 'up')
			await goOn(c, 'wic');
	},
	'WIC deregistered': async (c) => {
		c.unregistered = true;
		await c.register(c.wic, 0);
	},
};

// "what the WIC saw | what the core saw | the record"; the columns are those of EVENTS, and one for what the gateway
// ends by itself: C = the status to a caller, R = the Reason, W = the cause.
const WANT = {
	FROM: {
		'no answer yet': [
			'| | wic-gone 480',
			'200 INVITE, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'504 INVITE | | core-silent 504',
			'504 INVITE | | core-gone 504',
			'480 INVITE | | deregistered 480',
			'C INVITE | | W C',
		],
		'100': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 INVITE | CANCEL{408} | no-answer 408',
			'200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE | CANCEL{R}, ACK | W C',
		],
		'180': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 INVITE | CANCEL{408} | no-answer 408',
			'200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE | CANCEL{R}, ACK | W C',
		],
		'183 with SDP': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 INVITE | CANCEL{408} | no-answer 408',
			'200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE | CANCEL{R}, ACK | W C',
		],
		'reliable 183, no PRACK yet': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 INVITE | CANCEL{408} | no-answer 408',
			'200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE | CANCEL{R}, ACK | W C',
		],
		'PRACK under way': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, 408 PRACK, BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 PRACK, 408 INVITE | CANCEL{408} | no-answer 408',
			'500 PRACK, 200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE, 481 PRACK | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE, 481 PRACK | CANCEL{R}, ACK | W C',
		],
		'early UPDATE under way': [
			'| CANCEL{503 access connection lost}, ACK | wic-gone 480',
			'200 INVITE, 408 UPDATE, BYE{408} | ACK, BYE{408} | core-silent 200',
			'408 UPDATE, 504 INVITE | CANCEL{408} | core-silent 504',
			'500 UPDATE, 200 CANCEL, 487 INVITE | | cancelled 487',
			'480 INVITE, 481 UPDATE | CANCEL{480 registration ended}, ACK | deregistered 480',
			'C INVITE, 481 UPDATE | CANCEL{R}, ACK | W C',
		],
		'200, no ACK yet': [
			'| ACK, BYE{503 access connection lost} | wic-gone 200',
			'BYE{408 no ACK} | ACK, BYE{408 no ACK} | no-ack 200',
			'408 BYE | ACK, BYE | bye 200',
			'500 BYE | | bye 200',
			'BYE{480 registration ended} | ACK, BYE{480 registration ended} | deregistered 200',
			'BYE{R} | ACK, BYE{R} | W 200',
		],
	},
	TO: {
		'no answer yet': [
			'| 430 INVITE | wic-gone 430',
			'| 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'| 480 INVITE | deregistered 480',
			'| C INVITE | W C',
		],
		'100': [
			'| 430 INVITE | wic-gone 430',
			'CANCEL{408} | 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'CANCEL{480 registration ended}, ACK | 480 INVITE | deregistered 480',
			'CANCEL{R}, ACK | C INVITE | W C',
		],
		'180': [
			'| 430 INVITE | wic-gone 430',
			'CANCEL{408} | 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'CANCEL{480 registration ended}, ACK | 480 INVITE | deregistered 480',
			'CANCEL{R}, ACK | C INVITE | W C',
		],
		'183 with SDP': [
			'| 430 INVITE | wic-gone 430',
			'CANCEL{408} | 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'CANCEL{480 registration ended}, ACK | 480 INVITE | deregistered 480',
			'CANCEL{R}, ACK | C INVITE | W C',
		],
		'reliable 183, no PRACK yet': [
			'| 430 INVITE | wic-gone 430',
			'CANCEL{408} | 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'CANCEL{480 registration ended}, ACK | 480 INVITE | deregistered 480',
			'CANCEL{R}, ACK | C INVITE | W C',
		],
		'PRACK under way': [
			'| 430 INVITE, 480 PRACK | wic-gone 430',
			'CANCEL{408} | 408 PRACK, 408 INVITE | no-answer 408',
			'ACK, BYE{408 no ACK} | 200 INVITE, 408 PRACK, BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'CANCEL{480 registration ended}, ACK | 480 INVITE, 481 PRACK | deregistered 480',
			'CANCEL{R}, ACK | C INVITE, 481 PRACK | W C',
		],
		'200, no ACK yet': [
			'| BYE{503 access connection lost} | wic-gone 200',
			'ACK, BYE | 408 BYE | bye 200',
			'ACK, BYE{408 no ACK} | BYE{408 no ACK} | no-ack 200',
			'ACK, BYE{408 no ACK} | | no-ack 200',
			'ACK, BYE{480 registration ended} | BYE{480 registration ended} | deregistered 200',
			'ACK, BYE{R} | BYE{R} | W 200',
		],
	},
	UP: {
		'confirmed': [
			'| BYE{503 access connection lost} | wic-gone 200',
			'BYE | 408 BYE | bye 200',
			'408 BYE | BYE | bye 200',
			'500 BYE | | bye 200',
			'BYE{480 registration ended} | BYE{480 registration ended} | deregistered 200',
			'BYE{R} | BYE{R} | W 200',
		],
		'held': [
			'| BYE{503 access connection lost} | wic-gone 200',
			'BYE | 408 BYE | bye 200',
			'408 BYE | BYE | bye 200',
			'500 BYE | | bye 200',
			'BYE{480 registration ended} | BYE{480 registration ended} | deregistered 200',
			'BYE{R} | BYE{R} | W 200',
		],
		're-INVITE of the WIC': [
			'| BYE{503 access connection lost} | wic-gone 200',
			'BYE, 487 INVITE | 408 BYE | bye 200',
			'408 INVITE, BYE{408} | BYE{408} | core-silent 200',
			'500 INVITE, 500 BYE | | bye 200',
			'487 INVITE, BYE{480 registration ended} | BYE{480 registration ended} | deregistered 200',
			'487 INVITE, BYE{R} | BYE{R} | W 200',
		],
		're-INVITE of the core': [
			'| 480 INVITE, BYE{503 access connection lost} | wic-gone 200',
			'BYE{408} | 408 INVITE, BYE{408} | no-answer 200',
			'408 BYE | BYE, 487 INVITE | bye 200',
			'500 BYE | | bye 200',
			'BYE{480 registration ended} | 487 INVITE, BYE{480 registration ended} | deregistered 200',
			'BYE{R} | 487 INVITE, BYE{R} | W 200',
		],
		'UPDATE of the WIC': [
			'| BYE{503 access connection lost} | wic-gone 200',
			'BYE, 481 UPDATE | 408 BYE | bye 200',
			'408 UPDATE, BYE{408} | BYE{408} | core-silent 200',
			'500 UPDATE, 500 BYE | | bye 200',
			'481 UPDATE, BYE{480 registration ended} | BYE{480 registration ended} | deregistered 200',
			'481 UPDATE, BYE{R} | BYE{R} | W 200',
		],
		'UPDATE of the core': [
			'| 480 UPDATE, BYE{503 access connection lost} | wic-gone 200',
			'BYE{408} | 408 UPDATE, BYE{408} | no-answer 200',
			'408 BYE | BYE, 481 UPDATE | bye 200',
			'500 BYE | | bye 200',
			'BYE{480 registration ended} | 481 UPDATE, BYE{480 registration ended} | deregistered 200',
			'BYE{R} | 481 UPDATE, BYE{R} | W 200',
		],
		'BYE of the WIC': [
			'| | bye 200',
			'200 BYE | | bye 200',
			'408 BYE | | bye 200',
			'500 BYE | | bye 200',
			'408 BYE | | bye 200',
			'408 BYE | | bye 200',
		],
		'BYE of the core': [
			'| 200 BYE | bye 200',
			'| 408 BYE | bye 200',
			'| 200 BYE | bye 200',
			'| | bye 200',
			'| 408 BYE | bye 200',
			'| 408 BYE | bye 200',
		],
	},
};

const cellsOf = (direction) => Object.entries({ ...direction === 'from' ? FROM : TO, ...UP }).map(([row, s]) => ({ direction, row, state: s,
	name: `${direction} the WIC, ${row}`, want: WANT[UP[row] ? 'UP' : direction === 'from' ? 'FROM' : 'TO'][row] }));

for (const direction of ['from', 'to']) {
	test(`whoever disappears, at every state of a call ${direction} the WIC [REL-01, REL-03, REL-04, REL-05, REL-10, REL-11, CALL-24, CALL-47, CALL-48]`,
		(env) => all(cellsOf(direction).flatMap((cell) => Object.keys(EVENTS).map((event, i) => ({ ...cell, event, i, want: cell.want[i],
			name: `${cell.name}: ${event}`, transport: event === 'core gone' ? 'TCP' : 'UDP' }))),
		(cell, n) => follow(env, cell, `u${n}`, EVENTS[cell.event], cell.want)));
}

/** A gateway of its own for what hits every call at once: all states, then act(gw). */
async function together(env, { cscf = {}, act, want, killed = false, stays = true }) {
	const { core, own } = env;
	const gw = await Gateway.start({ core, origins: [env.gw.origin], cscf: { ...TIMES, ...cscf } });
	const cells = ['from', 'to'].flatMap(cellsOf);
	let ready = 0;
	let go;
	const met = new Promise((resolve) => {
		go = resolve;
	});

	own({ close: () => gw.stop({ killed }) });
	const [status, reason, cause] = want;
	const each = all(cells, (cell, n) => follow({ core, gw }, cell, `u${n}`, (c) => {
		c.unregistered = !stays;
		if (++ready === cells.length)
			go();
		return met;
	}, cell.want.at(-1).replace(/\bC\b/g, status).replace(/\bR\b/g, reason).replace(/\bW\b/, cause)).catch((err) => {
		go();
		throw err;
	}));
	await met;
	await act(gw);
	await each;
}

test('the AGW is killed, at every state: 500 to callers, CANCEL and BYE with a Reason [REL-12, REL-05, REL-04]',
	(env) => together(env, { killed: true, cscf: { T_agwdead: '1s', iq: { heartbeat: '300ms' }, agw: { failure_action: 'release' } },
		want: [500, '503 media gateway lost', 'agw-lost'], act: (gw) => gw.agws[0].process.stop('SIGKILL') }));

test('shutdown with calls at every state: 503 to callers, CANCEL and BYE with a Reason [REL-16, REL-05]',
	(env) => together(env, { want: [503, '503 shutting down', 'shutdown'], stays: false, act: async (gw) => {
		process.kill(gw.cscf.process.pid, 'SIGTERM');
		await until(async () => (await gw.cscf.http('/readyz')).status === 503, { what: 'not ready' });
	}, cscf: { shutdown: { grace: '1s' } } }));

test('the eP-CSCF is killed with calls up: its next life frees every context and port, requests of old dialogs are 481 [REL-13, REL-01]',
	async ({ core, own, gw: { origin } }) => {
		const gw = await Gateway.start({ core, origins: [origin], cscf: TIMES });
		const calls = 20;

		own({ close: () => gw.stop({ killed: true }) });
		const cells = await Promise.all(Array.from({ length: calls }, async (_, n) => {
			const c = await Cell.open({ core, gw }, `e${n}`);

			c.direction = n % 2 ? 'from' : 'to';
			c.unregistered = true;
			await c.up();
			return c;
		}));
		assert.equal((await gw.agws[0].status()).contexts, calls);
		await gw.cscf.process.stop('SIGKILL');
		assert.equal((await gw.agws[0].status()).contexts, calls);
		gw.cscf = new Daemon('cscf', gw.cscf.dir, gw.cscf.conf);
		await gw.cscf.ready();
		await until(async () => {
			const { contexts, streams, ports_in_use: ports } = await gw.agws[0].status();

			return contexts + streams + ports === 0;
		}, { what: 'no context, stream or port of the old life' });
		assert.deepEqual(new Set((await Promise.all(cells.map((c) => c.dialog.send('BYE')))).map((r) => r.status)), new Set([481]));
		await Promise.all(cells.map((c) => c.close()));
	});

test.end();
