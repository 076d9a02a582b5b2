// SPDX-License-Identifier: Apache-2.0
/*
 * The phone itself: one JsSIP user agent, at most one call. Knows no page: it keeps `state` and
 * says 'change' after each change of it, 'event' for the log, 'stream' for media. A second incoming
 * call is answered 486. A 380 is shown, never followed.
 */
import JsSIP from 'jssip';
import { callSentence, connectSentence, registerSentence } from './sentences.js';
import { Figures, Listener } from './figures.js';

/* JsSIP waits for the end of gathering; host candidates are there at once and are enough here. */
const GATHER_MS = 300;
const FIGURES_MS = 1000;
/* A network that is busy is asked again after its Retry-After, within these bounds. */
const AGAIN_S = { least: 5, usual: 15, most: 300 };
/* Signing out waits this long for the network's answer. */
const LEAVE_MS = 4000;

const bearerOf = (ua) => ua.get('authorization_jwt');

const nobody = () => ({
  phase: 'idle', // idle | calling | early | incoming | connecting | active | ended
  direction: '',
  peer: '',
  video: false,
  camera: false,
  held: false,
  heldByPeer: false,
  muted: false,
  startedAt: 0,
  answeredAt: 0,
  setupMs: 0, // from INVITE to 200; for an incoming call from its arrival to our answer
});

export class Phone extends EventTarget {
  #ua = null;
  #session = null;
  #settings = null;
  #figures = null;
  #timer = 0;
  #everConnected = false;
  #ownTracks = [];
  #leaveTimer = 0;
  #identity = null;
  #renewedFor401 = false;
  #againTimer = 0;
  listener = new Listener();
  state = { connection: 'off', registration: 'out', user: '', error: null, call: nobody(), figures: null, lastCall: null };
  log = [];

  #change(part) {
    Object.assign(this.state, part);
    this.dispatchEvent(new Event('change'));
  }

  #call(part) {
    Object.assign(this.state.call, part);
    this.#change({});
  }

  #note(level, text) {
    const entry = { at: new Date(), level, text };
    this.log.push(entry);
    if (this.log.length > 200) this.log.shift();
    this.dispatchEvent(new CustomEvent('event', { detail: entry }));
  }

  /**
   * Connect and register. settings: { wss, domain, user, expires }, and what proves it: { password,
   * impi }, or { identity } (identity.js), or { token } (a bare access token, never renewed).
   */
  register(settings) {
    if (this.#ua) {
      this.stop();
      this.#left(this.#ua);
    }
    this.#settings = settings;
    this.#everConnected = false;
    this.#identity = settings.identity ?? null;
    this.#renewedFor401 = false;
    const bearer = this.#identity?.credentials ?? (settings.token ? `Bearer ${settings.token}` : null);
    let socket;
    try {
      socket = new JsSIP.WebSocketInterface(settings.wss);
      this.#ua = new JsSIP.UA({
        sockets: [socket],
        uri: `sip:${settings.user}@${settings.domain}`,
        ...(bearer ? { authorization_jwt: bearer } : { authorization_user: settings.impi || settings.user, password: settings.password, realm: settings.domain }),
        register_expires: settings.expires || 600,
        session_timers: false,
        user_agent: 'wicgate softphone',
      });
    } catch (error) {
      this.#change({ error: { title: 'Check the settings', text: String(error.message ?? error), code: 0 } });
      return;
    }
    this.#change({ connection: 'connecting', registration: 'registering', user: `${settings.user}@${settings.domain}`, error: null });
    this.#note('info', `connecting to ${settings.wss}`);
    this.#wireAgent(this.#ua);
    if (this.#identity) this.#wireIdentity(this.#ua, this.#identity);
    this.#ua.start();
  }

  /* Each new token is registered with at once; none is sent after its half but a fresh one is asked for. */
  #wireIdentity(ua, identity) {
    let lost;
    identity.addEventListener('renewed', () => {
      if (this.#ua !== ua) return;
      ua.set('authorization_jwt', identity.credentials);
      this.#note('info', 'sign-in renewed');
      if (this.state.error === lost) this.#change({ error: null });
      if (ua.isRegistered() && !this.#renewedFor401) ua.register();
    });
    identity.addEventListener('lost', (e) => {
      if (this.#ua !== ua) return;
      lost = e.detail;
      this.#note('bad', `sign-in not renewed: ${lost.text}`);
      this.#change({ error: lost });
    });
    ua.on('registrationExpiring', async () => {
      await identity.fresh().catch(() => {});
      if (this.#ua === ua) ua.register();
    });
  }

  /* The token may have ended while the machine slept: a new one, and once more. */
  async #tryRenewed(ua, error) {
    this.#renewedFor401 = true;
    try {
      await this.#identity.renew();
    } catch {
      if (this.#ua === ua) this.#refused(ua, error);
      return;
    }
    if (this.#ua === ua) ua.register();
  }

  #refused(ua, error, response = null) {
    this.#change({ registration: 'failed', error: this.#everConnected ? error : this.state.error });
    /* Wrong credentials do not become right by asking again: leave the gateway alone. */
    if (error.code >= 400 && error.code < 500) queueMicrotask(() => this.#drop());
    if (error.code < 500) return;
    const said = parseInt(response?.getHeader('Retry-After'), 10) || AGAIN_S.usual;
    clearTimeout(this.#againTimer);
    this.#againTimer = setTimeout(() => this.#ua === ua && ua.isConnected() && !ua.isRegistered() && ua.register(),
      1000 * Math.min(Math.max(said, AGAIN_S.least), AGAIN_S.most));
  }

  #wireAgent(ua) {
    ua.on('connected', () => {
      if (this.#ua !== ua) return;
      this.#everConnected = true;
      this.#note('info', 'WebSocket open');
      this.#change({ connection: 'connected', registration: 'registering', error: null });
    });
    ua.on('disconnected', (e) => {
      if (this.#ua !== ua) return;
      if (this.state.registration === 'leaving') {
        this.#left(ua);
        return;
      }
      const was = this.state.connection;
      const first = !this.#everConnected;
      this.#change({
        connection: e.error ? 'lost' : 'off',
        registration: 'out',
        error: first ? connectSentence(this.#settings.wss) : this.state.error,
      });
      if (was !== 'lost') this.#note('warn', first ? 'the WebSocket did not open' : `WebSocket closed (${e.code ?? ''} ${e.reason ?? ''})`);
    });
    ua.on('registered', () => {
      if (this.#ua !== ua) return;
      this.#renewedFor401 = false;
      if (this.state.registration !== 'registered') this.#note('good', `registered as ${this.state.user}`);
      this.#change({ registration: 'registered', error: null });
    });
    ua.on('unregistered', () => {
      if (this.#ua !== ua) return;
      this.#note('info', 'no longer registered');
      if (this.state.registration !== 'leaving') this.#change({ registration: 'out' });
    });
    ua.on('registrationFailed', (e) => {
      if (this.#ua !== ua || this.state.registration === 'leaving') return;
      const error = registerSentence(e, { web: Boolean(bearerOf(ua)) });
      this.#note('bad', `registration failed: ${error.code || e.cause}`);
      if (error.code === 401 && this.#identity && !this.#renewedFor401) this.#tryRenewed(ua, error);
      else this.#refused(ua, error, e.response);
    });
    ua.on('newRTCSession', ({ originator, session }) => {
      if (originator !== 'remote') return;
      if (this.#session) {
        session.terminate({ status_code: 486, reason_phrase: 'Busy Here' });
        this.#note('info', 'a second call was answered with busy');
        return;
      }
      const peer = session.remote_identity.display_name || session.remote_identity.uri.user || session.remote_identity.uri.toString();
      this.state.call = { ...nobody(), phase: 'incoming', direction: 'in', peer, startedAt: performance.now(), video: /\r?\nm=video [1-9]/.test(session._request?.body ?? '') };
      this.#note('info', `${peer} is calling`);
      this.#take(session);
      this.#change({ error: null });
    });
  }

  #drop() {
    const ua = this.#ua;
    this.#ua = null;
    ua?.stop();
    this.#change({ connection: 'off' });
  }

  /** Hang up, deregister, disconnect; the state is 'leaving' until the network has answered. */
  stop() {
    const ua = this.#ua;
    if (!ua || this.state.registration === 'leaving') return;
    this.hangup();
    if (ua.isConnected()) this.#change({ registration: 'leaving', error: null });
    ua.stop();
    if (!ua.isConnected()) this.#left(ua);
    else this.#leaveTimer = setTimeout(() => this.#left(ua), LEAVE_MS);
  }

  #left(ua) {
    clearTimeout(this.#leaveTimer);
    if (this.#ua !== ua) return;
    this.#ua = null;
    this.#note('info', 'signed out');
    this.#change({ connection: 'off', registration: 'out' });
  }

  /** Place a call. @returns {boolean} false when there is none to place */
  call(number, { video = false } = {}) {
    const target = String(number).trim().replace(/[\s()]/g, '');
    if (!this.#ua || this.#session || !target) return false;
    if (this.state.registration !== 'registered') {
      this.#change({ error: { title: 'Not registered', text: 'Register first: the network only takes calls of registered users.', code: 0 } });
      return false;
    }
    this.state.call = { ...nobody(), phase: 'calling', direction: 'out', peer: target.replace(/^sips?:|@.*$/g, ''), video, camera: video, startedAt: performance.now() };
    this.#note('info', `calling ${target}${video ? ' with video' : ''}`);
    this.#change({ error: null });
    const session = this.#ua.call(/^(sips?|tel):/.test(target) ? target : target.includes('@') ? `sip:${target}` : `sip:${target}@${this.#settings.domain}`, {
      mediaConstraints: { audio: true, video },
      pcConfig: { iceServers: [] },
      eventHandlers: { peerconnection: (e) => this.#wireConnection(e.peerconnection) },
    });
    this.#take(session);
    return true;
  }

  /** Answer the incoming call. */
  answer({ video = false } = {}) {
    if (this.state.call.phase !== 'incoming') return;
    this.#session.on('peerconnection', (e) => this.#wireConnection(e.peerconnection));
    this.#call({ phase: 'connecting', camera: video && this.state.call.video });
    this.#session.answer({ mediaConstraints: { audio: true, video: video && this.state.call.video }, pcConfig: { iceServers: [] } });
  }

  /** Reject the incoming call: 486. */
  reject() {
    if (this.state.call.phase === 'incoming') this.#session.terminate({ status_code: 486, reason_phrase: 'Busy Here' });
  }

  /** End whatever call there is: CANCEL, reject or BYE. */
  hangup() {
    const session = this.#session;
    if (!session || session.isEnded()) return;
    if (this.state.call.phase === 'incoming') this.reject();
    else session.terminate();
  }

  #take(session) {
    this.#session = session;
    this.#figures = new Figures();
    let gathered = 0;
    session.on('icecandidate', (e) => {
      gathered ||= setTimeout(e.ready, GATHER_MS);
    });
    session.on('sending', () => this.#call({ startedAt: performance.now() }));
    session.on('progress', (e) => {
      if (e.originator !== 'remote') return;
      this.#note('info', `${e.response?.status_code ?? 180} ${e.response?.reason_phrase ?? 'Ringing'}`);
      this.#call({ phase: 'early' });
    });
    session.on('accepted', (e) => {
      const now = performance.now();
      this.#note('good', `answered after ${Math.round(now - this.state.call.startedAt)} ms`);
      this.#call({ phase: 'active', answeredAt: now, setupMs: Math.round(now - this.state.call.startedAt), peer: this.#connectedName(e) || this.state.call.peer });
      this.#startFigures();
    });
    session.on('hold', (e) => this.#hold(e.originator, true));
    session.on('unhold', (e) => this.#hold(e.originator, false));
    session.on('ended', (e) => this.#over(e));
    session.on('failed', (e) => this.#over(e));
    for (const name of ['setremotedescriptionfailed', 'createofferfailed', 'createanswerfailed', 'setlocaldescriptionfailed'])
      session.on(`peerconnection:${name}`, (error) => this.#note('bad', `${name}: ${error.message ?? error}`));
  }

  #connectedName(e) {
    const pai = e.response?.getHeader?.('P-Asserted-Identity');
    return pai?.match(/^"([^"]+)"/)?.[1] ?? '';
  }

  #hold(originator, held) {
    const local = originator === 'local';
    this.#note('info', `${local ? 'you' : 'the other side'} ${held ? 'put the call on hold' : 'took the call back'}`);
    this.#call(local ? { held } : { heldByPeer: held });
  }

  #wireConnection(pc) {
    pc.addEventListener('track', (e) => {
      const stream = e.streams[0] ?? new MediaStream([e.track]);
      if (e.track.kind === 'audio') this.listener.attach(new MediaStream([e.track]));
      if (e.track.kind === 'video') this.#call({ video: true });
      this.dispatchEvent(new CustomEvent('stream', { detail: { which: 'remote', kind: e.track.kind, stream } }));
    });
    pc.addEventListener('iceconnectionstatechange', () => {
      this.#note(pc.iceConnectionState === 'failed' ? 'bad' : 'info', `ICE ${pc.iceConnectionState}`);
      this.#readFigures();
    });
    pc.addEventListener('connectionstatechange', () => {
      this.#note(pc.connectionState === 'connected' ? 'good' : 'info', `media ${pc.connectionState}`);
      if (pc.connectionState === 'connected') this.#localStream();
    });
  }

  #localStream() {
    const tracks = this.#session?.connection?.getSenders().map((s) => s.track).filter(Boolean) ?? [];
    this.dispatchEvent(new CustomEvent('stream', { detail: { which: 'local', stream: new MediaStream(tracks) } }));
  }

  #startFigures() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#readFigures(), FIGURES_MS);
  }

  async #readFigures() {
    const pc = this.#session?.connection;
    if (!pc || pc.signalingState === 'closed') return;
    const figures = await this.#figures.read(pc);
    if (pc === this.#session?.connection) this.#change({ figures });
  }

  #over(e) {
    clearInterval(this.#timer);
    const { call } = this.state;
    const response = e.message?.status_code ? e.message : null;
    const status = response?.status_code ?? 0;
    const error = callSentence({ cause: e.cause, response, originator: e.originator, direction: call.direction, dialled: call.direction === 'out' ? call.peer : '' });
    const seconds = call.answeredAt ? Math.round((performance.now() - call.answeredAt) / 1000) : 0;
    const by = e.originator === 'local' ? 'you' : 'the other side';
    this.#note(error ? 'bad' : 'info', call.answeredAt ? `call ended by ${by} after ${seconds} s` : `call not answered: ${status || e.cause}`);
    for (const track of this.#ownTracks.splice(0)) track.stop();
    this.listener.close();
    this.#session = null;
    this.#change({
      error,
      call: nobody(),
      lastCall: { peer: call.peer, direction: call.direction, cause: e.cause, status, originator: e.originator, seconds, setupMs: call.setupMs, figures: this.state.figures },
      figures: null,
    });
    this.dispatchEvent(new CustomEvent('stream', { detail: { which: 'none' } }));
  }

  setMuted(muted) {
    if (!this.#session) return;
    if (muted) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
    this.#call({ muted });
  }

  /** Hold or resume: a re-INVITE. */
  setHeld(held) {
    if (!this.#session?.isEstablished()) return;
    const failed = () => this.#note('bad', `${held ? 'hold' : 'resume'} was refused`);
    const done = held ? this.#session.hold({}, () => {}) : this.#session.unhold({}, () => {});
    if (!done) failed();
  }

  /** One DTMF digit: RFC 4733 when negotiated, else the browser says so. */
  tone(digit) {
    if (!this.#session?.isEstablished()) return;
    const sender = this.#session.connection.getSenders().find((s) => s.track?.kind === 'audio' && s.dtmf)?.dtmf;
    if (!sender?.canInsertDTMF) {
      this.#note('warn', `tone ${digit} not sent: the other side takes no telephone events`);
      return;
    }
    sender.insertDTMF(sender.toneBuffer + digit, 120, 60);
    this.#note('info', `tone ${digit}`);
  }

  /* The video line that is in use; a refused one is stopped and stays in the list. */
  #video() {
    return this.#session.connection.getTransceivers().find((t) => t.sender.track?.kind === 'video' && t.direction !== 'stopped');
  }

  /** Camera on or off within a call; a call without video gets it by renegotiation. */
  async setCamera(on) {
    const session = this.#session;
    if (!session?.isEstablished()) return;
    const video = this.#video();
    if (video) {
      video.sender.track.enabled = on;
      this.#call({ camera: on });
      return;
    }
    if (!on) return;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      for (const track of stream.getVideoTracks()) {
        this.#ownTracks.push(track);
        session.connection.addTrack(track, stream);
      }
    } catch {
      this.#change({ error: callSentence({ cause: 'User Denied Media Access' }) });
      return;
    }
    this.#call({ camera: true, video: true });
    if (!session.renegotiate({}, () => this.#videoAnswered())) this.#note('warn', 'the call cannot be changed just now');
  }

  #videoAnswered() {
    if (!this.#session) return;
    if (this.#video()) {
      this.#localStream();
      return;
    }
    for (const track of this.#ownTracks.splice(0)) track.stop();
    this.#note('warn', 'the other side takes no video');
    this.#call({ camera: false, video: false });
    this.#change({ error: { title: 'No video', text: 'The other side takes no video in this call; audio goes on.', code: 0 } });
  }
}
