// SPDX-License-Identifier: Apache-2.0
//
// Configuration files for the two daemons: a nested object of knobs, written as YAML.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const scalar = (v) => typeof v === 'string' || typeof v === 'object' ? JSON.stringify(v) : String(v);

/** YAML of nested objects, arrays of scalars or of plain objects, and scalars. */
export function yaml(obj, indent = '') {
	return Object.entries(obj).filter(([, v]) => v !== undefined).map(([key, v]) => {
		if (Array.isArray(v))
			return `${indent}${key}: [${v.map(scalar).join(', ')}]\n`;
		if (v !== null && typeof v === 'object')
			return `${indent}${key}:\n${yaml(v, `${indent}  `)}`;
		return `${indent}${key}: ${scalar(v)}\n`;
	}).join('');
}

/** Deep merge; b wins; undefined in b removes a key. */
export function merge(a, b = {}) {
	const out = { ...a };

	for (const [key, v] of Object.entries(b)) {
		const both = v && typeof v === 'object' && !Array.isArray(v) && a[key] &&
			typeof a[key] === 'object' && !Array.isArray(a[key]);

		out[key] = both ? merge(a[key], v) : v;
	}
	return out;
}

export function writeConf(dir, name, conf) {
	const file = join(dir, name);

	writeFileSync(file, typeof conf === 'string' ? conf : yaml(conf));
	return file;
}

/** A small CA and one certificate for localhost that both sides of Iq and W2 may use. */
export function makeCerts(dir) {
	const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
	const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

	openssl('req', '-x509', ...key, '-days', '2', '-subj', '/CN=wicgate test CA', '-keyout', 'ca.key',
		'-out', 'ca.pem');
	openssl('req', ...key, '-subj', '/CN=localhost', '-keyout', 'node.key', '-out', 'node.csr');
	writeFileSync(join(dir, 'san.cnf'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' +
		'extendedKeyUsage=serverAuth,clientAuth\n');
	openssl('x509', '-req', '-in', 'node.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
		'-days', '2', '-extfile', 'san.cnf', '-out', 'node.pem');
	return { ca: join(dir, 'ca.pem'), cert: join(dir, 'node.pem'), key: join(dir, 'node.key') };
}
