/**
 * The sources of the runtime's own programs with their types taken out, made once for all workers: a thread that strips types by
 * itself spends 12 MB and 50 ms on the tool for it. Where the package is compiled there is nothing to do.
 */
import { Worker } from 'node:worker_threads';

/** Folder that `#pkg/` names. */
const packages = new URL('../../../../', import.meta.url).href;

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
  const source = stripTypeScriptTypes(readFileSync(new URL(url), 'utf8'));
  const imports = [...source.matchAll(pattern)].map(([, name]) =>
    name.startsWith('#pkg/') ? new URL(name.slice(5), packages).href : new URL(name, url).href);
  found[url] = { source, imports };
  open.push(...imports);
}
parentPort.postMessage(found);
`;

/** Sources by URL. */
export type Sources = Readonly<Record<string, string>>;

interface StrippedModule {
  readonly source: string;
  readonly imports: readonly string[];
}

type StrippedModules = Readonly<Record<string, StrippedModule>>;

/** The sources by path. */
export class WorkerSources {
  readonly #modules = new Map<string, StrippedModule>();
  #reading: Promise<void> = Promise.resolve();

  /** What `entries` and all that they import come to. Empty for compiled code and modules from elsewhere. */
  async closure(entries: readonly string[]): Promise<Sources> {
    const own = entries.filter((url) => url.endsWith('.ts') && url.startsWith(packages));
    // One after the other, so that what two have in common is read once.
    const reading = this.#reading.catch(() => {}).then(() => this.#read(own));
    this.#reading = reading;
    await reading;
    return this.#collect(own);
  }

  async #read(entries: readonly string[]): Promise<void> {
    const missing = entries.filter((url) => !this.#modules.has(url));
    if (missing.length === 0) return;
    for (const [url, module] of Object.entries(await strip(missing))) this.#modules.set(url, module);
  }

  #collect(entries: readonly string[]): Sources {
    const sources: Record<string, string> = {};
    const open = [...entries];
    for (let url = open.pop(); url !== undefined; url = open.pop()) {
      if (Object.hasOwn(sources, url)) continue;
      const { source, imports } = this.#modules.get(url)!;
      sources[url] = source;
      open.push(...imports);
    }
    return sources;
  }
}

function strip(entries: readonly string[]): Promise<StrippedModules> {
  return new Promise((resolve, reject) => {
    // Its standard error is not shown: the tool announces there that it is experimental.
    const worker = new Worker(stripper, { eval: true, workerData: { entries, packages }, execArgv: [], stderr: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('Cannot read the programs of containers as the reader has ended')));
  });
}
