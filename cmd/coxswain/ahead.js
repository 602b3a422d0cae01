/**
 * The process of `up --detach` is started before anything else is looked at, as half of what a start takes is two Nodes beginning one after the other.
 * It loads what it will be and does nothing until it is told where its log is; when whoever started it ends without a word, so does it.
 *
 * JavaScript, and apart from the bundle, as it comes before that.
 */
import { foundBundle, useBundle } from '../common/load-code.js';
import { serverNodeFlags } from '../common/node-flags.js';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

// An import would load more of Node than is used, in both processes.
const { closeSync, openSync } = process.getBuiltinModule('node:fs');

/**
 * What the process is told: first which bundle there is, so that it need not look itself, and then where its log is.
 * @typedef {{ readonly bundle: string | undefined } | { readonly log: string }} AheadMessage
 */

/** Where the command finds the process: what is bundled has modules of its own, and this is none of them. */
const place = Symbol.for('coxswain.ahead');

/**
 * Starts the process that may become the cluster.
 * @param {string} main the command
 * @param {readonly string[]} args of `up`, as people gave them
 * @returns {ChildProcess}
 */
export function startAhead(main, args) {
  const behind = args.filter((argument) => !/^--(detach(=.*)?)?$/.test(argument));
  const { spawn } = process.getBuiltinModule('node:child_process');
  // What Node says of a start that fails before it has its log is for whoever looks at this one.
  const child = spawn(
    process.execPath,
    [...serverNodeFlags(), main, 'up', ...behind, '--output=', '--report-to-parent'],
    { detached: true, stdio: ['ignore', 2, 2, 'ipc'] },
  );
  // Who takes it hears of it: then it has not even a number.
  child.on('error', () => {});
  child.send({ bundle: foundBundle('command')?.href }, () => {});
  child.unref();
  child.channel?.unref();
  Object.assign(globalThis, { [place]: child });
  return child;
}

/**
 * The process that was started ahead, or one that is started now.
 * @param {string} main
 * @param {readonly string[]} args
 */
export function takeAhead(main, args) {
  const places = /** @type {Record<symbol, ChildProcess | undefined>} */ (globalThis);
  const child = places[place] ?? startAhead(main, args);
  delete places[place];
  child.ref();
  child.channel?.ref();
  return child;
}

/**
 * In the process itself: what it is told. It ends where it is not needed.
 * @returns {{ readonly bundle: Promise<void>, readonly log: Promise<void> }} resolve once it knows which bundle it is to load, and once it is to go
 * on, with its output in the log
 */
export function awaitPlace() {
  /** @type {PromiseWithResolvers<void>} */
  const bundle = Promise.withResolvers();
  /** @type {PromiseWithResolvers<void>} */
  const log = Promise.withResolvers();
  const end = () => process.exit(0);
  process.once('disconnect', end);
  const told = (/** @type {AheadMessage} */ message) => {
    if (!('log' in message)) {
      useBundle(message.bundle === undefined ? undefined : new URL(message.bundle));
      bundle.resolve();
      return;
    }
    process.off('disconnect', end);
    process.off('message', told);
    writeTo(message.log);
    log.resolve();
  };
  process.on('message', told);
  if (!process.connected) end();
  return { bundle: bundle.promise, log: log.promise };
}

/**
 * Makes standard output and standard error a file.
 * @param {string} path
 */
function writeTo(path) {
  for (const descriptor of [1, 2]) {
    closeSync(descriptor);
    // The lowest number that is free.
    const opened = openSync(path, 'a', 0o600);
    if (opened !== descriptor) throw new Error(`Cannot write to ${path}: it was opened as ${opened} and not as ${descriptor}`);
  }
}
