// SPDX-License-Identifier: Apache-2.0
/* Bundle the page into DIR (default build/softphone): node build.mjs [DIR]. */
import { build } from 'esbuild';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, '../../build/softphone'));

await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: join(here, 'src/main.js') },
  outdir: out,
  bundle: true,
  minify: true,
  sourcemap: false,
  format: 'esm',
  target: ['es2022'],
  legalComments: 'eof',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
await build({ entryPoints: { app: join(here, 'src/app.css') }, outdir: out, minify: true, logLevel: 'warning' });
for (const file of ['index.html', 'icon.svg']) await copyFile(join(here, file), join(out, file));
console.log(`softphone: built into ${out}`);
