#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * A static file server for the softphone page, without dependencies:
 *   node serve.mjs [--root DIR] [--listen HOST:PORT] [--cert PEM --key PEM] [--config JSON]
 * --config is served as config.json (the page's settings). With a certificate it speaks HTTPS, which
 * browsers ask for before they give a page other than localhost the microphone. Not for the internet.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { dirname, extname, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.json': 'application/json' };
const HEADERS = {
  'Cache-Control': 'no-cache',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy': "default-src 'self'; connect-src 'self' wss: ws:; media-src 'self' blob: mediastream:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
};

const { values: opt } = parseArgs({
  options: {
    root: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '../../build/softphone') },
    listen: { type: 'string', default: '127.0.0.1:8080' },
    cert: { type: 'string' },
    key: { type: 'string' },
    config: { type: 'string', default: '{}' },
  },
});
const { waf } = JSON.parse(opt.config);
if (waf) HEADERS['Content-Security-Policy'] = HEADERS['Content-Security-Policy'].replace('wss: ws:', `wss: ws: ${new URL(waf.issuer).origin}`);
opt.root = resolve(opt.root);
if (!file('/')) {
  console.error(`softphone: nothing to serve in ${opt.root}: run \`make softphone\` first`);
  process.exit(1);
}

function file(urlPath) {
  const path = normalize(decodeURIComponent(urlPath)).replace(/^([/\\])+/, '');
  const full = join(opt.root, path === '' || path === '.' ? 'index.html' : path);
  if (full !== opt.root && !full.startsWith(opt.root + sep)) return null;
  return statSync(full, { throwIfNoEntry: false })?.isFile() ? full : null;
}

function answer(request, response) {
  const send = (status, headers = {}) => response.writeHead(status, { ...HEADERS, ...headers });
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, { Allow: 'GET, HEAD' }).end();
  let path;
  let found = null;
  try {
    path = new URL(request.url, 'http://page').pathname;
    found = file(path);
  } catch {
    return send(400).end();
  }
  if (path === '/config.json') return send(200, { 'Content-Type': TYPES['.json'] }).end(opt.config);
  if (!found) return send(404, { 'Content-Type': 'text/plain' }).end('not found\n');
  send(200, { 'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream' });
  if (request.method === 'HEAD') return response.end();
  return createReadStream(found).on('error', () => response.destroy()).pipe(response);
}

const secure = opt.cert && opt.key;
const server = secure ? https.createServer({ cert: readFileSync(opt.cert), key: readFileSync(opt.key) }, answer) : http.createServer(answer);
const colon = opt.listen.lastIndexOf(':');
server.listen(Number(opt.listen.slice(colon + 1)), opt.listen.slice(0, colon).replace(/^\[|\]$/g, ''), () => {
  const { address, port, family } = server.address();
  console.log(`softphone: serving ${opt.root} on ${secure ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}/`);
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    server.closeAllConnections?.();
    server.close(() => process.exit(0));
  });
