// SPDX-License-Identifier: Apache-2.0
//
// A DNS server whose answers change while a test runs: names to addresses (A and AAAA), no TTL to
// speak of. It can be away (silence), and it can refuse.
import dgram from 'node:dgram';
import net from 'node:net';

const TYPE = { A: 1, AAAA: 28 };

/** @param data  16-bit pieces or octets of an address */
function octets(address) {
	if (net.isIPv4(address))
		return Buffer.from(address.split('.').map(Number));
	const [head, tail = ''] = address.split('::');
	const left = head ? head.split(':') : [];
	const right = tail ? tail.split(':') : [];
	const words = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];

	return Buffer.from(words.flatMap((w) => [parseInt(w, 16) >> 8, parseInt(w, 16) & 255]));
}

export class Dns {
	names = new Map();
	asked = 0;
	/** 'answer', 'silent', or 'refuse' (SERVFAIL). */
	mood = 'answer';

	static async start({ host = '127.0.0.1', port }) {
		const dns = new Dns();

		Object.assign(dns, { host, port, address: `${host}:${port}` });
		dns.sock = dgram.createSocket('udp4');
		dns.sock.on('message', (msg, from) => dns.#answer(msg, from));
		await new Promise((resolve, reject) => {
			dns.sock.once('error', reject);
			dns.sock.bind(port, host, resolve);
		});
		return dns;
	}

	/** From now on that name has these addresses; none: it does not exist. */
	set(name, addresses) {
		this.names.set(name.toLowerCase(), addresses);
	}

	#answer(msg, from) {
		const labels = [];
		let at = 12;

		if (msg.length < 17 || msg.readUInt16BE(4) !== 1)
			return;
		this.asked++;
		if (this.mood === 'silent')
			return;
		while (msg[at] && at + msg[at] + 5 < msg.length + 1) {
			labels.push(msg.subarray(at + 1, at + 1 + msg[at]).toString('latin1'));
			at += msg[at] + 1;
		}
		const question = msg.subarray(12, at + 5);
		const type = msg.readUInt16BE(at + 1);
		const known = this.names.get(labels.join('.').toLowerCase());
		const all = (known ?? []).filter((a) => (net.isIPv4(a) ? TYPE.A : TYPE.AAAA) === type);
		const code = this.mood === 'refuse' ? 2 : known?.length ? 0 : 3;
		const list = code ? [] : all;
		const head = Buffer.alloc(12);

		msg.copy(head, 0, 0, 2);
		head.writeUInt16BE(0x8580 | code, 2);
		head.writeUInt16BE(1, 4);
		head.writeUInt16BE(list.length, 6);
		const records = list.map((address) => {
			const data = octets(address);
			const r = Buffer.alloc(12);

			r.writeUInt16BE(0xc00c, 0);
			r.writeUInt16BE(type, 2);
			r.writeUInt16BE(1, 4);
			r.writeUInt32BE(1, 6);
			r.writeUInt16BE(data.length, 10);
			return Buffer.concat([r, data]);
		});
		// Who asked may have gone meanwhile.
		this.sock.send(Buffer.concat([head, question, ...records]), from.port, from.address, () => {});
	}

	close() {
		return new Promise((resolve) => this.sock.close(resolve));
	}
}
