#!/usr/bin/env node
// The `coxswain` command. Written for old Nodes too: it finds one that Coxswain runs on (24 or newer), which the install put beside it,
// and hands over to it. A checkout runs its sources, the package what was compiled of them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const nodeMajorMin = 24;
const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'main.ts');
const main = existsSync(source) ? source : join(here, '..', '..', 'dist', 'cmd', 'coxswain', 'main.js');

/** The Node that an install put into a `node_modules/.bin` above this file, if there is one. */
function installedNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

/** Whether this command is the cluster, rather than one that ends soon. */
function stays() {
  const args = process.argv.slice(2);
  return args[0] === 'up' && !args.some((arg) => /^(--detach(=true)?|--help|-h)$/.test(arg));
}

/** What a Node that stays is started with, of those that this one was not. */
async function missingFlags() {
  const { serverNodeFlags } = await import(new URL(`../common/node-flags${main.slice(-3)}`, pathToFileURL(main)).href);
  return serverNodeFlags().filter((flag) => !process.execArgv.includes(flag));
}

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  const flags = stays() && process.execve !== undefined ? await missingFlags() : [];
  if (flags.length > 0) {
    // In its place, so that signals, terminal and process id are as they were. Node says that the call is an experiment.
    process.removeAllListeners('warning');
    const args = [process.execPath, ...process.execArgv, ...flags, main, ...process.argv.slice(2)];
    process.execve(process.execPath, args, process.env);
  }
  await import(pathToFileURL(main).href);
} else {
  const node = installedNode();
  if (node === undefined) {
    process.stderr.write(
      `coxswain: Cannot run on Node ${process.versions.node}: install Node ${nodeMajorMin} or newer, or run "npm install" with optional packages, which bring one\n`,
    );
    process.exitCode = 1;
  } else {
    const child = spawn(node, [stays() ? fileURLToPath(import.meta.url) : main, ...process.argv.slice(2)], { stdio: 'inherit' });
    // The terminal sends Ctrl-C to both; what is sent to this process alone is passed on.
    process.on('SIGINT', () => {});
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      process.stderr.write(`coxswain: Cannot start ${node}: ${error.message}\n`);
      process.exitCode = 1;
    });
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 130;
    });
  }
}
