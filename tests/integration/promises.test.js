// SPDX-License-Identifier: Apache-2.0
//
// Promises about the tree itself, that no running process can show: what the eP-CSCF's code does not
// do, what the documents tell an operator, which parsers are fuzzed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/gateway.js';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const walk = (dir) => readdirSync(join(ROOT, dir)).flatMap((name) => {
	const path = join(dir, name);

	return statSync(join(ROOT, path)).isDirectory() ? walk(path) : /\.[ch]$/.test(path) ? [path] : [];
});

test('no code of the eP-CSCF computes or keeps a Digest secret: MD5 and the response are nowhere made [SEC-11]', () => {
	// A Digest response needs H(A1): MD5, or SHA-256 of username:realm:password. No file knows a password.
	for (const file of walk('cscf')) {
		const text = read(file).replace(/\/\*[\s\S]*?\*\//g, '');

		assert.doesNotMatch(text, /EVP_md5|MD5_|EVP_MD_fetch|sha512_256/i, file);
		if (/registrar|session|regevent/.test(file))
			assert.doesNotMatch(text, /\bpassword\b|\bha1\b|\bA1\b/i, file);
	}
});

test('the documents tell operators to give WIC users a subscription of their own [SEC-17]', () => {
	assert.match(read('deploy/README.md').replace(/\s+/g, ' '),
		/browser users a subscription of their own \(own IMPI, own Digest password\), never that of their handset/);
});

test('upgrade, frames, SIP, SDP, reginfo and JWT have fuzz targets that CI runs for a minute each [SEC-27]', () => {
	const mk = read('tests/tests.mk');
	const targets = /^FUZZ_LONG := (.*)$/m.exec(mk)[1].split(' ');

	assert.deepEqual(targets.sort(), ['fuzz_jwt', 'fuzz_reginfo', 'fuzz_sdp', 'fuzz_sip_msg', 'fuzz_ws_frame', 'fuzz_ws_upgrade']);
	assert.match(mk, /^FUZZ_LONG_SECONDS \?= 60$/m);
	assert.match(mk, /^TIERS \?=.*\bfuzz-smoke\b/m);
	assert.match(mk, /fsanitize=fuzzer-no-link,address,undefined/);
	for (const t of targets) {
		assert.match(read(`tests/fuzz/cscf/${t}.c`), /LLVMFuzzerTestOneInput/);
		assert.ok(existsSync(join(ROOT, `tests/fuzz/cscf/corpus/${t}`)) &&
			readdirSync(join(ROOT, `tests/fuzz/cscf/corpus/${t}`)).length > 0, `${t} has seeds`);
	}
});
