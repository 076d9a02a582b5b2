// SPDX-License-Identifier: Apache-2.0
//
// `wicgatectl call explain`: real calls that end well and badly, and refused ones, each told as one
// story, and none of them with a secret in it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { suite, ORIGIN } from '../lib/suite.js';
import { Gateway, count, program } from '../lib/gateway.js';
import { NativeWic } from '../lib/nativewic.js';
import { SPARE } from '../lib/ports.js';
import { plainSdp } from '../lib/sdp.js';
import { SECOND, until, within } from '../lib/wait.js';

const test = suite({ gateway: { cscf: { flow: { grace: '1s' } } } });

/** wicgatectl at the eP-CSCF: { code, out }. */
const tool = (gw, ...args) => new Promise((resolve) => execFile(program('wicgatectl'),
	['--socket', gw.cscf.ctlPath, ...args], { timeout: 20 * SECOND },
	(err, stdout, stderr) => resolve({ code: err ? err.code ?? err.signal : 0, out: stdout + stderr })));

/** The story as people read it. It fits its columns and has no secret in it. */
async function told(gw, ...args) {
	const { code, out } = await tool(gw, 'call', 'explain', ...args);

	assert.equal(code, 0, out);
	const long = args.includes('--full') ? undefined : out.split('\n').find((l) => l.length > 120);
	assert.equal(long, undefined);
	noSecrets(out);
	return out;
}

const json = (gw, ...args) => gw.cscf.ctl('call explain', ...args);

function noSecrets(text) {
	assert.doesNotMatch(text, /a=ice-pwd:(?!\(removed\))/);
	assert.doesNotMatch(text, /a=crypto:(?!\(removed\))/);
	assert.doesNotMatch(text, /eyJ[\w-]+\.|response=|nonce=|[ic]k="/);
}

/** These lines are there, in this order. */
function inOrder(text, ...lines) {
	let at = 0;

	for (const line of lines) {
		const found = text.slice(at).match(line);

		assert.ok(found, `${line} is not in what follows:\n${text.slice(at)}`);
		at += found.index + found[0].length;
	}
}

/** The newest ended call that was found so, once it is over. */
const ended = (gw, id) => until(async () => {
	const story = await json(gw, id).catch(() => undefined);

	return story && !story.live && story.ended_ms !== null ? story : undefined;
}, { what: `the end of ${id}` });

async function upCall({ wic, ue }) {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	at.ring();
	await Promise.all([call.response(), at.answer()]);
	return { alice, bob, call, at };
}

test('an answered call with media: both sides, the AGW, ICE, DTLS, first packets each way, who hung up [REL-18]',
	async (env) => {
		const native = (user, o) => env.own(new NativeWic(env.gw.wssUrl, { user, origin: ORIGIN, ...o }));
		const bob = native('bob', { answer: true, calls: 1, payload: 'echo' });

		await bob.event('all-registered');
		assert.equal((await native('alice', { call: 'bob', duration: 1, payload: 'check' }).done()).code, 0);
		assert.equal((await bob.done()).code, 0);
		const rows = await until(async () => {
			const list = await env.gw.cscf.ctl('call list', '--ended', '2');

			return list.length === 2 ? list : undefined;
		}, { what: 'both halves in the list of ended calls' });

		assert.deepEqual(rows.map((r) => r.direction).sort(), ['from-wic', 'to-wic']);
		assert.equal(rows[0].call_id, rows[1].call_id);
		for (const r of rows) {
			const story = await json(env.gw, r.id);
			const [s] = story.streams;

			assert.equal(story.cause, 'bye');
			assert.equal(story.ended_by, r.direction === 'from-wic' ? 'the WIC' : 'the core');
			assert.equal(s.codecs, 'PCMU/8000');
			assert.match(s.srtp_profile, /AES/);
			assert.equal(s.final, true);
			for (const at of [s.uplink.first_in_ms, s.uplink.first_out_ms, s.downlink.first_in_ms,
				s.downlink.first_out_ms, s.ice_first_check_ms, s.ice_nominated_ms, s.dtls_started_ms, s.dtls_up_ms])
				assert.ok(at >= 0 && at <= story.ended_ms, JSON.stringify(s));
			assert.ok(s.ice_first_check_ms <= s.dtls_started_ms && s.dtls_started_ms <= s.dtls_up_ms, JSON.stringify(s));
			assert.ok(s.dtls_up_ms <= s.uplink.first_in_ms + 1, JSON.stringify(s));
			assert.ok(s.uplink.packets > 20 && s.downlink.packets > 20, JSON.stringify(s));
		}
		const text = await told(env.gw, rows.find((r) => r.direction === 'from-wic').id);
		inOrder(text, /outcome +ended by the WIC: bye/, /\|-+INVITE-+>\|/, /SDP audio sendrecv .*SAVPF PCMU PCMA/,
			/reserve to /, /reserve done in \d+ ms/, /\|-+INVITE-+>\|/, /SDP audio sendrecv .* RTP\/AVP PCMU PCMA/,
			/<-+200 INVITE-+\|/, /gates: to the core open, to the WIC open/, /configure done/, /<-+200 INVITE-+\|/, /ACK/,
			/RELEASE: bye, by the WIC/, /200 BYE/, /DTLS +as \w+, started at \d+ ms, up after \d+ ms, DTLS 1.2/);
		for (const line of [/release done/, /first ICE check/, /ICE CONNECTED/, /DTLS starts/, /DTLS ESTABLISHED/,
			/first packet from the WIC/, /first packet to the core/, /first packet from the core/, /first packet to the WIC/])
			assert.match(text, line);
		assert.doesNotMatch(text, /alice|bob/, 'pseudonyms, as in the log');
		assert.match(await told(env.gw, rows[0].id, '--identities', '--full'), /sip:alice@ims\.test/);
		await told(env.gw, rows[1].id, '--full');
	});

test('refused by the callee: 486 and by whom; --failed finds it, --last the newer one', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const call = alice.invite('sip:bob@ims.test');

	(await bob.incoming()).reject(486, 'Busy Here');
	assert.equal((await call.response()).status, 486);
	assert.equal((await ended(env.gw, call.callId)).cause, 'rejected');
	const text = await told(env.gw, '--failed');
	inOrder(text, new RegExp(call.callId), /never answered: 486, rejected by the core/, /<-+486 INVITE-+\|.*Busy Here/,
		/<-+486 INVITE-+\|/, /RELEASE: rejected, by the core/);

	const second = await upCall({ wic: () => alice, ue: () => bob });
	await second.call.bye();
	await ended(env.gw, second.call.callId);
	assert.match(await told(env.gw, '--last'), new RegExp(second.call.callId));
	assert.match(await told(env.gw, '--failed'), new RegExp(call.callId));
	// By the user: several calls are a list; by the beginning of a Call-ID: that call.
	assert.match((await tool(env.gw, 'call', 'explain', 'sip:alice@ims.test')).out, /^id +began +direction/);
	assert.match(await told(env.gw, call.callId.slice(0, 10)), new RegExp(call.callId));
	const masked = await env.gw.cscf.ctl('mask', 'sip:alice@ims.test');
	assert.match((await tool(env.gw, 'call', 'explain', masked.logged_as)).out, new RegExp(second.call.callId));
});

test('a description of the core that cannot be served: which, and what each side was told', async (env) => {
	const [alice, bob] = [await env.wic('alice'), await env.ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();
	const [res] = await Promise.all([call.response(),
		at.answer({ sdp: plainSdp('127.0.0.1', [{ type: 'audio', port: 41000, pts: ['3'] }]) })]);

	assert.equal(res.status, 488);
	await ended(env.gw, call.callId);
	inOrder(await told(env.gw, call.callId), /never answered: 488, sdp by the gateway, /, /200 INVITE/,
		/SDP audio sendrecv 127\.0\.0\.1:41000 RTP\/AVP GSM/, /description refused: /, /RELEASE: sdp .*by the gateway/,
		/488 INVITE/, /Warning:/, /BYE/);
});

test('refused before it is a call: by the session, by the stack, by a broken message', async (env) => {
	const mallory = await env.client('mallory');
	const call = mallory.invite('sip:bob@ims.test', { headers: [['Authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.c2ln']] });

	assert.equal((await call.response()).status, 403);
	const story = await json(env.gw, call.callId, '--full');
	assert.equal(story.status, 403);
	assert.equal(story.refused, 'unregistered');
	noSecrets(JSON.stringify(story));
	assert.match(JSON.stringify(story), /Authorization: Bearer \(removed\)/);
	inOrder(await told(env.gw, call.callId, '--full'), /refused by the gateway: 403 unregistered/, /INVITE/,
		/REFUSED with 403: unregistered/, /403 INVITE/, /ACK/);

	const alice = await env.wic('alice');
	const strange = alice.invite('sip:bob@ims.test', { headers: [['Proxy-Require', 'time-travel']] });
	assert.equal((await strange.response()).status, 420);
	inOrder(await told(env.gw, strange.callId), /refused by the gateway: 420 proxy-require/, /Proxy-Require: time-travel/,
		/REFUSED with 420: proxy-require/, /420 INVITE/, /Unsupported: time-travel/);
	assert.match((await tool(env.gw, 'call', 'list', '--ended')).out, /refused by the gateway: 420 proxy-require/);
	assert.equal((await tool(env.gw, 'call', 'explain', 'no-such-call')).code, 1);
	assert.equal((await tool(env.gw, 'call', 'explain')).code, 1);
	assert.equal((await tool(env.gw, 'call', 'explain', '--wrong')).code, 1);
});

test('a live call: what its AGW has counted so far, and without its answer the rest; repeats are counted', async (env) => {
	const { alice, call } = await upCall(env);
	const live = await json(env.gw, call.callId);

	assert.equal(live.live, true);
	assert.equal(live.state, 'CONFIRMED');
	assert.equal(live.streams[0].final, false);
	assert.equal(live.streams[0].uplink.packets, 0);
	assert.equal(live.streams[0].uplink.first_in_ms, null);
	alice.send(call.invite);
	const again = await until(async () => {
		const { events } = await json(env.gw, call.callId);

		return events.find((e) => e.what === 'sip' && e.way === 'in' && e.method === 'INVITE' && e.repeats === 1);
	}, { what: 'the INVITE as a repeat' });
	assert.equal(again.side, 'w2');
	const agw = env.gw.agws[0].process.pid;
	process.kill(agw, 'SIGSTOP');
	try {
		const before = Date.now();
		const { out } = await tool(env.gw, 'call', 'explain', call.callId);

		inOrder(out, /live, CONFIRMED/, /CONFIRMED/);
		assert.ok(Date.now() - before < 5 * SECOND);
	} finally {
		process.kill(agw, 'SIGCONT');
	}
	assert.equal((await call.bye()).status, 200);
});

test('the WIC is gone in mid-call: when its connection went, and what ended the call [REL-10]', async (env) => {
	const { alice, call, at } = await upCall(env);

	await alice.close({ abrupt: true });
	assert.equal(await within(at.ended, 10 * SECOND, 'the BYE'), 'bye received');
	await ended(env.gw, call.callId);
	const again = await env.client('alice');
	Object.assign(again, { instance: alice.instance, contactUri: alice.contactUri });
	assert.equal((await again.register()).status, 200);
	inOrder(await told(env.gw, call.callId), /ended by the WIC: wic-gone/, /CONFIRMED/, /\* .*connection lost/,
		/RELEASE: wic-gone, by the WIC; peers are told/, /-BYE-/, /Reason: SIP;cause=503/, /200 BYE/);
});

test('its AGW is lost in mid-call [REL-12]', async ({ own, core, client, ue }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { T_agwdead: '1s', iq: { heartbeat: '500ms' }, agw: { failure_action: 'release' } },
		agw: { iq: { heartbeat: '500ms' } } });
	own({ close: () => gw.stop({ killed: true }) });
	const { alice, call } = await upCall({ ue, wic: async (user) => {
		const c = await client(user, { url: gw.wssUrl });

		assert.equal((await c.register()).status, 200);
		return c;
	} });

	await gw.agws[0].process.stop('SIGKILL');
	await call.next('BYE', { ms: 20 * SECOND });
	await ended(gw, call.callId);
	inOrder(await told(gw, call.callId), /ended by the AGW: agw-lost/, /CONFIRMED/, /CONTEXT LOST: AGW lost/,
		/RELEASE: agw-lost, by the AGW/, /-BYE-/, /Reason: SIP;cause=503/, /the AGW told no figures/);
	// And the next one finds none.
	const next = alice.invite('sip:bob@ims.test');
	assert.equal((await next.response()).status, 503);
	await ended(gw, next.callId);
	inOrder(await told(gw, next.callId), /never answered: 503, no-media by the AGW/, /RELEASE: no-media/, /503 INVITE/, /Retry-After/);
});

test('explain.ended_calls and messages_per_call are kept; 0 is off', async ({ own, core, client }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { explain: { ended_calls: 2, messages_per_call: 10 } } });
	own({ close: () => gw.stop() });
	const alice = await client('alice', { url: gw.wssUrl });
	const ids = [];

	assert.equal((await alice.register()).status, 200);
	for (let i = 0; i < 4; i++) {
		const call = alice.invite('sip:nobody-at-all@ims.test');

		ids.push(call.callId);
		assert.ok((await call.response()).status >= 400);
		await ended(gw, call.callId);
	}
	assert.deepEqual((await gw.cscf.ctl('call list', '--ended')).map((r) => r.call_id), [ids[3], ids[2]]);
	await assert.rejects(json(gw, ids[0]), /no such call/);
	const story = await json(gw, ids[3]);
	assert.ok(story.left_out > 0);
	assert.equal(story.events.filter((e) => !['gap', 'media'].includes(e.what)).length, 10);
	assert.equal(story.events[0].method, 'INVITE', 'the beginning stays');
	assert.ok(story.events.some((e) => e.what === 'release'), 'and so does the end');
	await alice.unregister();
	await gw.stop();

	const off = await Gateway.start({ core, ...SPARE, origins: [ORIGIN], cscf: { explain: { messages_per_call: 0 } } });
	own({ close: () => off.stop() });
	assert.match((await tool(off, 'call', 'explain', '--last')).out, /explain\.messages_per_call is 0/);
});

test.end();
