/**
 * Starts a program without a copy of this process: Node's own way copies its page tables first, which takes milliseconds during which nothing else is done. The
 * program has no signals of this process's, and of its descriptors those that it is given. Whoever starts it waits for its end (`reaper.ts`).
 * Source: posix_spawn(3) of glibc on 64-bit processors.
 */
import { Buffer } from 'node:buffer';
import { dlopen, getRawPointer } from 'node:ffi';
import { getSystemErrorName } from 'node:util';

const pointer = 'pointer';
const int = 'int32';

const { functions: c } = dlopen(null, {
  posix_spawn: { arguments: [pointer, 'string', pointer, pointer, pointer, pointer], return: int },
  posix_spawn_file_actions_addchdir_np: { arguments: [pointer, 'string'], return: int },
  posix_spawn_file_actions_adddup2: { arguments: [pointer, int, int], return: int },
  posix_spawn_file_actions_addopen: { arguments: [pointer, int, 'string', int, 'uint32'], return: int },
  posix_spawn_file_actions_destroy: { arguments: [pointer], return: int },
  posix_spawn_file_actions_init: { arguments: [pointer], return: int },
  posix_spawnattr_init: { arguments: [pointer], return: int },
  posix_spawnattr_setflags: { arguments: [pointer, 'int16'], return: int },
  posix_spawnattr_setsigdefault: { arguments: [pointer, pointer], return: int },
  posix_spawnattr_setsigmask: { arguments: [pointer, pointer], return: int },
});

/** Room for `posix_spawn_file_actions_t` and `posix_spawnattr_t`, which are smaller. */
const structBytes = 1024;
const setBytes = 128;
const defaultSignals = 4;
const ownMask = 8;
const readAndWrite = 2;

/** What to start. */
export interface ProcessToStart {
  /** Absolute. */
  readonly path: string;
  /** Without the program's own name. */
  readonly args: readonly string[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** Its input, output and errors, descriptors of this process above 2; nothing where one is missing. */
  readonly stdio: readonly number[];
}

/** Starts it in the folder `/`; its number. Throws where it cannot be. */
export function startProcess({ path, args, environment, stdio }: ProcessToStart): number {
  const attributes = Buffer.alloc(structBytes);
  checked('posix_spawnattr_init', c.posix_spawnattr_init(attributes));
  checked('posix_spawnattr_setflags', c.posix_spawnattr_setflags(attributes, defaultSignals | ownMask));
  c.posix_spawnattr_setsigdefault(attributes, Buffer.alloc(setBytes, 0xff));
  c.posix_spawnattr_setsigmask(attributes, Buffer.alloc(setBytes));
  const actions = Buffer.alloc(structBytes);
  checked('posix_spawn_file_actions_init', c.posix_spawn_file_actions_init(actions));
  try {
    checked('chdir', c.posix_spawn_file_actions_addchdir_np(actions, '/'));
    for (const at of [0, 1, 2]) {
      const from = stdio[at];
      if (from === undefined)
        checked('open', c.posix_spawn_file_actions_addopen(actions, at, '/dev/null', readAndWrite, 0));
      else checked('dup2', c.posix_spawn_file_actions_adddup2(actions, from, at));
    }
    const pid = Buffer.alloc(4);
    const result = c.posix_spawn(pid, path, actions, attributes, texts([path, ...args]), texts(environment));
    checked(`cannot start ${path}`, result);
    return pid.readInt32LE(0);
  } finally {
    c.posix_spawn_file_actions_destroy(actions);
  }
}

/** These say what is wrong by what they return. */
function checked(what: string, result: number): void {
  if (result !== 0) throw new Error(`${what}: ${getSystemErrorName(-result)}`);
}

/** Pointers to texts, with none after the last, and the texts behind them: in one piece, so that whoever holds the pointers holds what they point to. */
function texts(values: readonly string[]): Buffer {
  const tableBytes = 8 * (values.length + 1);
  const pieces = values.map((value) => Buffer.from(`${value}\0`));
  const all = Buffer.concat([Buffer.alloc(tableBytes), ...pieces]);
  let place = getRawPointer(all) + BigInt(tableBytes);
  for (const [index, piece] of pieces.entries()) {
    all.writeBigUInt64LE(place, index * 8);
    place += BigInt(piece.length);
  }
  return all;
}
