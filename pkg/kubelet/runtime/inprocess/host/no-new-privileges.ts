/**
 * Keeps a thread, and all that it starts, from getting more rights than it has: programs that belong to another user are run with the rights of
 * whoever runs them. It cannot be taken back. Each thread has a mark of its own and gives it to the threads and processes that it starts, so of the
 * programs in one process those have it that ask for it. Source: prctl(2) `PR_SET_NO_NEW_PRIVS`, KEP-135.
 */
import { readFileSync } from 'node:fs';

const setOption = 38;
const getOption = 39;

type Prctl = (option: number, value: bigint, a: bigint, b: bigint, c: bigint) => number;

interface ForeignFunctions {
  dlopen(
    path: null,
    signatures: Readonly<Record<string, unknown>>,
  ): {
    readonly functions: { readonly prctl: Prctl };
  };
}

/** Whether this system has such a mark, so that a thread can be given it. */
export async function hasNoNewPrivileges(): Promise<boolean> {
  try {
    return (await findPrctl())(getOption, 0n, 0n, 0n, 0n) >= 0;
  } catch {
    return false;
  }
}

/** Gives the mark to this thread. Throws when the system does not say afterwards that it has it. */
export async function setNoNewPrivileges(): Promise<void> {
  const prctl = await withoutWarnings(findPrctl);
  prctl(setOption, 1n, 0n, 0n, 0n);
  const status = readFileSync('/proc/thread-self/status', 'latin1');
  if (!/^NoNewPrivs:\s+1$/m.test(status))
    throw new Error('Cannot start the program as the system does not keep it from getting more privileges');
}

async function findPrctl(): Promise<Prctl> {
  // Its types are not there yet.
  const name = 'node:ffi';
  const { dlopen } = (await import(name)) as ForeignFunctions;
  const number = 'uint64';
  return dlopen(null, { prctl: { arguments: ['int32', number, number, number, number], return: 'int32' } }).functions
    .prctl;
}

/** That Node calls this experimental is nothing that the program did: its output does not show it. */
async function withoutWarnings<T>(work: () => Promise<T>): Promise<T> {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return await work();
  } finally {
    process.emitWarning = emitWarning;
  }
}
