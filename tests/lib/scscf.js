// SPDX-License-Identifier: Apache-2.0
//
// A scripted S-CSCF on UDP and TCP: hands every request to the test with its raw bytes and
// answers what the test says. For assertions on headers and for faults no real core makes.
import { SipEndpoint } from './endpoint.js';
import { SipMessage, branch, token, uriOf, parseUri } from './sip.js';

export class Scscf extends SipEndpoint {
	static async start({ host = '127.0.0.1', port, domain = 'ims.test' }) {
		const self = await super.open({ host, port });

		self.domain = domain;
		return self;
	}

	get serviceRoute() {
		return `<sip:orig@${this.host}:${this.port};lr>`;
	}

	/** Between tests: accept every deregistration, answer 200 to the rest, forget what came. */
	serve(on) {
		this.onRequest = on ? (item) => {
			if (item.msg.method === 'REGISTER')
				this.accept(item, { expires: 0 });
			else if (item.msg.method !== 'ACK')
				item.reply(200, 'OK', { toTag: token(4) });
			return true;
		} : undefined;
		this.requests.clear();
		this.responses.clear();
	}

	challenge(item, { nonce = token(), stale = false } = {}) {
		return item.reply(401, 'Unauthorized', { toTag: token(4), headers: [['WWW-Authenticate',
			`Digest realm="${this.domain}", nonce="${nonce}", algorithm=MD5, qop="auth"${stale ? ', stale=true'
				: ''}`]] });
	}

	/** 200 as a registrar gives it; the Contact comes back with the expiry. */
	accept(item, { expires = 600, headers = [], associated, outbound } = {}) {
		const contact = item.msg.get('Contact').replace(/;expires=\d+/, '');
		const aor = uriOf(item.msg.get('To'));

		return item.reply(200, 'OK', { toTag: token(4), headers: [
			...(expires > 0 ? [['Contact', `${contact};expires=${expires}`]] : []),
			['Path', item.msg.get('Path')], ['Service-Route', this.serviceRoute],
			['P-Associated-URI', associated ?? `<${aor}>, <tel:+15550101>`],
			['P-Charging-Vector', `${item.msg.get('P-Charging-Vector')};term-ioi="${this.domain}"`],
			['P-Charging-Function-Addresses', 'ccf=192.0.2.60'],
			...(outbound ?? /;ob\b/.test(item.msg.get('Path') ?? '') ? [['Require', 'outbound']] : []),
			...headers] });
	}

	/** Serve one registration: challenge, accept. Resolves with both REGISTER items. */
	async registration(options) {
		const first = await this.next('REGISTER');

		this.challenge(first);
		const second = await this.next('REGISTER', { callId: first.msg.callId });
		const res = this.accept(second, options);
		this.path = second.msg.get('Path');
		this.contact = uriOf(second.msg.get('Contact'));
		return { first, second, res };
	}

	/** Where requests for the registered WIC go: the Path's host and port. */
	get pathTarget() {
		const uri = parseUri(uriOf(this.path));

		return { host: uri.host, port: uri.port ?? 5060,
			transport: /transport=tcp/i.test(uri.params) ? 'TCP' : 'UDP' };
	}

	/** A terminating request towards the registered Contact along the Path. */
	terminating(method, { body = '', headers = [], from = 'sip:bob@ims.test', transport = 'UDP', callId = token(),
		routes = [this.path] } = {}) {
		const b = branch();

		return new SipMessage(`${method} ${this.contact} SIP/2.0`, [
			['Via', `SIP/2.0/${transport} ${this.host}:${this.port};branch=${b}`],
			...routes.map((r) => ['Route', r]), ['Max-Forwards', 68],
			...(method === 'INVITE' ? [['Record-Route', `<sip:${this.host}:${this.port};lr>`]] : []),
			['From', `<${from}>;tag=${token(4)}`], ['To', '<sip:alice@ims.test>'], ['Call-ID', callId],
			['CSeq', `1 ${method}`], ['Contact', `<sip:bob@${this.host}:${this.port}>`],
			['P-Called-Party-ID', '<sip:alice@ims.test>'], ...headers,
			...(body ? [['Content-Type', 'application/sdp']] : [])], body);
	}
}
