// SPDX-License-Identifier: Apache-2.0
//
// The little SDP the tests' own endpoints need: read what a peer wrote, write plain-RTP offers
// and answers, and write a browser-like offer for tests that only look at signalling.
import { token } from './sip.js';

/** { connection, session: [lines], media: [{ type, port, proto, pts, lines, host, rtcp, dir, … }] } */
export function parseSdp(text) {
	const out = { session: [], media: [] };
	let cur;

	for (const line of text.split(/\r?\n/).filter(Boolean)) {
		if (line.startsWith('m=')) {
			const [type, port, proto, ...pts] = line.slice(2).split(' ');

			cur = { type, port: Number(port), proto, pts, lines: [] };
			out.media.push(cur);
		} else {
			(cur ? cur.lines : out.session).push(line);
		}
	}
	const find = (lines, prefix) => lines.find((l) => l.startsWith(prefix))?.slice(prefix.length);
	out.connection = find(out.session, 'c=IN IP4 ') ?? find(out.session, 'c=IN IP6 ');
	for (const m of out.media) {
		m.host = find(m.lines, 'c=IN IP4 ') ?? find(m.lines, 'c=IN IP6 ') ?? out.connection;
		m.rtcp = Number(find(m.lines, 'a=rtcp:')?.split(' ')[0] ?? m.port + 1);
		m.dir = ['sendrecv', 'sendonly', 'recvonly', 'inactive']
			.find((d) => m.lines.includes(`a=${d}`)) ?? 'sendrecv';
		m.attr = (name) => find(m.lines, `a=${name}:`) ?? (m.lines.includes(`a=${name}`) ? '' :
			find(out.session, `a=${name}:`));
		m.attrs = (name) => m.lines.filter((l) => l.startsWith(`a=${name}:`) || l === `a=${name}`);
	}
	return out;
}

const MIRROR = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };

/** Plain-RTP body. media: [{ type, port, proto, pts, lines, dir }] */
export function plainSdp(host, media, { version = 1, id = 1000 } = {}) {
	const lines = ['v=0', `o=ue ${id} ${version} IN IP4 ${host}`, 's=-', `c=IN IP4 ${host}`, 't=0 0'];

	for (const m of media) {
		lines.push(`m=${m.type} ${m.port} ${m.proto ?? 'RTP/AVP'} ${m.pts.join(' ')}`, ...(m.lines ?? []));
		if (m.port)
			lines.push(`a=${m.dir ?? 'sendrecv'}`);
	}
	return `${lines.join('\r\n')}\r\n`;
}

export const audioLine = (port, dir) => ({ type: 'audio', port, pts: ['0', '101'], dir,
	lines: ['a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=ptime:20'] });

export const videoLine = (port, dir, proto = 'RTP/AVPF') => ({ type: 'video', port, proto, pts: ['96'], dir,
	lines: ['a=rtpmap:96 VP8/90000', ...proto === 'RTP/AVP' ? [] : ['a=rtcp-fb:96 nack pli', 'a=rtcp-fb:96 ccm fir']] });

/** Answer to an offer: PCMU for audio, the first VP8/H264 for video, else port 0. ports: by m-line. */
export function plainAnswer(offer, host, ports, { version = 1 } = {}) {
	return plainSdp(host, offer.media.map((m, i) => {
		const refuse = { type: m.type, port: 0, proto: m.proto, pts: [m.pts[0]] };
		const port = ports[i];

		if (!port || m.port === 0)
			return refuse;
		if (m.type === 'audio' && m.pts.includes('0')) {
			const dtmf = m.lines.find((l) => /^a=rtpmap:\d+ telephone-event\/8000/i.test(l));
			const pt = /\d+/.exec(dtmf ?? '')?.[0];

			return { type: 'audio', port, proto: m.proto, pts: pt ? ['0', pt] : ['0'], dir: MIRROR[m.dir],
				lines: ['a=rtpmap:0 PCMU/8000', ...(dtmf ? [dtmf, `a=fmtp:${pt} 0-15`] : []), 'a=ptime:20'] };
		}
		if (m.type === 'video') {
			const map = m.lines.find((l) => /^a=rtpmap:\d+ (VP8|H264)\/90000/i.test(l));
			const pt = /\d+/.exec(map ?? '')?.[0];

			if (!pt)
				return refuse;
			return { type: 'video', port, proto: m.proto, pts: [pt], dir: MIRROR[m.dir],
				lines: [map, ...m.lines.filter((l) => l.startsWith(`a=fmtp:${pt} `) ||
					/^a=rtcp-fb:\d+ (nack pli|ccm fir)$/.test(l) && l.startsWith(`a=rtcp-fb:${pt} `))] };
		}
		return refuse;
	}), { version });
}

/** Random but well-formed fingerprint attribute. */
export const fingerprint = () => `a=fingerprint:sha-256 ${token(32).toUpperCase().match(/../g).join(':')}`;

/** A browser's offer in shape (3.1 of the calls specification); there is no ICE agent behind it. */
export function browserOffer({ host = '127.0.0.1', port = 50000, video = false, setup = 'actpass',
	extra = [] } = {}) {
	const ice = [`a=ice-ufrag:${token(2)}`, `a=ice-pwd:${token(12)}`, 'a=ice-options:trickle', fingerprint(),
		`a=setup:${setup}`];
	const lines = ['v=0', 'o=- 5645355810408982095 2 IN IP4 127.0.0.1', 's=-', 't=0 0',
		`a=group:BUNDLE 0${video ? ' 1' : ''}`, 'a=extmap-allow-mixed', 'a=msid-semantic: WMS a1b2c3',
		`m=audio ${port} UDP/TLS/RTP/SAVPF 111 0 8 126`, `c=IN IP4 ${host}`, 'a=rtcp:9 IN IP4 0.0.0.0',
		`a=candidate:1 1 udp 2122260223 ${host} ${port} typ host generation 0 network-id 1`, ...ice, 'a=mid:0',
		'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level', 'a=sendrecv', 'a=msid:a1b2c3 9d8e7f',
		'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', 'a=rtcp-fb:111 transport-cc',
		'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000',
		'a=rtpmap:126 telephone-event/8000', 'a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6'];

	if (video)
		lines.push(`m=video ${port + 2} UDP/TLS/RTP/SAVPF 96 97`, `c=IN IP4 ${host}`, 'a=rtcp:9 IN IP4 0.0.0.0',
			`a=candidate:1 1 udp 2122260223 ${host} ${port + 2} typ host generation 0 network-id 1`, ...ice,
			'a=mid:1', 'a=sendrecv', 'a=rtcp-mux', 'a=rtcp-rsize', 'a=rtpmap:96 VP8/90000',
			'a=rtcp-fb:96 goog-remb', 'a=rtcp-fb:96 transport-cc', 'a=rtcp-fb:96 ccm fir', 'a=rtcp-fb:96 nack',
			'a=rtcp-fb:96 nack pli', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96');
	return `${[...lines, ...extra].join('\r\n')}\r\n`;
}

/** A browser's answer in shape to the gateway's offer. */
export function browserAnswer(offerText, { host = '127.0.0.1', port = 50000 } = {}) {
	const offer = parseSdp(offerText);
	const lines = ['v=0', 'o=- 8823 2 IN IP4 127.0.0.1', 's=-', 't=0 0'];

	offer.media.forEach((m, i) => {
		const pt = m.type === 'audio' ? m.pts.find((p) => p === '0') ?? m.pts[0] : m.pts[0];

		lines.push(`m=${m.type} ${port + 2 * i} UDP/TLS/RTP/SAVPF ${pt}`, `c=IN IP4 ${host}`,
			`a=candidate:1 1 udp 2122260223 ${host} ${port + 2 * i} typ host generation 0`,
			`a=ice-ufrag:${token(2)}`, `a=ice-pwd:${token(12)}`, fingerprint(), 'a=setup:active',
			`a=mid:${m.attr('mid') ?? i}`, 'a=sendrecv', 'a=rtcp-mux',
			...m.lines.filter((l) => l.startsWith(`a=rtpmap:${pt} `)));
	});
	return `${lines.join('\r\n')}\r\n`;
}
