// SPDX-License-Identifier: Apache-2.0
//
// The packages of `make deb` in a throw-away root (a minimal Debian 12): installed by apt with what
// they depend on, the programs run there and check the shipped configuration, removed, purged.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync,
	rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SECOND } from '../lib/wait.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OUT = join(ROOT, 'build/deb');
/* Kept between runs: a minimal Debian is the same tomorrow. */
const BASE = join(OUT, 'base.tar');
const PACKAGES = ['wicgate-cscf', 'wicgate-agw', 'wicgatectl'];
/* Instead of all of systemd, which a container does without. */
const STANDALONE = ['systemd-standalone-sysusers', 'systemd-standalone-tmpfiles'];
const dir = mkdtempSync(join(tmpdir(), 'wicgate-deb-'));
const root = join(dir, 'root');
const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };

const files = readdirSync(OUT).filter((name) => /^wicgate.*\.deb$/.test(name) && !name.includes('dbgsym'));
const field = (file, name) => execFileSync('dpkg-deb', ['-f', join(OUT, file), name], { encoding: 'utf8' }).trim();
const deb = (name) => files.find((file) => file.startsWith(`${name}_`));

/* /dev and /proc are there for the command alone: nothing stays mounted, whatever happens to us. */
const ENTER = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"';

/** Run a command in the root; its status and all it said. */
function inside(...command) {
	const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', ENTER, root, ...command],
		{ encoding: 'utf8', env });

	return { status, said: stdout + stderr };
}

function good(...command) {
	const { status, said } = inside(...command);

	assert.equal(status, 0, `${command.join(' ')}: ${said}`);
	return said;
}

before(() => {
	if (!existsSync(BASE)) {
		execFileSync(join(ROOT, 'deploy/setup/docker-engine.sh'), ['tar', `${BASE}.new.tar`], { stdio: 'inherit' });
		execFileSync('mv', [`${BASE}.new.tar`, BASE]);
	}
	mkdirSync(root);
	execFileSync('tar', ['-xf', BASE, '-C', root, '--exclude=./dev/*']);
	for (const file of ['etc/resolv.conf', 'etc/hosts'])
		copyFileSync(`/${file}`, join(root, file));
	mkdirSync(join(root, 'debs'));
	for (const file of files)
		copyFileSync(join(OUT, file), join(root, 'debs', file));
}, { timeout: 300 * SECOND });
after(() => rmSync(dir, { recursive: true, force: true }));

test('the three packages are there, of one version', () => {
	assert.deepEqual(files.map((file) => field(file, 'Package')).sort(), [...PACKAGES].sort());
	assert.equal(new Set(files.map((file) => field(file, 'Version'))).size, 1);
	for (const name of PACKAGES)
		assert.match(field(deb(name), 'Depends'), /libc6 .*libjansson4/);
});

test('lintian finds no error', () => {
	const { status, stdout, stderr } = spawnSync('lintian',
		['--allow-root', '--fail-on', 'error', ...files.map((file) => join(OUT, file))], { encoding: 'utf8' });

	assert.equal(status, 0, stdout + stderr);
});

test('the same programs make the same packages, octet by octet', { timeout: 120 * SECOND }, () => {
	const again = join(dir, 'again');
	const tree = join(OUT, readdirSync(OUT).find((name) => /^wicgate-\d[^_]*$/.test(name)));
	const date = readFileSync(join(tree, 'debian/changelog'), 'utf8').match(/^ -- .*>  (.*)$/m)[1];

	execFileSync(join(ROOT, 'deploy/deb/build.sh'), [join(tree, 'stage'), again],
		{ stdio: 'inherit', env: { ...env, SOURCE_DATE_EPOCH: String(Date.parse(date) / 1000) } });
	for (const file of files)
		assert.ok(readFileSync(join(OUT, file)).equals(readFileSync(join(again, file))), file);
});

test('apt installs them with what they depend on', { timeout: 300 * SECOND }, () => {
	good('apt-get', 'update', '-qq');
	good('apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...STANDALONE, ...files.map((file) => `/debs/${file}`));
	for (const name of PACKAGES)
		assert.match(good('dpkg', '-s', name), /^Status: install ok installed$/m);
});

test('wicgatectl and both programs run there', () => {
	const version = readFileSync(join(ROOT, 'common/options.h'), 'utf8').match(/GW_VERSION +"(.*)"/)[1];

	for (const name of ['wicgate-cscf', 'wicgate-agw'])
		assert.equal(good(name, '--version').trim(), `${name} ${version}`);
	good('wicgatectl', '--help');
});

for (const kind of ['cscf', 'agw']) {
	const conf = `/etc/wicgate/wicgate-${kind}.yaml`;

	test(`wicgate-${kind}: user, group and link are made, the service is not enabled`, () => {
		const uid = Number(good('id', '-u', `wicgate-${kind}`));
		const wants = join(root, 'etc/systemd/system/multi-user.target.wants', `wicgate-${kind}.service`);

		assert.ok(uid > 0 && uid < 1000, `system user, uid ${uid}`);
		assert.equal(readlinkSync(join(root, `run/wicgate/${kind}.sock`)), `/run/wicgate-${kind}/${kind}.sock`);
		assert.ok(existsSync(join(root, `lib/systemd/system/wicgate-${kind}.service`)));
		assert.equal(lstatSync(wants, { throwIfNoEntry: false }), undefined);
	});
	test(`wicgate-${kind}: the configuration is a conffile that its own group reads, nobody else`, () => {
		const { mode, uid, gid } = statSync(join(root, conf));

		assert.equal(mode & 0o777, 0o640);
		assert.equal(uid, 0);
		assert.equal(gid, Number(good('id', '-g', `wicgate-${kind}`)));
		assert.match(good('dpkg-query', '-W', '-f', '${Conffiles}', `wicgate-${kind}`), new RegExp(conf));
	});
	test(`wicgate-${kind}: its user finds the shipped configuration good, and an edited one`, () => {
		const check = (...more) => good('setpriv', `--reuid=wicgate-${kind}`, `--regid=wicgate-${kind}`, '--clear-groups',
			`wicgate-${kind}`, '--config', conf, '--check-config', ...more);

		assert.match(check(), /configuration is good/);
		writeFileSync(join(root, conf), readFileSync(join(root, conf), 'utf8')
			.replace('ims.example.net]', 'ims.operator.example]').replace('listen_ip: [auto]', 'listen_ip: [127.0.0.1]'));
		assert.match(check(), /configuration is good/);
	});
	test(`wicgate-${kind}: a mistake in it is named with its line`, () => {
		const { status, said } = inside('sh', '-c', `{ cat ${conf}; echo 'nonsense: 1'; } >/tmp/bad.yaml; ` +
			`wicgate-${kind} --config /tmp/bad.yaml --check-config`);

		assert.notEqual(status, 0);
		assert.match(said, /bad\.yaml:\d+.*nonsense/);
	});
}

test('installing again keeps the edited configuration', { timeout: 120 * SECOND }, () => {
	good('dpkg', '-i', '--force-confold', ...files.map((file) => `/debs/${file}`));
	assert.match(readFileSync(join(root, 'etc/wicgate/wicgate-cscf.yaml'), 'utf8'), /ims\.operator\.example/);
	assert.match(readFileSync(join(root, 'etc/wicgate/wicgate-agw.yaml'), 'utf8'), /listen_ip: \[127\.0\.0\.1\]/);
});

test('removing takes the programs and keeps the configuration; purging takes all of it', { timeout: 120 * SECOND }, () => {
	good('apt-get', 'remove', '-y', '-qq', ...PACKAGES);
	for (const name of PACKAGES)
		assert.equal(existsSync(join(root, 'usr/bin', name)), false, name);
	assert.ok(existsSync(join(root, 'etc/wicgate/wicgate-cscf.yaml')));
	good('dpkg', '--purge', ...PACKAGES);
	assert.equal(existsSync(join(root, 'etc/wicgate')), false);
	assert.equal(existsSync(join(root, 'lib/systemd/system/wicgate-cscf.service')), false);
});
