/**
 * Runs the large files of a checkout's bundle as scripts, with what V8 has compiled of them in an earlier start. Node's own cache of compiled modules has of each what is
 * compiled when it is loaded, so every start would compile all functions again that it calls (`findings/node-compile-cache-lazy.sh`): a sixth of its time.
 *
 * Invariant: what is kept is used for the very text that it was made of, by the Node that made it, or not at all.
 *
 * JavaScript, and apart from the bundle, as it comes before that.
 */

const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs');
const { basename, dirname, join } = process.getBuiltinModule('node:path');
const { fileURLToPath } = process.getBuiltinModule('node:url');
const { Script } = process.getBuiltinModule('node:vm');
const { crc32 } = process.getBuiltinModule('node:zlib');

/** Where compiled code is kept between starts, in the checkout or package. */
export const compiledFolder = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));

/** Who has made what is kept: an install, which runs much of a cluster, or a start, which runs all that the next one will. The latter is preferred. */
const makers = /** @type {const} */ (['start', 'install']);

/** @typedef {(typeof makers)[number]} Maker */
/** @typedef {{ readonly script: import('node:vm').Script, readonly path: string, readonly usedOf: Maker | undefined }} RunScript */

/** Where scripts that have run are found by who stores them: what is bundled has modules of its own, and this is none of them. */
const place = Symbol.for('coxswain.scripts');

/** Before the bytes that V8 gives: their checksum, as V8 itself takes them as they are. */
const headBytes = 4;

/**
 * Runs a file of the bundle, whose text is a function in brackets.
 * @param {string} url of the module that stands for it, beside which the script is
 * @param {readonly unknown[]} given what the function is called with
 * @returns {Record<string, unknown>} what it gives
 */
export function runScript(url, given) {
  const filename = fileURLToPath(url).replace(/\.js$/, '.script');
  // The bundle is in ASCII.
  const text = readFileSync(filename, 'latin1');
  const path = join(compiledFolder, `${process.version}-${basename(dirname(filename))}-${basename(filename)}`);
  for (const maker of makers) {
    const cachedData = keptBytes(`${path}-${maker}`);
    if (cachedData === undefined) continue;
    const script = new Script(text, { filename, cachedData });
    if (script.cachedDataRejected === true) continue;
    return run({ script, path, usedOf: maker }, given);
  }
  return run({ script: new Script(text, { filename }), path, usedOf: undefined }, given);
}

/**
 * @param {RunScript} one
 * @param {readonly unknown[]} given
 */
function run(one, given) {
  if (one.usedOf !== makers[0]) scripts().push(one);
  return one.script.runInThisContext()(...given);
}

/**
 * Keeps what V8 has compiled by now of scripts that have run, where there is nothing as good yet. A failure to keep it costs time only.
 * @param {Maker} maker
 */
export function storeScripts(maker) {
  for (const { script, path, usedOf } of scripts().splice(0)) {
    if (usedOf === maker) continue;
    const bytes = script.createCachedData();
    const head = Buffer.alloc(headBytes);
    head.writeUInt32LE(crc32(bytes));
    const temporary = `${path}-${process.pid}.tmp`;
    try {
      mkdirSync(compiledFolder, { recursive: true });
      writeFileSync(temporary, Buffer.concat([head, bytes]));
      renameSync(temporary, `${path}-${maker}`);
    } catch {
      rmSync(temporary, { force: true });
    }
  }
}

function scripts() {
  /** @type {RunScript[] | undefined} */
  const there = Reflect.get(globalThis, place);
  if (there !== undefined) return there;
  /** @type {RunScript[]} */
  const made = [];
  Reflect.set(globalThis, place, made);
  return made;
}

/** @param {string} path */
function keptBytes(path) {
  try {
    const all = readFileSync(path);
    const bytes = all.subarray(headBytes);
    return all.length > headBytes && crc32(bytes) === all.readUInt32LE(0) ? bytes : undefined;
  } catch {
    return undefined;
  }
}
