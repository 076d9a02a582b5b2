// SPDX-License-Identifier: Apache-2.0
//
// Client of a daemon's operator socket: one JSON line there, one JSON line back.
import net from 'node:net';
import { SECOND, within } from './wait.js';

/** Run one command; resolves with its result, rejects with its error text. */
export async function ctl(path, cmd, args = []) {
	const sock = net.connect({ path });
	const answer = new Promise((resolve, reject) => {
		let text = '';

		sock.setEncoding('utf8');
		sock.on('error', reject);
		sock.on('data', (d) => {
			text += d;
			if (text.includes('\n'))
				resolve(JSON.parse(text));
		});
		sock.on('close', () => reject(new Error(`${cmd}: operator socket closed`)));
	});

	sock.write(`${JSON.stringify({ cmd, args })}\n`);
	try {
		const { ok, result, error } = await within(answer, 5 * SECOND, `answer to ${cmd}`);

		if (!ok)
			throw new Error(`${cmd}: ${error}`);
		return result;
	} finally {
		sock.destroy();
	}
}
