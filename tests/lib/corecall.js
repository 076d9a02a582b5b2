// SPDX-License-Identifier: Apache-2.0
//
// A call between a WIC and the scripted S-CSCF, which plays the far end: set up, and requests
// within the dialog from the core's side. Signalling only; the AGW has real contexts.
import assert from 'node:assert/strict';
import { audioLine, browserAnswer, plainSdp } from './sdp.js';
import { SipMessage, branch, parseUri, token, uriOf } from './sip.js';

/** The dialog as the core knows it. */
export class CoreDialog {
	cseq = 100;

	constructor(core, { local, remote, callId, target, routes }) {
		Object.assign(this, { core, local, remote, callId, target, routes });
	}

	request(method, { headers = [], body = '', cseq = ++this.cseq } = {}) {
		return new SipMessage(`${method} ${this.target} SIP/2.0`, [
			['Via', `SIP/2.0/UDP ${this.core.host}:${this.core.port};branch=${branch()}`], ['Max-Forwards', 70],
			...this.routes.map((r) => ['Route', r]), ['From', this.local], ['To', this.remote], ['Call-ID', this.callId],
			['CSeq', `${cseq} ${method}`], ['Contact', `<sip:far@${this.core.host}:${this.core.port}>`], ...headers,
			...(body ? [['Content-Type', 'application/sdp']] : [])], body);
	}

	get hop() {
		const { host, port } = parseUri(uriOf(this.routes[0]));

		return { host, port };
	}

	/** Send a request of the dialog; the final answer. */
	send(method, options) {
		return this.core.request(this.request(method, options), this.hop);
	}

	ack(cseq) {
		return this.core.send(this.request('ACK', { cseq }), this.hop);
	}
}

/** Our own entries only: the core is the next hop, not a route. */
export const ours = (core, routes) => routes.filter((r) => parseUri(uriOf(r)).port !== core.port);

/** The WIC calls and is answered (with sdp): { call, invite, far }. */
export async function callFromWic({ core }, wic, { rtp = 49998, sdp = plainSdp('127.0.0.1', [audioLine(rtp)]) } = {}) {
	const call = wic.invite('sip:far@ims.test');
	const item = await core.next('INVITE', { callId: call.callId });
	const { msg } = item;
	const tag = token(4);

	item.reply(100, 'Trying');
	item.reply(200, 'OK', { toTag: tag, headers: [['Contact', `<sip:far@${core.host}:${core.port}>`],
		['Content-Type', 'application/sdp']], body: sdp });
	assert.equal((await call.response()).status, 200);
	await core.next('ACK', { callId: call.callId });
	return { call, invite: msg, far: new CoreDialog(core, { local: `${msg.get('To')};tag=${tag}`, remote: msg.get('From'),
		callId: msg.callId, target: uriOf(msg.get('Contact')), routes: ours(core, msg.all('Record-Route')) }) };
}

/** The core calls (with sdp) the WIC, which answers: { call, invite, answer, far }. core.path and core.contact say where. */
export async function callToWic({ core }, wic, { rtp = 49998, sdp = plainSdp('127.0.0.1', [audioLine(rtp)]) } = {}) {
	const invite = core.terminating('INVITE', { body: sdp });

	await core.send(invite, core.pathTarget);
	const call = await wic.incoming();
	call.reply(200, 'OK', { body: browserAnswer(call.invite.body) });
	const { msg } = await core.response(invite);
	assert.equal(msg.status, 200);
	const far = new CoreDialog(core, { local: invite.get('From'), remote: msg.get('To'), callId: msg.callId,
		target: uriOf(msg.get('Contact')), routes: ours(core, msg.all('Record-Route').reverse()) });
	await far.ack(1);
	await call.next('ACK');
	return { call, invite, answer: msg, far };
}
