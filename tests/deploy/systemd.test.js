// SPDX-License-Identifier: Apache-2.0
//
// The units as systemd reads them (no manager runs here): every key known, every reference there,
// and the exposure that `systemd-analyze security` counts within a bound.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SYSTEMD = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
const CONF = fileURLToPath(new URL('../../deploy/conf/', import.meta.url));
const UNITS = '/usr/lib/systemd/system';
/* Tenths, of 10.0 at worst: what a network service cannot give up (addresses, sockets) is left. */
const EXPOSURE = { cscf: 17, agw: 14 };
const root = mkdtempSync(join(tmpdir(), 'wicgate-units-'));

before(() => {
	mkdirSync(join(root, 'usr/bin'), { recursive: true });
	mkdirSync(join(root, 'bin'));
	for (const file of ['usr/bin/wicgate-cscf', 'usr/bin/wicgate-agw', 'bin/kill'])
		writeFileSync(join(root, file), '', { mode: 0o755 });
	cpSync(UNITS, join(root, UNITS), { recursive: true, verbatimSymlinks: true });
});
after(() => rmSync(root, { recursive: true, force: true }));

const unit = (kind) => readFileSync(join(SYSTEMD, `wicgate-${kind}.service`), 'utf8');
const values = (text, key) => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((m) => m[1]);

function verify(kind, text) {
	writeFileSync(join(root, UNITS, `wicgate-${kind}.service`), text);
	const { status, stdout, stderr } = spawnSync('systemd-analyze',
		['verify', '--man=no', '--recursive-errors=yes', `--root=${root}`, `wicgate-${kind}.service`],
		{ encoding: 'utf8' });
	return { status, said: stdout + stderr };
}

function security(kind, text) {
	const file = join(root, `wicgate-${kind}.service`);

	writeFileSync(file, text);
	const { status, stdout, stderr } = spawnSync('systemd-analyze',
		['security', '--no-pager', '--offline=true', `--threshold=${EXPOSURE[kind]}`, file], { encoding: 'utf8' });
	return { status, said: stdout + stderr };
}

/** Seconds of a key of that name in the example configuration, a line or a shown default. */
function seconds(kind, key) {
	const text = readFileSync(join(CONF, `wicgate-${kind}.yaml`), 'utf8');
	const m = [...text.matchAll(new RegExp(`^[# ]+${key}: (\\d+)s`, 'gm'))];

	assert.ok(m.length > 0, `${key} is shown in the example`);
	return Number(m.at(-1)[1]);
}

for (const kind of ['cscf', 'agw']) {
	test(`wicgate-${kind}.service has no key and no reference that systemd does not know`, () => {
		assert.deepEqual(verify(kind, unit(kind)), { status: 0, said: '' });
	});
	test(`a misspelt key of wicgate-${kind}.service would be found`, () => {
		const { said } = verify(kind, unit(kind).replace('ProtectClock=', 'ProtectClok='));

		assert.match(said, /Unknown key/);
	});
	test(`the exposure of wicgate-${kind}.service is at most ${EXPOSURE[kind] / 10}`, () => {
		const { status, said } = security(kind, unit(kind));

		assert.match(said, /Overall exposure level/);
		assert.equal(status, 0, said);
	});
	test(`wicgate-${kind}.service without its system call filter would be over the bound`, () => {
		assert.notEqual(security(kind, unit(kind).replace(/^SystemCallFilter=.*$/gm, '')).status, 0);
	});
	test(`the user of wicgate-${kind}.service is that of its sysusers.d file`, () => {
		const file = join(SYSTEMD, `sysusers.d/wicgate-${kind}.conf`);
		const { status, stdout, stderr } = spawnSync('systemd-sysusers', ['--dry-run', `--root=${root}`, file],
			{ encoding: 'utf8' });

		assert.equal(status, 0, stderr);
		assert.deepEqual(values(unit(kind), 'User'), [`wicgate-${kind}`]);
		assert.match(stdout + stderr, new RegExp(`Creating user 'wicgate-${kind}'`));
	});
	test(`the link of wicgate-${kind}.service leads into its runtime directory`, () => {
		const [bind] = values(unit(kind), 'BindPaths');
		const [outside, inside] = bind.split(':');
		const link = readFileSync(join(SYSTEMD, `tmpfiles.d/wicgate-${kind}.conf`), 'utf8').match(/^L\+ (\S+) .* (\S+)$/m);
		const socket = readFileSync(join(CONF, `wicgate-${kind}.yaml`), 'utf8').match(/^ {2}ctl_socket: (\S+)$/m)[1];

		assert.equal(outside, `/run/${values(unit(kind), 'RuntimeDirectory')[0]}`);
		assert.equal(link[1], socket);
		assert.equal(link[2], socket.replace(inside, outside));
	});
	test(`wicgate-${kind}.service waits longer for the end than the default shutdown.grace`, () => {
		const [stop] = values(unit(kind), 'TimeoutStopSec');
		const least = seconds(kind, 'grace') + (kind === 'cscf' ? 5 + seconds(kind, 'drain_time') : 1);

		assert.ok(parseInt(stop, 10) > least, `${stop} > ${least}s`);
	});
}

test('only the eP-CSCF has a capability, for port 443; only it is told to read again', () => {
	assert.deepEqual(values(unit('cscf'), 'CapabilityBoundingSet'), ['CAP_NET_BIND_SERVICE']);
	assert.deepEqual(values(unit('agw'), 'CapabilityBoundingSet'), ['']);
	assert.deepEqual(values(unit('agw'), 'AmbientCapabilities'), []);
	assert.deepEqual(values(unit('cscf'), 'ExecReload'), ['/bin/kill -HUP $MAINPID']);
	assert.deepEqual(values(unit('agw'), 'ExecReload'), []);
});
