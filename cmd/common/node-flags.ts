/** How Node is started for a server that stays. */
import process from 'node:process';

/**
 * Half of a new space is at most this large, in MB. V8's own choice, up to 32 MB, makes for some 40 MB more memory under load and is not
 * faster here: what a request needs is garbage at once, and what lives, lives long.
 */
const semiSpaceMegabytes = 8;

/**
 * The heap is collected when it has grown by this part of what lived, in percent. V8's own choice lets it grow to some 400 MB before it first
 * looks at it, of which 80 MB live; this makes for some 80 MB less at the end of a burst, and a request costs no more that can be measured.
 */
export const heapGrowingPercent = 60;

/** The same once the process is large: 20 MB less of 300 under load. V8 reads it after each collection, so that it may change at any time. */
export const heapGrowingPercentLarge = 30;

/** The flag for a growth in percent. */
export const heapGrowingFlag = (percent: number): string => `--heap-growing-percent=${percent}`;

/** What `memory.ts` needs to give memory back. The module it uses says of itself that it is an experiment of Node's. */
const memoryFlags = ['--expose-gc', '--experimental-ffi', '--disable-warning=ExperimentalWarning'];

/** Flags for a server's process: those of this one, and what keeps its memory small unless somebody has chosen otherwise. */
export function serverNodeFlags(): readonly string[] {
  const own = process.execArgv;
  const sizes = [`--max-semi-space-size=${semiSpaceMegabytes}`, heapGrowingFlag(heapGrowingPercent)];
  const isChosen = (size: string): boolean => own.some((flag) => flag.startsWith(size.slice(0, size.indexOf('='))));
  const wanted = sizes.filter((size) => !isChosen(size));
  if (process.allowedNodeEnvironmentFlags.has('--experimental-ffi')) wanted.push(...memoryFlags);
  return [...own, ...wanted.filter((flag) => !own.includes(flag))];
}
