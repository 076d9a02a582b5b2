// SPDX-License-Identifier: Apache-2.0
/* Which ports `make run` uses: the product's own where they are free, else others, and said so. */
import dgram from 'node:dgram';
import net from 'node:net';

function tcpFree(port, host) {
  return new Promise((resolve) => {
    const server = net.createServer().once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function udpFree(port, host) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4').once('error', () => resolve(false));
    socket.bind(port, host, () => socket.close(() => resolve(true)));
  });
}

const DEFAULTS = { page: 8080, w2: 8443, mw: 5060, core: 5070, iq: 7070, waf: 8444, cscfOps: 9180, agwOps: 9181, ue: 5080 };
const UDP = new Set(['mw', 'core', 'ue']);

/** @returns a map of the names above to free ports, plus media ranges. base: all from there on. */
export async function choosePorts({ base = 0, host = '127.0.0.1', taken = () => {} } = {}) {
  const ports = {};
  const used = new Set();
  let next = base;
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    let port = base ? next++ : usual;
    while (used.has(port) || !(await tcpFree(port, host)) || (UDP.has(name) && !(await udpFree(port, host)))) {
      taken(name, port);
      port = base ? next++ : port + 1;
      if (port > 65000) throw new Error('no free port');
    }
    used.add(port);
    ports[name] = port;
  }
  ports.coreRange = base ? `${base + 100}-${base + 299}` : '20000-29999';
  ports.accessRange = base ? `${base + 300}-${base + 499}` : '30000-39999';
  ports.ueRange = base ? `${base + 500}-${base + 599}` : '42600-42999';
  return ports;
}
