// SPDX-License-Identifier: Apache-2.0
//
// A scripted plain-RTP IMS UE over UDP: registers with Digest at the core, calls, is called,
// rings, rejects, cancels, hangs up; sends a tone, detects one, echoes any payload type.
// Everything is explicit: a test says what the UE does, nothing happens by timer.
import { SipEndpoint } from './endpoint.js';
import { SipMessage, branch, digestAuthorize, param, parseUri, token, uriOf } from './sip.js';
import { parseSdp, plainAnswer, plainSdp, audioLine, videoLine } from './sdp.js';
import { RtpPort } from './rtp.js';
import { Inbox, SECOND, until, within } from './wait.js';

const ALLOW = 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY, REFER, MESSAGE, SUBSCRIBE';
/** Requests that say where we are to be reached from now on. */
const WITH_CONTACT = ['INVITE', 'UPDATE', 'REFER', 'SUBSCRIBE', 'NOTIFY'];

export class Ue {
	#calls = new Map();
	incomingCalls = new Inbox();
	/** Requests outside calls: MESSAGE is answered 200, SUBSCRIBE and NOTIFY wait for the test. */
	standalone = new Inbox();
	#cseq = 1;
	#regCallId = token();

	/** core: { host, port }. rtpPorts: function giving the next even port to try. */
	static async start({ user, password = user, domain = 'ims.test', host = '127.0.0.1', port = 0, core,
		rtpPorts }) {
		const ue = new Ue();

		Object.assign(ue, { user, password, domain, host, core, rtpPorts });
		ue.sip = await SipEndpoint.open({ host, port, tcp: false });
		ue.port = ue.sip.port;
		ue.aor = `sip:${user}@${domain}`;
		ue.contact = `sip:${user}@${host}:${ue.port}`;
		ue.sip.onRequest = (item) => ue.#onRequest(item);
		ue.sip.onResponse = (item) => ue.#onResponse(item);
		return ue;
	}

	get calls() {
		return [...this.#calls.values()];
	}

	via(b = branch()) {
		return `SIP/2.0/UDP ${this.host}:${this.port};branch=${b};rport`;
	}

	/** REGISTER, answering one challenge. Returns the final response. */
	async register(expires = 600) {
		const uri = `sip:${this.domain}`;
		const make = (auth) => new SipMessage(`REGISTER ${uri} SIP/2.0`, [['Via', this.via()],
			['Max-Forwards', 70], ['From', `<${this.aor}>;tag=${token(4)}`], ['To', `<${this.aor}>`],
			['Call-ID', this.#regCallId], ['CSeq', `${this.#cseq++} REGISTER`],
			['Contact', `<${this.contact}>`], ['Expires', expires],
			...(auth ? [['Authorization', auth]] : [])]);
		const first = await this.sip.request(make(), this.core);

		if (first.status !== 401)
			return first;
		return this.sip.request(make(digestAuthorize(first.get('WWW-Authenticate'),
			{ method: 'REGISTER', uri, username: this.user, password: this.password })), this.core);
	}

	unregister() {
		return this.register(0);
	}

	/**
	 * Start a call, with an offer of the test's own if given; avp: video without feedback. Resolves when the
	 * INVITE left. Await call.answered for the outcome.
	 */
	async call(uri, { video = false, avp = false, lateOffer = false, sdp, headers = [] } = {}) {
		const call = new Call(this, { outgoing: true, remoteUri: uri });

		call.avp = avp;
		await call.openMedia(video ? ['audio', 'video'] : ['audio']);
		await call.invite({ lateOffer, sdp, headers });
		return call;
	}

	/** The next incoming call; its INVITE was answered 100 only. */
	incoming(ms = 20 * SECOND) {
		return this.incomingCalls.next(() => true, { ms, what: `INVITE at UE ${this.user}` });
	}

	add(call) {
		this.#calls.set(call.callId, call);
	}

	/** A dialog that an incoming SUBSCRIBE begins; the test answers that with its localTag. */
	dialogOf(item) {
		const dialog = new Call(this, { outgoing: false, invite: item });

		this.add(dialog);
		return dialog;
	}

	/** SUBSCRIBE, and what comes of it as a dialog; its `subscribed` is the final answer. */
	async subscribe(uri, event) {
		const dialog = new Call(this, { outgoing: true, remoteUri: uri });

		await dialog.subscribe(event);
		return dialog;
	}

	/** A request outside a call, by way of the core; its final answer. */
	request(method, uri, { headers = [], body = '', type = 'text/plain' } = {}) {
		return this.sip.request(new SipMessage(`${method} ${uri} SIP/2.0`, [['Via', this.via()], ['Max-Forwards', 70],
			['From', `<${this.aor}>;tag=${token(4)}`], ['To', `<${uri}>`], ['Call-ID', token()], ['CSeq', `1 ${method}`],
			...(WITH_CONTACT.includes(method) ? [['Contact', `<${this.contact}>`]] : []), ...headers,
			...(body ? [['Content-Type', type]] : [])], body), this.core);
	}

	#onRequest(item) {
		const { msg } = item;
		const call = this.#calls.get(msg.callId);

		if (msg.method === 'OPTIONS' && !call) {
			item.reply(200, 'OK', { toTag: token(4), headers: [['Allow', ALLOW]] });
		} else if (msg.method === 'INVITE' && !call && !msg.toTag) {
			const fresh = new Call(this, { outgoing: false, invite: item });

			this.add(fresh);
			item.reply(100, 'Trying');
			this.incomingCalls.push(fresh);
		} else if (call) {
			call.onRequest(item);
		} else if (['MESSAGE', 'SUBSCRIBE', 'NOTIFY'].includes(msg.method)) {
			if (msg.method === 'MESSAGE')
				item.reply(200, 'OK', { toTag: token(4) });
			this.standalone.push(item);
		} else if (msg.method !== 'ACK') {
			item.reply(481, 'Call/Transaction Does Not Exist', { toTag: token(4) });
		}
		return true;
	}

	#onResponse(item) {
		const call = this.#calls.get(item.msg.callId);

		if (!call || item.msg.cseqMethod !== 'INVITE')
			return false;
		call.onInviteResponse(item.msg);
		return true;
	}

	async close() {
		await Promise.all(this.calls.map((c) => c.closeMedia()));
		await this.sip.close();
	}
}

export class Call {
	state = 'new';
	/** RtpPort per m-line, in the order of the m-lines. */
	media = [];
	requests = [];
	/** Set by a test: sees each request of the dialog first; true = answered, or will be. */
	before;
	progress = new Inbox();
	#version = 1;
	#answerSdp;
	#resolve = {};
	#outcome = {};
	#ended = false;

	constructor(ue, { outgoing, remoteUri, invite }) {
		this.ue = ue;
		this.outgoing = outgoing;
		for (const what of ['answered', 'ended']) {
			this.#outcome[what] = new Promise((resolve) => {
				this.#resolve[what] = resolve;
			});
		}
		if (outgoing) {
			Object.assign(this, { remoteUri, callId: token(), localTag: token(4), localCseq: 1, routes: [],
				target: remoteUri });
			this.local = `<${ue.aor}>;tag=${this.localTag}`;
			this.remote = `<${remoteUri}>`;
			ue.add(this);
			return;
		}
		const { msg } = invite;
		Object.assign(this, { invited: invite, callId: msg.callId, localTag: token(4), localCseq: 100,
			routes: msg.all('Record-Route'), target: uriOf(msg.get('Contact')), remote: msg.get('From') });
		this.local = `${msg.get('To')};tag=${this.localTag}`;
		this.offer = msg.body ? parseSdp(msg.body) : undefined;
	}

	async openMedia(types) {
		for (const type of types.slice(this.media.length)) {
			const port = await RtpPort.open(this.ue.host, this.ue.rtpPorts);

			port.type = type;
			this.media.push(port);
		}
	}

	/** Final answer to our INVITE, or the ACK to our 200. */
	get answered() {
		return within(this.#outcome.answered, 40 * SECOND, `an answer, UE ${this.ue.user}`);
	}

	/** How the call ended: "bye received", "bye sent", "cancelled", "rejected N". */
	get ended() {
		return within(this.#outcome.ended, 40 * SECOND, `the end of the call, UE ${this.ue.user}`);
	}

	get audio() {
		return this.media.find((m) => m.type === 'audio');
	}

	get video() {
		return this.media.find((m) => m.type === 'video');
	}

	#request(method, { cseq = ++this.localCseq, b, headers = [], body = '', type = 'application/sdp' } = {}) {
		return new SipMessage(`${method} ${this.target} SIP/2.0`, [['Via', this.ue.via(b)],
			['Max-Forwards', 70], ...this.routes.map((r) => ['Route', r]), ['From', this.local],
			['To', this.remote], ['Call-ID', this.callId], ['CSeq', `${cseq} ${method}`],
			...(WITH_CONTACT.includes(method) ? [['Contact', `<${this.ue.contact}>`]] : []),
			...(method === 'INVITE' ? [['Allow', ALLOW]] : []),
			...headers, ...(body ? [['Content-Type', type]] : [])], body);
	}

	#nextHop() {
		const uri = this.routes.length ? parseUri(uriOf(this.routes[0])) : undefined;

		return uri ? { host: uri.host, port: uri.port ?? 5060 } : this.ue.core;
	}

	/** One line per open port, in order; a port with `off` is a line that was ended. */
	ownSdp(dir) {
		const line = (m) => (m.type === 'video' ? videoLine : audioLine)(m.off ? 0 : m.port, dir, this.avp ? 'RTP/AVP' : undefined);

		return plainSdp(this.ue.host, this.media.map(line), { version: this.#version++ });
	}

	async invite({ lateOffer = false, sdp, headers = [] } = {}) {
		this.lateOffer = lateOffer;
		this.inviteBranch = branch();
		this.inviteMsg = this.#request('INVITE', { cseq: this.localCseq, b: this.inviteBranch, headers,
			body: lateOffer ? '' : sdp ?? this.ownSdp() });
		this.state = 'calling';
		await this.ue.sip.send(this.inviteMsg, this.ue.core);
	}

	onInviteResponse(msg) {
		if (msg.topBranch !== this.inviteBranch)
			return;
		this.progress.push(msg);
		if (msg.status < 200)
			return;
		if (msg.status >= 300) {
			const ack = this.#request('ACK', { cseq: msg.cseq, b: this.inviteBranch });

			ack.set('To', msg.get('To'));
			this.ue.sip.send(ack, this.ue.core);
			if (this.state !== 'calling') // a re-INVITE: the call is as it was
				return;
			this.#finish(`rejected ${msg.status}`);
			this.#resolve.answered(msg);
			return;
		}
		this.remote = msg.get('To');
		this.target = uriOf(msg.get('Contact'));
		// A dialog's route set is made once; a re-INVITE only moves the target.
		if (this.state === 'calling')
			this.routes = msg.all('Record-Route').reverse();
		this.ue.sip.send(this.#request('ACK', { cseq: msg.cseq,
			body: this.lateOffer ? this.#takeOffer(parseSdp(msg.body)) : '' }),
		this.#nextHop());
		if (this.state !== 'calling')
			return;
		this.state = 'up';
		if (!this.lateOffer)
			this.#takeRemote(parseSdp(msg.body));
		this.#resolve.answered(msg);
	}

	#takeRemote(sdp) {
		this.remoteSdp = sdp;
		sdp.media.forEach((m, i) => {
			if (m.port && this.media[i])
				this.media[i].setRemote(m.host, m.port);
		});
	}

	#takeOffer(offer) {
		const ports = offer.media.map((m, i) => this.media[i]?.off ? 0 : this.media[i]?.port);

		this.#takeRemote(offer);
		return plainAnswer(offer, this.ue.host, ports, { version: this.#version++ });
	}

	/** 180 without SDP; reliable: with that RSeq. */
	ring({ reliable } = {}) {
		this.state = 'ringing';
		this.invited.reply(180, 'Ringing', { toTag: this.localTag, headers: [['Contact', `<${this.ue.contact}>`],
			...this.#rseq(reliable)] });
	}

	#rseq(n) {
		return n ? [['Require', '100rel'], ['RSeq', n]] : [];
	}

	/** 183 with any SDP. */
	early(sdp, headers = []) {
		this.state = 'ringing';
		this.invited.reply(183, 'Session Progress', { toTag: this.localTag, body: sdp, headers: [
			['Contact', `<${this.ue.contact}>`], ['Content-Type', 'application/sdp'], ...headers] });
	}

	/** 18x with the answer, which the 200 repeats; reliable: with RSeq, for a PRACK. */
	async earlyAnswer({ status = 183, headers = [], reliable } = {}) {
		await this.openMedia(this.offer.media.map((m) => m.type));
		this.#answerSdp ??= this.#takeOffer(this.offer);
		this.state = 'ringing';
		this.invited.reply(status, 'Session Progress', { toTag: this.localTag, body: this.#answerSdp, headers: [
			['Contact', `<${this.ue.contact}>`], ['Content-Type', 'application/sdp'], ...headers,
			...this.#rseq(reliable)] });
	}

	/** 200 with SDP; refuse video by { video: false }, or any text as sdp. Resolves when the ACK came. */
	async answer({ video = true, headers = [], sdp } = {}) {
		const types = this.offer?.media.map((m) => m.type) ?? ['audio'];

		await this.openMedia(video ? types : types.filter((t) => t !== 'video'));
		const body = sdp ?? this.#answerSdp ?? (this.offer ? this.#takeOffer(this.offer) : this.ownSdp());
		this.state = 'answered';
		const acked = new Promise((resolve) => {
			this.#resolve.ack = resolve;
		});
		this.invited.reply(200, 'OK', { toTag: this.localTag, body, headers: [
			['Contact', `<${this.ue.contact}>`], ['Allow', ALLOW], ...(body ? [['Content-Type', 'application/sdp']] : []),
			...headers] });
		const ack = await within(acked, 10 * SECOND, `ACK at UE ${this.ue.user}`);
		if (!this.offer && ack.body)
			this.#takeRemote(parseSdp(ack.body));
		this.state = 'up';
		this.#resolve.answered(ack);
		return this;
	}

	/** Final negative answer to the INVITE. */
	reject(status, reason, headers = []) {
		this.invited.reply(status, reason, { toTag: this.localTag, headers });
		this.#finish(`rejected ${status}`);
	}

	/** CANCEL our INVITE; await call.answered for the 487. */
	async cancel(headers = []) {
		const msg = this.#request('CANCEL', { cseq: this.localCseq, b: this.inviteBranch, headers });

		msg.start = `CANCEL ${this.inviteMsg.uri} SIP/2.0`;
		return this.ue.sip.request(msg, this.ue.core);
	}

	/** Any request in the dialog; resolves with its final answer. */
	async send(method, options) {
		const msg = this.#request(method, options);

		await this.ue.sip.send(msg, this.#nextHop());
		return (await this.ue.sip.response(msg)).msg;
	}

	async subscribe(event) {
		const msg = this.#request('SUBSCRIBE', { cseq: this.localCseq, headers: [['Event', event], ['Expires', 600]] });

		await this.ue.sip.send(msg, this.ue.core);
		this.subscribed = (await this.ue.sip.response(msg)).msg;
		if (this.subscribed.status < 300)
			Object.assign(this, { remote: this.subscribed.get('To'), target: uriOf(this.subscribed.get('Contact')),
				routes: this.subscribed.all('Record-Route').reverse() });
	}

	/** re-INVITE with the given direction (hold: 'sendonly', 'inactive'), or any sdp, or none; ACKs a 2xx. */
	async reinvite(dir = 'sendrecv', { sdp, lateOffer = false, headers } = {}) {
		const b = branch();

		Object.assign(this, { inviteBranch: b, lateOffer });
		const msg = this.#request('INVITE', { b, headers, body: lateOffer ? '' : sdp ?? this.ownSdp(dir) });
		await this.ue.sip.send(msg, this.#nextHop());
		const final = await this.progress.next((m) => m.topBranch === b && m.status >= 200,
			{ what: 'answer to re-INVITE' });
		if (final.status < 300 && !lateOffer)
			this.#takeRemote(parseSdp(final.body));
		return final;
	}

	/** UPDATE with an offer of that direction. */
	async update(dir = 'sendrecv') {
		const final = await this.send('UPDATE', { body: this.ownSdp(dir) });

		if (final.status < 300)
			this.#takeRemote(parseSdp(final.body));
		return final;
	}

	/** What became of a REFER of the other side. */
	notifyRefer(refer, line, over = false) {
		return this.send('NOTIFY', { headers: [['Event', `refer;id=${refer.cseq}`],
			['Subscription-State', over ? 'terminated;reason=noresource' : 'active;expires=60']],
		body: `${line}\r\n`, type: 'message/sipfrag;version=2.0' });
	}

	async bye(headers = []) {
		const res = await this.send('BYE', { headers });

		this.#finish('bye sent');
		return res;
	}

	onRequest(item) {
		const { msg } = item;

		this.requests.push(msg);
		if (this.before?.(item) === true)
			return;
		if (msg.method === 'ACK') {
			this.#resolve.ack?.(msg);
		} else if (msg.method === 'CANCEL') {
			item.reply(200, 'OK', { toTag: this.localTag });
			if (this.state === 'new' || this.state === 'ringing') {
				this.invited.reply(487, 'Request Terminated', { toTag: this.localTag });
				this.#finish('cancelled');
			}
		} else if (msg.method === 'BYE') {
			item.reply(200, 'OK');
			this.#finish('bye received');
		} else if (msg.method === 'INVITE' || (msg.method === 'UPDATE' && msg.body)) {
			const body = msg.body ? this.#takeOffer(parseSdp(msg.body)) : this.ownSdp();

			item.reply(200, 'OK', { body, headers: [['Contact', `<${this.ue.contact}>`],
				['Content-Type', 'application/sdp']] });
		} else if (msg.method === 'REFER') {
			item.reply(202, 'Accepted', { headers: [['Contact', `<${this.ue.contact}>`]] });
		} else {
			item.reply(200, 'OK');
		}
	}

	/** The next request of that method, or one that came already and nobody took. */
	async request(method, match = () => true) {
		const fits = (m) => m.method === method && !m.taken && match(m);
		const msg = await until(() => this.requests.find(fits), { ms: 20 * SECOND, every: 20,
			what: `${method} at UE ${this.ue.user}` });

		msg.taken = true;
		return msg;
	}

	#finish(why) {
		if (this.#ended)
			return;
		this.#ended = true;
		this.state = 'ended';
		this.why = why;
		for (const m of this.media)
			m.stop();
		this.#resolve.ended(why);
	}

	async closeMedia() {
		await Promise.all(this.media.splice(0).map((m) => m.close()));
	}
}

export { param };
