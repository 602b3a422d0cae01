#!/usr/bin/env node
// The `coxswain` command. Written for old Nodes too: it finds one that Coxswain runs on (24 or newer), which the install put beside it,
// and hands over to it. It loads the bundle that an install made; without one a checkout runs its sources, the package what was compiled of them.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// An import of it loads what its promises need: a tenth of the time of `version`. Old Nodes know no other way.
const { existsSync, writeSync } = process.getBuiltinModule?.('node:fs') ?? (await import('node:fs'));

const nodeMajorMin = 24;
const self = fileURLToPath(import.meta.url);
const here = dirname(self);

/** The Node that an install put into a `node_modules/.bin` above this file, if there is one. */
function installedNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

/**
 * URL of a module as it is without a bundle: a source of the checkout, or what was compiled of it, beside this file or in the package.
 * @param {string} path from the folder of the command, without the ending
 */
function unbundled(path) {
  const places = [`${path}.ts`, `${path}.js`, `../../dist/cmd/coxswain/${path}.js`].map((place) => join(here, place));
  return pathToFileURL(places.find((place) => existsSync(place)) ?? '').href;
}

/**
 * Whether this command is the cluster, rather than one that ends soon, and was not started as such by another.
 * @param {readonly string[]} args
 */
function stays(args) {
  return args[0] === 'up' && !args.some((arg) => /^(--detach(=true)?|--report-to-parent|--help|-h)$/.test(arg));
}

/**
 * Whether this command starts a cluster behind it, unless something is in the way.
 * @param {readonly string[]} args
 */
function startsBehind(args) {
  return args[0] === 'up' && !stays(args) && !args.some((arg) => /^(--report-to-parent|--help|-h)$/.test(arg));
}

/**
 * Whether a process behind the terminal is the cluster itself, rather than one that looks after its processes.
 * @param {readonly string[]} args
 */
function holdsCluster(args) {
  return !args.some((arg) => /^--(processes|help$)|^-h$/.test(arg));
}

/** What a Node that stays is started with, of those that this one was not; none where it was started with any: then it is this one again. */
async function missingFlags() {
  if (process.execArgv.some((flag) => flag.startsWith('--max-semi-space-size'))) return [];
  const { serverNodeFlags } = await import('../common/node-flags.js');
  return serverNodeFlags().filter((flag) => !process.execArgv.includes(flag));
}

/**
 * Writes a line to standard output, without the stream that Node would make for it unless that is needed.
 * @param {string} line
 */
function print(line) {
  try {
    writeSync(1, line);
  } catch {
    // A pipe that is full, or whose reader has seen enough.
    process.stdout.on('error', () => {});
    process.stdout.write(line);
  }
}

/**
 * Does what the arguments say on this Node.
 * @param {readonly string[]} args
 */
async function run(args) {
  if (args.length === 1 && (args[0] === 'version' || args[0] === '--version')) {
    const { versionLine } = /** @type {typeof import('./version-line.js')} */ (await import(unbundled('version-line')));
    print(versionLine());
    return;
  }
  const flags = stays(args) && process.execve !== undefined ? await missingFlags() : [];
  if (flags.length > 0) {
    // In its place, so that signals, terminal and process id are as they were. Node says that the call is an experiment.
    process.removeAllListeners('warning');
    process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...flags, self, ...args], process.env);
  }
  if (startsBehind(args)) (await import('./ahead.js')).startAhead(self, args.slice(1));
  const { keepCompiledCode, loadCode } = await import('../common/load-code.js');
  keepCompiledCode();
  if (args.includes('--report-to-parent')) {
    const { bundle, log } = (await import('./ahead.js')).awaitPlace();
    await bundle;
    // What is wrong with it is said once it is used.
    if (holdsCluster(args)) await loadCode('behind', () => import(unbundled('behind'))).catch(() => {});
    await log;
  }
  await loadCode('command', () => import(unbundled('command')));
}

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  await run(process.argv.slice(2));
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
