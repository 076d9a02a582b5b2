// SPDX-License-Identifier: Apache-2.0
//
// Media policy turned away from its defaults, by configuration alone: what stands in the
// descriptions on both sides, whose RTP is taken, and when a call is over.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { Gateway, HOST } from '../lib/gateway.js';
import { callFromWic, callToWic } from '../lib/corecall.js';
import { leave, registered } from '../lib/register.js';
import { RtpPort } from '../lib/rtp.js';
import { audioLine, browserOffer, parseSdp, plainSdp, videoLine } from '../lib/sdp.js';
import { token } from '../lib/sip.js';
import { SPARE } from '../lib/ports.js';
import { ORIGIN, suite } from '../lib/suite.js';

const test = suite({ scripted: true, gateway: { cscf: {
	access: { rtcp_mux: 'offer' },
	core: { rtcp_mux: 'accept', rtp_profile: { audio: 'AVPF', video: 'AVP' }, source_filter: 'any', latch: 'once' },
	dtls: { answer_role: 'passive' },
	media: { inactivity: '3s', inactivity_oneway_release: true },
} } });

const sdpHeaders = ({ host, port }) => [['Contact', `<sip:far@${host}:${port}>`], ['Content-Type', 'application/sdp']];

/** A BYE to each side: the Reasons they were given. */
async function ended({ core }, call) {
	const [atWic, atCore] = await Promise.all([call.next('BYE'), core.next('BYE', { callId: call.callId }).then((r) => {
		r.reply(200, 'OK');
		return r.msg;
	})]);

	return [atWic.get('Reason'), atCore.get('Reason')];
}

test('profiles, DTLS role; RTP of a stranger is followed; one side silent is a media timeout [SDP-05, DTLS-03, RTP-07, RTP-08, REL-09]', async (env) => {
	const { core, gw, own } = env;
	const { wic } = await registered(env);
	const named = own(await RtpPort.open('127.0.0.1'));
	const stranger = own(await RtpPort.open('127.0.0.2'));
	const call = wic.invite('sip:far@ims.test', { sdp: browserOffer({ video: true }) });
	const item = await core.next('INVITE', { callId: call.callId });
	const offer = parseSdp(item.msg.body);

	assert.deepEqual(offer.media.map((m) => [m.type, m.proto]), [['audio', 'RTP/AVPF'], ['video', 'RTP/AVP']]);
	item.reply(200, 'OK', { toTag: token(4), headers: sdpHeaders(core), body: plainSdp('127.0.0.1', [
		{ ...audioLine(named.port), proto: 'RTP/AVPF' }, videoLine(named.port + 1000, 'sendrecv', 'RTP/AVP')]) });
	const answer = parseSdp((await call.response()).body);
	assert.deepEqual(answer.media.map((m) => m.attr('setup')), ['passive', 'passive']);
	await core.next('ACK', { callId: call.callId });

	// Not the address of the answer, and for all the time that the WIC says nothing.
	stranger.setRemote(offer.media[0].host, offer.media[0].port);
	stranger.tone(440);
	await gw.agws[0].logged('core-latched', { call_id: call.callId });
	for (const reason of await ended(env, call))
		assert.match(reason ?? '', /SIP;cause=503;text="media timeout"/);
	await gw.cscf.logged('call.record', { call_id: call.callId, cause: 'media-timeout' });
	const silent = gw.agws[0].log('media-inactive').filter((l) => l.call_id === call.callId && l.stream === '0');
	assert.deepEqual([...new Set(silent.map((l) => l.side))], ['access'], JSON.stringify(silent));
	await leave(env, wic);
});

test('rtcp-mux: offered to the WIC but not required, taken where the core offers it [BUN-17, BUN-19]', async (env) => {
	const { core } = env;
	const { wic, path, contact } = await registered(env);
	const line = audioLine(49998);

	Object.assign(core, { path, contact });
	const { call, answer } = await callToWic(env, wic, { sdp: plainSdp('127.0.0.1', [
		{ ...line, lines: [...line.lines, 'a=rtcp-mux'] }]) });
	const [m] = parseSdp(call.invite.body).media;

	assert.deepEqual([m.attr('rtcp-mux'), m.attr('rtcp-mux-only')], ['', undefined]);
	assert.deepEqual([...new Set(m.attrs('candidate').map((c) => c.split(' ')[1]))], ['1', '2']);
	assert.ok(m.attr('rtcp'));
	assert.equal(parseSdp(answer.body).media[0].attr('rtcp-mux'), '');
	// No media of either side: that is a media timeout as well.
	for (const reason of await ended(env, call))
		assert.match(reason ?? '', /text="media timeout"/);
	await leave(env, wic);
});

test('a core on IPv6, the longest call, what is said without an AGW [SDP-32, REL-19]', async (env) => {
	const { core, own, t } = env;

	if (!Object.values(networkInterfaces()).flat().some(({ address }) => address === '::1')) {
		t.skip('no ::1 on this machine');
		return;
	}
	const gw = await Gateway.start({ core, ...SPARE, origins: [ORIGIN],
		cscf: { core: { family: 'ipv6' }, limits: { call_duration: '1s' }, reject: { no_media_wic: 580, no_media_core: 606 },
			iq: { heartbeat: '500ms' } },
		agw: { core: { listen_ip: [HOST, '::1'] } } });
	own({ close: () => gw.stop({ killed: true }) });
	const { wic, path, contact } = await registered(env, 'alice', { client: { url: gw.wssUrl } });
	const v6 = plainSdp('::1', [audioLine(49998)]).replaceAll('IN IP4 ::1', 'IN IP6 ::1');
	const { call, invite } = await callFromWic(env, wic, { sdp: v6 });

	assert.match(invite.body, /^c=IN IP6 ::1\r$/m);
	assert.doesNotMatch(invite.body, /IN IP4/);
	const [s] = (await gw.agws[0].ctl('context show', call.callId)).streams;
	assert.equal(s.core_remotes[0].rtp, '[::1]:49998');
	assert.match(s.core_local, /^\[::1\]:/);
	assert.match(s.access_local, /^127\.0\.0\.1:/);
	for (const reason of await ended(env, call))
		assert.match(reason ?? '', /SIP;cause=480;text="time is up"/);

	await gw.agws[0].process.stop('SIGKILL');
	await gw.cscf.logged('iq.link_down');
	const refused = wic.invite('sip:far@ims.test');
	assert.equal((await refused.response()).status, 580);
	Object.assign(core, { path, contact });
	const terminating = core.terminating('INVITE', { body: v6 });
	await core.send(terminating, core.pathTarget);
	assert.equal((await core.response(terminating)).msg.status, 606);
	await leave(env, wic);
});

test.end();
