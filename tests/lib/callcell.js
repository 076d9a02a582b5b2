// SPDX-License-Identifier: Apache-2.0
//
// One call between a scripted WIC and a scripted core of its own, brought to a chosen state, for
// tests that have to see every message of both legs from then on: several dozens run at once over
// one gateway. Each side answers what ends a call, unless told to be mute; what both saw since
// mark() is text: "487 INVITE", "BYE{503 media gateway lost}". 100s are left out: time decides them.
import { CoreDialog, ours } from './corecall.js';
import { credentials, RESPONSE } from './register.js';
import { Scscf } from './scscf.js';
import { audioLine, browserAnswer, browserOffer, plainSdp } from './sdp.js';
import { SipMessage, token, uriOf } from './sip.js';
import { port } from './ports.js';
import { WsCall, WsClient } from './wsclient.js';
import { SECOND, until } from './wait.js';

/** A message as one word. */
export function show(msg) {
	if (msg.status)
		return `${msg.status} ${msg.cseqMethod}`;
	const reason = msg.get('Reason');
	const cause = /cause=(\d+)/.exec(reason ?? '')?.[1];
	const text = /text="([^"]*)"/.exec(reason ?? '')?.[1];

	return cause ? `${msg.method}{${cause}${text ? ` ${text}` : ''}}` : msg.method;
}

const RELIABLE = [['Require', '100rel'], ['RSeq', '1']];
const coreSdp = (dir) => plainSdp('127.0.0.1', [audioLine(49998, dir)]);

export class Cell {
	/** False: that side says nothing any more, whatever it is asked. */
	polite = { wic: true, core: true };
	#from = { wic: 0, core: 0 };

	/** A WIC registered at a core node of its own. transport: of what the node gets. */
	static async open(env, user, { transport = 'UDP' } = {}) {
		const self = new Cell();
		const { core } = env;
		const node = await Scscf.start({ port: await port() });
		const wic = await WsClient.open(env.gw.wssUrl, { user, origin: env.gw.origin });

		Object.assign(self, { env, user, node, wic, transport });
		Object.defineProperty(node, 'serviceRoute', { value: self.#lr('orig') });
		node.onRequest = (item) => self.#atCore(item);
		node.onResponse = ({ msg }) => self.#ackRefusal(msg);
		wic.ws.on('message', (data) => self.#atWic(SipMessage.parse(data.toString('utf8'))));
		const reg = wic.registerMsg({ auth: credentials(wic, { response: RESPONSE }) });
		wic.send(reg);
		const item = await core.next('REGISTER', { callId: reg.callId });
		node.accept(item, { associated: `<sip:${user}@ims.test>` });
		Object.assign(node, { path: item.msg.get('Path'), contact: uriOf(item.msg.get('Contact')) });
		const res = await wic.response(reg);
		if (res.status !== 200)
			throw new Error(`REGISTER of ${user}: ${res.start}`);
		return self;
	}

	#lr(user) {
		return `<sip:${user}@${this.node.host}:${this.node.port};lr${this.transport === 'TCP' ? ';transport=tcp' : ''}>`;
	}

	get far() {
		return `<sip:far@${this.node.host}:${this.node.port}>`;
	}

	/* ---- what each side does by itself */

	#atCore({ msg, reply }) {
		const item = { msg, reply };

		if (!this.polite.core || msg.callId !== this.callId)
			return msg.method !== 'INVITE';
		if (msg.method === 'CANCEL') {
			item.reply(200, 'OK', { toTag: this.tag });
			if (this.onCancel)
				this.onCancel();
			else
				(msg.cseq === this.invite?.msg.cseq ? this.invite : this.again)?.reply(487, 'Request Terminated', { toTag: this.tag });
			return true;
		}
		if (msg.method === 'BYE') {
			if (!this.keepBye)
				item.reply(200, 'OK');
			this.byeAtCore = item;
			return true;
		}
		return false;
	}

	/** The core's INVITE was refused: ACK, of the same transaction. */
	#ackRefusal(msg) {
		const sent = [this.inviteSent, this.requestSent].find((m) => m?.topBranch === msg.topBranch);

		if (!this.polite.core || msg.status < 300 || msg.cseqMethod !== 'INVITE' || !sent)
			return;
		this.node.send(new SipMessage(`ACK ${sent.uri} SIP/2.0`, [['Via', sent.get('Via')], ['Max-Forwards', 70],
			...sent.all('Route').map((r) => ['Route', r]), ['From', sent.get('From')], ['To', msg.get('To')],
			['Call-ID', msg.callId], ['CSeq', `${msg.cseq} ACK`]]), this.dialog?.hop ?? this.node.pathTarget);
	}

	#atWic(msg) {
		if (!this.polite.wic || msg.callId !== this.callId)
			return;
		if (msg.method === 'CANCEL') {
			this.wic.send(msg.answer(200, 'OK'));
			if (this.onCancel) {
				this.onCancel();
				return;
			}
			const to = msg.cseq === this.call.invite.cseq && this.call.incoming ? this.call.invite : this.againAtWic;
			this.wic.send(to.answer(487, 'Request Terminated', { toTag: /tag=(\w+)/.exec(this.call.local)[1] }));
		} else if (msg.method === 'BYE') {
			if (!this.keepBye)
				this.wic.send(msg.answer(200, 'OK'));
			this.byeAtWic = msg;
		} else if (msg.status >= 300 && msg.cseqMethod === 'INVITE') {
			const invite = msg.cseq === this.call.invite.cseq ? this.call.invite : this.reinviteSent;
			const ack = new SipMessage(`ACK ${invite.uri} SIP/2.0`, [['Via', invite.get('Via')], ['Max-Forwards', 70],
				['From', msg.get('From')], ['To', msg.get('To')], ['Call-ID', msg.callId], ['CSeq', `${msg.cseq} ACK`]]);

			this.wic.send(ack);
		}
	}

	/* ---- what both saw */

	/* A message once more is no other: retransmissions are the clock's. */
	#seen(side) {
		const list = side === 'core' ? this.node.log.map(({ msg }) => msg)
			: this.wic.frames.filter((f) => f.text.trim()).map((f) => SipMessage.parse(f.text));
		const known = new Set();

		return list.filter((m) => {
			const key = m.method === 'ACK' ? `ACK ${m.cseq} ${m.toTag}` : `${m.topBranch} ${m.status ?? m.method} ${m.cseqMethod}`;

			return !known.has(key) && known.add(key);
		});
	}

	/** From here on; everything before has been looked at or does not matter. */
	mark() {
		for (const side of ['wic', 'core'])
			this.#from[side] = this.#seen(side).length;
	}

	/** "what the WIC saw | what the core saw" since mark(). */
	seen() {
		const [wic, core] = ['wic', 'core'].map((side) => this.#seen(side).slice(this.#from[side])
			.filter((m) => m.callId === this.callId && m.status !== 100).map(show).join(', '));

		return `${wic} | ${core}`.trim();
	}

	/** The record of the call, once it is over. */
	async record(ms = 15 * SECOND) {
		const { cause, status } = await this.env.gw.cscf.logged('call.record', { call_id: this.callId }, { ms });

		return `${cause} ${status}`;
	}

	/** Wait until the gateway's own work of that moment is done: it answers in order on each leg. */
	async settle() {
		const { gw } = this.env;
		const ask = new SipMessage(`OPTIONS sip:${gw.mw.host} SIP/2.0`, [['Via', `SIP/2.0/UDP ${this.node.host}:${
			this.node.port};branch=z9hG4bK${token()}`], ['Max-Forwards', 5], ['From', `<sip:x@ims.test>;tag=${token(4)}`],
		['To', `<sip:${gw.mw.host}>`], ['Call-ID', token()], ['CSeq', '1 OPTIONS']]);

		await this.node.request(ask, gw.mw);
		if (this.wic.ws.readyState === this.wic.ws.OPEN)
			await this.wic.request(this.wic.message('OPTIONS', `sip:${gw.mw.host}`));
	}

	/** The call as the operator sees it. */
	shown() {
		return this.env.gw.cscf.ctl('call show', this.callId);
	}

	/* ---- to a state, the WIC calls */

	async dial(headers = []) {
		this.tag = token(4);
		const call = this.wic.invite('sip:far@ims.test', { headers });
		this.call = call;
		this.callId = call.callId;
	}

	async sent(headers) {
		await this.dial(headers);
		this.invite = await this.node.next('INVITE', { callId: this.callId });
		this.invite.msg.headers.unshift(['Record-Route', this.#lr('as')]);
	}

	coreReply(status, reason, { sdp = false, headers = [], to = this.invite, dir } = {}) {
		to.reply(status, reason, { toTag: this.tag, headers: [['Contact', this.far], ...headers,
			...(sdp ? [['Content-Type', 'application/sdp']] : [])], body: sdp ? coreSdp(dir) : '' });
	}

	async provisional(status, options) {
		this.coreReply(status, 'Progress', options);
		const res = await this.call.response(status);

		this.call.target = uriOf(res.get('Contact'));
		this.call.remote = res.get('To');
		this.call.routes = res.all('Record-Route').reverse();
		return res;
	}

	/** A request of the WIC within the dialog, seen by the core: its item there. */
	async fromWic(method, options) {
		this.lastFromWic = this.call.request(method, options);
		if (method === 'INVITE')
			this.reinviteSent = this.lastFromWic;
		this.wic.send(this.lastFromWic);
		return this.node.next(method, { callId: this.callId });
	}

	/** The 200 reaches the WIC; it does not say ACK yet. */
	async answered() {
		this.coreReply(200, 'OK', { sdp: true });
		const res = await this.wic.response(this.call.invite);

		this.answer = res.body;
		this.call.target = uriOf(res.get('Contact'));
		this.call.remote = res.get('To');
		this.call.routes = res.all('Record-Route').reverse();
	}

	async ackFromWic() {
		this.wic.send(this.call.request('ACK', { cseq: this.call.invite.cseq }));
		await this.node.next('ACK', { callId: this.callId });
		this.#coreDialog(this.invite.msg, { local: `${this.invite.msg.get('To')};tag=${this.tag}`,
			remote: this.invite.msg.get('From') });
	}

	#coreDialog(msg, { local, remote, reverse = false }) {
		const list = msg.all('Record-Route');

		this.dialog = new CoreDialog(this.node, { local, remote, callId: this.callId, target: uriOf(msg.get('Contact')),
			routes: ours(this.node, reverse ? list.reverse() : list) });
	}

	/* ---- to a state, the core calls */

	async dialFromCore(headers = []) {
		const msg = this.node.terminating('INVITE', { body: coreSdp(), headers });

		msg.set('To', `<sip:${this.user}@ims.test>`);
		msg.set('P-Called-Party-ID', `<sip:${this.user}@ims.test>`);
		msg.set('Record-Route', this.#lr('as'));
		this.callId = msg.callId;
		this.inviteSent = msg;
		await this.node.send(msg, { ...this.node.pathTarget, transport: 'UDP' });
	}

	cancelFromCore(headers = []) {
		const i = this.inviteSent;

		return this.node.request(new SipMessage(`CANCEL ${i.uri} SIP/2.0`, [['Via', i.get('Via')], ['Max-Forwards', 70],
			...i.all('Route').map((r) => ['Route', r]), ['From', i.get('From')], ['To', i.get('To')], ['Call-ID', i.callId],
			['CSeq', `${i.cseq} CANCEL`], ...headers]), this.node.pathTarget);
	}

	async sentToWic(headers) {
		await this.dialFromCore(headers);
		const invite = await this.wic.requests.next((m) => m.method === 'INVITE' && m.callId === this.callId, { what: 'INVITE on W2' });
		this.call = new WsCall(this.wic, invite, true);
	}

	/** The WIC answers; resolves when the core has it. */
	async wicReply(status, { sdp = false, headers = [], to = this.call.invite } = {}) {
		this.answer = sdp ? browserAnswer(to.body) : '';
		this.call.reply(status, 'Because', { to, headers, body: this.answer });
		const sent = to === this.call.invite ? this.inviteSent : this.requestSent;
		const { msg } = await this.node.responses.next(({ msg: m }) => m.topBranch === sent.topBranch && m.status === status,
			{ what: `${status} at the core` });

		if (to === this.call.invite)
			this.#coreDialog(msg, { local: sent.get('From'), remote: msg.get('To'), reverse: true });
		return msg;
	}

	async ackFromCore() {
		await this.dialog.ack(1);
		await this.wic.requests.next((m) => m.method === 'ACK' && m.callId === this.callId, { what: 'ACK on W2' });
	}

	/** A request of the core within the dialog, seen by the WIC: the message there. */
	async fromCore(method, options) {
		await this.sendFromCore(method, options);
		const msg = await this.wic.requests.next((m) => m.method === method && m.callId === this.callId, { what: `${method} on W2` });

		if (method === 'INVITE')
			this.againAtWic = msg;
		return msg;
	}

	async sendFromCore(method, options) {
		this.requestSent = this.dialog.request(method, options);
		await this.node.send(this.requestSent, this.dialog.hop);
	}

	/* ---- both */

	async up() {
		if (this.direction === 'to') {
			await this.sentToWic();
			await this.wicReply(200, { sdp: true });
			await this.ackFromCore();
		} else {
			await this.sent();
			await this.answered();
			await this.ackFromWic();
		}
	}

	/** BYE of either side, kept unanswered by the other: answerBye(). */
	async byeFromWic() {
		this.keepBye = true;
		this.lastFromWic = this.call.request('BYE');
		this.wic.send(this.lastFromWic);
		await until(() => this.byeAtCore, { what: 'BYE at the core' });
	}

	async byeFromCore() {
		this.keepBye = true;
		await this.sendFromCore('BYE');
		await until(() => this.byeAtWic, { what: 'BYE on W2' });
	}

	answerBye() {
		this.keepBye = false;
		if (this.byeAtCore)
			this.byeAtCore.reply(200, 'OK');
		else
			this.wic.send(this.byeAtWic.answer(200, 'OK'));
	}

	/** Hold by the core, to its end. */
	async hold() {
		const re = await this.fromCore('INVITE', { body: coreSdp('sendonly') });

		await this.wicReply(200, { sdp: true, to: re });
		await this.dialog.ack(this.requestSent.cseq);
		await this.wic.requests.next((m) => m.method === 'ACK' && m.cseq === re.cseq, { what: 'ACK on W2' });
	}

	static answerOf = (c) => browserAnswer(c.call.invite.body);
	static coreSdp = coreSdp;
	static reliable = RELIABLE;
	/** An offer that the core has to see: no mere ICE restart. */
	static holdOffer = () => browserOffer().replace('a=sendrecv', 'a=sendonly');

	/* ---- the end */

	/** The same instance on a new connection, registered again. */
	async comeBack() {
		const again = await WsClient.open(this.env.gw.wssUrl, { user: this.user, origin: this.env.gw.origin });

		Object.assign(again, { instance: this.wic.instance, contactUri: this.wic.contactUri, frames: this.wic.frames });
		again.ws.on('message', (data) => this.#atWic(SipMessage.parse(data.toString('utf8'))));
		await this.register(again, 600);
		this.wic = again;
		if (this.call)
			this.call.client = again;
	}

	async register(wic, expires) {
		const reg = wic.registerMsg({ auth: credentials(wic, { response: RESPONSE }), expires });

		wic.send(reg);
		this.env.core.accept(await this.env.core.next('REGISTER', { callId: reg.callId }), { expires });
		const res = await wic.response(reg);
		if (res.status !== 200)
			throw new Error(`REGISTER of ${this.user} for ${expires} s: ${res.start}`);
	}

	/** Nothing of it stays: the registration goes, sockets close. */
	async close() {
		if (!this.unregistered) {
			if (this.wic.ws.readyState !== this.wic.ws.OPEN)
				await this.comeBack();
			await this.register(this.wic, 0);
		}
		await this.wic.close();
		if (!this.nodeClosed)
			await this.node.close();
	}

	async closeNode() {
		this.nodeClosed = true;
		await this.node.close();
	}
}

/** Run each, all at once; every failure is told with its name. */
export async function all(list, run) {
	const results = await Promise.allSettled(list.map(run));
	const failed = results.map((r, i) => r.status === 'rejected' ? `${list[i].name}: ${r.reason.message}` : undefined).filter(Boolean);

	if (failed.length)
		throw new Error(`${failed.length} of ${list.length}:\n${failed.join('\n')}`);
}

/** Wait until both legs have seen that; throws with what they saw instead. */
export async function sees(cell, expected, { ms = 10 * SECOND } = {}) {
	await until(() => cell.seen() === expected, { ms, every: 20, what: () => `${expected}, but saw ${cell.seen()}` });
}

/**
 * A call brought to a state, then act(c); want is "what the WIC saw | what the core saw | cause and
 * status of the record" from there to the end, and nothing else may come.
 */
export async function follow(env, { direction, state, transport }, user, act, want) {
	const c = await Cell.open(env, user, { transport });
	const [wic, core, last] = want.split('|').map((t) => t.trim());

	Object.assign(c, { direction, state });
	try {
		await state.get(c);
		c.mark();
		await act(c);
		const record = await c.record(20 * SECOND);

		await sees(c, `${wic} | ${core}`.trim());
		if (record !== last)
			throw new Error(`the record says ${record}, not ${last}`);
	} finally {
		await c.close();
	}
}
