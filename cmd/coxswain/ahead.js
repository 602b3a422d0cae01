/**
 * The process of `up --detach` is started before anything else is looked at, as half of what a start takes is two Nodes beginning one after the other.
 * It does nothing until it is told where its log is; when whoever started it ends without a word, so does it.
 *
 * JavaScript, and apart from the bundle, as it comes before that.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { serverNodeFlags } from '../common/node-flags.js';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

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
  // What Node says of a start that fails before it has its log is for whoever looks at this one.
  const child = spawn(
    process.execPath,
    [...serverNodeFlags(), main, 'up', ...behind, '--output=', '--report-to-parent'],
    { detached: true, stdio: ['ignore', 2, 2, 'ipc'] },
  );
  // Who takes it hears of it: then it has not even a number.
  child.on('error', () => {});
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

/** In the process itself: resolves once it is to go on, with its output in the log. It ends where it is not needed. */
export function awaitPlace() {
  return new Promise((resolve) => {
    const end = () => process.exit(0);
    process.once('disconnect', end);
    process.once('message', (/** @type {{ readonly log: string }} */ { log }) => {
      process.off('disconnect', end);
      for (const descriptor of [1, 2]) {
        closeSync(descriptor);
        // The lowest number that is free.
        const opened = openSync(log, 'a', 0o600);
        if (opened !== descriptor) throw new Error(`Cannot write to ${log}: it was opened as ${opened} and not as ${descriptor}`);
      }
      resolve(undefined);
    });
    if (!process.connected) end();
  });
}
