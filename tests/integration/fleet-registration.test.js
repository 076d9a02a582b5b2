// SPDX-License-Identifier: Apache-2.0
//
// A WIC with a web token that comes back through another eP-CSCF than the one it left: the first must not
// take the renewed registration away from it (lost_dereg), nor tell the WAF that its pool identity is free.
// Core, reg-event and WAF are scripted; the eP-CSCFs know nothing of each other.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Fleet } from '../lib/fleet.js';
import { Notifier } from '../lib/notifier.js';
import { port } from '../lib/ports.js';
import { Scscf } from '../lib/scscf.js';
import { parseUri, uriOf } from '../lib/sip.js';
import { SECOND, until } from '../lib/wait.js';
import { Waf } from '../lib/waf.js';
import { bearer } from '../lib/webtoken.js';
import { WsClient } from '../lib/wsclient.js';

const ORIGIN = 'https://portal.ims.test';
const dir = mkdtempSync(join(tmpdir(), 'wicgate-fleet-waf-'));
let core, fleet, waf, n = 0;
const open = new Set();

before(async () => {
	core = await Scscf.start({ port: await port() });
	waf = await Waf.start({ port: await port(), dir });
	fleet = await Fleet.start({ core, agws: 1, cscfs: 2, lb: false, cscf: {
		token: waf.conf({ issuer: { introspection: true } }),
		pool: { release_url: waf.releaseUrl, release_token: 'secret' }, regevent: { enable: true },
		flow: { lost_dereg: '600ms', lost_dereg_pool: '600ms', grace: '300ms' }, dereg: { close_delay: '300ms' } } });
}, { timeout: 60 * SECOND });

after(async () => {
	await Promise.all([...open].map((w) => w.close({ abrupt: true })));
	core?.serve(true);
	try {
		await fleet?.stop();
	} finally {
		await fleet?.kill();
		await waf?.stop();
		await core?.close();
		rmSync(dir, { recursive: true, force: true });
	}
}, { timeout: 60 * SECOND });

const guest = ({ pool = false } = {}) => {
	const user = `roamer${++n}`;

	return { user, impu: `sip:${user}@ims.test`, claims: { user, sub: `visitor-${user}`, ...pool && { ims_pool: true } } };
};

/** Registered at that eP-CSCF; `as`: the page that it was before, its Call-ID too when `same`. */
async function wicAt(i, { user, claims }, { as, same = false } = {}) {
	const w = await WsClient.open(fleet.wssUrl(i), { user, origin: ORIGIN });

	open.add(w);
	if (as)
		Object.assign(w, { instance: as.instance, contactUri: as.contactUri }, same && { regCallId: as.regCallId });
	// The page counts on where it was.
	for (let k = 0; same && k < as.sent; k++)
		w.registerMsg();
	w.token = as?.token ?? waf.mint(claims);
	const done = w.request(w.registerMsg({ auth: bearer(w.token) }));
	const item = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${user}@`) });
	core.accept(item);
	assert.equal((await done).status, 200);
	assert.equal(parseUri(uriOf(item.msg.get('Path'))).host, fleet.cscfs[i].host);
	return Object.assign(w, { item, sent: (as && same ? as.sent : 0) + 1 });
}

/** That eP-CSCF's subscription to a user. */
const watcher = (i, { user }) => Notifier.accept(core, user, {
	match: (m) => parseUri(uriOf(m.get('Contact'))).host === fleet.cscfs[i].host });
const contact = (w, { event = 'refreshed', uri = w.contactUri } = {}) => ({ uri, event, instance: w.instance, expires: 600,
	callId: w.item.msg.callId, cseq: w.item.msg.cseq });
const registers = ({ user }) => core.log.filter(({ msg }) => msg.method === 'REGISTER' && msg.get('To')?.includes(`:${user}@`)).length;
const rows = (i, { impu }) => fleet.cscfs[i].ctl('reg list', impu);
const toldFree = ({ impu }) => waf.requests.all().filter((r) => r.endpoint === 'released' && r.body.includes(`"${impu}"`)).length;

/** Somebody else is lost at that eP-CSCF and deregistered: whoever was lost before has had his time. */
async function laterOne(i) {
	const g = guest();
	const w = await wicAt(i, g);

	await w.close({ abrupt: true });
	const item = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${g.user}@`), ms: 10 * SECOND });
	assert.match(item.msg.get('Contact'), /expires=0$/);
	core.accept(item, { expires: 0 });
	await until(async () => (await rows(i, g)).length === 0, { what: 'the later one to be deregistered' });
}

test('a WIC that came back through another eP-CSCF is not deregistered by the one that it left [DEREG-41]', { timeout: 60 * SECOND }, async () => {
	for (const uri of [undefined, 'sip:fresh@page.invalid;transport=ws']) {
		const g = guest();
		const first = await wicAt(0, g);
		const left = await watcher(0, g);

		assert.equal((await left.tell([{ aor: g.impu, contacts: [contact(first)] }])).status, 200);
		await first.close({ abrupt: true });
		// The page was loaded again: same device, and its contact or a new one in its place.
		const second = await wicAt(1, g, { as: uri ? { ...first, instance: first.instance, contactUri: uri, token: first.token } : first });
		assert.equal((await left.tell([{ aor: g.impu, contacts: [contact(second)] }])).status, 200);
		await fleet.cscfs[0].logged('reg.elsewhere', {});
		await laterOne(0);
		assert.equal(registers(g), 2, 'no REGISTER but the WIC\'s own');
		const [row] = await rows(1, g);
		assert.equal(row.state, 'registered');
		await second.close({ abrupt: true });
		// Its last eP-CSCF is the one that ends it.
		const item = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${g.user}@`), ms: 10 * SECOND });
		assert.equal(parseUri(uriOf(item.msg.get('Path'))).host, fleet.cscfs[1].host);
		core.accept(item, { expires: 0 });
	}
	assert.equal((await fleet.cscfs[0].metrics()).sum('cscf_registration_events_total', { event: 'renewed-elsewhere' }), 2);
});

test('untold by reg-event, its REGISTER goes on with Call-ID and CSeq, and loses to the WIC\'s own [DEREG-41]', async () => {
	const g = guest();
	const first = await wicAt(0, g);

	await first.close({ abrupt: true });
	const second = await wicAt(1, g, { as: first, same: true });
	const item = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${g.user}@`), ms: 10 * SECOND });
	assert.equal(parseUri(uriOf(item.msg.get('Path'))).host, fleet.cscfs[0].host);
	assert.equal(item.msg.callId, second.item.msg.callId);
	// RFC 3261 s10.3, step 7: not higher than that of the binding, so the update fails.
	assert.equal(item.msg.cseq, second.item.msg.cseq);
	item.reply(400, 'Out Of Order', { toTag: 'x' });
	await fleet.cscfs[0].logged('reg.lost_dereg_failed', { status: '400' });
	assert.equal((await rows(1, g))[0].state, 'registered');
});

test('of a pool identity that lives on elsewhere the WAF hears from there alone [TOK-31, DEREG-31]', { timeout: 60 * SECOND }, async () => {
	const g = guest({ pool: true });
	const first = await wicAt(0, g);
	const left = await watcher(0, g);

	await first.close({ abrupt: true });
	const second = await wicAt(1, g, { as: first });
	await left.tell([{ aor: g.impu, contacts: [contact(second)] }]);
	// At the core a new one takes its place, of the same device: the record here ends.
	await left.tell([{ aor: g.impu, contacts: [contact(second, { uri: 'sip:third@page.invalid;transport=ws' })] }]);
	await until(async () => (await rows(0, g)).length === 0, { what: 'the record that was left to end' });
	await fleet.cscfs[0].logged('pool.free', {});
	// Another's notice of the same eP-CSCF goes through the same queue, later.
	const other = guest({ pool: true });
	const w = await wicAt(0, other);
	const bye = w.request(w.registerMsg({ auth: bearer(w.token), expires: 0 }));
	core.accept(await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${other.user}@`) }), { expires: 0 });
	assert.equal((await bye).status, 200);
	await until(() => toldFree(other) === 1, { what: 'the other\'s notice' });
	assert.equal(toldFree(g), 0);
	const end = second.request(second.registerMsg({ auth: bearer(second.token), expires: 0 }));
	core.accept(await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${g.user}@`) }), { expires: 0 });
	assert.equal((await end).status, 200);
	await until(() => toldFree(g) === 1, { what: 'the notice of the eP-CSCF that it was at last' });
});

test('whoever gave a pool identity back cannot take it again through another eP-CSCF: the WAF is asked [TOK-31]', async () => {
	const g = guest({ pool: true });
	const w = await wicAt(0, g);
	const end = w.request(w.registerMsg({ auth: bearer(w.token), expires: 0 }));

	core.accept(await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${g.user}@`) }), { expires: 0 });
	assert.equal((await end).status, 200);
	await until(() => toldFree(g) === 1, { what: 'the notice' });
	waf.revoke(w.token);
	const back = await WsClient.open(fleet.wssUrl(1), { user: g.user, origin: ORIGIN });
	open.add(back);
	const before = registers(g);
	assert.equal((await back.request(back.registerMsg({ auth: bearer(w.token) }))).status, 401);
	assert.equal(registers(g), before, 'the core never saw it');
});
