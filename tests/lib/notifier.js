// SPDX-License-Identifier: Apache-2.0
//
// The reg-event notifier of the scripted S-CSCF: accepts a SUBSCRIBE, sends NOTIFYs of its
// dialog, and writes reginfo documents (RFC 3680). Every field can be bent by the test.
import { SipMessage, branch, param, parseUri, token, uriOf } from './sip.js';

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** contact: { uri, state, event, expires, retryAfter, instance, callId, cseq }. */
export function contactXml({ uri, state = 'active', event = 'registered', expires, retryAfter, instance, regId = 1, callId, cseq }) {
	const attrs = [['id', token(4)], ['state', state], ['event', event], ['expires', expires],
		['retry-after', retryAfter], ['callid', callId && escape(callId)], ['cseq', cseq]].filter(([, v]) => v !== undefined).map(([n, v]) => ` ${n}="${v}"`).join('');

	return `<contact${attrs}><uri>${escape(uri)}</uri>${instance
		? `<unknown-param name="+sip.instance">"${escape(instance)}"</unknown-param>` +
			`<unknown-param name="reg-id">${regId}</unknown-param>` : ''}</contact>`;
}

/** registrations: [{ aor, state, contacts }]. */
export function reginfo(version, registrations, { state = 'full' } = {}) {
	return '<?xml version="1.0"?>\n' +
		`<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="${state}">` +
		registrations.map(({ aor, state: s = 'active', contacts = [] }) =>
			`<registration aor="${escape(aor)}" id="${token(4)}" state="${s}">${
				contacts.map(contactXml).join('')}</registration>`).join('') + '</reginfo>\n';
}

/** One subscription: the dialog that a SUBSCRIBE began. */
export class Notifier {
	version = 0;
	#cseq = 0;

	/** item: the SUBSCRIBE; without one it is a dialog that nobody knows. */
	constructor(core, item) {
		Object.assign(this, { core, item, tag: token(4), callId: item?.msg.callId ?? token(),
			target: item && uriOf(item.msg.get('Contact')) });
	}

	/** Wait for a SUBSCRIBE of the eP-CSCF for a user and accept it. */
	static async accept(core, user, { expires, match } = {}) {
		const item = await core.next('SUBSCRIBE', { match: (m) => m.get('Event') === 'reg' &&
			uriOf(m.get('To')).startsWith(`sip:${user}@`) && !m.toTag && (match?.(m) ?? true) });
		const self = new Notifier(core, item);

		self.ok(item, expires);
		return self;
	}

	/** 200 to a SUBSCRIBE of this dialog. */
	ok(item, expires = Number(item.msg.get('Expires'))) {
		return item.reply(200, 'OK', { toTag: this.tag, headers: [['Expires', expires],
			['Contact', `<sip:${this.core.host}:${this.core.port}>`]] });
	}

	/** The next SUBSCRIBE in this dialog. */
	refresh({ ms } = {}) {
		return this.core.next('SUBSCRIBE', { callId: this.callId, ms });
	}

	message(body, { state = 'active;expires=600', type = 'application/reginfo+xml', event = 'reg', fromTag = this.tag,
		toTag = this.item?.msg.fromTag, from = uriOf(this.item?.msg.get('To') ?? 'sip:notifier'),
		to = uriOf(this.item?.msg.get('From') ?? 'sip:gateway'), callId = this.callId, cseq = ++this.#cseq,
		uri = this.target, headers = [] } = {}) {
		return new SipMessage(`NOTIFY ${uri} SIP/2.0`, [
			['Via', `SIP/2.0/UDP ${this.core.host}:${this.core.port};branch=${branch()}`], ['Max-Forwards', 70],
			['From', `<${from}>;tag=${fromTag}`],
			['To', `<${to}>;tag=${toTag}`], ['Call-ID', callId],
			['CSeq', `${cseq} NOTIFY`], ['Contact', `<sip:${this.core.host}:${this.core.port}>`],
			...(event ? [['Event', event]] : []), ...(state ? [['Subscription-State', state]] : []), ...headers,
			...(body ? [['Content-Type', type]] : [])], body ?? '');
	}

	/** Send a NOTIFY; resolves with the answer. */
	async notify(body, options) {
		const msg = this.message(body, options);

		return this.core.request(msg, this.where);
	}

	/** A document with the next version. */
	tell(registrations, { full = true, ...options } = {}) {
		return this.notify(reginfo(this.version++, registrations, { state: full ? 'full' : 'partial' }), options);
	}

	get where() {
		const uri = parseUri(this.target);

		return { host: uri.host, port: uri.port ?? 5060,
			transport: /transport=tcp/i.test(uri.params) ? 'TCP' : 'UDP' };
	}
}

export const tagOf = (value) => param(value, 'tag');

/**
 * A WIC that is registered at the scripted S-CSCF. `grant`: options of Scscf.accept; `client`: one
 * that exists already. Resolves with the WIC; its REGISTERs as the core got them are in `.reg`.
 */
export async function registered(env, user = 'alice', { options, grant, client } = {}) {
	const wic = client ?? await env.client(user, options);
	const [res, reg] = await Promise.all([wic.register(), env.core.registration(grant)]);

	if (res.status !== 200)
		throw new Error(`REGISTER of ${user} answered ${res.start}`);
	return Object.assign(wic, { reg });
}
