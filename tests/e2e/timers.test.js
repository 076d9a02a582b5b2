// SPDX-License-Identifier: Apache-2.0
//
// Session timers with a page that knows them and one that does not: who refreshes, that a refresh
// leaves the browser's connection alone, and that a call nobody refreshes ends on both legs. The
// page's clock is put on where it would have to wait for its own refresh.
import assert from 'node:assert/strict';
import { Gateway } from '../lib/gateway.js';
import { SPARE } from '../lib/ports.js';
import { SECOND, until } from '../lib/wait.js';
import { UE_TONE, browserSuite, callIn, callOut, hangUp, heardAtUe, page, talk } from './talk.js';

const test = browserSuite({ gateway: { cscf: { sip: { short_min_se: '2s' } } } });

const timer = (value) => [['Supported', 'timer'], ['Require', 'timer'], ['Session-Expires', value]];
/** What the page's connection went through so far: offers and answers applied, ICE and DTLS. */
const turns = async (wic) => (await wic.events()).filter((e) => /^(signaling|ice\.|pc\.|track)/.test(e.name)).length;

/** The UE answers refreshes as one that keeps session timers. */
function keepTimers(call, value = '90;refresher=uac') {
	call.before = (item) => {
		if (item.msg.method !== 'UPDATE' || item.msg.body)
			return false;
		item.reply(200, 'OK', { headers: [['Contact', `<${call.ue.contact}>`], ...timer(value)] });
		return true;
	};
}

test('a page with session timers refreshes by UPDATE without a description; its connection is left alone [CALL-33, CALL-28, SDP-11]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice', { timers: true, clock: true }), await env.ue('bob')];
		const call = await callOut(wic, bob, { answer: { headers: timer('90;refresher=uac') } });
		const invite = call.invited.msg;

		assert.ok(invite.all('Supported').includes('timer'));
		assert.match(invite.get('Session-Expires'), /^90/);
		keepTimers(call);
		await talk(wic, call);
		const before = await turns(wic);
		for (const round of [1, 2]) {
			await wic.page.clock.fastForward(46 * SECOND);
			const update = await call.request('UPDATE');
			assert.equal(update.body, '', `round ${round}`);
			assert.match(update.get('Session-Expires'), /^90;refresher=uac/);
		}
		await talk(wic, call);
		assert.equal(await turns(wic), before);
		await hangUp(wic, call);
	});

test('a page that refreshes by re-INVITE repeats its description: accepted, nothing moves [CALL-33, DTLS-19]', async (env) => {
	const [wic, bob] = [await page(env, 'alice', { timers: true, refresh: 'INVITE', clock: true }), await env.ue('bob')];
	const call = await callOut(wic, bob, { answer: { headers: timer('90;refresher=uac') } });

	await talk(wic, call);
	await wic.page.clock.fastForward(46 * SECOND);
	assert.match((await call.request('INVITE')).get('Session-Expires'), /^90/);
	await talk(wic, call);
	const names = (await wic.events()).map((e) => e.name);
	assert.equal(names.filter((n) => n === 'ice.checking').length, 1);
	assert.equal(names.filter((n) => n === 'pc.connecting').length, 1);
	await hangUp(wic, call);
});

test('the UE refreshes the page\'s call, by UPDATE and by re-INVITE: the same connection, no new ICE [CALL-33, CALL-28, DTLS-19]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice', { timers: true }), await env.ue('bob')];
		const call = await callIn(wic, bob, { headers: [['Supported', 'timer'], ['Session-Expires', '90;refresher=uac']] });

		assert.match((await call.answered).get('Session-Expires'), /^90;refresher=uac/);
		await talk(wic, call);
		const before = await turns(wic);
		const refreshed = await call.send('UPDATE', { headers: [['Supported', 'timer'], ['Session-Expires', '90;refresher=uac']] });
		assert.equal(refreshed.status, 200);
		assert.match(refreshed.get('Session-Expires'), /^90;refresher=uac/);
		await talk(wic, call);
		assert.equal(await turns(wic), before);
		const again = await call.reinvite('sendrecv', { headers: [['Supported', 'timer'], ['Session-Expires', '90;refresher=uac']] });
		assert.match(again.get('Session-Expires'), /^90/);
		await talk(wic, call);
		const names = (await wic.events()).map((e) => e.name);
		assert.equal(names.filter((n) => n === 'ice.checking').length, 1);
		await hangUp(wic, call);
	});

test('a re-INVITE of the UE that repeats its description: the page is offered what it has, the AGW is told nothing [SDP-11, SDP-10, CALL-33]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callIn(wic, bob);
		const told = () => env.gw.cscf.log('iq.tx').filter((l) => l.msg === 'configure').length;
		const offers = async () => (await wic.events()).filter((e) => e.name === 'sdp' && e.type === 'offer').map((e) => e.sdp);

		await talk(wic, call);
		const before = told();
		for (const again of [call.inviteMsg.body, call.inviteMsg.body])
			assert.equal((await call.reinvite('', { sdp: again })).status, 200);
		const [first, ...others] = await offers();
		assert.deepEqual(others, [first, first]);
		assert.equal(told(), before);
		await talk(wic, call);
		await hangUp(wic, call);
	});

test('a page without session timers, a UE with: the UE is told to refresh, and its UPDATE leaves the page\'s connection alone [CALL-33]',
	async (env) => {
		const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
		const call = await callIn(wic, bob, { headers: [['Supported', 'timer'], ['Session-Expires', '90']] });
		const final = await call.answered;

		assert.match(final.get('Session-Expires'), /^90;refresher=uac/);
		assert.ok(final.all('Require').includes('timer'));
		await talk(wic, call);
		const before = await turns(wic);
		assert.equal((await call.send('UPDATE', { headers: [['Supported', 'timer'], ['Session-Expires', '90;refresher=uac']] })).status, 200);
		await talk(wic, call);
		assert.equal(await turns(wic), before);
		assert.equal((await call.bye()).status, 200);
		await wic.event('ended');
	});

test('nobody refreshes: BYE both ways before the session is over, and the page hears why [CALL-34]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob, { answer: { headers: timer('4;refresher=uas') } });
	const up = Date.now();
	const over = call.ended.then(() => Date.now());
	const end = await wic.event('ended');

	assert.ok(await over - up < 4 * SECOND, `${await over - up} ms at the UE`);
	assert.equal(end.originator, 'remote');
	assert.match(end.reason, /SIP;cause=/);
	assert.match((await call.request('BYE')).get('Reason'), /SIP;cause=/);
	assert.equal(await call.ended, 'bye received');
});

test('a refreshed short session lives on past its first end [CALL-34]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob, { answer: { headers: timer('4;refresher=uas') } });

	const begun = Date.now();
	const statuses = [];
	const refresh = setInterval(async () => {
		statuses.push((await call.send('UPDATE', { headers: [['Supported', 'timer'], ['Session-Expires', '4;refresher=uac']] })).status);
	}, SECOND);

	env.own({ close: () => clearInterval(refresh) });
	await until(() => call.why || Date.now() - begun > 4 * SECOND, { what: 'the end of the first interval' });
	assert.equal(call.why, undefined);
	assert.ok(statuses.length >= 2 && statuses.every((status) => status === 200), statuses.join());
	await talk(wic, call);
	clearInterval(refresh);
	await hangUp(wic, call);
});

test('neither side knows of session timers: the gateway refreshes towards the core, the page never hears of it; CSeqs go on rising [CALL-33, CALL-05]',
	async (env) => {
		const gw = env.own(await Gateway.start({ core: env.core, origins: env.origins, ...SPARE,
			cscf: { sip: { session_expires: '4s', short_min_se: '2s' } } }));
		const [wic, bob] = [await page({ ...env, gw }, 'alice'), await env.ue('bob')];
		const call = await callOut(wic, bob);

		call.audio.tone(UE_TONE);
		await wic.heard(UE_TONE);
		const before = await turns(wic);
		const refreshes = [await call.request('UPDATE'), await call.request('UPDATE'), await call.request('UPDATE')];
		for (const { body } of refreshes)
			assert.equal(body, '');
		assert.equal(await turns(wic), before);
		await wic.do('hold');
		const held = await call.request('INVITE');
		assert.ok(held.cseq > refreshes.at(-1).cseq);
		await wic.do('unhold');
		assert.ok((await call.request('INVITE')).cseq > held.cseq);
		await wic.heard(UE_TONE);
		await heardAtUe(call);
		await hangUp(wic, call);
	});

test('a session interval that the UE finds too small: 422 and Min-SE reach the page [CALL-33]', async (env) => {
	const [wic, bob] = [await page(env, 'alice', { timers: true }), await env.ue('bob')];

	await wic.do('call', 'sip:bob@ims.test');
	(await bob.incoming()).reject(422, 'Session Interval Too Small', [['Min-SE', '1800']]);
	assert.equal((await wic.event('failed')).status, 422);
});

test.end();
