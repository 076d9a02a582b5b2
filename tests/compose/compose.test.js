// SPDX-License-Identifier: Apache-2.0
//
// The two images in the compose network: two AGWs and two eP-CSCFs by --scale alone, a browser with
// the softphone page, the core stand-in and the echo UE. One call through each AGW, media judged by
// tone at both ends; then nothing may be left, in the processes or in the engine.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Caller, TONE_HZ } from '../../deploy/run/browser-call.mjs';
import { choosePorts } from '../../deploy/run/ports.mjs';
import { LEFT, count } from '../lib/gateway.js';
import { BASE } from '../lib/ports.js';
import { until } from '../lib/wait.js';
import { Lab, say } from './lab.js';

const PAGE = 'https://web:8080/';
const TRIES = 8;
let lab;
let up = false;
let healthy = false;
const callers = [];

before(async () => {
	const { page, w2, waf } = await choosePorts({ base: BASE });

	lab = await Lab.open({ project: `wicgatetest${process.pid}`, pagePort: page, w2Port: w2, wafPort: waf });
}, { timeout: 180000 });

after(async () => {
	await Promise.allSettled(callers.map((c) => c.close()));
	try {
		if (up)
			await lab.down();
	} finally {
		await lab?.close(); // an engine that was started for this test ends with it
	}
}, { timeout: 120000 });

async function statuses(kind) {
	const ids = await lab.ids(kind);

	return Promise.all(ids.map(async (id) => ({ ...await lab.status(id, kind), container: id })));
}

const holding = (list, what) => list.filter((s) => count(s, what) > 0).map((s) => s.container);

/** Calls, by the UE's name for them, in which it heard the browser's tone and which have not ended. */
async function heardCalls() {
	const out = new Set();

	for (const [text] of (await lab.logs('ue', 400)).matchAll(/\{"event":.*\}/g)) {
		const { event, call, share } = JSON.parse(text);

		if (event === 'heard' && share >= 0.8)
			out.add(call);
		else if (event === 'ended')
			out.delete(call);
	}
	return out;
}

async function newCaller(user) {
	const caller = await Caller.launch(await lab.browser());

	callers.push(caller);
	await caller.open(PAGE, { user, password: user });
	await caller.register();
	return caller;
}

test('both images build', { timeout: 600000 }, async () => {
	const begun = Date.now();

	await lab.build();
	say(`images built in ${Math.round((Date.now() - begun) / 1000)} s`);
});

for (const kind of ['cscf', 'agw']) {
	test(`the ${kind} image runs as nobody special, without a compiler`, async () => {
		assert.notEqual(await lab.once(`wicgate-${kind}`, 'id', '-u'), '0');
		const tools = await lab.once(`wicgate-${kind}`, 'sh', '-c',
			'for t in cc gcc g++ clang ld make; do command -v $t; done; true');
		assert.equal(tools, '');
	});
	test(`the ${kind} image accepts its commented example configuration`, async () => {
		await lab.once(`wicgate-${kind}`, `wicgate-${kind}`, '--config', `/etc/wicgate/wicgate-${kind}.yaml`,
			'--check-config');
	});
}

test('the WAF image runs as nobody special and carries no secret', async () => {
	assert.notEqual(await lab.once('wicgate-waf', 'id', '-u'), '0');
	assert.equal(await lab.once('wicgate-waf', 'sh', '-c', 'ls -A /var/lib/waf /var/lib/waf-secret | grep -v :; true'), '');
});

test('two eP-CSCFs and two AGWs come up by --scale alone', { timeout: 120000 }, async () => {
	up = true;
	await lab.up({ cscf: 2, agw: 2 });
	healthy = true;
	assert.equal((await lab.ids('agw')).length, 2);
	const cscfs = await lab.ids('cscf');
	assert.equal(cscfs.length, 2);
	for (const id of cscfs) {
		await until(async () => {
			const agws = JSON.parse(await lab.exec(id, 'wicgatectl', '--socket', '/run/wicgate/cscf.sock',
				'--json', 'agw', 'list'));

			return (agws.agws ?? agws).length === 2;
		}, { what: 'an eP-CSCF to find both AGWs behind one name' });
	}
});

test('one call through each AGW, media verified both ways', { timeout: 180000 }, async () => {
	assert.ok(healthy, 'the containers are up');
	const alice = await newCaller('alice');
	const setUp = await alice.call('echo');
	say(`alice: answered in ${setUp} ms`);
	const first = await alice.media();
	assert.ok(Math.abs(first.heard.hz - TONE_HZ) < 40);
	const [used] = holding(await statuses('agw'), 'contexts');
	assert.ok(used, 'an AGW has a context of the first call');

	// The second call is to run on the other AGW: which one is the gateway's choice, so try a few times.
	const bob = await newCaller('bob');
	let both;
	for (let n = 0; n < TRIES; n++) {
		say(`bob: answered in ${await bob.call('echo')} ms`);
		both = holding(await statuses('agw'), 'contexts');
		if (both.length === 2)
			break;
		await bob.hangup();
	}
	assert.equal(both.length, 2, `a call on each AGW after ${TRIES} calls`);
	const agws = await Promise.all(both.map((id) => lab.address(id)));
	for (const caller of [alice, bob]) {
		const { audio } = await caller.media();

		assert.ok(agws.includes(audio.pair.remoteAddress),
			`media goes to an AGW (${agws}), not to ${audio.pair.remoteAddress}`);
		say(`${audio.pair.local} <-> ${audio.pair.remote}: ${audio.sent} sent, ${audio.received} received`);
	}
	const pairs = await Promise.all([alice, bob].map(async (c) => (await c.media()).audio.pair.remoteAddress));
	assert.notEqual(pairs[0], pairs[1], 'the two calls use two AGWs');

	await until(async () => (await heardCalls()).size >= 2, { ms: 10000, every: 500, what: 'the UE to hear the tone in both calls' });
	await alice.hangup();
	await bob.hangup();
});

test('registrations spread over both eP-CSCFs', { timeout: 120000 }, async () => {
	assert.ok(healthy, 'the containers are up');
	const carol = await newCaller('carol');
	let served;

	for (let n = 0; n < TRIES; n++) {
		served = holding(await statuses('cscf'), 'registrations');
		if (served.length === 2)
			break;
		await carol.signOut();
		await carol.register();
	}
	assert.equal(served.length, 2, 'both eP-CSCFs hold registrations');
	// Every registered browser calls: so a call runs through each eP-CSCF.
	for (const caller of callers)
		await caller.call('echo');
	assert.equal(holding(await statuses('cscf'), 'dialogs').length, 2, 'a call on each eP-CSCF');
	for (const caller of callers) {
		assert.ok(Math.abs((await caller.media()).heard.hz - TONE_HZ) < 40);
		await caller.hangup();
	}
});

test('the balancer tells each eP-CSCF the browser\'s own address [SEC-28]', async () => {
	assert.ok(healthy, 'the containers are up');
	const browser = await lab.address((await lab.ids('browser'))[0]);
	let n = 0;

	for (const id of await lab.ids('cscf')) {
		const list = JSON.parse(await lab.exec(id, 'wicgatectl', '--socket', '/run/wicgate/cscf.sock', '--json', 'reg', 'list'));

		for (const row of JSON.stringify(list).matchAll(/"peer":"([0-9.]+):\d+"/g)) {
			assert.equal(row[1], browser);
			n++;
		}
	}
	assert.ok(n >= callers.length, `${n} registrations seen`);
});

test('an eP-CSCF is stopped and started: its browsers register at the other by themselves and call, then it is used again [WS-35]', { timeout: 150000 }, async () => {
	assert.ok(healthy, 'the containers are up');
	const [first, second] = await lab.ids('cscf');
	const begun = Date.now();

	await lab.output(lab.docker, ['stop', '-t', '60', first]);
	assert.equal(await lab.inspect(first, '{{.State.ExitCode}}'), '0');
	await until(async () => count(await lab.status(second, 'cscf'), 'connections') === callers.length &&
		(await Promise.all(callers.map((c) => c.state()))).every((s) => s.registration === 'registered'),
	{ ms: 45000, every: 250, what: 'every browser to be registered at the eP-CSCF that is left' });
	say(`stopped, and everybody at the other after ${Date.now() - begun} ms`);
	for (const caller of callers) {
		await caller.call('echo');
		await caller.hangup();
	}
	await lab.output(lab.docker, ['start', first]);
	await lab.healthy('cscf');
	await until(async () => {
		await callers[0].signOut();
		await callers[0].register();
		return holding(await statuses('cscf'), 'registrations').includes(first);
	}, { ms: 40000, every: 500, what: 'the balancer to use the one that came back' });
});

test('web identity in the compose network: a user and a guest register by token, the guest calls', { timeout: 60000 }, async () => {
	assert.ok(healthy, 'the containers are up');
	const [user, guest] = callers;
	const [, login, password] = /sign in as (\w+), password (\w+)/.exec(await lab.logs('waf'));

	for (const caller of [user, guest])
		await caller.signOut();
	say(`${login}: registered by token in ${await user.signInWeb(login, password)} ms`);
	say(`guest: registered by token in ${await guest.signInGuest()} ms`);
	assert.equal((await user.state()).user, `${login}@ims.test`);
	assert.match((await guest.state()).user, /^guest-\d{4}@ims\.test$/);
	await guest.call('echo');
	assert.ok(Math.abs((await guest.media()).heard.hz - TONE_HZ) < 40);
	await guest.hangup();
	await guest.signOut();
	await until(async () => /impu_released.*result="released"/.test(await lab.logs('waf')), { ms: 20000, every: 500, what: 'the number back in the pool' });
});

test('after calls and sign-out nothing is left in any of the four', { timeout: 60000 }, async () => {
	assert.ok(healthy, 'the containers are up');
	for (const caller of callers) {
		if ((await caller.state()).registration === 'registered')
			await caller.signOut();
		await caller.close();
	}
	await until(async () => {
		for (const kind of ['agw', 'cscf']) {
			for (const status of await statuses(kind)) {
				const left = LEFT[kind].filter((name) => count(status, name) !== 0)
					.map((name) => `${count(status, name)} ${name}`);

				if (left.length)
					throw new Error(`${kind} ${status.container.slice(0, 12)}: ${left.join(', ')}`);
			}
		}
		return true;
	}, { ms: 40000, every: 500, what: 'all four to hold nothing' });
});

test('down removes containers, network and volume', { timeout: 90000 }, async () => {
	const left = await lab.down();

	up = false;
	assert.equal(left, '');
});
