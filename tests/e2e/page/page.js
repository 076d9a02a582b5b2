// SPDX-License-Identifier: Apache-2.0
//
// The WIC of the browser tests: JsSIP with its defaults behind a handful of functions on
// window.wic that a test drives and polls. Shows nothing; the softphone is in deploy/.
import JsSIP from 'jssip';

const events = [];
let ua, socket, session, audioCtx, analyser, local;

const note = (name, detail = {}) => events.push({ name, at: performance.now(), ...detail });

/** Fake microphone as it is, or an oscillator when a frequency is asked for. */
async function microphone({ tone, video }) {
	const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

	if (!tone)
		return navigator.mediaDevices.getUserMedia({ audio: raw, video: video ?? false });
	audioCtx ??= new AudioContext({ sampleRate: 48000 });
	const osc = audioCtx.createOscillator();
	const out = audioCtx.createMediaStreamDestination();

	osc.frequency.value = tone;
	osc.connect(out);
	osc.start();
	if (video) {
		const cam = await navigator.mediaDevices.getUserMedia({ video: true });

		cam.getVideoTracks().forEach((t) => out.stream.addTrack(t));
	}
	return out.stream;
}

function listen(stream) {
	const [track] = stream.getAudioTracks();

	if (!track || analyser)
		return;
	document.getElementById('remote').srcObject = stream;
	audioCtx ??= new AudioContext({ sampleRate: 48000 });
	analyser = audioCtx.createAnalyser();
	analyser.fftSize = 16384;
	audioCtx.createMediaStreamSource(new MediaStream([track])).connect(analyser);
}

function watchPeer(pc) {
	pc.addEventListener('track', (e) => {
		note('track', { kind: e.track.kind });
		const stream = e.streams[0] ?? new MediaStream([e.track]);

		if (e.track.kind === 'audio')
			listen(new MediaStream([e.track]));
		else
			document.getElementById('video').srcObject = stream;
	});
	pc.addEventListener('iceconnectionstatechange', () => note(`ice.${pc.iceConnectionState}`));
	pc.addEventListener('connectionstatechange', () => note(`pc.${pc.connectionState}`));
}

function follow(s) {
	session = s;
	analyser = undefined;
	s.on('peerconnection', ({ peerconnection }) => watchPeer(peerconnection));
	if (s.connection)
		watchPeer(s.connection);
	s.on('progress', ({ response }) => note('progress', { status: response?.status_code }));
	s.on('accepted', () => note('accepted'));
	s.on('confirmed', () => note('confirmed'));
	s.on('hold', ({ originator }) => note('hold', { originator }));
	s.on('unhold', ({ originator }) => note('unhold', { originator }));
	s.on('peerconnection:setremotedescriptionfailed', (e) => note('sdp.failed', { error: String(e) }));
	for (const end of ['ended', 'failed']) {
		s.on(end, (e) => note(end, { originator: e.originator, cause: e.cause,
			status: e.message?.status_code, reason: e.message?.getHeader?.('Reason') }));
	}
	s.on('sdp', ({ originator, type, sdp }) => note('sdp', { originator, type, sdp }));
}

const rtcOptions = async (o) => ({
	mediaStream: local = await microphone(o),
	pcConfig: { iceServers: [], ...(o.bundlePolicy && { bundlePolicy: o.bundlePolicy }) },
	rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: Boolean(o.video) },
});

window.wic = {
	events,

	start({ ws, uri, password, user, expires = 600, register = true, recovery, instance }) {
		socket = new JsSIP.WebSocketInterface(ws);
		ua = new JsSIP.UA({ sockets: [socket], uri, password, authorization_user: user, register,
			register_expires: expires, session_timers: false, ...(instance && { instance_id: instance }),
			connection_recovery_min_interval: recovery ?? 2, connection_recovery_max_interval: 4 });
		ua.on('connected', () => note('connected'));
		ua.on('disconnected', (e) => note('disconnected', { code: e.code, error: e.error }));
		ua.on('registered', ({ response }) => note('registered', {
			serviceRoute: response.getHeaders('Service-Route'),
			associated: response.getHeaders('P-Associated-URI'),
			charging: response.getHeaders('P-Charging-Vector') }));
		ua.on('unregistered', () => note('unregistered'));
		ua.on('registrationFailed', (e) => note('registrationFailed', {
			status: e.response?.status_code, cause: e.cause }));
		ua.on('newRTCSession', ({ originator, session: s, request }) => {
			if (originator === 'remote') {
				note('incoming', { from: s.remote_identity.uri.toString(),
					pai: request.getHeader('P-Asserted-Identity'), sdp: request.body });
				follow(s);
			}
		});
		ua.start();
	},

	async call(target, o = {}) {
		const s = ua.call(target, { ...await rtcOptions(o), extraHeaders: o.headers ?? [] });

		follow(s);
	},

	async answer(o = {}) {
		session.answer(await rtcOptions(o));
	},

	reject(status = 486, reason) {
		session.terminate({ status_code: status, reason_phrase: reason });
	},

	hangup() {
		session.terminate();
	},

	hold: () => session.hold(),
	unhold: () => session.unhold(),
	dtmf: (tones) => session.sendDTMF(tones, { transportType: 'RFC2833' }),

	register: () => ua.register(),
	unregister: () => ua.unregister(),

	stop() {
		local?.getTracks().forEach((t) => t.stop());
		ua?.stop();
	},

	/** Samples of the remote audio right now (a third of a second). */
	samples() {
		if (!analyser)
			return [];
		const buf = new Float32Array(analyser.fftSize);

		analyser.getFloatTimeDomainData(buf);
		return Array.from(buf);
	},

	remoteDescription: () => session?.connection?.remoteDescription?.sdp,
	localDescription: () => session?.connection?.localDescription?.sdp,

	/** Candidate pairs in use and what was sent and received, out of getStats. */
	async stats() {
		const out = { pairs: [], audio: {}, video: {} };
		const report = await session.connection.getStats();

		report.forEach((s) => {
			if (s.type === 'transport' && s.selectedCandidatePairId) {
				const pair = report.get(s.selectedCandidatePairId);
				const remote = report.get(pair.remoteCandidateId);

				out.pairs.push({ remote: `${remote.address}:${remote.port}`, type: remote.candidateType,
					state: pair.state, dtls: s.dtlsState, srtp: s.srtpCipher, iceRole: s.iceRole });
			}
			if (s.type === 'inbound-rtp')
				Object.assign(out[s.kind], { received: s.packetsReceived, lost: s.packetsLost,
					decoded: s.framesDecoded, codec: report.get(s.codecId)?.mimeType });
			if (s.type === 'outbound-rtp')
				Object.assign(out[s.kind], { sent: s.packetsSent, encoded: s.framesEncoded });
		});
		return out;
	},
};
