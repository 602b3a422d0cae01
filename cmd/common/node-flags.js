/**
 * How Node is started for a server that stays. Code that was compiled earlier, Node's own and what a start keeps, is of use only while V8 has the
 * flags it was made with: what changes those is set once all of a start is loaded (`heap-limit.ts`), which takes a third less time so.
 *
 * JavaScript, and apart from the bundle, as it comes before everything else of a start.
 */

const { availableParallelism } = process.getBuiltinModule('node:os');

/**
 * Half of a new space is this large, in MB. V8's own choice, up to 32 MB, makes for some 40 MB more memory under load and is not
 * faster here: what a request needs is garbage at once, and what lives, lives long. One that begins smaller is collected while a start loads, again and again,
 * and as all of that lives V8 goes through the whole heap then.
 */
const semiSpaceMegabytes = 8;

/**
 * Threads that V8 has for collecting garbage and compiling, by Node's choice on every machine. Where they are as many as the cores or more, they take
 * these from the thread that they work for and wait for each other, at every collection of the new space.
 */
const v8ThreadsDefault = 4;

/** What `memory.ts` needs to give memory back. The module it uses says of itself that it is an experiment of Node's. */
const memoryFlags = ['--experimental-ffi', '--disable-warning=ExperimentalWarning'];

/**
 * Flags for a server's process: those of this one, and what keeps its memory small unless somebody has chosen otherwise.
 * @returns {readonly string[]}
 */
export function serverNodeFlags() {
  const own = process.execArgv;
  /** @param {string} name */
  const isChosen = (name) => own.some((flag) => flag.startsWith(name));
  const wanted = ['max', 'min']
    .map((which) => `--${which}-semi-space-size`)
    .flatMap((flag) => (isChosen(flag) ? [] : [`${flag}=${semiSpaceMegabytes}`]));
  const cores = availableParallelism();
  if (cores <= v8ThreadsDefault && !isChosen('--v8-pool-size')) wanted.push(`--v8-pool-size=${Math.max(1, cores - 1)}`);
  if (process.allowedNodeEnvironmentFlags.has('--experimental-ffi')) wanted.push(...memoryFlags);
  return [...own, ...wanted.filter((flag) => !own.includes(flag))];
}
