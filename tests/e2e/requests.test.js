// SPDX-License-Identifier: Apache-2.0
//
// Everything but calls from a page and to it: DTMF by INFO and by RTP, MESSAGE, OPTIONS, SUBSCRIBE
// and NOTIFY, outside dialogs and within a call.
import assert from 'node:assert/strict';
import { until } from '../lib/wait.js';
import { browserSuite, callIn, callOut, hangUp, page, talk } from './talk.js';

const test = browserSuite();

const dtmf = (tone) => ({ body: `Signal=${tone}\r\nDuration=160\r\n`, type: 'application/dtmf-relay' });

test('DTMF by INFO, both ways, body untouched [CALL-38]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await talk(wic, call);
	await wic.do('dtmf', '5#', 'INFO');
	for (const tone of ['5', '#']) {
		const info = await call.request('INFO');
		assert.match(info.get('Content-Type'), /application\/dtmf-relay/);
		assert.equal(info.body, `Signal=${tone}\r\nDuration=100`);
	}
	await wic.event('dtmf');
	await wic.event('dtmf');
	assert.equal((await call.send('INFO', dtmf('7'))).status, 200);
	const e = await wic.event('dtmf');
	assert.deepEqual([e.originator, e.tone], ['remote', '7']);
	await talk(wic, call);
	await hangUp(wic, call);
});

test('DTMF by RTP on the telephone-event that was negotiated, several digits in order [RTP-13, SDP-22]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);
	const digits = [];
	let last;

	await talk(wic, call);
	call.audio.rtp.on('message', (buf) => {
		// Event and end bit of RFC 4733 s2.3; its packets repeat one timestamp.
		if ((buf[1] & 0x7f) !== 101 || buf.readUInt32BE(4) === last)
			return;
		last = buf.readUInt32BE(4);
		digits.push(buf[12 + 4 * (buf[0] & 0x0f)]);
	});
	await wic.do('dtmf', '12#');
	await until(() => digits.length >= 3, { what: () => `three digits, got ${digits}` });
	assert.deepEqual(digits, [1, 2, 11]);
	await hangUp(wic, call);
});

test('INFO with any body, within a call, both ways [CALL-38]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callOut(wic, bob);

	await wic.do('request', 'INFO', { headers: ['Content-Type: text/x-test', 'X-Any: kept'], body: 'from the page' });
	const info = await call.request('INFO');
	assert.deepEqual([info.body, info.get('X-Any')], ['from the page', 'kept']);
	assert.equal((await wic.event('answer')).status, 200);
	assert.equal((await call.send('INFO', { body: 'from the UE', type: 'text/x-test' })).status, 200);
	const e = await wic.event('info');
	assert.deepEqual([e.originator, e.type, e.body], ['remote', 'text/x-test', 'from the UE']);
	await hangUp(wic, call);
});

test('MESSAGE outside a dialog from the page and to it, by its registered identity [CALL-38, CALL-20]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('message', 'sip:bob@ims.test', 'häuser & «words»');
	const { msg } = await bob.standalone.next();
	assert.equal(msg.body, 'häuser & «words»');
	assert.match(msg.get('P-Asserted-Identity'), /sip:alice@ims\.test/);
	assert.deepEqual(await wic.event('answer').then((e) => [e.method, e.status]), ['MESSAGE', 200]);
	assert.equal((await bob.request('MESSAGE', 'sip:alice@ims.test', { body: 'and back' })).status, 200);
	const e = await wic.event('message');
	assert.deepEqual([e.from, e.body], ['sip:bob@ims.test', 'and back']);
	await wic.do('message', 'sip:nobody@ims.test', 'x');
	assert.equal((await wic.event('answer')).status, 404);
});

test('OPTIONS outside a dialog from the page and to it [CALL-38]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('options', 'sip:bob@ims.test');
	assert.deepEqual(await wic.event('answer').then((e) => [e.method, e.status]), ['OPTIONS', 200]);
	const answer = await bob.request('OPTIONS', 'sip:alice@ims.test');
	assert.equal(answer.status, 200);
	assert.match(answer.get('Allow'), /INVITE/);
	assert.equal((await wic.event('options')).from, 'sip:bob@ims.test');
});

test('MESSAGE and OPTIONS within a call, both ways [CALL-38]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const call = await callIn(wic, bob);

	await wic.do('request', 'MESSAGE', { headers: ['Content-Type: text/plain'], body: 'within' });
	assert.equal((await call.request('MESSAGE')).body, 'within');
	assert.equal((await wic.event('answer')).status, 200);
	assert.equal((await call.send('MESSAGE', { body: 'from bob', type: 'text/plain' })).status, 200);
	assert.equal((await wic.event('message')).body, 'from bob');
	await wic.do('request', 'OPTIONS');
	await call.request('OPTIONS');
	assert.equal((await wic.event('answer')).status, 200);
	assert.equal((await call.send('OPTIONS')).status, 200);
	await hangUp(wic, call);
});

test('the page subscribes: NOTIFYs of the dialog reach it, its SUBSCRIBE with Expires 0 ends it [CALL-38, CALL-09]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];

	await wic.do('subscribe', 'sip:bob@ims.test', 'presence');
	const item = await bob.standalone.next();
	const dialog = bob.dialogOf(item);

	assert.equal(item.msg.get('Event'), 'presence');
	item.reply(200, 'OK', { toTag: dialog.localTag, headers: [['Contact', `<${bob.contact}>`], ['Expires', '600']] });
	await wic.event('subscriber.accepted');
	const notify = (state, body) => dialog.send('NOTIFY', { headers: [['Event', 'presence'], ['Subscription-State', state]],
		body, type: 'text/plain' });
	assert.equal((await notify('active;expires=600', 'at the desk')).status, 200);
	assert.deepEqual(await wic.event('notify').then((e) => [e.final, e.body]), [false, 'at the desk']);
	await wic.do('unsubscribe');
	const off = await dialog.request('SUBSCRIBE');
	assert.equal(off.get('Expires'), '0');
	assert.equal((await notify('terminated;reason=timeout', 'gone')).status, 200);
	await wic.event('subscriber.terminated');
});

test('the page is subscribed to: its NOTIFYs reach the UE, the last one ends it [CALL-38]', async (env) => {
	const [wic, bob] = [await page(env, 'alice'), await env.ue('bob')];
	const sub = await bob.subscribe('sip:alice@ims.test', 'presence');

	assert.equal(sub.subscribed.status, 200);
	assert.equal((await wic.event('subscribe')).event, 'presence');
	await wic.do('notify', 'on the phone');
	assert.equal((await sub.request('NOTIFY', (m) => m.body === 'on the phone')).get('Event'), 'presence');
	await wic.do('endNotify', 'bye', 'noresource');
	const last = await sub.request('NOTIFY', (m) => m.body === 'bye');
	assert.match(last.get('Subscription-State'), /^terminated/);
	await wic.event('notifier.terminated');
});

test.end();
