// SPDX-License-Identifier: Apache-2.0
//
// sip.dialog_transparent is always yes: a dialog has one name on both sides of the gateway. So
// whatever names a dialog crosses untouched and means the same there: Replaces (in a header, in a
// Refer-To), Target-Dialog, Join, dialog-info bodies. Shown by an attended transfer each way.
import assert from 'node:assert/strict';
import { callFromWic, callToWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { audioLine, browserAnswer, browserOffer, plainSdp } from '../lib/sdp.js';
import { param } from '../lib/sip.js';
import { suite } from '../lib/suite.js';

const test = suite({ scripted: true });

const tag = (value) => param(value, 'tag');
/** Names of a dialog as one party of it knows them: to-tag is the other's. */
const named = ({ callId, local, remote }) => ({ callId, local: tag(local), remote: tag(remote) });
const replaces = (d) => `${d.callId};to-tag=${d.remote};from-tag=${d.local}`;
const dialogInfo = (d, entity) => `<?xml version="1.0"?>\r\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="${
	entity}">\r\n<dialog id="1" call-id="${d.callId}" local-tag="${d.local}" remote-tag="${d.remote}" direction="initiator"><state>confirmed</state></dialog>\r\n</dialog-info>\r\n`;

async function reachable(env) {
	const { wic, path, contact } = await registered(env);

	Object.assign(env.core, { path, contact });
	return wic;
}

async function down(env, call) {
	const [bye] = await Promise.all([call.bye(), env.core.next('BYE', { callId: call.callId }).then((r) => r.reply(200, 'OK'))]);

	assert.equal(bye.status, 200);
}

test('the WIC transfers: Refer-To with Replaces and Target-Dialog name the core\'s dialogs as the core knows them [CALL-06, CALL-38]',
	async (env) => {
		const { core } = env;
		const wic = await reachable(env);
		const first = await callFromWic(env, wic);
		const second = await callToWic(env, wic);

		// Both ends know both dialogs by the same names, the other way round.
		for (const { call, far } of [first, second])
			assert.deepEqual(named(call), { callId: far.callId, local: tag(far.remote), remote: tag(far.local) });
		const target = replaces(named(second.call));
		const refer = first.call.request('REFER', { headers: [
			['Refer-To', `<sip:carol@ims.test?Replaces=${encodeURIComponent(target)}>`],
			['Target-Dialog', `${first.call.callId};local-tag=${named(first.call).remote};remote-tag=${named(first.call).local}`],
			['Contact', `<${wic.contactUri};ob>`]] });
		wic.send(refer);
		const item = await core.next('REFER', { callId: first.call.callId });
		assert.equal(item.msg.get('Refer-To'), refer.get('Refer-To'));
		assert.equal(item.msg.get('Target-Dialog'), refer.get('Target-Dialog'));
		// What it names is a dialog of the core's, in its own tags.
		const [id, ...tags] = decodeURIComponent(/Replaces=([^>]+)/.exec(item.msg.get('Refer-To'))[1]).split(';');
		assert.equal(id, second.far.callId);
		assert.deepEqual(Object.fromEntries(tags.map((t) => t.split('='))), { 'to-tag': tag(second.far.local), 'from-tag': tag(second.far.remote) });
		item.reply(202, 'Accepted', { headers: [['Contact', `<sip:far@${core.host}:${core.port}>`]] });
		assert.equal((await wic.response(refer)).status, 202);
		// The new call replaces the second; the core ends that one.
		const [bye] = await Promise.all([second.far.send('BYE'), second.call.next('BYE')]);
		assert.equal(bye.status, 200);
		await down(env, first.call);
		await leave(env, wic);
	});

test('the core transfers the WIC: the INVITE that the WIC sends with Replaces and Join, and its dialog-info, name the core\'s dialog [CALL-06]',
	async (env) => {
		const { core } = env;
		const wic = await reachable(env);
		const first = await callToWic(env, wic);
		const d = named(first.far); // as another party of the core would be told
		const refer = first.far.send('REFER', { headers: [['Refer-To', `<sip:carol@ims.test?Replaces=${encodeURIComponent(replaces(d))}>`]] });
		const at = await first.call.next('REFER', { ok: false });
		const asked = decodeURIComponent(/Replaces=([^>]+)/.exec(at.get('Refer-To'))[1]);

		assert.equal(asked, replaces(d));
		first.call.reply(202, 'Accepted', { to: at, headers: [['Contact', `<${wic.contactUri};ob>`]] });
		assert.equal((await refer).status, 202);
		const call = wic.invite('sip:carol@ims.test', { sdp: browserOffer(), headers: [['Replaces', asked], ['Join', asked], ['Require', 'replaces']] });
		const invite = await core.next('INVITE', { callId: call.callId });
		assert.equal(invite.msg.get('Replaces'), replaces(d));
		assert.equal(invite.msg.get('Join'), replaces(d));
		assert.ok(invite.msg.all('Require').includes('replaces'));
		invite.reply(486, 'Busy Here', { toTag: 'busy' });
		assert.equal((await call.response()).status, 486);
		await core.next('ACK', { callId: call.callId });
		// State of the dialog, told both ways.
		const body = dialogInfo(named(first.call), 'sip:alice@ims.test');
		const notify = first.call.request('NOTIFY', { headers: [['Event', 'dialog'], ['Subscription-State', 'active'],
			['Content-Type', 'application/dialog-info+xml']] });
		notify.body = body;
		wic.send(notify);
		const seen = await core.next('NOTIFY', { callId: first.call.callId });
		assert.equal(seen.msg.body, body);
		assert.match(seen.msg.body, new RegExp(`local-tag="${tag(first.far.remote)}" remote-tag="${tag(first.far.local)}"`));
		seen.reply(200, 'OK');
		assert.equal((await wic.response(notify)).status, 200);
		await down(env, first.call);
		await leave(env, wic);
	});

test('somebody in the core takes the call over: the INVITE with Replaces names the WIC\'s dialog as the WIC knows it [CALL-06]',
	async (env) => {
		const { core } = env;
		const wic = await reachable(env);
		const first = await callFromWic(env, wic);
		const invite = core.terminating('INVITE', { body: plainSdp('127.0.0.1', [audioLine(49990)]), from: 'sip:carol@ims.test',
			headers: [['Replaces', replaces(named(first.far))], ['Require', 'replaces']] });

		await core.send(invite, core.pathTarget);
		const taken = await wic.incoming();
		const [id, ...tags] = taken.invite.get('Replaces').split(';');
		const mine = Object.fromEntries(tags.map((t) => t.split('=')));
		assert.equal(id, first.call.callId);
		// to-tag is that of who receives it (RFC 3891 s3).
		assert.deepEqual(mine, { 'to-tag': tag(first.call.local), 'from-tag': tag(first.call.remote) });
		taken.reply(200, 'OK', { body: browserAnswer(taken.invite.body) });
		const { msg } = await core.response(invite);
		assert.equal(msg.status, 200);
		await down(env, first.call);
		// The new one ends as well.
		const bye = taken.bye();
		(await core.next('BYE', { callId: taken.callId })).reply(200, 'OK');
		assert.equal((await bye).status, 200);
		await leave(env, wic);
	});

test.end();
