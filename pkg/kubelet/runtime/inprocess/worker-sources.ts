/**
 * The sources of the runtime's own programs with their types taken out, made once for all workers: a thread that strips types by
 * itself spends 12 MB and 50 ms on the tool for it. Where the package is compiled there is nothing to do.
 */
import { Worker } from 'node:worker_threads';

/** Folder that `#pkg/` names. */
const packages = new URL('../../../', import.meta.url).href;

/** First thing a container's worker runs: serves the sources it was given and loads its main module. */
export const workerBootstrap = `
const { registerHooks } = require('node:module');
const { workerData } = require('node:worker_threads');
const { sources, main } = workerData;
registerHooks({
  load: (url, context, next) =>
    Object.hasOwn(sources, url) ? { format: 'module', source: sources[url], shortCircuit: true } : next(url, context),
});
import(main);
`;

/**
 * Reads modules and all that they import of this project. Runs in a thread of its own, whose memory goes when it is done.
 * Imports of Node itself and of packages are left to Node.
 */
const stripper = `
const { readFileSync } = require('node:fs');
const { stripTypeScriptTypes } = require('node:module');
const { parentPort, workerData } = require('node:worker_threads');
const { entries, packages } = workerData;
const pattern = /(?:from|import)\\s*\\(?\\s*'((?:\\.{1,2}\\/|#pkg\\/)[^']+)'/g;
const found = {};
const open = [...entries];
for (let url = open.pop(); url !== undefined; url = open.pop()) {
  if (Object.hasOwn(found, url)) continue;
  found[url] = stripTypeScriptTypes(readFileSync(new URL(url), 'utf8'));
  for (const [, name] of found[url].matchAll(pattern)) {
    open.push(name.startsWith('#pkg/') ? new URL(name.slice(5), packages).href : new URL(name, url).href);
  }
}
parentPort.postMessage(found);
`;

/** Sources by URL. */
export type Sources = Readonly<Record<string, string>>;

export class WorkerSources {
  /** By entries, joined by spaces. */
  readonly #closures = new Map<string, Promise<Sources>>();

  /** What `entries` and all that they import come to. Empty for compiled code and modules from elsewhere. */
  closure(entries: readonly string[]): Promise<Sources> {
    const own = entries.filter((url) => url.endsWith('.ts') && url.startsWith(packages));
    const key = own.join(' ');
    let closure = this.#closures.get(key);
    if (closure === undefined) {
      closure = own.length === 0 ? Promise.resolve({}) : strip(own);
      this.#closures.set(key, closure);
      // A failure is told to whoever asked, and tried again by the next.
      closure.catch(() => this.#closures.delete(key));
    }
    return closure;
  }
}

function strip(entries: readonly string[]): Promise<Sources> {
  return new Promise((resolve, reject) => {
    // Its standard error is not shown: the tool announces there that it is experimental.
    const worker = new Worker(stripper, { eval: true, workerData: { entries, packages }, execArgv: [], stderr: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('Cannot read the programs of containers as the reader has ended')));
  });
}
