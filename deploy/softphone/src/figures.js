// SPDX-License-Identifier: Apache-2.0
/*
 * Live figures of one RTCPeerConnection. The gateway answers without BUNDLE, so each medium has its
 * own transport, ICE pair and DTLS state: figures are per medium. Rates come from two readings.
 */

const list = (report) => {
  const byType = {};
  report.forEach((s) => (byType[s.type] ??= []).push(s));
  return byType;
};

function pairText(report, pair) {
  const local = report.get(pair.localCandidateId);
  const remote = report.get(pair.remoteCandidateId);
  const end = (c) => (c ? `${c.candidateType} ${c.address ?? '?'}:${c.port ?? '?'}/${c.protocol}` : '?');
  return {
    local: end(local),
    remote: end(remote),
    remoteAddress: remote?.address ?? '',
    remotePort: remote?.port ?? 0,
    state: pair.state,
    roundTrip: pair.currentRoundTripTime ?? null,
  };
}

function medium(report, byType, kind) {
  const out = (byType['outbound-rtp'] ?? []).find((s) => s.kind === kind && s.packetsSent !== undefined);
  const inn = (byType['inbound-rtp'] ?? []).find((s) => s.kind === kind);
  if (!out && !inn) return null;
  const far = out && report.get(out.remoteId);
  const codec = report.get((inn ?? out).codecId) ?? report.get((out ?? inn).codecId);
  const transport = report.get((out ?? inn).transportId);
  const pair = transport?.selectedCandidatePairId && report.get(transport.selectedCandidatePairId);
  const source = out && report.get(out.mediaSourceId);
  return {
    kind,
    codec: codec ? codec.mimeType.replace(/^.*\//, '') + (codec.clockRate ? ` ${codec.clockRate / 1000} kHz` : '') : '',
    payloadType: codec?.payloadType ?? null,
    sent: out?.packetsSent ?? 0,
    bytesSent: out?.bytesSent ?? 0,
    received: inn?.packetsReceived ?? 0,
    bytesReceived: inn?.bytesReceived ?? 0,
    lost: inn?.packetsLost ?? 0,
    jitterMs: inn?.jitter === undefined ? null : inn.jitter * 1000,
    farLossPercent: far?.fractionLost === undefined ? null : far.fractionLost * 100,
    roundTripMs: far?.roundTripTime === undefined ? null : far.roundTripTime * 1000,
    levelOut: source?.audioLevel ?? null,
    levelIn: inn?.audioLevel ?? null,
    frame: inn?.frameWidth ? `${inn.frameWidth}×${inn.frameHeight} ${Math.round(inn.framesPerSecond ?? 0)}/s` : '',
    framesDecoded: inn?.framesDecoded ?? 0,
    dtls: transport?.dtlsState ?? '',
    srtp: transport?.srtpCipher ?? '',
    pair: pair ? pairText(report, pair) : null,
  };
}

export class Figures {
  #last = new Map();

  /** Read all figures now. */
  async read(pc) {
    const report = await pc.getStats();
    const byType = list(report);
    const now = performance.now();
    const media = {};
    for (const kind of ['audio', 'video']) {
      const m = medium(report, byType, kind);
      if (!m) continue;
      const before = this.#last.get(kind);
      const seconds = before ? (now - before.at) / 1000 : 0;
      const rate = (a, b) => (seconds > 0 ? Math.max(0, (a - b) / seconds) : 0);
      m.kbitOut = before ? rate(m.bytesSent, before.bytesSent) * 0.008 : 0;
      m.kbitIn = before ? rate(m.bytesReceived, before.bytesReceived) * 0.008 : 0;
      m.packetsPerSecondIn = before ? rate(m.received, before.received) : 0;
      m.lossPercent = m.received + m.lost > 0 ? (100 * Math.max(0, m.lost)) / (m.received + m.lost) : 0;
      this.#last.set(kind, { at: now, bytesSent: m.bytesSent, bytesReceived: m.bytesReceived, received: m.received });
      media[kind] = m;
    }
    return { ice: pc.iceConnectionState, connection: pc.connectionState, media };
  }
}

/** How strong one frequency stands out of the rest in what a stream plays: tests and the meter use it. */
export class Listener {
  #context = null;
  #analyser = null;

  attach(stream) {
    this.close();
    if (!stream.getAudioTracks().length) return;
    this.#context = new AudioContext();
    this.#context.resume().catch(() => {});
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 4096;
    this.#analyser.smoothingTimeConstant = 0;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
  }

  close() {
    this.#context?.close().catch(() => {});
    this.#context = null;
    this.#analyser = null;
  }

  /** @returns {{hz: number, db: number, aboveDb: number}|null} the loudest frequency now */
  loudest() {
    if (!this.#analyser) return null;
    const bins = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(bins);
    const width = this.#context.sampleRate / this.#analyser.fftSize;
    let top = 1;
    for (let i = 1; i < bins.length; i++) if (bins[i] > bins[top]) top = i;
    const sorted = Array.from(bins).sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1];
    return { hz: top * width, db: bins[top], aboveDb: bins[top] - (Number.isFinite(middle) ? middle : -150) };
  }
}
