// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for gateway and core for tests of the page alone: SIP over WebSocket, registers whoever
// knows the password, hands every other message to the second of two users, byte by byte. A test may
// answer a request itself with `script`. No TLS (loopback), no Via, no media.
import { WebSocketServer } from 'ws';
import { SipMessage, token } from '../lib/sip.js';

export class SipRelay {
	/** Requests seen, in order. */
	requests = [];
	/** method -> function(msg) giving the answer to send, or undefined to hand the request on. */
	script = {};
	/** Changes the text of an answer that is handed on. */
	rewrite;
	#users = new Map();

	static async open({ host = '127.0.0.1', password = 'secret' } = {}) {
		const relay = new SipRelay();

		relay.password = password;
		relay.server = new WebSocketServer({ host, port: 0, handleProtocols: (offered) => offered.has('sip') && 'sip' });
		await new Promise((resolve) => relay.server.once('listening', resolve));
		relay.url = `ws://localhost:${relay.server.address().port}/sip`;
		relay.server.on('connection', (ws) => ws.on('message', (data) => relay.#take(ws, data)));
		return relay;
	}

	#take(ws, data) {
		const text = data.toString();

		if (!text.trim())
			return;
		const msg = SipMessage.parse(text);
		if (msg.status) {
			this.#other(ws)?.send(this.rewrite?.(text) ?? text);
			return;
		}
		this.requests.push(msg);
		const scripted = this.script[msg.method]?.(msg);
		if (scripted)
			ws.send(scripted.toString());
		else if (msg.method === 'REGISTER')
			ws.send(this.#register(ws, msg).toString());
		else
			this.#other(ws)?.send(text);
	}

	#register(ws, msg) {
		const user = /sip:([^@]+)@/.exec(msg.get('To'))[1];

		if (!msg.has('Authorization'))
			return msg.answer(401, 'Unauthorized', { toTag: token(4), headers: [
				['WWW-Authenticate', `Digest realm="ims.test", nonce="${token()}", algorithm=MD5, qop="auth"`]] });
		if (this.refuse?.(user))
			return msg.answer(403, 'Forbidden', { toTag: token(4) });
		this.#users.set(user, ws);
		return msg.answer(200, 'OK', { toTag: token(4), headers: [['Contact', `${msg.get('Contact')};expires=600`]] });
	}

	#other(ws) {
		return [...this.#users.values()].find((peer) => peer !== ws && peer.readyState === peer.OPEN);
	}

	count(method) {
		return this.requests.filter((r) => r.method === method).length;
	}

	async close() {
		for (const ws of this.server.clients)
			ws.terminate();
		await new Promise((resolve) => this.server.close(resolve));
	}
}
