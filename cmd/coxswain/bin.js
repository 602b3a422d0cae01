#!/usr/bin/env node
// The `coxswain` command. Written for old Nodes too: it finds one that Coxswain runs on (24 or newer), which the install put beside it,
// and hands over to it. It loads the bundle that an install made; without one a checkout runs its sources, the package what was compiled of them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { keepCompiledCode, loadCode } from '../common/load-code.js';

const nodeMajorMin = 24;
const here = dirname(fileURLToPath(import.meta.url));
const places = ['command.ts', 'command.js', '../../dist/cmd/coxswain/command.js'].map((path) => join(here, path));
const command = places.find((path) => existsSync(path)) ?? '';

/** The Node that an install put into a `node_modules/.bin` above this file, if there is one. */
function installedNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  keepCompiledCode();
  await loadCode('command', () => import(pathToFileURL(command).href));
} else {
  const node = installedNode();
  if (node === undefined) {
    process.stderr.write(
      `coxswain: Cannot run on Node ${process.versions.node}: install Node ${nodeMajorMin} or newer, or run "npm install" with optional packages, which bring one\n`,
    );
    process.exitCode = 1;
  } else {
    const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
    // The terminal sends Ctrl-C to both; what is sent to this process alone is passed on.
    process.on('SIGINT', () => {});
    for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      process.stderr.write(`coxswain: Cannot start ${node}: ${error.message}\n`);
      process.exitCode = 1;
    });
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 130;
    });
  }
}
