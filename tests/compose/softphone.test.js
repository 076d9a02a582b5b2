// SPDX-License-Identifier: Apache-2.0
//
// The softphone page by itself, in a real browser: two pages talk through a relay that knows no
// gateway. What the gateway does to their calls is the matter of the other tiers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Caller } from '../../deploy/run/browser-call.mjs';
import { Process } from '../lib/proc.js';
import { until } from '../lib/wait.js';
import { SipRelay } from './sip-relay.js';
import { token } from '../lib/sip.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
let relay;
let web;
let page;
let alice;
let bob;

before(async () => {
	execFileSync('make', ['--no-print-directory', 'softphone'], { cwd: ROOT, stdio: 'ignore' });
	web = new Process('page', process.execPath, ['deploy/softphone/serve.mjs', '--listen', '127.0.0.1:0'], { cwd: ROOT });
	page = `http://localhost:${/:(\d+)\/$/.exec(await web.line('serving'))[1]}/`;
	relay = await SipRelay.open();
	[alice, bob] = await Promise.all([Caller.launch(), Caller.launch()]);
}, { timeout: 60000 });

after(async () => {
	await Promise.allSettled([alice?.close(), bob?.close()]);
	await relay?.close();
	await web?.stop();
});

afterEach(async () => {
	relay.script = {};
	relay.refuse = undefined;
	relay.requests = [];
	await Promise.all([alice, bob].map((c) => c.context?.close()));
});

const settings = (user, more = {}) => ({ wss: relay.url, domain: 'ims.test', user, password: 'secret', ...more });

async function ready(caller, user, more) {
	await caller.open(page, settings(user, more));
	await caller.register();
}

const shown = (caller) => caller.page.locator('[data-testid=error]').innerText();
const click = (caller, id) => caller.page.click(`[data-testid="${id}"]`);

async function failing(caller, number) {
	await caller.page.fill('[data-testid=number]', number);
	await click(caller, 'call');
	await until(async () => (await caller.state()).error, { what: 'a sentence on the page' });
	return shown(caller);
}

test('a wrong password is said in a sentence and not tried again', async () => {
	relay.refuse = () => true;
	await alice.open(page, settings('alice'));
	await click(alice, 'register');
	await until(async () => (await alice.state()).error, { what: 'a sentence on the page' });
	assert.match(await shown(alice), /Wrong user or password.*\(403\)/);
	await until(async () => (await alice.state()).connection === 'off', { what: 'the page to leave the gateway alone' });
	assert.equal(relay.count('REGISTER'), 2, 'one REGISTER without and one with credentials');
});

test('a 380 shows the reason given by the network and is never called again [EMG-19]', async () => {
	await ready(alice, 'alice');
	relay.script.INVITE = (msg) => msg.answer(380, 'Alternative Service', { toTag: token(4),
		headers: [['Content-Type', 'application/3gpp-ims+xml']],
		body: '<?xml version="1.0"?><ims-3gpp version="1"><alternative-service><type>emergency</type>' +
			'<reason>Use a mobile phone</reason></alternative-service></ims-3gpp>' });
	assert.match(await failing(alice, '112'), /Emergency call[\s\S]*\(380\)[\s\S]*Use a mobile phone/);
	assert.equal((await alice.state()).call.phase, 'idle');
	// An answer to a request sent after the 380 proves that no INVITE was queued before it.
	await alice.signOut();
	await until(() => relay.count('REGISTER') >= 3, { what: 'deregistration' });
	assert.equal(relay.count('INVITE'), 1);
});

test('each way to refuse a web sign-in has its sentence and what to do', async () => {
	await alice.open(page, settings('alice'));
	const rows = [[401, 'Token Expired', /Sign-in expired/, 'signin'], [401, 'Token Issuer Not Trusted', /not accepted here/, 'signin'],
		[401, 'Token Signature Wrong', /not valid \(401\)/, 'signin'], [401, 'Token Not For This Service', /another service/, 'signin'],
		[403, 'Identity Not Granted', /Not your number/, 'signin'], [403, 'Identity In Use', /Number in use/, 'signin'],
		[403, 'Token Without The Required Scope', /Calls not included/, 'signin'], [403, 'Token Revoked', /Signed out/, 'signin'],
		[403, 'Too Many Failed Attempts', /Too many attempts/, 'signin'], [400, 'Malformed Bearer Credentials', /not understood/, 'signin'],
		[503, 'Authorization Service Unavailable', /cannot be checked/, 'retry'], [503, 'Too Many Registrations', /Network busy/, 'retry']];

	for (const [status, reason, sentence, action] of rows) {
		let credentials;

		relay.script.REGISTER = (msg) => {
			credentials = msg.get('Authorization');
			return msg.answer(status, reason, { toTag: token(4), headers: [['WWW-Authenticate', 'Bearer realm="ims.test", scope="ims.register", error="invalid_token"']] });
		};
		await alice.page.evaluate((s) => window.softphone.register(s), { ...settings('alice'), password: undefined, token: 'a.b.c' });
		await until(async () => (await alice.state()).registration === 'failed', { what: `refusal by ${status} ${reason}` });
		assert.match(await shown(alice), sentence, reason);
		assert.equal((await alice.state()).error.action, action, reason);
		assert.equal(credentials, 'Bearer a.b.c');
	}
});

test('a network that is busy is asked again by itself', async () => {
	let asked = 0;

	relay.script.REGISTER = (msg) => (asked++ === 0 ? msg.answer(503, 'Service Unavailable', { toTag: token(4), headers: [['Retry-After', '1']] }) : undefined);
	await alice.open(page, settings('alice'));
	await click(alice, 'register');
	await until(async () => (await alice.state()).registration === 'failed', { what: 'the 503' });
	await until(async () => (await alice.state()).registration === 'registered', { what: 'registration' });
	assert.equal((await alice.state()).error, null);
});

for (const [status, reason, sentence] of [[404, 'Not Found', /Unknown number/], [486, 'Busy Here', /Busy/],
	[480, 'Temporarily Unavailable', /not registered/], [488, 'Not Acceptable Here', /no codec/],
	[503, 'Service Unavailable', /no free resources/]]) {
	test(`a ${status} to a call is said in a sentence`, async () => {
		await ready(alice, 'alice');
		relay.script.INVITE = (msg) => msg.answer(status, reason, { toTag: token(4) });
		assert.match(await failing(alice, 'nobody'), sentence);
	});
}

test('a gateway that does not answer is named, with the way to accept its certificate', async () => {
	await alice.open(page, { ...settings('alice'), wss: 'wss://localhost:1/sip' });
	await click(alice, 'register');
	await until(async () => (await alice.state()).error, { what: 'a sentence on the page' });
	assert.match(await shown(alice), /wss:\/\/localhost:1\/sip does not answer[\s\S]*accept its certificate/);
});

test('calling without being registered says so and sends nothing', async () => {
	await alice.open(page, settings('alice'));
	assert.equal(await alice.page.evaluate(() => window.softphone.call('bob')), false);
	assert.equal(relay.count('INVITE'), 0);
});

async function connected(more) {
	await Promise.all([ready(alice, 'alice', more), ready(bob, 'bob', more)]);
	await alice.page.fill('[data-testid=number]', 'bob');
	await click(alice, more?.video ? 'call-video' : 'call');
	await bob.until((s) => s.call.phase === 'incoming', 'ringing at bob');
	await click(bob, more?.video ? 'answer-video' : 'answer');
	await Promise.all([alice, bob].map((c) => c.until((s) => s.call.phase === 'active', 'call up')));
}

test('call, answer, figures, tone both ways, hold and resume, hang up', async () => {
	await connected();
	const [a, b] = await Promise.all([alice.media(), bob.media()]);
	assert.match(a.audio.codec, /opus/i);
	assert.equal(a.audio.dtls, 'connected');
	assert.ok(b.audio.pair.remotePort > 0);
	for (const id of ['fig-codec', 'fig-sent', 'fig-received', 'fig-lost', 'fig-jitter', 'fig-pair-audio', 'fig-ice'])
		assert.notEqual((await alice.page.locator(`[data-testid=${id}]`).innerText()).trim(), '', id);
	await click(alice, 'hold');
	await alice.until((s) => s.call.held, 'hold');
	await bob.until((s) => s.call.heldByPeer, 'held by the other side');
	await click(alice, 'hold');
	await bob.until((s) => !s.call.heldByPeer, 'resume');
	await bob.media({ packets: 1 });
	await click(bob, 'hangup');
	const { lastCall } = await alice.until((s) => s.call.phase === 'idle', 'release');
	assert.equal(lastCall.originator, 'remote');
	assert.equal((await alice.state()).error, null);
});

test('DTMF digits leave as telephone events', async () => {
	await connected();
	await alice.media({ packets: 1 });
	await click(alice, 'keypad');
	for (const digit of ['1', '2', '#'])
		await click(alice, `tone-${digit}`);
	await until(() => alice.page.evaluate(() => window.softphone.log.filter((e) => /^tone [12#]$/.test(e.text)).length === 3),
		{ what: 'three tones in the log' });
	await alice.hangup();
});

test('video call: picture both ways, camera off and on', async () => {
	await connected({ video: 1 });
	for (const caller of [alice, bob])
		await caller.until((s) => s.figures?.media.video?.framesDecoded > 5, 'decoded frames');
	await until(() => alice.page.locator('[data-testid=remote-video]').isVisible(), { what: 'the picture on the page' });
	await click(alice, 'camera');
	await alice.until((s) => !s.call.camera, 'camera off');
	await click(alice, 'camera');
	await alice.until((s) => s.call.camera, 'camera on');
	await alice.hangup();
});

test('an audio call gets video in the middle', async () => {
	await connected();
	await click(alice, 'camera');
	await bob.until((s) => s.figures?.media.video?.framesDecoded > 5, 'frames at the other side');
	await alice.hangup();
});

test('late video that is refused leaves the audio call as it was', async () => {
	await connected();
	relay.rewrite = (text) => text.replace(/^m=video \d+/m, 'm=video 0');
	await click(alice, 'camera');
	await until(async () => /No video/.test(await shown(alice)), { what: 'a sentence on the page' });
	assert.equal((await alice.state()).call.camera, false);
	relay.rewrite = undefined;
	await alice.page.evaluate(() => (window.softphone.state.error = null));
	await alice.media({ packets: 1 });
	await alice.hangup();
});

test('reject is 486 at the caller, cancel is a missed call at the callee', async () => {
	await Promise.all([ready(alice, 'alice'), ready(bob, 'bob')]);
	await alice.page.fill('[data-testid=number]', 'bob');
	await click(alice, 'call');
	await bob.until((s) => s.call.phase === 'incoming', 'ringing at bob');
	await click(bob, 'reject');
	await until(async () => (await alice.state()).error?.code === 486, { what: '486 on the page' });
	await until(async () => (await bob.state()).call.phase === 'idle', { what: 'bob idle' });
	await click(alice, 'call');
	await bob.until((s) => s.call.phase === 'incoming', 'ringing at bob');
	await click(alice, 'hangup');
	await until(async () => (await bob.state()).error?.title === 'Missed call', { what: 'missed call on the page' });
	assert.equal((await alice.state()).error, null);
});
