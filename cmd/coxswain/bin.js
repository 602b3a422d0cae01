#!/usr/bin/env node
// The `coxswain` command. Written for old Nodes too: it finds one that Coxswain runs on (24 or newer), which the install put beside it,
// and hands over to it. It loads the bundle that an install made; without one a checkout runs its sources, the package what was compiled of them.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { keepCompiledCode, loadCode } from '../common/load-code.js';

const nodeMajorMin = 24;
const self = fileURLToPath(import.meta.url);
const here = dirname(self);
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

/** Whether this command is the cluster, rather than one that ends soon, and was not started as such by another. */
function stays() {
  const args = process.argv.slice(2);
  return args[0] === 'up' && !args.some((arg) => /^(--detach(=true)?|--report-to-parent|--help|-h)$/.test(arg));
}

/** What a Node that stays is started with, of those that this one was not; none where it was started with any: then it is this one again. */
async function missingFlags() {
  if (process.execArgv.some((flag) => flag.startsWith('--max-semi-space-size'))) return [];
  const source = join(dirname(command), '..', 'common', `node-flags${command.slice(-3)}`);
  const loaded = await loadCode('node-flags', () => import(pathToFileURL(source).href));
  const { serverNodeFlags } = /** @type {typeof import('../common/node-flags.ts')} */ (loaded);
  return serverNodeFlags().filter((flag) => !process.execArgv.includes(flag));
}

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  keepCompiledCode();
  const flags = stays() && process.execve !== undefined ? await missingFlags() : [];
  if (flags.length > 0) {
    // In its place, so that signals, terminal and process id are as they were. Node says that the call is an experiment.
    process.removeAllListeners('warning');
    const args = [process.execPath, ...process.execArgv, ...flags, self, ...process.argv.slice(2)];
    process.execve?.(process.execPath, args, process.env);
  }
  await loadCode('command', () => import(pathToFileURL(command).href));
} else {
  const node = installedNode();
  if (node === undefined) {
    process.stderr.write(
      `coxswain: Cannot run on Node ${process.versions.node}: install Node ${nodeMajorMin} or newer, or run "npm install" with optional packages, which bring one\n`,
    );
    process.exitCode = 1;
  } else {
    const { spawn } = await import('node:child_process');
    const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
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
