// SPDX-License-Identifier: Apache-2.0
//
// Alone: seven daemons and a balancer.
//
// Several eP-CSCFs behind HAProxy, several AGWs behind one name: who serves whom, who finds whom, and
// what happens when one of them is taken out by drain.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CoreDialog, ours } from '../lib/corecall.js';
import { Fleet, address } from '../lib/fleet.js';
import { count } from '../lib/gateway.js';
import { port } from '../lib/ports.js';
import { Scscf } from '../lib/scscf.js';
import { audioLine, browserAnswer, plainSdp } from '../lib/sdp.js';
import { parseUri, token, uriOf } from '../lib/sip.js';
import { SECOND, until, within } from '../lib/wait.js';
import { RawSocket, WsClient } from '../lib/wsclient.js';

const ORIGIN = 'https://portal.ims.test';
const SDP = plainSdp('127.0.0.1', [audioLine(49998)]);
let core, fleet;
const open = new Set();

before(async () => {
	core = await Scscf.start({ port: await port() });
	fleet = await Fleet.start({ core, agws: 3, cscfs: 2, agw: { limits: { contexts: 400 }, iq: { heartbeat: '500ms' } },
		cscf: { ws: { drain_rate: 20, rate: 0 }, limits: { calls: 500 }, iq: { heartbeat: '500ms' } } });
	await fleet.linked(3);
}, { timeout: 60 * SECOND });

after(async () => {
	await Promise.all([...open].map((w) => w.close({ abrupt: true })));
	try {
		await fleet?.stop();
	} finally {
		await fleet?.kill();
		await core?.close();
	}
}, { timeout: 60 * SECOND });

/** A client registered at the scripted core; its Path says which eP-CSCF serves it. */
async function wic(user, { url = fleet.url, localAddress } = {}) {
	const w = await WsClient.open(url, { user, origin: ORIGIN, localAddress });
	const done = w.register();
	const first = await core.next('REGISTER', { match: (m) => m.get('To').includes(`:${user}@`) });

	core.challenge(first);
	const second = await core.next('REGISTER', { callId: first.msg.callId });
	core.accept(second);
	assert.equal((await done).status, 200);
	Object.assign(w, { path: second.msg.get('Path'), at: parseUri(uriOf(second.msg.get('Path'))).host });
	open.add(w);
	w.closed.then(() => open.delete(w));
	return w;
}

/** The WIC calls and is answered; the scripted core is the other end. */
async function callOf(w) {
	const call = w.invite('sip:far@ims.test');
	const item = await core.next('INVITE', { callId: call.callId });
	const tag = token(4);

	item.reply(200, 'OK', { toTag: tag, headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: SDP });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK', { callId: call.callId });
	call.far = new CoreDialog(core, { local: `${item.msg.get('To')};tag=${tag}`, remote: item.msg.get('From'),
		callId: call.callId, target: uriOf(item.msg.get('Contact')), routes: ours(core, item.msg.all('Record-Route')) });
	return call;
}

async function hangUp(call) {
	const done = call.bye();
	const item = await core.next('BYE', { callId: call.callId });

	item.reply(200, 'OK');
	assert.equal((await done).status, 200);
}

const serving = (w) => fleet.cscfs.find((c) => c.host === w.at);
const other = (c) => fleet.cscfs.find((x) => x !== c);
const within15 = (counts, share) => counts.every((n) => Math.abs(n - share) <= 0.15 * share);

/** A terminating request along a Path; the answer's status. */
async function reach(w, { path = w.path, at } = {}) {
	Object.assign(core, { path, contact: w.contactUri });
	const msg = core.terminating('MESSAGE', { body: 'x', headers: [] });

	msg.set('Content-Type', 'text/plain');
	const target = at ? { ...core.pathTarget, host: at } : core.pathTarget;
	await core.send(msg, target);
	return (await core.response(msg)).msg.status;
}

test('the balancer spreads WICs; each eP-CSCF sees the WIC\'s own address, and Path names it [SEC-28]', async () => {
	const wics = [];

	for (let i = 0; i < 8; i++)
		wics.push(await wic(`spread${i}`, { localAddress: `127.0.77.${i + 1}` }));
	const each = fleet.cscfs.map((c) => wics.filter((w) => w.at === c.host).length);
	assert.deepEqual(each, [4, 4]);
	for (const c of fleet.cscfs) {
		const text = JSON.stringify(await c.ctl('reg list'));

		for (const w of wics.filter((x) => x.at === c.host))
			assert.ok(text.includes(`"127.0.77.${wics.indexOf(w) + 1}:`), `${text} has 127.0.77.${wics.indexOf(w) + 1}`);
	}
	await Promise.all(wics.map((w) => w.close({ abrupt: true })));
});

test('a terminating request finds its instance by Path; the token of another or of none is 404, a lost flow 430 [REG-81, ID-13]', async () => {
	const w = await wic('reach');
	const done = reach(w);
	const msg = await w.next('MESSAGE');

	w.send(msg.reply?.(200, 'OK') ?? `SIP/2.0 200 OK\r\n${['Via', 'From', 'To', 'Call-ID', 'CSeq']
		.flatMap((h) => msg.all(h).map((v) => `${h}: ${v}`)).join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
	assert.equal(await done, 200);
	// The same Path at the other instance: a token of another boot.
	assert.equal(await reach(w, { at: other(serving(w)).host }), 404);
	await w.close({ abrupt: true });
	await until(async () => count(await serving(w).status(), 'flows_lost') > 0, { what: 'the flow to be lost' });
	assert.equal(await reach(w), 430);
});

const v1 = (source) => `PROXY TCP4 ${source} 192.0.2.1 50123 443\r\n`;
function v2(source, { command = 0x21, family = 0x11, length = 12 } = {}) {
	const head = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, command, family,
		length >> 8, length & 255]);

	return Buffer.concat([head, Buffer.from([...source.split('.').map(Number), 192, 0, 2, 1, 0xc3, 0xcb, 0x01, 0xbb])]);
}

/** A plain connection to the first eP-CSCF from that address. */
function raw(localAddress) {
	return RawSocket.open({ host: address('cscf', 0), port: fleet.wsPort, localAddress });
}

test('PROXY v1 and v2 are believed from the balancer alone; hostile ones are dropped, counted and logged [SEC-28]', async () => {
	const c = fleet.cscfs[0];
	const refused = async () => (await c.metrics()).sum('cscf_ws_reject_total', { reason: 'proxy-header' });

	for (const header of [v1('203.0.113.7'), v2('203.0.113.7')]) {
		const since = c.process.lines.length;
		const s = await raw(fleet.lbAddress);

		s.write(header);
		// Refused, so that the log names who came.
		assert.equal((await s.upgrade({ headers: { Origin: 'https://evil.example' } })).status, 403);
		await c.logged('ws.reject', { source: /203\.0\.113\.7/ }, { since });
		s.close();
		const good = await raw(fleet.lbAddress);
		good.write(header);
		assert.equal((await good.upgrade({ headers: { Origin: ORIGIN } })).status, 101);
		good.close();
	}
	const hostile = [v1('999.1.1.1'), 'PROXY TCP4 1.2.3.4\r\n', 'GET / HTTP/1.1\r\n\r\n', v2('1.2.3.4', { command: 0x31 }),
		v2('1.2.3.4', { family: 0x12 }), v2('1.2.3.4', { length: 4 }), v2('1.2.3.4', { length: 0xffff }),
		Buffer.alloc(600, 0x50)];
	let n = await refused();
	for (const header of hostile) {
		const s = await raw(fleet.lbAddress);

		s.write(header);
		await within(s.closed, 5 * SECOND, `the connection to be dropped after ${header.toString('latin1').slice(0, 30)}`);
		assert.equal(s.received.length, 0);
		await until(async () => await refused() === n + 1, { what: 'the refusal to be counted' });
		n++;
	}
	// Whoever is not the balancer cannot say who he is.
	for (const header of [v1('203.0.113.8'), v2('203.0.113.8')]) {
		const s = await raw('127.0.0.9');

		s.write(header);
		assert.equal((await s.upgrade({ headers: { Origin: ORIGIN } }).catch(() => ({ status: 400 }))).status, 400);
		assert.ok(!c.process.output.includes('203.0.113.8'));
		s.close();
	}
	assert.equal(await refused(), n);
});

test('load spreads over 3 AGWs within 15 %; a fourth that DNS names takes its share; a drained one goes to 0 and ends [IQ-22, IQ-14, IQ-01]',
	{ timeout: 90 * SECOND }, async () => {
		const wics = [];
		const calls = [];

		for (let i = 0; i < 12; i++)
			wics.push(await wic(`load${i}`));
		assert.ok(new Set(wics.map((w) => w.at)).size === 2);
		// Calls come faster than AGWs report; what they reported is to be what they have, twelve calls each time.
		const reported = (counts) => until(async () => {
			for (const c of fleet.cscfs)
				for (const a of (await c.ctl('agw list')).filter((x) => x.in_service))
					if (a.contexts !== counts[Number(a.agw.slice(4))] || a.cpu_permille > 500)
						return false;
			return true;
		}, { what: 'every AGW to report its load' });
		const more = async (n) => {
			for (let i = 0; i < n; i += 4) {
				if (i % 12 === 0)
					await reported(await fleet.counts('agw', 'contexts'));
				calls.push(...await Promise.all(wics.slice(i % 12, i % 12 + 4).map(callOf)));
			}
		};
		await more(60);
		let counts = await fleet.counts('agw', 'contexts');
		assert.ok(within15(counts, 20), `${counts} of 60`);

		// A fourth: started, then named.
		await fleet.startAgw(3);
		fleet.publish('agw');
		await fleet.linked(4);
		// Among two of four by chance it is one every second time: 60 calls on the average make it level, 180 leave
		// less than one chance in ten thousand that it is not.
		do {
			await more(12);
			counts = await fleet.counts('agw', 'contexts');
			assert.equal(counts.reduce((a, b) => a + b), calls.length);
		} while (!within15(counts, calls.length / 4) && calls.length < 240);
		assert.ok(within15(counts, calls.length / 4), `${counts} of ${calls.length}, the fourth came at 60`);

		// The first goes: nothing new, what it has ends by itself, then so does it.
		const gone = fleet.agws[0];
		const had = counts[0];
		process.kill(gone.process.pid, 'SIGTERM');
		await fleet.linked(3);
		await more(12);
		counts = await fleet.counts('agw', 'contexts');
		assert.equal(counts[0], had, 'it keeps its calls and gets no more');
		fleet.publish('agw', [1, 2, 3]);
		for (let i = 0; i < calls.length; i += 12)
			await Promise.all(calls.slice(i, i + 12).map(hangUp));
		const end = await within(gone.process.ended, 20 * SECOND, 'the drained AGW to end');
		assert.equal(end.code, 0);
		assert.deepEqual((await fleet.counts('agw', 'contexts')).slice(1), [0, 0, 0]);
		for (const c of fleet.cscfs)
			await until(async () => (await c.ctl('agw list')).length === 3, { what: 'the AGW that left to be forgotten' });
		await Promise.all(wics.map((w) => w.close({ abrupt: true })));
	});

test('DNS away or refusing changes nothing; a name that lost an AGW gives it no new call [IQ-22]', async () => {
	const w = await wic('dns');
	const asked = fleet.dns.asked;

	for (const mood of ['silent', 'refuse']) {
		fleet.dns.mood = mood;
		const since = fleet.dns.asked;
		await until(() => fleet.dns.asked > since + 4, { what: 'questions' });
		for (const c of fleet.cscfs)
			assert.equal((await c.ctl('agw list')).filter((a) => a.in_service).length, 3);
	}
	fleet.dns.mood = 'answer';
	assert.ok(fleet.dns.asked > asked);
	const call = await callOf(w);
	const holder = (await fleet.counts('agw', 'contexts')).indexOf(1);
	// Gone from the name in mid-call: the call stays, no other goes there.
	fleet.publish('agw', [1, 2, 3].filter((i) => i !== holder));
	await fleet.linked(2);
	const others = await Promise.all([callOf(w), callOf(w), callOf(w), callOf(w)]);
	assert.equal((await fleet.counts('agw', 'contexts'))[holder], 1);
	await hangUp(call);
	await Promise.all(others.map(hangUp));
	fleet.publish('agw', [1, 2, 3]);
	await fleet.linked(3);
	await w.close({ abrupt: true });
});

test('drain of an eP-CSCF by command: no new ones, idle WICs leave one after the other with 1012, calls stay, undrain [WS-35]',
	{ timeout: 60 * SECOND }, async () => {
		const wics = [];

		for (let i = 0; i < 40; i++)
			wics.push(await wic(`drain${i}`));
		const c = serving(wics[0]);
		const mine = wics.filter((w) => w.at === c.host);
		assert.equal(mine.length, 20);
		const call = await callOf(mine[0]);
		const ends = [];
		for (const w of mine)
			w.closed.then(({ code }) => ends.push({ w, code, at: Date.now() }));
		const begun = Date.now();
		await c.ctl('drain');
		assert.equal((await c.http('/readyz')).status, 503);
		await fleet.balanced(1);
		// 20 a second: 19 idle ones take 0.9 s at least, and each comes back at the other.
		await until(() => ends.length === 19, { what: () => `19 to be told, ${ends.length} were` });
		assert.ok(ends.every((e) => e.code === 1012 && e.w !== mine[0]), JSON.stringify(ends.map((e) => e.code)));
		assert.ok(ends.at(-1).at - begun >= 800, `all were told within ${ends.at(-1).at - begun} ms`);
		for (const { w } of ends.slice(0, 5))
			assert.equal((await wic(w.user)).at, other(c).host);
		await assert.rejects(WsClient.open(fleet.wssUrl(c.index), { user: 'late', origin: ORIGIN }), { status: 503 });
		// The call goes on and ends in order; then that WIC is told as well.
		assert.equal((await mine[0].invite('sip:bob@ims.test').response()).status, 503);
		const bye = call.far.send('BYE');
		await call.next('BYE');
		assert.equal((await bye).status, 200);
		assert.equal((await mine[0].ended()).code, 1012);
		await c.ctl('undrain');
		await fleet.balanced(2);
		assert.equal((await wic('again')).at, c.host);
		await Promise.all([...open].map((w) => w.close({ abrupt: true })));
	});

test('a call whose WIC lost its connection during a drain: it comes back here, nobody else does [WS-35, DEREG-43]',
	{ timeout: 60 * SECOND }, async () => {
		const w = await wic('mobile');
		const c = serving(w);
		const url = fleet.wssUrl(c.index);
		const call = await callOf(w);
		const since = c.process.lines.length;

		await c.ctl('drain');
		await assert.rejects(WsClient.open(url, { user: 'early', origin: ORIGIN }), { status: 503 });
		await w.close({ abrupt: true });
		await c.logged('cscf.drain_open', { on: '1' }, { since });
		// Another may connect, and gets no further.
		const stranger = await WsClient.open(url, { user: 'stranger', origin: ORIGIN });
		assert.equal((await stranger.register()).status, 503);
		// The same user's other device has no call here.
		const second = await WsClient.open(url, { user: 'mobile', origin: ORIGIN });
		assert.equal((await second.register()).status, 503);
		const again = await WsClient.open(url, { user: 'mobile', origin: ORIGIN });
		Object.assign(again, { instance: w.instance, contactUri: w.contactUri });
		const done = again.register();
		const first = await core.next('REGISTER', { match: (m) => m.get('To').includes(':mobile@') });
		core.challenge(first);
		core.accept(await core.next('REGISTER', { callId: first.msg.callId }));
		assert.equal((await done).status, 200);
		// The door is shut again, who only waited behind it is told to go; the call goes on and ends in order.
		await c.logged('cscf.drain_open', { on: '0' }, { since });
		assert.equal((await stranger.ended()).code, 1012);
		assert.equal((await second.ended()).code, 1012);
		await assert.rejects(WsClient.open(url, { user: 'late', origin: ORIGIN }), { status: 503 });
		const bye = call.far.send('BYE');
		const item = await again.next('BYE');
		again.send(`SIP/2.0 200 OK\r\n${['Via', 'From', 'To', 'Call-ID', 'CSeq']
			.flatMap((h) => item.all(h).map((v) => `${h}: ${v}`)).join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
		assert.equal((await bye).status, 200);
		assert.equal((await again.ended()).code, 1012);
		await c.ctl('undrain');
		await fleet.balanced(2);
	});
