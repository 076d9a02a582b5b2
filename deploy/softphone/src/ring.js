// SPDX-License-Identifier: Apache-2.0
/* Ringing for an incoming call, ring-back for one's own until media or an answer comes. */

const PATTERN = { incoming: { hz: [440, 480], on: 1, pause: 2 }, early: { hz: [425], on: 1, pause: 4 } };
let now = 'idle';
let stopIt = () => {};

function begin({ hz, on, pause }, volume) {
  const context = new AudioContext();
  const gain = context.createGain();
  gain.gain.value = 0;
  gain.connect(context.destination);
  for (const f of hz) {
    const tone = context.createOscillator();
    tone.frequency.value = f;
    tone.connect(gain);
    tone.start();
  }
  const beat = () => {
    const t = context.currentTime;
    gain.gain.setTargetAtTime(volume, t, 0.02);
    gain.gain.setTargetAtTime(0, t + on, 0.04);
  };
  beat();
  const timer = setInterval(beat, (on + pause) * 1000);
  return () => {
    clearInterval(timer);
    context.close().catch(() => {});
  };
}

/** Follow the call's phase; anything but ringing phases is silence. */
export function ring(phase) {
  if (phase === now) return;
  now = phase;
  stopIt();
  stopIt = PATTERN[phase] ? begin(PATTERN[phase], phase === 'incoming' ? 0.12 : 0.05) : () => {};
}
