// SPDX-License-Identifier: Apache-2.0
/*
 * The page: puts Phone's state on the screen and the person's wishes into Phone. Settings come from
 * config.json beside the page (what the operator set), then from the URL query (what a test or link
 * set): wss, domain, user, password, impi, number, autoregister=1, autocall=1, autoanswer=1, video=1,
 * quiet=1 (no ringing). `window.softphone` is the Phone, for tests. config.json alone says which WAF
 * signs people in: { waf: { issuer, client_id } }; a link cannot.
 */
import { Identity, goSignIn, takeReturn } from './identity.js';
import { Phone } from './phone.js';
import { drawFigures, resetFigures } from './draw.js';
import { ring } from './ring.js';

const $ = (id) => document.getElementById(id);
const phone = new Phone();
const returned = takeReturn(); // first: it puts the query back as it was
let identity = null;
const query = new URLSearchParams(location.search);
const settings = {
  wss: `wss://${location.hostname || 'localhost'}:8443/sip`,
  domain: 'ims.test',
  user: '',
  number: '',
};

const KEYS = [['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''], ['0', '+'], ['#', '']];

function buildKeys() {
  for (const box of document.querySelectorAll('[data-keys]')) {
    const tones = box.dataset.keys === 'tone';
    for (const [digit, letters] of KEYS) {
      const key = document.createElement('button');
      key.type = 'button';
      key.dataset.testid = `${tones ? 'tone' : 'key'}-${digit}`;
      key.append(digit, Object.assign(document.createElement('small'), { textContent: letters }));
      key.addEventListener('click', () => (tones ? phone.tone(digit) : type(digit)));
      box.append(key);
    }
  }
}

function type(digit) {
  const field = $('number');
  field.setRangeText(digit, field.selectionStart ?? field.value.length, field.selectionEnd ?? field.value.length, 'end');
}

/* ---- state to screen ---- */

const REGISTRATION = { out: 'Not registered', registering: 'Registering…', registered: 'Registered', failed: 'Registration failed', leaving: 'Signing out…' };

function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

function callText(call) {
  switch (call.phase) {
    case 'calling': return 'Calling…';
    case 'early': return 'Ringing…';
    case 'incoming': return call.video ? 'Incoming video call' : 'Incoming call';
    case 'connecting': return 'Connecting…';
    case 'active':
      if (call.held) return 'On hold';
      if (call.heldByPeer) return 'Held by the other side';
      return clock((performance.now() - call.answeredAt) / 1000);
    default: return '';
  }
}

let signedIn = false;

function drawView() {
  const { state } = phone;
  if (state.registration === 'registered') signedIn = true;
  if (state.connection === 'off' && state.registration !== 'registering') signedIn = false;
  document.body.dataset.view = state.call.phase !== 'idle' ? 'call' : signedIn ? 'dial' : 'signin';
}

function drawRegistration() {
  const { registration, connection, user } = phone.state;
  const lost = connection === 'lost';
  const pill = $('registration');
  pill.dataset.state = lost ? 'lost' : registration;
  pill.querySelector('b').textContent = lost ? (signedIn ? 'Connection lost, trying again…' : 'Gateway not reached, trying again…') : registration === 'registered' ? user : REGISTRATION[registration];
  pill.title = registration === 'registered' ? `Registered as ${user}` : '';
  $('register').disabled = registration === 'registering' && !lost;
  $('register').textContent = registration === 'registering' ? 'Registering…' : 'Register';
}

function drawNotice() {
  const { error } = phone.state;
  $('notice').hidden = !error;
  if (!error) return;
  $('notice').dataset.code = error.code;
  $('notice').querySelector('b').textContent = error.title + (error.code ? ` (${error.code})` : '');
  $('notice').querySelector('p').textContent = error.text;
  const a = $('notice').querySelector('a');
  a.textContent = error.link?.text ?? '';
  if (error.link) a.href = error.link.href;
  $('notice-action').textContent = { signin: settings.waf ? 'Sign in again' : '', retry: 'Try again' }[error.action] ?? '';
  if (!signedIn && error.link) $('connection').open = true;
}

function drawCall() {
  const { call, figures } = phone.state;
  $('call').dataset.phase = call.phase;
  $('call').dataset.video = call.video;
  $('peer').textContent = call.peer;
  $('avatar').textContent = (call.peer.match(/[\p{L}\d]/u) ?? ['?'])[0];
  $('call-state').textContent = callText(call);
  for (const [id, on] of [['mute', call.muted], ['hold', call.held], ['camera', call.camera]]) $(id).setAttribute('aria-pressed', on);
  const decoded = figures?.media.video?.framesDecoded > 0;
  $('stage').classList.toggle('has-video', call.video && call.phase === 'active' && decoded);
  $('stage').classList.toggle('has-local', call.camera && call.phase === 'active' && decoded);
  $('meter-out').style.setProperty('--level', call.muted ? 0 : Math.sqrt(figures?.media.audio?.levelOut ?? 0));
  $('meter-in').style.setProperty('--level', Math.sqrt(figures?.media.audio?.levelIn ?? 0));
  if (call.phase === 'idle') {
    $('tones').hidden = true;
    $('keypad').setAttribute('aria-pressed', 'false');
  }
}

function drawLast() {
  const last = phone.state.lastCall;
  if (!last) return;
  const how = last.seconds || last.setupMs ? `${clock(last.seconds)}, set up in ${last.setupMs} ms` : last.cause.toLowerCase();
  $('last').textContent = `Last call: ${last.direction === 'in' ? 'from' : 'to'} ${last.peer}, ${how}`;
}

function draw() {
  drawView();
  drawRegistration();
  drawNotice();
  drawCall();
  drawLast();
  drawFigures(phone.state);
  ring(query.get('quiet') === '1' ? 'idle' : phone.state.call.phase);
}

function addEvent({ at, level, text }) {
  const row = document.createElement('li');
  row.className = level;
  const time = Object.assign(document.createElement('time'), { textContent: at.toTimeString().slice(0, 8), dateTime: at.toISOString() });
  row.append(time, document.createElement('i'), Object.assign(document.createElement('span'), { textContent: text }));
  $('events').prepend(row);
  while ($('events').children.length > 100) $('events').lastChild.remove();
}

function showStream({ which, kind, stream }) {
  if (which === 'remote') $(kind === 'audio' ? 'remote-audio' : 'remote-video').srcObject = stream;
  if (which === 'local') $('local-video').srcObject = stream;
  if (which === 'none') {
    for (const id of ['remote-audio', 'remote-video', 'local-video']) $(id).srcObject = null;
    resetFigures();
  }
}

/* ---- web identity ---- */

async function signIn({ guest = false } = {}) {
  await goSignIn(settings.waf, { guest });
}

function registerWith(one) {
  identity = one;
  phone.register({ ...settings, user: one.user, domain: one.domain, identity: one });
}

/* Signed out of the network first, then of the WAF: the deregistration still needs the token. */
function signOut() {
  const one = identity;
  identity = null;
  phone.stop();
  if (!one) return;
  const done = () => {
    if (phone.state.connection !== 'off') return;
    phone.removeEventListener('change', done);
    one.end().then(() => phone.dispatchEvent(new CustomEvent('event', { detail: { at: new Date(), level: 'info', text: 'signed out of the web identity' } })));
  };
  phone.addEventListener('change', done);
  done();
}

function leavePage() {
  phone.stop();
  identity?.end();
}

async function comeBack() {
  try {
    registerWith(await Identity.finish(settings.waf, returned));
  } catch (error) {
    phone.state.error = error.sentence ?? { title: 'Sign-in not completed', text: String(error.message ?? error), code: 0 };
    draw();
  }
}

function noticeAction() {
  const { action } = phone.state.error ?? {};
  if (action === 'retry' && identity) registerWith(identity);
  else if (settings.waf) signIn({ guest: identity?.guest });
}

/* ---- wishes to phone ---- */

function wire() {
  $('signin').addEventListener('submit', (e) => {
    e.preventDefault();
    for (const id of ['wss', 'domain', 'user']) settings[id] = $(id).value.trim();
    phone.register({ ...settings, password: $('password').value });
  });
  $('dial').addEventListener('submit', (e) => {
    e.preventDefault();
    phone.call($('number').value);
  });
  $('call-video').addEventListener('click', () => phone.call($('number').value, { video: true }));
  $('erase').addEventListener('click', () => ($('number').value = $('number').value.slice(0, -1)));
  $('web-signin').addEventListener('click', () => signIn());
  $('guest-signin').addEventListener('click', () => signIn({ guest: true }));
  $('notice-action').addEventListener('click', noticeAction);
  $('signout').addEventListener('click', signOut);
  $('answer').addEventListener('click', () => phone.answer());
  $('answer-video').addEventListener('click', () => phone.answer({ video: true }));
  $('reject').addEventListener('click', () => phone.reject());
  $('hangup').addEventListener('click', () => phone.hangup());
  $('mute').addEventListener('click', () => phone.setMuted(!phone.state.call.muted));
  $('hold').addEventListener('click', () => phone.setHeld(!phone.state.call.held));
  $('camera').addEventListener('click', () => phone.setCamera(!phone.state.call.camera));
  $('keypad').addEventListener('click', () => {
    $('tones').hidden = !$('tones').hidden;
    $('keypad').setAttribute('aria-pressed', !$('tones').hidden);
  });
  $('notice-close').addEventListener('click', () => {
    phone.state.error = null;
    drawNotice();
  });
  document.addEventListener('keydown', (e) => {
    if (phone.state.call.phase === 'active' && /^[0-9*#]$/.test(e.key) && e.target === document.body) phone.tone(e.key);
  });
  addEventListener('pagehide', leavePage);
  phone.addEventListener('change', draw);
  phone.addEventListener('event', (e) => addEvent(e.detail));
  phone.addEventListener('stream', (e) => showStream(e.detail));
  setInterval(() => phone.state.call.phase === 'active' && drawCall(), 500);
}

/* Links of tests and of `make run` act by themselves: register, call, answer. */
function automatic() {
  if (query.get('autocall') === '1') {
    const once = () => {
      if (phone.state.registration !== 'registered') return;
      phone.removeEventListener('change', once);
      phone.call(settings.number, { video: query.get('video') === '1' });
    };
    phone.addEventListener('change', once);
  }
  if (query.get('autoanswer') === '1')
    phone.addEventListener('change', () => phone.state.call.phase === 'incoming' && queueMicrotask(() => phone.answer({ video: query.get('video') === '1' })));
  if (query.get('autoregister') === '1') $('signin').requestSubmit();
}

async function start() {
  const file = await fetch('config.json').then((r) => (r.ok ? r.json() : {}), () => ({})).catch(() => ({}));
  if (file.wssPort) file.wss ??= `wss://${location.hostname}:${file.wssPort}/sip`;
  Object.assign(settings, file, Object.fromEntries([...query].filter(([k]) => ['wss', 'domain', 'user', 'impi', 'number'].includes(k))));
  for (const id of ['wss', 'domain', 'user', 'number']) $(id).value = settings[id];
  $('password').value = query.get('password') ?? '';
  if (query.has('password')) {
    const clean = new URLSearchParams(query);
    clean.delete('password');
    history.replaceState(null, '', `?${clean}`);
  }
  $('web').hidden = !settings.waf;
  buildKeys();
  wire();
  draw();
  window.softphone = phone;
  if (returned && settings.waf) comeBack();
  else automatic();
}

start();
