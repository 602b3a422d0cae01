/**
 * How Node is started for a server that stays, and what is set once it serves. Code that was compiled earlier, Node's own and what a start keeps, is
 * of use only while V8 has the flags it was made with: what changes those comes when all of a start is loaded, which takes a third less time so.
 */
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';

/**
 * Half of a new space is at most this large, in MB. V8's own choice, up to 32 MB, makes for some 40 MB more memory under load and is not
 * faster here: what a request needs is garbage at once, and what lives, lives long.
 */
const semiSpaceMegabytes = 8;

/**
 * The heap is collected when it has grown by this part of what lived, in percent. V8's own choice lets it grow to some 400 MB before it first
 * looks at it, of which 80 MB live; this makes for some 80 MB less at the end of a burst, and a request costs no more that can be measured.
 */
const heapGrowingPercent = 60;

/** What `memory.ts` needs to give memory back. The module it uses says of itself that it is an experiment of Node's. */
const memoryFlags = ['--experimental-ffi', '--disable-warning=ExperimentalWarning'];

/** Flags for a server's process: those of this one, and what keeps its memory small unless somebody has chosen otherwise. */
export function serverNodeFlags(): readonly string[] {
  const own = process.execArgv;
  const wanted = isChosen('--max-semi-space-size') ? [] : [`--max-semi-space-size=${semiSpaceMegabytes}`];
  if (process.allowedNodeEnvironmentFlags.has('--experimental-ffi')) wanted.push(...memoryFlags);
  return [...own, ...wanted.filter((flag) => !own.includes(flag))];
}

/** Keeps the heap small from now on, unless somebody has chosen otherwise. To be called once everything of a start is loaded and stored. */
export function limitHeap(): void {
  if (!isChosen('--heap-growing-percent')) setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent}`);
}

function isChosen(flag: string): boolean {
  return process.execArgv.some((given) => given.startsWith(flag));
}
