// SPDX-License-Identifier: Apache-2.0
//
// What a NOTIFY of the eP-CSCF's own reg-event subscription does: whose it is, what it may say,
// and what becomes of registrations, calls and connections.
import assert from 'node:assert/strict';
import { suite } from '../lib/suite.js';
import { Notifier, registered, reginfo } from '../lib/notifier.js';
import { SipMessage, token, uriOf } from '../lib/sip.js';
import { count } from '../lib/gateway.js';
import { parseSdp, plainAnswer } from '../lib/sdp.js';
import { until } from '../lib/wait.js';

const test = suite({ scripted: true, gateway: { cscf: {
	regevent: { enable: true, backoff: '200ms' }, dereg: { close_delay: '700ms' }, assoc: { max_per_impi: 5 } } } });

const ALICE = 'sip:alice@ims.test', TEL = 'tel:+15550101';
const rows = (gw, impi = 'alice') => gw.cscf.ctl('reg list', impi);
const shown = async (gw) => (await gw.cscf.ctl('reg show', 'alice'))[0];
const registrations = async (gw) => count(await gw.cscf.status(), 'registrations');

/** alice, registered and watched; `at(contact)` says where she is in a document. */
async function watched(env, options) {
	const wic = await registered(env, 'alice', options);
	const sub = await Notifier.accept(env.core, 'alice');

	return { wic, sub, at: (more = {}) => ({ uri: wic.contactUri, ...more }) };
}

/** All identities of alice with these contacts. */
const all = (contacts, state) => [ALICE, TEL].map((aor) => ({ aor, state, contacts }));

/** Send a MESSAGE from the WIC; resolves with the core's view or the gateway's refusal. */
async function message(wic) {
	const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

	wic.send(msg);
	return wic.response(msg);
}

async function passes(wic, core) {
	const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { body: 'hi', type: 'text/plain' });

	wic.send(msg);
	const item = await core.next('MESSAGE');
	item.reply(200, 'OK', { toTag: 'x' });
	assert.equal((await wic.response(msg)).status, 200);
	return item.msg;
}

test('the initial full state is answered 200 and changes nothing [REG-64, REG-66]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	assert.equal((await sub.tell(all([at()]))).status, 200);
	assert.equal((await shown(gw)).subscription_version, 0);
	assert.equal((await rows(gw))[0].subscription, 'active');
	await passes(wic, core);
});

const SHAPES = {
	'every registration terminated': (at) => all([at({ state: 'terminated', event: 'rejected' })], 'terminated'),
	'the contact terminated in an active registration': (at) => all([
		{ uri: 'sip:else@other.invalid;transport=ws', expires: 60 }, at({ state: 'terminated', event: 'rejected' })]),
	'a registration terminated that lists no contact': () => all([], 'terminated'),
};

for (const [name, shape] of Object.entries(SHAPES)) {
	test(`${name}: deregistered, 403 at once, closed 1000 [DEREG-05, DEREG-06, DEREG-20]`, async (env) => {
		const { gw } = env;
		const { wic, sub, at } = await watched(env);

		await sub.tell(all([at()]));
		assert.equal((await sub.tell(shape(at), { full: false })).status, 200);
		assert.equal((await message(wic)).status, 403);
		assert.deepEqual(await rows(gw), []);
		assert.equal((await wic.ended()).code, 1000);
		wic.gone = true;
	});
}

test('one IMPU terminated, the other active: only that identity goes [DEREG-20]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at()]));
	await sub.tell([{ aor: ALICE, contacts: [at()] },
		{ aor: TEL, state: 'terminated', contacts: [at({ state: 'terminated', event: 'unregistered' })] }], { full: false });
	assert.deepEqual((await rows(gw))[0].impus, [ALICE]);
	const seen = await passes(wic, core);
	assert.deepEqual(seen.all('P-Asserted-Identity'), [`<${ALICE}>`]);
});

for (const event of ['rejected', 'expired', 'unregistered', 'deactivated', 'probation']) {
	const open = event === 'deactivated' || event === 'probation';

	test(`event ${event} ends the binding${open ? ' and leaves the connection open' : ''} [DEREG-21]`, async (env) => {
		const { core, gw } = env;
		const { wic, sub, at } = await watched(env);

		await sub.tell(all([at()]));
		await sub.tell(all([at({ state: 'terminated', event, ...(open ? { retryAfter: 1 } : {}) })], 'terminated'),
			{ full: false });
		assert.deepEqual(await rows(gw), []);
		assert.equal((await message(wic)).status, 403);
		if (!open) {
			assert.equal((await wic.ended()).code, 1000);
			wic.gone = true;
			return;
		}
		// longer than dereg.close_delay: another connection is made, ended and closed meanwhile
		const other = await registered(env, 'bob');
		const bob = await Notifier.accept(core, 'bob');
		await bob.tell([{ aor: 'sip:bob@ims.test', state: 'terminated', contacts: [
			{ uri: other.contactUri, state: 'terminated', event: 'rejected' }] }]);
		assert.equal((await other.ended()).code, 1000);
		other.gone = true;
		assert.equal(wic.ws.readyState, wic.ws.OPEN);
		await registered(env, 'alice', { client: wic });
		assert.equal((await rows(gw)).length, 1);
	});
}

test('contacts of other devices are ignored, in a full document as well [DEREG-22]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at(), { uri: 'sip:phone@192.0.2.7' }]));
	await sub.tell(all([{ uri: 'sip:phone@192.0.2.7', state: 'terminated', event: 'rejected' }]), { full: false });
	await sub.tell(all([at(), { uri: 'sip:phone@192.0.2.7', state: 'terminated', event: 'expired' }]));
	assert.equal((await rows(gw)).length, 1);
	await passes(wic, core);
});

test('of two devices here only the named one is deregistered [DEREG-08, DEREG-20, DEREG-22]', async (env) => {
	const { core, gw } = env;
	const { wic: one, sub } = await watched(env);
	const two = await registered(env);

	await sub.tell(all([{ uri: one.contactUri, state: 'terminated', event: 'rejected' }, { uri: two.contactUri }]),
		{ full: false });
	assert.equal((await message(one)).status, 403);
	await passes(two, core);
	assert.deepEqual((await rows(gw)).map((r) => r.contact), [two.contactUri]);
	assert.equal((await one.ended()).code, 1000);
	one.gone = true;
	assert.equal(two.ws.readyState, two.ws.OPEN);
});

test('all terminated and the subscription with it: 403, the W2 NOTIFY, then the close [DEREG-23, DEREG-25, REG-68]',
	async (env) => {
		const { core, gw } = env;
		const { wic, sub, at } = await watched(env);

		// The WIC's own subscription: proxied, with its own dialog.
		const own = wic.message('SUBSCRIBE', ALICE, { headers: [['Event', 'reg'], ['Expires', '600'],
			['Accept', 'application/reginfo+xml']] });
		wic.send(own);
		const item = await core.next('SUBSCRIBE', { callId: own.callId });
		item.reply(200, 'OK', { toTag: 'n1', headers: [['Expires', '600'],
			['Contact', `<sip:${core.host}:${core.port}>`]] });
		assert.equal((await wic.response(own)).status, 200);
		const routes = item.msg.all('Record-Route');
		const notify = (cseq, state, body) => new SipMessage(`NOTIFY ${uriOf(item.msg.get('Contact'))} SIP/2.0`, [
			['Via', `SIP/2.0/UDP ${core.host}:${core.port};branch=z9hG4bK${token()}`], ['Max-Forwards', 70],
			...routes.map((r) => ['Route', r]), ['From', `${item.msg.get('To')};tag=n1`],
			['To', item.msg.get('From')], ['Call-ID', own.callId], ['CSeq', `${cseq} NOTIFY`],
			['Contact', `<sip:${core.host}:${core.port}>`], ['Event', 'reg'], ['Subscription-State', state],
			['Content-Type', 'application/reginfo+xml']], body);

		await sub.tell(all([at()]));
		const gone = all([at({ state: 'terminated', event: 'rejected' })], 'terminated');
		assert.equal((await sub.tell(gone, { state: 'terminated;reason=noresource' })).status, 200);
		assert.equal((await message(wic)).status, 403);

		const late = notify(1, 'terminated;reason=noresource', reginfo(1, gone));
		await core.send(late, gw.mw);
		const got = await wic.next('NOTIFY');
		assert.equal(got.callId, own.callId);
		assert.equal(wic.ws.readyState, wic.ws.OPEN);
		wic.send(got.answer(200, 'OK'));
		assert.equal((await core.response(late)).msg.status, 200);
		assert.equal((await wic.ended()).code, 1000);
		wic.gone = true;
		// Nothing of our own dialog went to the WIC.
		assert.deepEqual(wic.frames.filter(({ text }) => text.startsWith('NOTIFY')).map(({ text }) =>
			SipMessage.parse(text).callId), [own.callId]);
		assert.equal((await gw.cscf.status()).subscriptions, 0);
	});

test('a user closed down loses all of it, also what the document does not name [DEREG-23]', async (env) => {
	const { gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at()]));
	await sub.tell([{ aor: ALICE, state: 'terminated', contacts: [{ uri: 'sip:phone@192.0.2.7', state: 'terminated',
		event: 'rejected' }] }], { full: false, state: 'terminated;reason=noresource' });
	assert.deepEqual(await rows(gw), []);
	assert.equal((await wic.ended()).code, 1000);
	wic.gone = true;
});

test('shortened sets the expiry, and the registration ends with it [REG-49]', async (env) => {
	const { gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at({ expires: 600 })]));
	assert.ok((await rows(gw))[0].expires_in_s > 500);
	await sub.tell(all([at({ event: 'shortened', expires: 60 })]), { full: false });
	const [row] = await rows(gw);
	assert.ok(row.expires_in_s > 50 && row.expires_in_s <= 60, `expires in ${row.expires_in_s} s`);
	// a longer one is no shortening; a re-REGISTER sets it again
	await sub.tell(all([at({ event: 'shortened', expires: 6000 })]), { full: false });
	assert.ok((await rows(gw))[0].expires_in_s <= 60);
	await registered(env, 'alice', { client: wic });
	assert.ok((await rows(gw))[0].expires_in_s > 500);
});

test('an identity created with our contact joins the association [REG-67]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at()]));
	await sub.tell([{ aor: 'sip:office@ims.test', contacts: [at({ event: 'created' })] },
		{ aor: 'sip:foreign@ims.test', contacts: [{ uri: 'sip:phone@192.0.2.7', event: 'created' }] }], { full: false });
	assert.deepEqual((await rows(gw))[0].impus, [ALICE, TEL, 'sip:office@ims.test']);
	const msg = wic.message('MESSAGE', 'sip:bob@ims.test', { headers: [
		['P-Preferred-Identity', '<sip:office@ims.test>']], body: 'hi', type: 'text/plain' });
	wic.send(msg);
	const item = await core.next('MESSAGE');
	item.reply(200, 'OK', { toTag: 'x' });
	assert.equal(item.msg.all('P-Asserted-Identity')[0], '<sip:office@ims.test>');
});

test('a version not above the last is ignored [REG-65]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);
	const end = all([at({ state: 'terminated', event: 'rejected' })], 'terminated');

	await sub.notify(reginfo(5, all([at()])));
	for (const version of [3, 5])
		assert.equal((await sub.notify(reginfo(version, end))).status, 200);
	assert.equal((await shown(gw)).subscription_version, 5);
	await passes(wic, core);
	await sub.notify(reginfo(6, end));
	assert.deepEqual(await rows(gw), []);
	wic.gone = true;
});

test('a hole before a partial document: full state is asked for, in the same dialog [REG-65]', async (env) => {
	const { core } = env;
	const { wic, sub, at } = await watched(env);

	await sub.notify(reginfo(1, all([at()])));
	await sub.notify(reginfo(4, [], { state: 'partial' }));
	const item = await sub.refresh();
	assert.equal(item.msg.toTag, sub.tag);
	assert.equal(item.msg.cseq, 2);
	assert.equal(item.msg.uri, `sip:${core.host}:${core.port}`);
	sub.ok(item);
	await sub.notify(reginfo(5, all([at()])));
	// no hole before a full document matters
	await sub.notify(reginfo(9, all([at()])));
	await passes(wic, core);
	assert.equal(core.requests.all().filter(({ msg }) => msg.method === 'SUBSCRIBE').length, 0);
});

test('a full document replaces all, a partial one only what it lists [REG-66]', async (env) => {
	const { gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell([{ aor: 'sip:unknown@ims.test', contacts: [at()] }], { full: false });
	assert.deepEqual((await rows(gw))[0].impus, [ALICE, TEL]);
	// What no document had is not ended by silence: it may be younger than the document.
	await sub.tell([{ aor: ALICE, contacts: [at()] }]);
	assert.deepEqual((await rows(gw))[0].impus, [ALICE, TEL]);
	await sub.tell(all([at()]));
	await sub.tell([{ aor: ALICE, contacts: [at()] }]);
	assert.deepEqual((await rows(gw))[0].impus, [ALICE]);
	await sub.tell([{ aor: ALICE, contacts: [{ uri: 'sip:phone@192.0.2.7' }] }]);
	assert.deepEqual(await rows(gw), []);
	assert.equal((await wic.ended()).code, 1000);
	wic.gone = true;
});

test('NOTIFY of a dialog that is not there, of another tag, from a WIC: 481 and 403 [REG-64]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);
	const end = reginfo(7, all([at({ state: 'terminated', event: 'rejected' })], 'terminated'));

	await sub.tell(all([at()]));
	for (const forged of [{ callId: token() }, { fromTag: 'zz' }, { toTag: 'zz' }, { callId: token(), event: 'presence' }])
		assert.equal((await sub.notify(end, { ...forged, cseq: 9 })).status, 481, JSON.stringify(forged));
	// the same from a WIC, with all that it could have found out
	const eve = await registered(env, 'bob');
	const msg = sub.message(end, { cseq: 20 });
	msg.set('Via', eve.via());
	msg.set('Contact', `<${eve.contactUri}>`);
	eve.send(msg);
	assert.equal((await eve.response(msg)).status, 403);
	const other = sub.message(end, { cseq: 21, callId: token() });
	other.set('Via', eve.via());
	eve.send(other);
	assert.ok([403, 481].includes((await eve.response(other)).status));
	assert.equal(core.log.filter(({ msg: m }) => m.method === 'NOTIFY').length, 0, 'nothing of it went to the core');
	await passes(wic, core);
	const metrics = await gw.cscf.metrics();
	assert.ok(metrics.sum('cscf_regevent_notifies_total', { result: 'from-wic' }) >= 1);
	assert.ok(metrics.sum('cscf_regevent_notifies_total', { result: 'unknown-dialog' }) >= 4);
});

test('event package, state, type and document must be right [REG-64, REG-69]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);
	const end = reginfo(8, all([at({ state: 'terminated', event: 'rejected' })], 'terminated'));
	const laughs = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]>' +
		end.replace('<?xml version="1.0"?>\n', '').replace(ALICE, '&lol2;');

	await sub.tell(all([at()]));
	const event = await sub.notify(end, { event: 'presence' });
	assert.equal(event.status, 489);
	assert.equal(event.get('Allow-Events'), 'reg');
	assert.equal((await sub.notify(end, { event: '' })).status, 489);
	assert.equal((await sub.notify(end, { state: '' })).status, 400);
	assert.equal((await sub.notify(end, { state: 'perhaps' })).status, 400);
	const type = await sub.notify(end, { type: 'application/pidf+xml' });
	assert.equal(type.status, 415);
	assert.equal(type.get('Accept'), 'application/reginfo+xml');
	assert.equal((await sub.notify(end, { cseq: 2 })).status, 500);
	assert.equal((await sub.notify(undefined)).status, 200);
	await passes(wic, core);
	assert.equal(core.requests.all().filter(({ msg }) => msg.method === 'SUBSCRIBE').length, 0);

	// Not well-formed: the state is kept, and asked for again; a flood of it is not answered by a flood.
	for (const bad of [end.slice(0, -20), laughs, '<a/>', 'x', `<!DOCTYPE reginfo SYSTEM "file:///etc/passwd">${end}`])
		assert.equal((await sub.notify(bad)).status, 400);
	const item = await sub.refresh();
	sub.ok(item);
	sub.version = 9;
	await sub.tell(all([at()]));
	await passes(wic, core);
	assert.equal((await rows(gw)).length, 1);
});

test('the subscription ends while the user is registered: a new one, not a deregistration [DEREG-24]', async (env) => {
	const { core, gw } = env;
	const first = await watched(env);
	const { wic, at } = first;
	let { sub } = first;

	for (const reason of ['timeout', 'deactivated', 'probation;retry-after=1', 'giveup', 'noresource']) {
		await sub.tell(all([at()]));
		const since = Date.now();
		await sub.tell(all([at()]), { state: `terminated;reason=${reason}` });
		const next = await Notifier.accept(core, 'alice', { match: (m) => m.callId !== sub.callId });
		if (/retry-after/.test(reason))
			assert.ok(Date.now() - since >= 950, `after ${Date.now() - since} ms`);
		assert.equal((await sub.tell(all([at()]))).status, 481, 'the old dialog is no more');
		sub = next;
		assert.equal((await rows(gw)).length, 1);
	}
	await passes(wic, core);
	await sub.tell(all([at()]));
	await sub.tell(all([at()]), { state: 'terminated;reason=rejected' });
	assert.equal((await rows(gw))[0].subscription, 'gave-up');
	await passes(wic, core);
	assert.equal(core.requests.all().filter(({ msg }) => msg.method === 'SUBSCRIBE').length, 0);
});

test('deregistered in a call: BYE both ways, the context is freed [DEREG-09, DEREG-20]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);
	const call = wic.invite('sip:bob@ims.test');
	const invite = await core.next('INVITE');

	await sub.tell(all([at()]));
	invite.reply(200, 'OK', { toTag: 'b1', headers: [['Contact', `<sip:bob@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: plainAnswer(parseSdp(invite.msg.body), core.host, [40000]) });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK');
	assert.equal((await gw.cscf.status()).contexts, 1);
	await sub.tell(all([at({ state: 'terminated', event: 'rejected' })], 'terminated'), { full: false });
	const [bye] = await Promise.all([core.next('BYE'), call.next('BYE')]);
	bye.reply(200, 'OK');
	assert.match(bye.msg.get('Reason'), /cause=480/);
	await until(async () => (await gw.cscf.status()).contexts === 0, { what: 'no context' });
	for (const agw of gw.agws)
		await until(async () => (await agw.status()).contexts === 0, { what: 'no context on the AGW' });
	assert.equal((await wic.ended()).code, 1000);
	wic.gone = true;
});

test('deregistered while it rings: 480 to the WIC, CANCEL to the core [DEREG-09]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);
	const call = wic.invite('sip:bob@ims.test');
	const invite = await core.next('INVITE');

	invite.reply(180, 'Ringing', { toTag: 'b1', headers: [['Contact', `<sip:bob@${core.host}:${core.port}>`]] });
	assert.equal((await call.response(180)).status, 180);
	await sub.tell(all([at({ state: 'terminated', event: 'rejected' })], 'terminated'), { full: true });
	const cancel = await core.next('CANCEL');
	cancel.reply(200, 'OK');
	invite.reply(487, 'Request Terminated', { toTag: 'b1' });
	assert.equal((await call.response()).status, 480);
	await core.next('ACK');
	await until(async () => (await gw.cscf.status()).contexts === 0, { what: 'no context' });
	wic.gone = true;
});

test('a REGISTER within dereg.close_delay is served, and the connection stays [DEREG-06]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at({ state: 'terminated', event: 'rejected' })], 'terminated'));
	assert.deepEqual(await rows(gw), []);
	await registered(env, 'alice', { client: wic });
	await Notifier.accept(core, 'alice', { match: (m) => m.callId !== sub.callId });
	// another connection's close delay, begun later, passes meanwhile
	const bob = await registered(env, 'bob');
	const watch = await Notifier.accept(core, 'bob');
	await watch.tell([{ aor: 'sip:bob@ims.test', state: 'terminated', contacts: [{ uri: bob.contactUri,
		state: 'terminated', event: 'rejected' }] }]);
	assert.equal((await bob.ended()).code, 1000);
	bob.gone = true;
	assert.equal(wic.ws.readyState, wic.ws.OPEN);
	await passes(wic, core);
});

test('user-initiated deregistration: the last NOTIFY of our dialog is answered 200 [DEREG-02, DEREG-05]', async (env) => {
	const { core, gw } = env;
	const { wic, sub, at } = await watched(env);

	await sub.tell(all([at()]));
	const [res] = await Promise.all([wic.unregister(), core.registration({ expires: 0 })]);
	assert.equal(res.status, 200);
	assert.equal((await message(wic)).status, 403);
	assert.equal((await gw.cscf.status()).subscriptions, 0);
	const end = all([at({ state: 'terminated', event: 'unregistered' })], 'terminated');
	assert.equal((await sub.tell(end, { state: 'terminated;reason=noresource' })).status, 200);
	assert.equal((await sub.tell(end)).status, 481, 'and then it is forgotten');
	assert.equal((await wic.ended()).code, 1000);
	wic.gone = true;
	assert.equal(await registrations(gw), 0);
});

test.end();
