// SPDX-License-Identifier: Apache-2.0
// make lint: a log line of the eP-CSCF that names a user does so through cscf/sip/mask.h (SEC-10).
// A user is what a format calls impi, impu, aor, user, caller, to or uri; also in the identity()
// functions of state machines, which end up in log lines.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const walk = (dir) => readdirSync(dir).flatMap((name) => {
	const path = join(dir, name);

	return statSync(path).isDirectory() ? walk(path) : /\.c$/.test(path) ? [path] : [];
});
const STATEMENT = /\b(?:GW_LOG(?:_LIMITED)?|CALL_LOG|gw_log_write|snprintf)\s*\([^;]*?;/g;
const USER = /\b(?:impi|impu|aor|user|caller|to|uri)=\\?"?%(?:\.\d+|\.\*)?s/;
let bad = 0;

for (const file of walk('cscf')) {
	const text = readFileSync(file, 'utf8');

	for (const m of text.matchAll(STATEMENT)) {
		// From one AGW or state to another: no user.
		if (!USER.test(m[0]) || /fsm\.|iq\.failover/.test(m[0]) || m[0].includes('cscf_sip_mask'))
			continue;
		// Formats of headers, not of log lines.
		if (m[0].startsWith('snprintf') && !/snprintf\((buf, n|c->ident)/.test(m[0]))
			continue;
		// Masked where the text was made: said by a comment on the line before.
		const before = text.slice(0, m.index).trimEnd().split('\n').at(-1);

		if (/masked/.test(before))
			continue;
		console.error(`${file}:${text.slice(0, m.index).split('\n').length}: a user in a log line without cscf_sip_mask`);
		bad++;
	}
}
process.exit(bad > 0 ? 1 : 0);
