// SPDX-License-Identifier: Apache-2.0
//
// Dialling an emergency number on the softphone, in a real browser through the real gateway: the
// page shows the operator's reason and the way to a phone, and does not try again; where the
// operator lets such calls proceed, it is a call with media both ways.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Caller, TONE_HZ } from '../../deploy/run/browser-call.mjs';
import { HOST, ROOT } from '../lib/gateway.js';
import { port } from '../lib/ports.js';
import { Process } from '../lib/proc.js';
import { suite } from '../lib/suite.js';
import { SECOND, until } from '../lib/wait.js';

const EMERGENCY = { country: 'DE', lists: ['DE=112 110/sos.police'], assume_own_country: true,
	reason_text: 'Hier geht kein Notruf & keine SMS.' };

// The scripted answering point has UDP alone: a browser's offer must fit.
const test = suite({ timeout: 90 * SECOND, gateway: { cscf: { emergency: EMERGENCY, mw: { udp_max: '8k' } } }, extra });

async function extra(env) {
	const pagePort = await port();

	execFileSync('make', ['--no-print-directory', 'softphone'], { cwd: ROOT, stdio: 'ignore' });
	env.web = new Process('page', process.execPath, ['deploy/softphone/serve.mjs', '--listen', `127.0.0.1:${pagePort}`],
		{ cwd: ROOT });
	await env.web.line('serving');
	env.page = `http://localhost:${pagePort}/`;
	env.origins = [new URL(env.page).origin];
	return [env.web];
}

/** A browser with the page, registered. */
async function signedIn({ own, page, gw }, user = 'alice') {
	const caller = await Caller.launch();

	own({ async close() {
		if ((await caller.state().catch(() => ({}))).registration === 'registered')
			await caller.signOut();
		await caller.close();
	} });
	await caller.open(page, { wss: gw.wssUrl, domain: 'ims.test', user, password: user });
	await caller.register();
	return caller;
}

const notice = (caller) => caller.page.locator('[data-testid=error]');
const attempts = async (gw) => (await gw.cscf.metrics()).sum('cscf_emergency_total');

async function dial(caller, number) {
	await caller.page.fill('[data-testid=number]', number);
	await caller.page.click('[data-testid=call]');
	await until(async () => (await caller.state()).error, { what: `a sentence about ${number}` });
}

test('112 on the page: the network\'s reason and the phone of the device are offered, nothing is tried again [EMG-01, EMG-19]',
	async (env) => {
		const { gw } = env;
		const caller = await signedIn(env);
		const before = await attempts(gw);

		await dial(caller, '112');
		const text = await notice(caller).innerText();
		const link = notice(caller).locator('a');

		assert.match(text, /Emergency call.*\(380\)/);
		assert.match(text, /mobile or fixed phone/);
		assert.ok(text.includes(EMERGENCY.reason_text), text);
		assert.equal(await link.getAttribute('href'), 'tel:112');
		assert.match(await link.innerText(), /Call 112/);
		assert.equal((await caller.state()).call.phase, 'idle');
		assert.equal((await caller.state()).lastCall.status, 380);
		// The answer to a request that was sent after the 380: whatever else there was came before it.
		await dial(caller, 'nobody-has-this');
		assert.equal(await attempts(gw), before + 1);
	});

test('any other refusal is an ordinary failure, with no phone offered [EMG-19]', async (env) => {
	const caller = await signedIn(env);

	await dial(caller, 'nobody-has-this');
	assert.doesNotMatch(await notice(caller).innerText(), /[Ee]mergency|380/);
	assert.equal(await notice(caller).locator('a').innerText(), '');
});

test('proceed: 110 on the page is a call to the E-CSCF with media both ways [EMG-14]', async (env) => {
	const { gw } = env;
	const psap = await env.ue('bob'); // an answering point that stands for the E-CSCF as well
	const caller = await signedIn(env);

	await gw.cscf.reload({ emergency: { ...EMERGENCY, same_country_policy: 'proceed',
		ecscf: [`sip:${HOST}:${psap.port}`] } }, 'emergency.reloaded');
	try {
		const placed = caller.call('110');
		const call = await psap.incoming();

		assert.equal(call.invited.msg.uri, 'urn:service:sos.police');
		await call.answer();
		await placed;
		call.audio.echo();
		const { heard, audio } = await caller.media();

		assert.ok(Math.abs(heard.hz - TONE_HZ) < 40, `${heard.hz} Hz`);
		assert.ok(audio.sent > 0 && audio.received > 0);
		await until(() => call.audio.hears(TONE_HZ) > 0.7, { what: 'the tone at the answering point' });
		await caller.hangup();
		assert.equal(await call.ended, 'bye received');
	} finally {
		await gw.cscf.reload({ emergency: EMERGENCY }, 'emergency.reloaded');
	}
});

test.end();
