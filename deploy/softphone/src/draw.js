// SPDX-License-Identifier: Apache-2.0
/* Draws the live figures: tiles, the rate curve, and the lines of detail. */

const tiles = document.getElementById('tiles');
const details = document.getElementById('details');
const spark = document.getElementById('spark');
const POINTS = 60;
let rates = [];

const NONE = '–';
const number = (v, digits = 0) => (v === null || v === undefined || !Number.isFinite(v) ? NONE : v.toFixed(digits));

function tile(id, label, value, unit = '', mood = '') {
  let box = tiles.querySelector(`[data-testid="${id}"]`);
  if (!box) {
    box = document.createElement('div');
    box.dataset.testid = id;
    box.append(document.createElement('span'), document.createElement('b'));
    tiles.append(box);
  }
  box.className = `tile ${mood}`;
  box.firstChild.textContent = label;
  box.lastChild.replaceChildren(value);
  if (unit && value !== NONE) box.lastChild.append(Object.assign(document.createElement('small'), { textContent: ` ${unit}` }));
}

function line(label, value, id) {
  if (!value) return;
  const dd = Object.assign(document.createElement('dd'), { textContent: value });
  dd.dataset.testid = id;
  details.append(Object.assign(document.createElement('dt'), { textContent: label }), dd);
}

function curve(key, top) {
  const step = 300 / (POINTS - 1);
  return rates.map((r, i) => `${i ? 'L' : 'M'}${(i + POINTS - rates.length) * step} ${58 - (54 * r[key]) / top}`).join('');
}

function drawRates(media) {
  const all = Object.values(media);
  rates.push({ in: all.reduce((a, m) => a + m.kbitIn, 0), out: all.reduce((a, m) => a + m.kbitOut, 0) });
  rates = rates.slice(-POINTS);
  const top = Math.max(100, ...rates.map((r) => Math.max(r.in, r.out)));
  for (const key of ['in', 'out']) spark.querySelector(`.${key}`).setAttribute('d', curve(key, top));
}

function stateWord(state) {
  if (!state.figures) return [state.call.phase === 'idle' ? 'no call' : state.call.phase, ''];
  const ice = state.figures.connection;
  return [ice, ice === 'connected' ? 'good' : ice === 'failed' ? 'bad' : ''];
}

/** Forget the curve: the next call begins with an empty one. */
export function resetFigures() {
  rates = [];
  for (const path of spark.querySelectorAll('path')) path.removeAttribute('d');
}

let drawn = null;

/** Draw the figures of this state; without a call the tiles stay, empty. */
export function drawFigures(state) {
  const media = state.figures?.media ?? {};
  const a = media.audio;
  const [word, mood] = stateWord(state);
  tile('fig-state', 'Media', word, '', mood);
  const [codec, rate] = (a?.codec || NONE).split(/ (.*)/);
  tile('fig-codec', 'Codec', codec, rate);
  tile('fig-sent', 'Sent', a ? String(a.sent) : NONE, 'pkt');
  tile('fig-received', 'Received', a ? String(a.received) : NONE, 'pkt');
  tile('fig-lost', 'Lost', a ? number(a.lossPercent, 1) : NONE, '%', a?.lossPercent > 3 ? 'bad' : '');
  tile('fig-jitter', 'Jitter', number(a?.jitterMs, 1), 'ms', a?.jitterMs > 40 ? 'bad' : '');
  tile('fig-rtt', 'Round trip', number(a?.roundTripMs ?? (a?.pair?.roundTrip === null || !a?.pair ? null : a.pair.roundTrip * 1000), 1), 'ms');
  tile('fig-setup', 'Set-up', state.call.setupMs ? String(state.call.setupMs) : state.lastCall?.setupMs ? String(state.lastCall.setupMs) : NONE, 'ms');
  if (state.figures === drawn) return;
  drawn = state.figures;
  details.replaceChildren();
  if (!state.figures) return;
  drawRates(media);
  for (const m of Object.values(media)) {
    const kind = m.kind === 'audio' ? 'Audio' : 'Video';
    if (m.kind === 'video') line('Video', `${m.codec} ${m.frame} sent ${m.sent} received ${m.received} lost ${m.lost}`, 'fig-video');
    if (m.pair) line(`${kind} pair`, `${m.pair.local} ⇄ ${m.pair.remote}`, `fig-pair-${m.kind}`);
    if (m.srtp || m.dtls) line(`${kind} keys`, `DTLS ${m.dtls}${m.srtp ? `, ${m.srtp}` : ''}`, `fig-keys-${m.kind}`);
  }
  line('ICE', state.figures.ice, 'fig-ice');
}
