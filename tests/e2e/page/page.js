// SPDX-License-Identifier: Apache-2.0
//
// The WIC of the browser tests: JsSIP with its defaults behind a handful of functions on
// window.wic that a test drives and polls. Shows nothing; the softphone is in deploy/.
import JsSIP from 'jssip';
import { goertzel, loudness } from '../../lib/goertzel.js';

const events = [];
const sessions = [];
let ua, socket, session, audioCtx, analyser, local, asked, go, notifier, subscriber, ear;

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

/** A tone below this is not heard. The tones of the tests are ten times as loud. */
const AUDIBLE = 0.02;

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

/** Media by way of a link of the test's: it says where the gateway is. */
function detour(pc) {
	const take = pc.setRemoteDescription.bind(pc);

	pc.setRemoteDescription = async ({ type, sdp }) => take({ type, sdp: await window.viaLink(sdp) });
}

function watchPeer(pc) {
	if (window.viaLink)
		detour(pc);
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
	pc.addEventListener('signalingstatechange', () => note('signaling', { state: pc.signalingState }));
}

function follow(s) {
	const call = sessions.push(s) - 1;

	session = s;
	analyser = undefined;
	s.on('peerconnection', ({ peerconnection }) => watchPeer(peerconnection));
	if (s.connection)
		watchPeer(s.connection);
	s.on('progress', ({ response }) => note('progress', { call, status: response?.status_code }));
	s.on('accepted', () => note('accepted', { call }));
	s.on('confirmed', () => note('confirmed', { call }));
	s.on('hold', ({ originator }) => note('hold', { originator }));
	s.on('unhold', ({ originator }) => note('unhold', { originator }));
	s.on('peerconnection:setremotedescriptionfailed', (e) => note('sdp.failed', { error: String(e) }));
	for (const end of ['ended', 'failed']) {
		s.on(end, (e) => note(end, { call, originator: e.originator, cause: e.cause,
			status: e.message?.status_code, reason: e.message?.getHeader?.('Reason') }));
	}
	s.on('sdp', ({ originator, type, sdp }) => note('sdp', { originator, type, sdp }));
	s.on('newDTMF', ({ originator, dtmf }) => note('dtmf', { originator, tone: dtmf.tone }));
	s.on('newInfo', ({ originator, info }) => note('info', { originator, type: info.contentType, body: info.body }));
	s.on('refer', (e) => {
		note('refer', { to: e.request.getHeader('Refer-To'), by: e.request.getHeader('Referred-By') });
		asked = async (o) => e.accept(follow, await rtcOptions(o));
	});
	s.on('replaces', (e) => {
		note('replaces', { what: e.request.getHeader('Replaces') });
		// The session it makes is announced as any incoming one.
		asked = () => e.accept();
	});
}

/** Answers to requests that the page sends, by method. */
const answers = (method) => ({
	onSuccessResponse: (r) => note('answer', { method, status: r.status_code, body: r.body }),
	onErrorResponse: (r) => note('answer', { method, status: r.status_code }),
	onDialogError: (r) => note('answer', { method, status: r?.status_code }),
	onRequestTimeout: () => note('answer', { method, status: 408 }),
	onTransportError: () => note('answer', { method, status: 503 }),
});

function watchRequests() {
	ua.on('newMessage', ({ originator, request }) => originator === 'remote' && note('message', {
		from: request.from.uri.toString(), body: request.body }));
	ua.on('newOptions', ({ originator, request, message }) => {
		if (originator === 'remote') {
			note('options', { from: request.from.uri.toString() });
			message.accept();
		}
	});
	ua.on('newSubscribe', ({ request }) => {
		note('subscribe', { event: request.event.event });
		notifier = ua.notify(request, 'text/plain', {});
		notifier.on('terminated', () => note('notifier.terminated'));
		notifier.start();
	});
}

/** JsSIP does nothing while the call's last offer has no answer yet: when it has. */
async function when(what, options) {
	const end = Date.now() + 10000;

	while (!session[what](options)) {
		if (Date.now() > end)
			throw new Error(`the call is not ready for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

const rtcOptions = async (o) => ({
	mediaStream: local = await microphone(o),
	pcConfig: { iceServers: [], ...(o.bundlePolicy && { bundlePolicy: o.bundlePolicy }) },
	rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: Boolean(o.video) },
});

window.wic = {
	events,

	start({ ws, uri, password, user, expires = 600, register = true, recovery, instance, timers = false, refresh = 'UPDATE' }) {
		socket = new JsSIP.WebSocketInterface(ws);
		ua = new JsSIP.UA({ sockets: [socket], uri, password, authorization_user: user, register,
			register_expires: expires, session_timers: timers, session_timers_refresh_method: refresh, ...(instance && { instance_id: instance }),
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
		watchRequests();
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

	hold: (o) => when('hold', o),
	unhold: (o) => when('unhold', o),
	dtmf: (tones, transportType = 'RFC2833') => session.sendDTMF(tones, { transportType }),

	/** The call that hold, hangup, stats … are about, by number in the order they began. */
	use(call) {
		session = sessions[call];
		analyser = undefined;
		const track = session.connection.getReceivers().find((r) => r.track?.kind === 'audio')?.track;

		if (track)
			listen(new MediaStream([track]));
	},

	/** A camera's track on the connection, for the next offer or answer. */
	async camera() {
		const cam = await navigator.mediaDevices.getUserMedia({ video: true });

		session.connection.addTrack(cam.getVideoTracks()[0], local);
	},

	/** The video line ends with the next offer. */
	stopVideo() {
		for (const t of session.connection.getTransceivers()) {
			if (t.receiver.track.kind === 'video' && !t.stopped) {
				t.sender.track?.stop();
				t.stop();
			}
		}
	},

	/** Re-INVITE with an offer; "renegotiated" is the end of it. */
	renegotiate(rtcOfferConstraints = {}) {
		if (!session.renegotiate({ rtcOfferConstraints }, () => note('renegotiated')))
			throw new Error('not ready for another offer');
	},

	/** The next offer or answer of the other side waits until go(). */
	stall() {
		const pc = session.connection;
		const gate = new Promise((resolve) => {
			go = resolve;
		});

		pc.setRemoteDescription = async (desc) => {
			delete pc.setRemoteDescription;
			note('stalled');
			await gate;
			return pc.setRemoteDescription(desc);
		};
	},
	go: () => go(),

	/**
	 * The same with new ICE credentials. Chromium may be gathering for long after a change of address, and JsSIP would wait for
	 * the end of it; the gateway needs no candidate of ours, so the page says after a while that there are no more.
	 */
	restartIce() {
		const pc = session.connection;
		const enough = () => pc.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate'));

		pc.addEventListener('signalingstatechange', () => setTimeout(enough, 500), { once: true });
		window.wic.renegotiate({ iceRestart: true });
	},

	/** REFER of this call, attended when another call's number is given. */
	refer(target, replaces) {
		const r = session.refer(target, { replaces: sessions[replaces] });

		for (const what of ['requestSucceeded', 'requestFailed', 'trying', 'progress', 'accepted', 'failed'])
			r.on(what, (e) => note(`refer.${what}`, { status: e.status_line?.status_code ?? e.response?.status_code }));
	},

	/** Do what the last REFER or INVITE with Replaces asks for. */
	agree: (o = {}) => asked(o),

	message: (target, body) => ua.sendMessage(target, body, { contentType: 'text/plain', eventHandlers: {
		succeeded: ({ response }) => note('answer', { method: 'MESSAGE', status: response.status_code }),
		failed: ({ response }) => note('answer', { method: 'MESSAGE', status: response?.status_code }) } }),

	options: (target) => ua.sendOptions(target, null, { eventHandlers: {
		succeeded: ({ response }) => note('answer', { method: 'OPTIONS', status: response.status_code }),
		failed: ({ response }) => note('answer', { method: 'OPTIONS', status: response?.status_code }) } }),

	/** Any request within the call. */
	request(method, { headers = [], body } = {}) {
		session.sendRequest(method, { extraHeaders: headers, body, eventHandlers: answers(method) });
	},

	subscribe(target, event) {
		subscriber = ua.subscribe(target, event, 'text/plain', { expires: 600 });
		subscriber.on('accepted', () => note('subscriber.accepted'));
		subscriber.on('notify', (final, request, body) => note('notify', { final, body }));
		subscriber.on('terminated', (code) => note('subscriber.terminated', { code }));
		subscriber.subscribe();
	},
	unsubscribe: () => subscriber.terminate(),
	notify: (body) => notifier.notify(body),
	endNotify: (body, reason) => notifier.terminate(body, reason),

	register: () => ua.register(),
	unregister: () => ua.unregister(),

	stop() {
		local?.getTracks().forEach((t) => t.stop());
		ua?.stop();
	},

	/** What a frequency has of the remote audio right now (a third of a second): share of its power, and loudness. */
	sound(freq) {
		if (!analyser)
			return { share: 0, level: 0 };
		const buf = new Float32Array(analyser.fftSize);

		analyser.getFloatTimeDomainData(buf);
		const share = goertzel(buf, freq, audioCtx.sampleRate);
		return { share, level: loudness(buf, freq, audioCtx.sampleRate, share) };
	},

	/**
	 * From now on: when each of these tones was heard first and last, and the longest time without any of them, by
	 * what the loudspeaker gets (Unix times in ms; the last 43 ms of sound, looked at every 10 ms).
	 */
	listenFor(tones) {
		const tap = audioCtx.createAnalyser();
		const buf = new Float32Array(tap.fftSize = 2048);
		const heard = {};
		let last = Date.now(), silence = 0;

		analyser.connect(tap);
		ear = { heard, silence: () => Math.max(silence, Date.now() - last), timer: setInterval(() => {
			tap.getFloatTimeDomainData(buf);
			const now = Date.now();

			for (const tone of tones) {
				if (loudness(buf, tone, audioCtx.sampleRate) < AUDIBLE)
					continue;
				silence = Math.max(silence, now - last);
				last = now;
				heard[tone] = { first: heard[tone]?.first ?? now, last: now };
			}
		}, 10) };
	},

	/** What that heard so far: { tones: { 440: { first, last }, … }, silence }. */
	heardSoFar: () => ({ tones: ear.heard, silence: ear.silence() }),

	remoteDescription: () => session?.connection?.remoteDescription?.sdp,
	localDescription: () => session?.connection?.localDescription?.sdp,

	/** Everything getStats has. */
	report: async () => [...(await session.connection.getStats()).values()],

	/** Send no more media; the connection stays. */
	quiet: () => Promise.all(session.connection.getSenders().map((s) => s.replaceTrack(null))),

	/** Candidate pairs in use and what was sent and received, out of getStats. */
	async stats() {
		const out = { pairs: [], audio: {}, video: {} };
		const report = await session.connection.getStats();

		report.forEach((s) => {
			if (s.type === 'transport' && s.selectedCandidatePairId) {
				const pair = report.get(s.selectedCandidatePairId);
				const remote = report.get(pair.remoteCandidateId);

				out.pairs.push({ remote: `${remote.address}:${remote.port}`, type: remote.candidateType,
					protocol: remote.protocol,
					state: pair.state, dtls: s.dtlsState, srtp: s.srtpCipher, iceRole: s.iceRole,
					ufrag: s.iceLocalUsernameFragment });
			}
			if (s.type === 'inbound-rtp')
				Object.assign(out[s.kind], { received: s.packetsReceived, lost: s.packetsLost, ssrc: s.ssrc,
					concealed: s.concealedSamples, silent: s.silentConcealedSamples, samples: s.totalSamplesReceived,
					decoded: s.framesDecoded, codec: report.get(s.codecId)?.mimeType });
			if (s.type === 'outbound-rtp')
				Object.assign(out[s.kind], { sent: s.packetsSent, encoded: s.framesEncoded });
		});
		return out;
	},
};
