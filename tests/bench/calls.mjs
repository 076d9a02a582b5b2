// SPDX-License-Identifier: Apache-2.0
//
// make bench-calls: call set-ups per CPU-second, set-up times and memory per call of
// wicgate-cscf with wicgate-agw and of Kamailio with rtpengine, one load client and one core,
// interleaved rounds of one run. Variables: README.md.
import { cpuFine, memoryKb, startAgw, startCore, startCscf, startKamailio, startLoad, startRtpengine, summary, table,
	workDir } from './bench.mjs';

const number = (name, value) => Number(process.env[name] ?? value);
const BASE = number('BENCH_PORTS', 43600);
const ROUNDS = number('BENCH_ROUNDS', 3);
const SECONDS = number('BENCH_SECONDS', 4);
const HELD = number('BENCH_CALLS', 200);
const AT_ONCE = number('BENCH_AT_ONCE', 128);
const ALLOC = process.env.BENCH_ALLOC ?? 'fm';
const RING_MS = 10;
const MEDIA = { wicgate: '127.3.0.1', kamailio: '127.3.0.2' };
// What the browser gets is answered as an ICE-lite peer: the least work that rtpengine offers.
const FLAGS = {
	FLAGS_MW_OFFER: 'replace-origin replace-session-connection ICE=remove RTP/AVP rtcp-mux-demux DTLS=off SDES-off',
	FLAGS_WS_ANSWER: 'replace-origin replace-session-connection ICE=force ICE-lite=backward UDP/TLS/RTP/SAVPF ' +
		'rtcp-mux-offer generate-mid DTLS=passive SDES-off',
	FLAGS_WS_OFFER: 'replace-origin replace-session-connection ICE=force ICE-lite=forward UDP/TLS/RTP/SAVPF ' +
		'rtcp-mux-offer generate-mid SDES-off',
	FLAGS_MW_ANSWER: 'replace-origin replace-session-connection ICE=remove RTP/AVP rtcp-mux-demux DTLS=off SDES-off',
};
// name, command: seconds, rate (0: closed loop), at once, hold ms, ring ms of WICs; the core rings RING_MS always. Ringing is no part of a set-up time.
const STEPS = [...[1, 10, 50].map((rate) => [`${rate}/s`, `calls ${SECONDS} ${rate} 0 500 ${RING_MS}`]),
	[`${AT_ONCE} at a time`, `calls ${SECONDS} 0 ${AT_ONCE} 100 0`]];
const say = (text) => process.stderr.write(`${text}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function faults(side, what, r) {
	if (r.refused || r.lost || r.wrong)
		say(`${side.name}: ${what}: ${r.refused} refused, ${r.lost} lost, ${r.wrong} wrong (${r.why})`);
	return r.refused + r.lost + r.wrong;
}

async function measure(side, [what, command]) {
	const before = side.pids.map(cpuFine);
	const r = await side.load.run(command);
	const cpu = side.pids.map((pid, i) => (cpuFine(pid) - before[i]) / r.done);

	return { ...r, bad: faults(side, what, r), cpu: [...cpu, cpu[0] + cpu[1]] };
}

const stop = [];
const keep = (x) => (stop.push(x), x);
const work = workDir();

try {
	keep(await startCore(BASE, RING_MS));
	const agw = keep(await startAgw(work, { iq: BASE + 1, ops: BASE + 2, ip: MEDIA.wicgate }));
	const cscf = keep(await startCscf(work, { wss: BASE + 3, mw: BASE + 4, ops: BASE + 5, core: BASE,
		knobs: { agw: { list: [`127.0.0.1:${BASE + 1}`] } } }));
	const rtpengine = keep(await startRtpengine(work, { ng: BASE + 6, ip: MEDIA.kamailio }));
	const kamailio = keep(await startKamailio(work, { wss: BASE + 7, mw: BASE + 8, core: BASE, alloc: ALLOC,
		template: 'kamailio-calls.cfg', more: { NG: `127.0.0.1:${BASE + 6}`, ...FLAGS } }));
	const sides = [];

	for (const [name, port, ...pids] of [['wicgate', BASE + 3, cscf.pid, agw.pid],
		['kamailio', BASE + 7, kamailio.pid, rtpengine.pid]]) {
		const load = keep(await startLoad(port, { clients: HELD + 20, prefix: name,
			args: ['--core', `127.0.0.1:${BASE}`, '--media', MEDIA[name]] }));

		await load.run(`connect ${HELD + 20} 16`);
		sides.push({ name, pids, load, results: STEPS.map(() => []) });
	}

	// Memory: a tenth first, so that what is made once (pools, tables, caches) is not counted.
	for (const side of sides) {
		const first = Math.floor(HELD / 10);

		faults(side, 'calls to hold', await side.load.run(`raise ${first} 8`));
		await pause(500);
		const before = side.pids.map(memoryKb);

		faults(side, 'calls to hold', await side.load.run(`raise ${HELD} 8`));
		await pause(6000); // finished transactions have gone
		side.kb = side.pids.map((pid, i) => (memoryKb(pid) - before[i]) / (HELD - first));
		side.kb.push(side.kb[0] + side.kb[1]);
		faults(side, 'calls to hang up', await side.load.run('clear'));
		say(`${side.name}: ${side.kb.map((kb) => kb.toFixed(1)).join(', ')} kB per call`);
	}

	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, step] of STEPS.entries()) {
			for (const [k] of sides.entries()) { // who goes first changes with the round
				const side = sides[(k + round) % sides.length];

				side.results[i].push(await measure(side, step));
			}
			say(`round ${round + 1}: ${step[0]}: ${sides.map((s) => `${s.name} ${
				s.results[i].at(-1).cpu.map((c) => (1000 * c).toFixed(2)).join(' + ').replace(/ \+ (\S+)$/, ' = $1')} ms a call, ${
				(s.results[i].at(-1).done / s.results[i].at(-1).seconds).toFixed(0)}/s`).join('; ')}`);
		}
	}

	const [ours, theirs] = sides;
	const cell = (values, d) => {
		const of = summary(values);

		return [of.mid.toFixed(d), `${of.min.toFixed(d)}-${of.max.toFixed(d)}`];
	};
	const parts = ['signalling', 'media gateway', 'both'];
	const rows = [['call set-ups per CPU-second', '', ...sides.flatMap((s) => [s.name, '(min-max)']), 'wrong', 'ratio', '(min-max)']];
	const waits = [['set-up, ms: p50 p99', ...sides.flatMap((s) => [`${s.name}: out`, 'in', 'to media'])]];

	for (const [i, [what]] of STEPS.entries()) {
		for (const [p, part] of parts.entries())
			rows.push([p ? '' : what, part, ...sides.flatMap((s) => cell(s.results[i].map((r) => 1 / r.cpu[p]), 0)),
				p ? '' : sides.map((s) => s.results[i].reduce((n, r) => n + r.bad, 0)).join(' / '),
				...cell(ours.results[i].map((r, n) => theirs.results[i][n].cpu[p] / r.cpu[p]), 2)]);
		waits.push([what, ...sides.flatMap((s) => ['mo', 'mt', 'media'].map((kind) => ['p50', 'p99'].map((p) =>
			summary(s.results[i].map((r) => r[`${kind}_${p}_ms`])).mid.toFixed(1)).join(' ')))]);
	}
	console.log(`\n${table(waits)}\n\n${table([['memory per call, kB', ...sides.map((s) => s.name), 'ratio'],
		...parts.map((part, p) => [part, ...sides.map((s) => s.kb[p].toFixed(1)), theirs.kb[p] < 1 ? '-' : (ours.kb[p] / theirs.kb[p]).toFixed(2)])])}\n`);
	console.log(table(rows));
} finally {
	for (const s of stop.reverse())
		await s.stop();
	work.end();
}
