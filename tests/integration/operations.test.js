// SPDX-License-Identifier: Apache-2.0
//
// What an operator sees: configuration errors, health, metrics, the operator's socket and
// command, draining, and the loss of an AGW.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { suite } from '../lib/suite.js';
import { Gateway, HOST, count, program } from '../lib/gateway.js';
import { writeConf } from '../lib/conf.js';
import { SPARE, port } from '../lib/ports.js';
import { SECOND, until, within } from '../lib/wait.js';

const test = suite();

/** Run a program to its end: { code, out }. */
const run = (name, args, env = {}) => new Promise((resolve) => execFile(program(name), args,
	{ env: { ...process.env, ...env }, timeout: 20 * SECOND }, (err, stdout, stderr) =>
		resolve({ code: err ? err.code ?? err.signal : 0, out: stdout + stderr })));

/** One line to an operator's socket as it is; the line that comes back. */
const rawCtl = (path, line) => within(new Promise((resolve, reject) => {
	const sock = net.connect({ path }, () => sock.write(`${line}\n`));

	sock.on('error', reject);
	createInterface(sock).once('line', (answer) => {
		sock.destroy();
		resolve(answer);
	}).once('close', () => reject(new Error(`no answer to ${line}`)));
}), 5 * SECOND, `an answer to ${line}`);

for (const kind of ['cscf', 'agw']) {
	test(`wicgate-${kind} --check-config accepts a good file and names the line of an unknown key`, async ({ gw }) => {
		const daemon = kind === 'cscf' ? gw.cscf : gw.agws[0];
		const good = writeConf(daemon.dir, 'good.yaml', daemon.conf);

		assert.deepEqual((await run(`wicgate-${kind}`, ['--check-config', '--config', good])).code, 0);
		const text = 'ops:\n  listen: 127.0.0.1:1\n\n  lissten: 127.0.0.1:2\n';
		const bad = writeConf(daemon.dir, 'bad.yaml', text);
		const res = await run(`wicgate-${kind}`, ['--check-config', '--config', bad]);
		assert.notEqual(res.code, 0);
		assert.match(res.out, /bad\.yaml:4/);
		assert.match(res.out, /ops\.lissten/);
	});

	test(`wicgate-${kind}: --set and environment override the file; a bad value is refused`, async ({ gw }) => {
		const daemon = kind === 'cscf' ? gw.cscf : gw.agws[0];
		const good = writeConf(daemon.dir, 'good.yaml', daemon.conf);
		const check = (args, env) => run(`wicgate-${kind}`, ['--check-config', '--config', good, ...args], env);

		assert.equal((await check(['--set', 'log.level=warn'])).code, 0);
		assert.notEqual((await check(['--set', 'log.level=loud'])).code, 0);
		assert.notEqual((await check([], { WICGATE_LOG_LEVEL: 'loud' })).code, 0);
		assert.equal((await check(['--set', 'log.level=info'], { WICGATE_LOG_LEVEL: 'loud' })).code === 0, false);
		const res = await check(['--set', 'no.such.key=1']);
		assert.notEqual(res.code, 0);
		assert.match(res.out, /no\.such\.key/);
	});
}

test('/livez, /readyz, /metrics and /status answer; other paths are 404, other methods refused', async ({ gw }) => {
	for (const d of gw.daemons) {
		assert.equal((await d.http('/livez')).status, 200);
		assert.equal((await d.http('/readyz')).status, 200);
		assert.equal((await d.http('/nothing')).status, 404);
		assert.ok([405, 501].includes((await d.http('/metrics', { method: 'POST', body: 'x' })).status));
		const metrics = await d.metrics();
		assert.ok(metrics.list.length > 5);
		assert.ok(metrics.list.every((m) => m.name && Number.isFinite(m.value)), 'every line parses');
		assert.deepEqual(Object.keys(JSON.parse((await d.http('/status')).text)).sort(),
			Object.keys(await d.status()).sort());
	}
});

test('the operator\'s socket: help, unknown command, broken JSON', async ({ gw }) => {
	for (const d of gw.daemons) {
		assert.ok(JSON.stringify(await d.ctl('help')).includes('status'));
		await assert.rejects(d.ctl('no such command'), /unknown command/);
		for (const line of ['{"cmd":', 'status', '[]', '{"args":[]}', '{"cmd":7}']) {
			const answer = JSON.parse(await rawCtl(d.ctlPath, line));

			assert.equal(answer.ok, false, line);
			assert.match(answer.error, /not a JSON object|no "cmd"/, line);
		}
		assert.ok(await d.status());
	}
});

test('wicgatectl: status, reg list, call list, call show, agw list speak JSON', async ({ gw, wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();
	await Promise.all([call.response(), at.answer()]);

	const ctl = async (...args) => {
		const res = await run('wicgatectl', ['--socket', gw.cscf.ctlPath, '--json', ...args]);

		assert.equal(res.code, 0, res.out);
		return JSON.parse(res.out);
	};
	const here = await ctl('status');
	assert.deepEqual(['connections', 'registrations', 'calls', 'dialogs', 'contexts'].map((n) => [n, here[n]]),
		[['connections', 1], ['registrations', 1], ['calls', 1], ['dialogs', 1], ['contexts', 1]]);
	assert.ok(Number.isInteger(here.transactions) && here.transactions >= 0);
	const there = await gw.agws[0].status();
	assert.equal(there.contexts, 1);
	// One audio stream, rtcp-mux on access: its port there, RTP and RTCP towards the core.
	assert.ok(there.ports_in_use >= 2 && there.ports_in_use <= 4, `${there.ports_in_use} ports`);
	for (const [status, daemon] of [[here, gw.cscf], [there, gw.agws[0]]]) {
		assert.ok(status.memory_octets > 1 << 20, `${daemon.kind}: ${status.memory_octets} octets`);
		assert.ok(Math.abs(status.fds - daemon.process.fds()) <= 4, `${daemon.kind}: ${status.fds} descriptors`);
	}
	assert.match(JSON.stringify(await ctl('reg', 'list')), /sip:alice@ims\.test/);
	const calls = JSON.stringify(await ctl('call', 'list'));
	assert.match(calls, new RegExp(call.callId));
	assert.match(JSON.stringify(await ctl('agw', 'list')), new RegExp(`${gw.iqPorts[0]}`));
	// The ACK comes after the answer.
	await until(async () => (await ctl('call', 'list'))[0].state === 'CONFIRMED', { what: 'a confirmed call' });
	const [listed] = await ctl('call', 'list');
	for (const id of [call.callId, listed.id]) {
		const shown = await ctl('call', 'show', id);

		assert.equal(shown.call_id, call.callId);
		assert.equal(shown.id, listed.id);
		assert.equal(shown.state, 'CONFIRMED');
		assert.equal(shown.direction, 'from-wic');
		assert.equal(shown.dialogs.length, 1);
		assert.equal(shown.dialogs[0].confirmed, true);
		assert.equal(shown.streams.length, 1);
		// The AGW names the same context and the same call.
		const contexts = await gw.agws[0].ctl('context list');
		assert.deepEqual(contexts.map((c) => [c.ctx_id, c.call_id]), [[shown.ctx, call.callId]]);
	}
	const bad = await run('wicgatectl', ['--socket', gw.cscf.ctlPath, 'call', 'show', 'nobody']);
	assert.notEqual(bad.code, 0);
	await call.bye();
});

test('one call identity on both sides of Iq: call_id and ctx in both logs', async ({ gw, wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();

	await Promise.all([call.response(), at.answer()]);
	await call.bye();
	const here = await gw.cscf.logged(/^call\./, { call_id: call.callId });
	const there = await gw.agws[0].logged(/^ctx\./, { call_id: call.callId });
	assert.ok(here.icid);
	assert.equal(there.icid, here.icid);
	assert.ok(gw.cscf.process.lines.some((l) => l.includes(call.callId) && l.includes(`ctx=${there.ctx}`)));
});

test('secrets never reach the log: digest responses, nonces, ICE passwords [SEC-10]', async ({ gw, wic, ue }) => {
	const [alice, bob] = [await wic('alice'), await ue('bob')];
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();
	const [res] = await Promise.all([call.response(), at.answer()]);

	await call.bye();
	const pwds = [...`${call.invite.body}${res.body}`.matchAll(/a=ice-pwd:(\S+)/g)].map((m) => m[1]);
	assert.ok(pwds.length >= 2);
	for (const d of gw.daemons) {
		for (const pwd of pwds)
			assert.ok(!d.process.output.includes(pwd), `${d.kind} logged an ICE password`);
		assert.doesNotMatch(d.process.output, /response="?[0-9a-f]{32}/);
	}
});

test('an eP-CSCF without any AGW is not ready and refuses calls with 503 [CALL-37]', async ({ own, core, client }) => {
	const lonely = await Gateway.start({ core, ...SPARE, origins: ['https://portal.ims.test'], waitReady: false,
		cscf: { agw: { list: [`${HOST}:${await port()}`] } } });

	own({ close: () => lonely.stop() });
	const alice = await client('alice', { url: lonely.wssUrl });
	assert.equal((await alice.register()).status, 200);
	const ready = await lonely.cscf.http('/readyz');
	assert.equal(ready.status, 503);
	assert.match(ready.text, /agw/i);
	const res = await alice.invite('sip:bob@ims.test').response();
	assert.equal(res.status, 503);
	await alice.unregister();
	alice.gone = true;
	await lonely.assertNothingLeft();
});

test('debug log: both sides of offer and answer as they came and as they went, ICE secrets of no end [SDP-43]',
	async ({ gw, wic, ue }) => {
		const [alice, bob] = [await wic('alice'), await ue('bob')];
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		const [res] = await Promise.all([call.response(), at.answer()]);

		await call.bye();
		const lines = gw.cscf.log('call.sdp').filter((l) => l.call_id === call.callId);
		const text = Object.fromEntries(lines.map((l) => [`${l.side} ${l.way}`, l.text]));

		assert.deepEqual(lines.slice(0, 4).map((l) => [l.side, l.way]), [['w2', 'in'], ['mw', 'out'], ['mw', 'in'], ['w2', 'out']]);
		assert.match(text['w2 in'], /UDP\/TLS\/RTP\/SAVPF.*a=ice-pwd:\*+/);
		assert.match(text['mw out'], /m=audio \d+ RTP\/AVP /);
		assert.match(text['mw in'], /o=ue .*m=audio/);
		assert.match(text['w2 out'], /a=ice-ufrag:\*+/);
		for (const [, word] of `${call.invite.body}${res.body}`.matchAll(/a=ice-(?:pwd|ufrag):(\S+)/g))
			for (const l of lines)
				assert.ok(!new RegExp(`[: ]${word}(?![\\w+/])`).test(l.text), `call.sdp shows ${word}`);
	});

test('SIGTERM drains: not ready, no new work, the call goes on until its BYE, then exit 0 [WS-35]',
	async ({ own, core, client, ue }) => {
		const gw = await Gateway.start({ core, ...SPARE, origins: ['https://portal.ims.test'] });
		own({ close: () => gw.stop() });
		const alice = await client('alice', { url: gw.wssUrl });
		const bob = await ue('bob');

		assert.equal((await alice.register()).status, 200);
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		await Promise.all([call.response(), at.answer()]);
		process.kill(gw.cscf.process.pid, 'SIGTERM');
		await until(async () => (await gw.cscf.http('/readyz')).status === 503, { what: 'not ready' });
		assert.equal((await alice.invite('sip:carol@ims.test').response()).status, 503);
		await assert.rejects(client('carol', { url: gw.wssUrl }));
		assert.equal((await call.bye()).status, 200);
		alice.gone = true;
		const { code } = await gw.cscf.process.ended;
		assert.equal(code, 0);
		assert.ok([1000, 1001, 1012].includes((await alice.ended()).code));
	});

test('a second SIGTERM ends at once with 0, calls or not [WS-35]', async ({ own, core, client, ue }) => {
	const gw = await Gateway.start({ core, ...SPARE, origins: ['https://portal.ims.test'] });
	own({ close: () => gw.stop() });
	const alice = await client('alice', { url: gw.wssUrl });
	const bob = await ue('bob');

	assert.equal((await alice.register()).status, 200);
	const call = alice.invite('sip:bob@ims.test');
	const at = await bob.incoming();
	await Promise.all([call.response(), at.answer()]);
	alice.gone = true;
	for (const d of [gw.cscf, gw.agws[0]]) {
		process.kill(d.process.pid, 'SIGTERM');
		await until(async () => (await d.http('/readyz')).status === 503, { what: 'not ready' });
		process.kill(d.process.pid, 'SIGTERM');
		assert.equal((await d.process.ended).code, 0);
	}
});

test('agw.failure_action=release, an AGW that is killed in mid-call: BYE both ways, the eP-CSCF goes on [REL-12, IQ-22]',
	async ({ own, core, client, ue }) => {
		const gw = await Gateway.start({ core, ...SPARE, origins: ['https://portal.ims.test'], agws: 2,
			cscf: { T_agwdead: '2s', iq: { heartbeat: '500ms' }, agw: { failure_action: 'release' } }, agw: { iq: { heartbeat: '500ms' } } });
		own({ close: () => gw.stop({ killed: true }) });
		const alice = await client('alice', { url: gw.wssUrl });
		const bob = await ue('bob');

		assert.equal((await alice.register()).status, 200);
		const call = alice.invite('sip:bob@ims.test');
		const at = await bob.incoming();
		await Promise.all([call.response(), at.answer()]);
		const serving = (await Promise.all(gw.agws.map(async (d) => count(await d.status(), 'contexts')))).indexOf(1);
		await gw.agws[serving].process.stop('SIGKILL');
		const bye = await call.next('BYE', { ms: 20 * SECOND });
		assert.match(bye.get('Reason'), /SIP;cause=503/);
		assert.equal(await at.ended, 'bye received');

		// The other AGW serves the next call.
		const second = alice.invite('sip:bob@ims.test');
		const at2 = await bob.incoming();
		const [res] = await Promise.all([second.response(), at2.answer()]);
		assert.equal(res.status, 200);
		await second.bye();
	});

test('a core dump of either process has no memory in it [SRTP-12, SEC-10]', async ({ gw }) => {
	for (const d of gw.daemons)
		assert.equal(readFileSync(`/proc/${d.process.pid}/coredump_filter`, 'latin1').trim(), '00000010', d.kind);
});

test.end();
