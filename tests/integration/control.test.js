// SPDX-License-Identifier: Apache-2.0
//
// The control channel by itself: one wicgate-agw with mutual TLS, one plain, and wicgatectl as the
// controller. No SIP anywhere.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { makeCerts } from '../lib/conf.js';
import { Daemon, HOST, program, tempDir } from '../lib/gateway.js';
import { BASE, SPARE, ports } from '../lib/ports.js';
import { SECOND, until, within } from '../lib/wait.js';

const dir = tempDir();
let certs;
let other;
let agw;
let tlsAgw;

/** wicgatectl to its end: { code, out, err, json }. */
const ctl = (args, input = '') => new Promise((resolve) => {
	const child = execFile(program('wicgatectl'), args, { timeout: 20 * SECOND }, (err, out, text) => {
		let json;

		try {
			json = JSON.parse(out);
		} catch {
			json = undefined;
		}
		resolve({ code: err ? err.code ?? err.signal : 0, out, err: text, json });
	});

	child.stdin.end(input);
});
const iq = (...args) => ctl(['iq', '--connect', agw.iq, ...args]);
const stream = (id) => ({ stream_id: id, kind: 'AUDIO', access: { realm: 'access', rtcp: 'RTCP_MUX' },
	core: { realm: 'core', transport: 'RTP_AVP', rtcp: 'RTCP_SEPARATE' } });
const reserve = (ctx, n = 1) => ({ ctx_id: ctx, call_id: `call-${ctx}`,
	streams: Array.from({ length: n }, (_, i) => stream(i + 1)) });

async function gateway(name, more, [iqPort, opsPort], ranges, knobs = {}) {
	const home = join(dir, name);

	mkdirSync(home);
	const daemon = new Daemon('agw0', home, {
		iq: { listen: `${HOST}:${iqPort}`, ...more },
		access: { listen_ip: [HOST], ports: ranges.access.join('-') },
		core: { listen_ip: [HOST], ports: ranges.core.join('-') },
		port: { quarantine: '0s' },
		ops: { listen: `${HOST}:${opsPort}`, ctl_socket: join(home, 'ctl') },
		log: { level: 'debug' },
		...knobs,
	});
	daemon.iq = `${HOST}:${iqPort}`;
	daemon.iqPort = iqPort;
	await daemon.ready();
	return daemon;
}

/** An eP-CSCF that knows no core and no browser: only its links to AGWs are of interest. */
async function controller(t, name, knobs) {
	const home = join(dir, name);
	const [mwPort, opsPort, wsPort] = await ports(3);

	mkdirSync(home);
	const daemon = new Daemon('cscf', home, {
		ws: { listen: '', insecure_listen: `${HOST}:${wsPort}`, allowed_origins: ['http://localhost'] },
		mw: { listen: [`${HOST}:${mwPort}`], name: HOST, peers: [HOST] },
		home: { domains: ['ims.test'], options_interval: 0, entry_points: [`sip:${HOST}:9;transport=tcp`] },
		regevent: { enable: false }, emergency: { country: 'DE', lists: ['DE=112'] },
		ops: { listen: `${HOST}:${opsPort}`, ctl_socket: join(home, 'ctl') },
		log: { level: 'debug' },
		...knobs,
	});
	t.after(() => daemon.stop());
	await daemon.live();
	return daemon;
}

/** A handshake of exactly that version: resolves with it, rejects with the alert. */
const handshake = (version) => new Promise((resolve, reject) => {
	const sock = tls.connect({ port: tlsAgw.iqPort, host: HOST, servername: 'localhost', minVersion: version, maxVersion: version,
		ciphers: 'DEFAULT@SECLEVEL=0', ca: readFileSync(certs.ca), cert: readFileSync(certs.cert), key: readFileSync(certs.key) });

	sock.on('secureConnect', () => {
		resolve(sock.getProtocol());
		sock.destroy();
	});
	sock.on('error', reject);
	sock.on('close', () => reject(new Error('closed without a word')));
});

before(async () => {
	mkdirSync(join(dir, 'a'));
	mkdirSync(join(dir, 'b'));
	certs = makeCerts(join(dir, 'a'));
	other = makeCerts(join(dir, 'b'));
	const p = await ports(4);
	const [c, a] = [SPARE.coreRange[0], SPARE.accessRange[0]];
	agw = await gateway('plain', {}, p.slice(0, 2), { core: [c, c + 19], access: [a, a + 9] });
	tlsAgw = await gateway('tls', { tls: certs }, p.slice(2), { core: [c + 20, c + 29], access: [a + 10, a + 19] });
});

after(async () => {
	await agw?.stop();
	await tlsAgw?.stop();
	rmSync(dir, { recursive: true, force: true });
});

test('mutual TLS: a controller with a certificate of the CA is served [IQ-17]', async () => {
	const res = await ctl(['iq', '--connect', tlsAgw.iq, '--tls-cert', certs.cert, '--tls-key', certs.key,
		'--tls-ca', certs.ca, 'hello']);

	assert.equal(res.code, 0, res.err);
	assert.equal(res.json.version, 1);
	assert.equal(res.json.state.state, 'IN_SERVICE');
	assert.deepEqual(res.json.realms.map((r) => r.name), ['access', 'core']);
});

for (const [name, args] of [
	['no certificate', () => []],
	['a certificate of another CA', () => ['--tls-cert', other.cert, '--tls-key', other.key, '--tls-ca', certs.ca]],
]) {
	test(`mutual TLS: ${name} gets no Hello [IQ-17]`, async () => {
		const res = await ctl(['iq', '--connect', tlsAgw.iq, '--timeout', '3000', ...args(), 'hello']);

		assert.equal(res.code, 3, `${res.out}${res.err}`);
		assert.match(res.err, /wicgatectl: /);
		assert.equal((await tlsAgw.status()).controllers <= 1, true);
	});
}

test('TLS 1.2 and newer are served, TLS 1.1 is not [IQ-17]', async () => {
	assert.equal(await handshake('TLSv1.3'), 'TLSv1.3');
	assert.equal(await handshake('TLSv1.2'), 'TLSv1.2');
	for (const old of ['TLSv1.1', 'TLSv1'])
		await assert.rejects(handshake(old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' }, old);
});

test('the eP-CSCF: an AGW with the right name is taken, another name or CA is not, and it says why [IQ-17]', async (t) => {
	const list = [tlsAgw.iq];
	const good = await controller(t, 'good', { agw: { list, tls: { ...certs, name: 'localhost' } } });

	await until(async () => (await good.ctl('agw list')).some((a) => a.in_service), { what: 'the AGW in service' });
	assert.equal(good.log('iq.insecure').length, 0);
	for (const [name, wrong] of [
		['name', { ...certs, name: 'agw.elsewhere' }],
		['ca', { ...certs, ca: other.ca, name: 'localhost' }],
	]) {
		const refused = await controller(t, `bad-${name}`, { agw: { list, tls: wrong } });

		await refused.logged('iq.connect_failed', { peer: tlsAgw.iq, reason: /certificate verify failed/ });
		assert.deepEqual((await refused.ctl('agw list')).map((a) => a.in_service), [false]);
		assert.equal((await refused.http('/readyz')).status, 503);
	}
});

test('the eP-CSCF says once that it dials AGWs beyond loopback without TLS, and on loopback nothing [IQ-17]', async (t) => {
	const [, port] = agw.iq.split(':');
	// Linux takes 0.0.0.0 for this host: an address that is not loopback's, without leaving the machine.
	const open = await controller(t, 'open', { agw: { list: [`0.0.0.0:${port}`, '0.0.0.0:9'] }, iq: { controller_id: 'open' } });
	const quiet = await controller(t, 'quiet', { agw: { list: [agw.iq] }, iq: { controller_id: 'quiet' } });

	for (const cscf of [open, quiet])
		await until(async () => (await cscf.ctl('agw list')).some((a) => a.in_service), { what: 'the AGW in service' });
	assert.deepEqual(open.log('iq.insecure').map((l) => [l.level, l.peer]), [['warn', `0.0.0.0:${port}`]]);
	assert.equal(quiet.log('iq.insecure').length, 0);
});

test('iq.tls.identity=certificate: a controller may only be whom its certificate names [IQ-17, IQ-01]', async () => {
	const [c, a] = [SPARE.coreRange[0] + 20, SPARE.accessRange[0] + 10];
	const strict = await gateway('strict', { tls: { ...certs, identity: 'certificate' } }, await ports(2),
		{ core: [c, c + 9], access: [a, a + 9] });
	const hello = (id) => ctl(['iq', '--connect', strict.iq, '--tls-cert', certs.cert, '--tls-key', certs.key,
		'--tls-ca', certs.ca, '--id', id, 'hello']);

	try {
		assert.equal((await hello('localhost')).code, 0);
		const res = await hello('cscf-of-others');
		assert.notEqual(res.code, 0);
		assert.match(res.out + res.err, /NOT_OWNER|not a name of its certificate/);
		assert.equal((await strict.status()).controllers, 1);
	} finally {
		await strict.stop();
	}
});

test('kill -9 of a controller with 1000 contexts: after T_orphan no context and no port is left [REL-13, RTP-20]', async () => {
	// 3000 ports are more than a block has: an address of this run alone.
	const ip = `127.9.${BASE >> 8}.${(BASE & 127) + 1}`;
	const many = await gateway('many', {}, await ports(2), { core: [0, 0], access: [0, 0] }, { T_orphan: '1s', log: { level: 'warn' },
		access: { listen_ip: [ip], ports: '20000-20999' }, core: { listen_ip: [ip], ports: '21000-22999' } });
	const child = spawn(program('wicgatectl'), ['iq', '--connect', many.iq, '--id', 'doomed', 'session'], { stdio: ['pipe', 'ignore', 'ignore'] });
	const gone = new Promise((resolve) => child.on('close', resolve));

	try {
		for (let i = 0; i < 1000; i++)
			child.stdin.write(`${JSON.stringify({ reserve: reserve(`k${i}`) })}\n`);
		let told;
		await until(async () => (told = await many.status()).contexts === 1000, { ms: 60 * SECOND,
			what: () => `1000 contexts: ${JSON.stringify(told)}` });
		assert.ok((await many.status()).ports_in_use === 3000);
		child.kill('SIGKILL');
		await gone;
		await until(async () => {
			const s = await many.status();

			return s.contexts + s.streams + s.ports_in_use === 0;
		}, { what: 'nothing left' });
	} finally {
		child.kill('SIGKILL');
		await many.stop();
	}
});

test('mutual TLS: wicgatectl refuses a gateway whose certificate it does not trust [IQ-17]', async () => {
	const res = await ctl(['iq', '--connect', tlsAgw.iq, '--tls-cert', certs.cert, '--tls-key', certs.key,
		'--tls-ca', other.ca, 'hello']);

	assert.equal(res.code, 3);
	assert.match(res.err, /TLS handshake/);
});

test('reserve, configure, audit, release by hand; each call finds what the last one left [IQ-02, IQ-03, IQ-15]', async () => {
	const made = await iq('reserve', JSON.stringify(reserve('hand', 2)));
	assert.equal(made.code, 0, made.err);
	assert.equal(made.json.streams.length, 2);
	assert.match(made.json.streams[0].access.credentials.pwd, /^[A-Za-z0-9+/]{22,}$/);

	const again = await iq('reserve', JSON.stringify(reserve('hand', 2)));
	assert.deepEqual(again.json, made.json);

	const set = await iq('configure', JSON.stringify({ ctx_id: 'hand', base_rev: 1, streams: [{ stream_id: 1,
		gate: { uplink: true, downlink: true },
		core: { remotes: [{ rtp: { ip: '127.0.0.1', port: 9 }, active: true }] } }] }));
	assert.equal(set.code, 0, set.err);
	assert.equal(set.json.rev, 2);

	const audit = await iq('audit', '{"detail":true}');
	assert.deepEqual(audit.json.contexts.map((c) => [c.ctx_id, c.rev, c.streams.length]), [['hand', 2, 2]]);

	const gone = await iq('release', 'hand');
	assert.equal(gone.code, 0, gone.err);
	assert.equal(gone.json.stats.length, 2);
	assert.equal(gone.json.stats.find((s) => s.stream_id === 1).core_remote.port, 9);
	assert.equal((await iq('release', 'hand')).json.already_gone, true);
});

test('refusals have exit code 1 and a sentence, mistakes exit code 2 [IQ-10]', async () => {
	const bad = await iq('reserve', JSON.stringify({ ...reserve('x'), streams: [{ ...stream(1),
		core: { realm: 'nowhere' } }] }));
	assert.equal(bad.code, 1);
	assert.equal(bad.json.error.code, 'UNKNOWN_REALM');
	assert.match(bad.err, /UNKNOWN_REALM at streams\[0\]\.core\.realm: no realm "nowhere"/);
	assert.equal((await iq('configure', '{"ctx_id":"none","streams":[{"stream_id":1}]}')).json.error.code,
		'UNKNOWN_CONTEXT');

	for (const [args, text] of [
		[['reserve', '{"ctx":1}'], /reserve\.ctx: no such field/],
		[['reserve', '{'], /JSON, line 1/],
		[['juggle'], /not a verb/],
		[['--epoch', 'x', 'hello'], /not a number/],
	]) {
		const res = await iq(...args);

		assert.equal(res.code, 2, args.join(' '));
		assert.match(res.err, text);
	}
	assert.equal((await ctl(['iq', '--connect', `${HOST}:1`, 'hello'])).code, 3);
	assert.equal((await ctl(['iq', 'hello'])).code, 2);
});

test('two controllers: neither sees the other\'s contexts [IQ-01]', async () => {
	assert.equal((await iq('--id', 'one', 'reserve', JSON.stringify(reserve('mine')))).code, 0);
	const other = await iq('--id', 'two', 'configure', '{"ctx_id":"mine","streams":[{"stream_id":1}]}');
	assert.equal(other.json.error.code, 'NOT_OWNER');
	assert.equal((await iq('--id', 'two', 'audit')).json.contexts.length, 0);
	assert.equal((await iq('--id', 'two', 'release_all')).json.released, 0);
	assert.equal((await iq('--id', 'one', 'audit')).json.contexts.length, 1);
	// A new life of controller one: the old one's context goes by itself.
	const hello = await iq('--id', 'one', '--epoch', '2', 'hello');
	assert.equal(hello.json.contexts_other_epochs, 1);
	await until(async () => (await agw.status()).contexts === 0, { what: 'the old epoch\'s context gone' });
});

test('drain and undrain by the protocol, seen on the operator\'s side [IQ-14]', async () => {
	const drained = await iq('drain', 'upgrade');
	assert.equal(drained.json.state.state, 'DRAINING');
	assert.equal((await agw.http('/readyz')).status, 503);
	assert.equal((await iq('reserve', JSON.stringify(reserve('late')))).json.error.code, 'DRAINING');
	assert.equal((await iq('undrain')).json.state.state, 'IN_SERVICE');
	assert.equal((await agw.http('/readyz')).status, 200);
});

test('session: many requests in a pipe, every one answered in order, nothing left [IQ-19, RTP-20]', async () => {
	const child = spawn(program('wicgatectl'), ['iq', '--connect', agw.iq, '--id', 'pipe', 'session']);
	let out = '';

	child.stdout.on('data', (d) => out += d);
	for (let i = 0; i < 100; i++) {
		child.stdin.write(`${JSON.stringify({ reserve: reserve(`p${i}`) })}\n`);
		child.stdin.write(`${JSON.stringify({ release: { ctx_id: `p${i}` } })}\n`);
	}
	child.stdin.end();
	const code = await within(new Promise((resolve) => child.on('close', resolve)), 30 * SECOND, 'end of the session');
	assert.equal(code, 0);
	const replies = out.trim().split('\n').map((l) => JSON.parse(l));
	const failed = replies.filter((r) => (r.reserve_reply ?? r.release_reply)?.error);
	// Releases finish on the workers: with few ports some reserves may have to wait for them.
	assert.ok(failed.every((r) => r.reserve_reply?.error.code === 'RESOURCE_EXHAUSTED'), JSON.stringify(failed[0]));
	assert.equal(replies.filter((r) => r.reserve_reply).length, 100);
	assert.equal(replies.filter((r) => r.release_reply).length, 100);
	await until(async () => {
		const s = await agw.status();

		return s.contexts === 0 && s.streams === 0 && s.ports_in_use === 0;
	}, { what: 'nothing left' });
});

test('garbage on the control port: each connection dies alone, counted [IQ-17]', async () => {
	const closed = async () => (await agw.metrics()).list.filter((m) =>
		['agw_iq_garbage_total', 'agw_iq_rejected_total'].includes(m.name)).reduce((sum, m) => sum + m.value, 0);
	const before = await closed();

	await iq('--id', 'calm', 'reserve', JSON.stringify(reserve('calm')));
	await Promise.all(Array.from({ length: 40 }, () => new Promise((resolve) => {
		const sock = net.connect(agw.iqPort, HOST, () => sock.write(Buffer.concat([
			Buffer.from([0, 0, 0, 60]), randomBytes(60)])));

		sock.on('error', () => {});
		sock.on('close', resolve);
		sock.resume();
	})));
	assert.ok(await closed() >= before + 40);
	assert.equal((await iq('--id', 'calm', 'audit')).json.contexts.length, 1);
	assert.equal((await iq('--id', 'calm', 'release', 'calm')).code, 0);
});

test('operator: tables for people, JSON for scripts, help from the daemon, exit codes', async () => {
	const at = ['--socket', agw.ctlPath];

	await iq('--id', 'shown', 'reserve', JSON.stringify(reserve('shown')));
	const table = await ctl([...at, 'context', 'list']);
	assert.equal(table.code, 0, table.err);
	assert.match(table.out, /^ctx_id +state/m);
	assert.match(table.out, /^shown +RESERVED +shown/m);
	const shown = await ctl([...at, '--json', 'context', 'show', 'call-shown']);
	assert.equal(shown.json.streams[0].ice, 'new');
	assert.match((await ctl([...at, 'controller', 'list'])).out, /shown/);
	assert.equal((await ctl([...at, 'audit', '--json'])).json.worker_streams, 1);
	assert.match((await ctl([...at, 'help'])).out, /context show CTX_ID\|CALL_ID/);
	assert.match((await ctl([...at, 'metrics'])).out, /^agw_contexts 1$/m);
	await iq('--id', 'shown', 'release', 'shown');

	const refused = await ctl([...at, 'context', 'show', 'nobody']);
	assert.equal(refused.code, 1);
	assert.match(refused.err, /no such context/);
	const unknown = await ctl([...at, 'make', 'coffee']);
	assert.equal(unknown.code, 2);
	assert.match(unknown.err, /not a command of this daemon/);
	assert.equal((await ctl(['--socket', join(dir, 'nothing'), 'status'])).code, 3);
	assert.equal((await ctl(['--bogus'])).code, 2);
});
