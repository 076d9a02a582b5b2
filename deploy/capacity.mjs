#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// How many replicas, sockets, ports, bits and octets so many users and calls need, from measured figures:
// prints CAPACITY.md. Put your own traffic and the figures of your own machines here, or on the command line:
//
//   node deploy/capacity.mjs > deploy/CAPACITY.md
//   node deploy/capacity.mjs --users 50000 --calls 4000 --cscf_ms 2.1
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** What is asked for. */
export const TRAFFIC = {
  users: [1_000_000, 'registered users, each with one WebSocket'],
  calls: [100_000, 'calls at a time, audio'],
  duration_s: [120, 'mean length of a call'],
  refresh_s: [1800, 'a WIC registers again (half of the expiry that the core grants)'],
  octets: [160, 'octets of one packet of audio (G.711, 20 ms)'],
  packets: [50, 'packets a second and direction'],
  busy: [0.6, 'share of a CPU that may be busy'],
  lost: [1, 'replicas of each kind that may be away at a time (a drain, a failure)'],
};

/** What a machine does: measured by the benchmark named; on your machine, other figures. */
export const MEASURED = {
  wic_kb: [20.3, 'kB', 'eP-CSCF memory per idle registered WIC, TLS included', 'bench-signalling'],
  register_ms: [0.23, 'ms', 'eP-CSCF CPU per registration refreshed', 'bench-signalling'],
  cscf_ms: [1.7, 'ms', 'eP-CSCF CPU per call, begin and end', 'bench-scale, 60 calls/s'],
  cscf_call_kb: [56.6, 'kB', 'eP-CSCF memory per call', 'bench-calls'],
  agw_ms: [0.9, 'ms', 'AGW CPU per call, reserve to release', 'bench-scale, 60 calls/s'],
  dtls_ms: [0.85, 'ms', 'AGW CPU per set-up with ICE and DTLS', 'bench-media'],
  agw_call_kb: [58, 'kB', 'AGW memory per call with media', 'bench-media'],
  packets_per_cpu_s: [123000, '', 'AGW packets relayed per CPU-second (AES-GCM)', 'bench-media, 500 calls'],
};

/** What a process is configured to take: the defaults. */
export const LIMITS = {
  websockets: [20000, '`ws.max_connections`'],
  contexts: [5000, '`limits.contexts`'],
  core_pairs: [5000, '`core.ports` 20000-29999: an RTP and an RTCP port per audio stream'],
  access_ports: [10000, '`access.ports` 30000-39999: one port per stream (rtcp-mux)'],
  quarantine_s: [30, '`port.quarantine`: a port rests before it is used again'],
  links: [64, 'AGWs that one eP-CSCF connects to'],
  controllers: [64, '`iq.max_controllers`: eP-CSCFs that one AGW serves'],
  balancer: [40000, '`maxconn` of docker/haproxy.cfg: browsers that one balancer holds'],
  slots: [80, '`server-template` there: eP-CSCFs that one balancer knows'],
};

const ceil = (x) => Math.ceil(x - 1e-9);

/** All results; the formulae of the page, word for word. */
export function compute(given = {}) {
  const v = Object.fromEntries([...Object.entries(TRAFFIC), ...Object.entries(MEASURED), ...Object.entries(LIMITS)]
    .map(([name, [value]]) => [name, given[name] ?? value]));
  const r = {};

  r.call_rate = v.calls / v.duration_s;
  r.register_rate = v.users / v.refresh_s;
  r.cscf_cpu = (r.call_rate * v.cscf_ms + r.register_rate * v.register_ms) / 1000 / v.busy;
  r.cscf = Math.max(ceil(v.users / v.websockets), ceil(r.cscf_cpu)) + v.lost;
  r.cscf_share = v.users / (r.cscf - v.lost);
  r.cscf_mb = (r.cscf_share * v.wic_kb + (v.calls / (r.cscf - v.lost)) * v.cscf_call_kb) / 1000;
  r.balancers = ceil(v.users / v.balancer) + v.lost;
  r.cscf_fds = r.cscf_share + 1000 + 256;
  r.packet_rate = v.calls * v.packets * 2;
  r.agw_cpu = (r.packet_rate / v.packets_per_cpu_s + r.call_rate * (v.agw_ms + v.dtls_ms) / 1000) / v.busy;
  r.resting = 1 + v.quarantine_s / v.duration_s;
  r.agw_calls = Math.floor(Math.min(v.contexts, v.core_pairs / r.resting, v.access_ports / r.resting));
  r.agw = ceil(v.calls / r.agw_calls) + v.lost;
  r.agw_share = v.calls / (r.agw - v.lost);
  r.agw_cpus = r.agw_cpu / (r.agw - v.lost);
  r.agw_mb = (r.agw_share * v.agw_call_kb) / 1000;
  r.agw_sockets = r.agw_share * 3;
  r.agw_ports = r.agw_share * 3 * r.resting;
  r.access_bits = (v.octets + 12 + 16 + 8 + 20) * 8 * v.packets;
  r.core_bits = (v.octets + 12 + 8 + 20) * 8 * v.packets;
  r.agw_gbit = (r.agw_share * (r.access_bits + r.core_bits)) / 1e9;
  r.all_gbit = (v.calls * (r.access_bits + r.core_bits)) / 1e9;
  r.iq_links = r.cscf * r.agw;
  r.cells = Math.max(1, ceil(r.cscf / Math.min(v.controllers, v.slots)), ceil(r.agw / v.links));
  r.moved = r.agw_share;
  return { v, r };
}

const n = (x, digits = 0) => x.toLocaleString('en-GB', { maximumFractionDigits: digits, minimumFractionDigits: digits }).replaceAll(',', ' ');

export function page(given) {
  const { v, r } = compute(given);
  const rows = (table) => Object.entries(table).map(([name, [, ...what]]) => `| \`${name}\` | ${v[name]} | ${what.filter(Boolean).join(' | ')} |`).join('\n');

  return `# What so many users and calls need

Printed by \`deploy/capacity.mjs\`; every figure below can be given to it (\`--users 50000 --cscf_ms 2.1\`). The measured ones come from
a small and busy virtual machine with 2 CPUs: measure your own (\`make bench-signalling bench-calls bench-scale bench-media\`) before you buy anything.

| traffic | | |
|---|---|---|
${rows(TRAFFIC)}

| measured | | | by |
|---|---|---|---|
${Object.entries(MEASURED).map(([name, [, unit, what, by]]) => `| \`${name}\` | ${v[name]} ${unit} | ${what} | ${by} |`).join('\n')}

| limit of a process | | |
|---|---|---|
${rows(LIMITS)}

## eP-CSCFs

| what | how | ${n(v.users)} users, ${n(v.calls)} calls |
|---|---|---|
| calls a second | calls / duration_s | ${n(r.call_rate)} |
| REGISTERs a second | users / refresh_s | ${n(r.register_rate)} |
| CPUs in all | (call rate x cscf_ms + REGISTER rate x register_ms) / 1000 / busy | ${n(r.cscf_cpu, 1)} |
| **replicas** | max(users / websockets, CPUs) + lost; a process has one loop, so one CPU each | **${n(r.cscf)}** |
| WebSockets each | users / (replicas - lost) | ${n(r.cscf_share)} |
| descriptors each | WebSockets + \`mw.max_tcp_connections\` + 256 | ${n(r.cscf_fds)} |
| memory each | WebSockets x wic_kb + calls each x cscf_call_kb | ${n(r.cscf_mb)} MB |

WebSockets, not CPU, make the number: with \`ws.max_connections\` and descriptors raised, fewer and larger ones do as well, but each then takes more
users with it when it dies. Those come back at once and register anew: the core must bear \`reg.max_initial_rate\` (200/s) of each eP-CSCF that is left,
${n(200 * (r.cscf - 1 - v.lost))}/s in all, which lets the ${n(r.cscf_share)} of one back in within ${n(Math.max(1, r.cscf_share / (200 * (r.cscf - 1 - v.lost))), 0)} s; lower it where the core bears less. A drain tells \`ws.drain_rate\` (200) a second:
${n(r.cscf_share / 200)} s for one.

**Balancers**: users / balancer + lost = ${n(r.balancers)} of them, by DNS or an address that moves. A balancer has two sockets per WebSocket, and from one of its addresses about 28 000 connections to one eP-CSCF
(\`net.ipv4.ip_local_port_range\`): ${n(r.cscf_share)} fit. Its memory and CPU were not measured here.

## eIMS-AGWs

| what | how | |
|---|---|---|
| packets a second | calls x packets x 2 directions | ${n(r.packet_rate)} |
| CPUs in all | (packets / packets_per_cpu_s + call rate x (agw_ms + dtls_ms) / 1000) / busy | ${n(r.agw_cpu)} |
| calls each | min(contexts, core_pairs / rest, access_ports / rest); rest = 1 + quarantine_s / duration_s | ${n(r.agw_calls)} |
| **replicas** | calls / calls each + lost | **${n(r.agw)}** |
| CPUs each | CPUs / (replicas - lost) | ${n(r.agw_cpus, 1)} |
| ports each, with those at rest | calls x 3 (access; core RTP, RTCP) x rest | ${n(r.agw_ports)} |
| sockets each | calls x 3 | ${n(r.agw_sockets)} |
| memory each | calls x agw_call_kb | ${n(r.agw_mb)} MB |
| bandwidth of a call | access (octets + RTP 12 + tag 16 + UDP 8 + IP 20) x 8 x packets; core the same without the tag | ${n(r.access_bits / 1000, 1)} + ${n(r.core_bits / 1000, 1)} kbit/s each way |
| bandwidth each | calls x both | ${n(r.agw_gbit, 2)} Gbit/s in, as much out |
| bandwidth in all | | ${n(r.all_gbit, 1)} Gbit/s in, as much out |

More calls on one machine: a second address (a second AGW process on it) has ports of its own; shared access ports (\`access.shared_ports\`) need none per call on that
side. Video is a stream more: ports, packets and bits of its own, and 380 kB of packets that its WIC may ask for again, where it negotiated \`nack\`:
\`media.resend_memory\` (256 MB) has room for some 700, half of them for WICs that have asked; the others' lost packets are asked of the core. An AGW that dies moves ${n(r.moved)} calls to the others, each with a new ICE and
DTLS: ${n((r.moved * (v.agw_ms + v.dtls_ms)) / 1000, 1)} CPU-seconds spread over ${n(r.agw - 1 - v.lost)} others, and as many re-INVITEs at the eP-CSCFs.

## Between them

${n(r.cscf)} x ${n(r.agw)} = ${n(r.iq_links)} control connections, ${n(r.cscf)} on each AGW and ${n(r.agw)} on each eP-CSCF; a heartbeat a second on each.
One cell takes ${Math.min(v.controllers, v.slots)} eP-CSCFs and ${v.links} AGWs: **${n(r.cells)}** ${r.cells === 1 ? 'cell is enough' : 'cells are needed'}. Where one is too few, make more: so many eP-CSCFs with so many AGWs, each cell its own name in \`agw.list\`, balancers of its own in front.
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = [...Object.keys(TRAFFIC), ...Object.keys(MEASURED), ...Object.keys(LIMITS)];
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });

  process.stdout.write(page(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]))));
}
