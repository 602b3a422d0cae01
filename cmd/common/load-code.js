/**
 * Finds the code of a start: the bundle, which is a few files in place of several hundred and loads in a fraction of the time, or the sources. An
 * install makes the bundle (`deploy/package/bundle.ts`), in the cache of a checkout or the compiled code of a package; none is ever made at first use.
 *
 * Invariant: where one of the sources that a start may come to has changed since, it runs its sources. It is told by their sizes and times of change, which takes
 * some milliseconds for a cluster and none for a small program; a package's code does not change.
 *
 * It is JavaScript as it comes before everything: Node's tool that takes types out costs 50 ms and 12 MB in each process that needs it.
 */

// An import of these would load what their promises need, and copy all that they export, which some commands have no use for.
const module = process.getBuiltinModule('node:module');
const { fileURLToPath } = process.getBuiltinModule('node:url');
const { existsSync, mkdirSync, readFileSync, statSync } = process.getBuiltinModule('node:fs');

/** Where compiled code is kept between starts, in the checkout or package. */
export const compiledFolder = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));

/** Bundles of a checkout: a folder for each time one was made, and what the last was made of. */
const checkoutBundles = new URL('../../.cache/bundle/', import.meta.url);

/** The bundle of a package, seen from its own code and from its compiled code. */
const packageBundles = ['../../dist/bundle/', '../../bundle/'].map((path) => new URL(path, import.meta.url));

/** Whether there are sources to run. */
const isCheckout = existsSync(new URL('errors.ts', import.meta.url));

/** Name of the file, beside the bundles of a checkout, that says what the last was made of. */
export const bundleInputsFile = 'inputs.json';

/**
 * What a bundle was made of: its folder within that of all, by their paths from the root of the checkout what `fileMark` said of its sources, and which
 * of those each module that is loaded by name may come to, by their places among them.
 * @typedef {{
 *   readonly folder: string,
 *   readonly files: Readonly<Record<string, string>>,
 *   readonly entries?: Readonly<Record<string, readonly number[]>>,
 * }} BundleInputs
 */

/** Uses what earlier starts have compiled. Comes before everything that is to be kept; a failure to keep it costs time only. */
export function keepCompiledCode() {
  try {
    mkdirSync(compiledFolder, { recursive: true });
    module.enableCompileCache(compiledFolder);
  } catch {
    // Somebody else's folder: a place of the system's choice has to do.
    module.enableCompileCache();
  }
}

/** Writes now what was compiled so far, which otherwise waits for the end of the process. */
export function storeCompiledCode() {
  module.flushCompileCache();
}

/**
 * Changes when a file does; `''` when there is none. Throws what the system does but for that.
 * @param {string} path
 */
export function fileMark(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.size} ${stats.mtimeMs}`;
}

/**
 * Where a process has found the bundle: all that it loads is of the same time.
 * @type {{ readonly folder: URL | undefined } | undefined}
 */
let found;

/**
 * Loads a module of the bundle, by its name there; where there is no bundle with it, or it is older than its sources, loads these.
 * @template Exports what both have
 * @param {string} entry
 * @param {() => Promise<Exports>} sources
 * @returns {Promise<Exports>}
 */
export function loadCode(entry, sources) {
  const folder = foundBundle(entry);
  const bundled = folder === undefined ? undefined : new URL(`${entry}.js`, folder);
  return bundled !== undefined && existsSync(bundled) ? import(bundled.href) : sources();
}

/**
 * `bundleFolder` of the first entry that this process asks for, whose answer stays: what it asks for later is among what that comes to.
 * @param {string} entry
 */
export function foundBundle(entry) {
  found ??= { folder: bundleFolder(entry) };
  return found.folder;
}

/**
 * Says what `foundBundle` gives, where another process has just looked.
 * @param {URL | undefined} folder
 */
export function useBundle(folder) {
  found = { folder };
}

/**
 * URL of the folder of the bundle; undefined where there is none that says what the sources do.
 * @param {string} [entry] the one that is to be loaded; without it all sources count
 */
export function bundleFolder(entry) {
  if (!isCheckout) return packageBundles.find((folder) => existsSync(folder));
  const inputs = bundleInputs();
  if (inputs === undefined) return undefined;
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const all = Object.entries(inputs.files);
  // A list that an install of before has left says nothing of entries.
  const places = entry === undefined ? undefined : inputs.entries?.[entry];
  const looked = places === undefined ? all : places.map((place) => all[place] ?? ['', '-']);
  const isFresh = looked.every(([path, mark]) => fileMark(root + path) === mark);
  return isFresh ? new URL(`${inputs.folder}/`, checkoutBundles) : undefined;
}

/**
 * What the last bundle of a checkout was made of; undefined when no install has made one.
 * @returns {BundleInputs | undefined}
 */
export function bundleInputs() {
  try {
    return JSON.parse(readFileSync(new URL(bundleInputsFile, checkoutBundles), 'utf8'));
  } catch {
    return undefined;
  }
}
