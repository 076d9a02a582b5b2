// SPDX-License-Identifier: Apache-2.0
//
// One of the programs as they are shipped (make release), alone, with the least that it needs to be up.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeConf } from '../lib/conf.js';
import { port } from '../lib/ports.js';
import { Process } from '../lib/proc.js';

export const BIN = process.env.WICGATE_BIN ?? fileURLToPath(new URL('../../build/release/bin', import.meta.url));

const local = async () => `127.0.0.1:${await port()}`;
const conf = {
	agw: async () => ({ iq: { listen: await local() }, access: { listen_ip: ['127.0.0.1'] }, core: { listen_ip: ['127.0.0.1'] },
		media: { workers: 1, max_streams: 50 } }),
	cscf: async () => ({ home: { domains: ['ims.test'] }, ws: { listen: '', insecure_listen: await local() }, mw: { listen: await local() },
		emergency: { country: 'DE', lists: ['DE=112 110'] } }),
};

/** Up, with its files in dir: { process, url of its operator's HTTP }. via: a command in front of it. */
export async function start(kind, dir, { via = [], bin = BIN, ops = {} } = {}) {
	const all = { ...await conf[kind](), ops: { listen: await local(), ctl_socket: join(dir, `${kind}.sock`), ...ops } };
	const [command, ...args] = [...via, join(bin, `wicgate-${kind}`), '--config', writeConf(dir, `${kind}.yaml`, all)];
	const url = `http://${all.ops.listen}`;

	return { url, process: await new Process(kind, command, args).ready(async () => (await fetch(`${url}/livez`)).status === 200) };
}
