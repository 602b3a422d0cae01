/**
 * Calls of Linux that Node has no function for: mounts, device nodes, extended attributes, locks of files. Each is one call of the C library through
 * `node:ffi`; none waits for anything but the kernel. What the machine refuses is thrown with the code that Node would give it.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

/** Paths are bytes without a zero in them. */
export interface SystemCalls {
  mount(mount: { readonly kind: string; readonly target: string; readonly flags: number; readonly data: string }): void;
  /** At once from sight, from memory when nobody uses it any more. */
  unmount(target: string): void;
  /** `mode` with the kind of node in it. */
  makeNode(path: Uint8Array, mode: number, device: { readonly major: number; readonly minor: number }): void;
  /** Of the link itself where the path is one. */
  setAttribute(path: Uint8Array, name: string, value: Uint8Array): void;
  /** Undefined where there is none of that name. */
  attribute(path: Uint8Array, name: string): Uint8Array | undefined;
  /** Whether the lock of an open file was got: who asked for it first has it, until the file is closed or the process ends. */
  tryLock(descriptor: number): boolean;
}

interface Library {
  readonly functions: {
    mount(source: string, target: string, kind: string, flags: bigint, data: string): number;
    umount2(target: string, flags: number): number;
    mknod(path: Uint8Array, mode: number, device: bigint): number;
    lsetxattr(path: Uint8Array, name: string, value: Uint8Array, size: bigint, flags: number): number;
    lgetxattr(path: Uint8Array, name: string, value: Uint8Array, size: bigint): bigint;
    flock(descriptor: number, operation: number): number;
    __errno_location(): bigint;
  };
}

interface ForeignFunctions {
  dlopen(path: null, signatures: Readonly<Record<string, unknown>>): Library;
  getInt32(pointer: bigint): number;
}

const signatures = {
  mount: { arguments: ['string', 'string', 'string', 'uint64', 'string'], return: 'int32' },
  umount2: { arguments: ['string', 'int32'], return: 'int32' },
  mknod: { arguments: ['buffer', 'uint32', 'uint64'], return: 'int32' },
  lsetxattr: { arguments: ['buffer', 'string', 'buffer', 'uint64', 'int32'], return: 'int32' },
  lgetxattr: { arguments: ['buffer', 'string', 'buffer', 'uint64'], return: 'int64' },
  flock: { arguments: ['int32', 'int32'], return: 'int32' },
  __errno_location: { arguments: [], return: 'pointer' },
} as const;

/** From Linux' headers. */
const detach = 2;
const exclusiveAtOnce = 2 | 4;
const wouldBlock = 11;
const noAttribute = 61;
/** Largest value of an extended attribute. Source: xattr(7). */
const attributeBytesMax = 64 << 10;

/** The calls of this machine. Rejects with `unsupported` where Node cannot make them. */
export async function systemCalls(): Promise<SystemCalls> {
  let foreign: ForeignFunctions;
  try {
    // Its types are not there yet.
    const name = 'node:ffi';
    foreign = await import(name);
  } catch (error) {
    throw new ImageStoreError('unsupported', `this Node cannot call the system's library: ${errorText(error)}`, error);
  }
  const { functions } = foreign.dlopen(null, signatures);
  const lastError = (): number => foreign.getInt32(functions.__errno_location());
  const check = (result: number, call: string, path: Uint8Array | string): void => {
    if (result < 0) throw new SystemCallError(call, lastError(), typeof path === 'string' ? path : textOf(path));
  };
  return {
    mount: ({ kind, target, flags, data }) =>
      check(functions.mount(kind, target, kind, BigInt(flags), data), 'mount', target),
    unmount: (target) => check(functions.umount2(target, detach), 'umount', target),
    makeNode: (path, mode, { major, minor }) =>
      check(functions.mknod(terminated(path), mode, deviceNumber(major, minor)), 'mknod', path),
    setAttribute: (path, name, value) =>
      check(functions.lsetxattr(terminated(path), name, value, BigInt(value.length), 0), `setxattr ${name}`, path),
    attribute(path, name) {
      const value = Buffer.alloc(attributeBytesMax);
      const length = Number(functions.lgetxattr(terminated(path), name, value, BigInt(value.length)));
      if (length >= 0) return value.subarray(0, length);
      const number = lastError();
      if (number === noAttribute || number === codes.ENOTSUP) return undefined;
      throw new SystemCallError(`getxattr ${name}`, number, textOf(path));
    },
    tryLock(descriptor) {
      if (functions.flock(descriptor, exclusiveAtOnce) === 0) return true;
      const number = lastError();
      if (number === wouldBlock) return false;
      throw new SystemCallError('flock', number, `descriptor ${descriptor}`);
    },
  };
}

/** Those that callers tell apart or that people meet. */
const codes = {
  EPERM: 1,
  ENOENT: 2,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENOSPC: 28,
  ENOTSUP: 95,
};

class SystemCallError extends Error {
  readonly code: string;

  constructor(call: string, number: number, path: string) {
    const code = Object.entries(codes).find(([, one]) => one === number)?.[0] ?? `error ${number}`;
    super(`${code}: ${call} '${path}'`);
    this.name = 'SystemCallError';
    this.code = code;
  }
}

/** Source: makedev(3), as glibc and the kernel have it. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | ((high & ~0xfffn) << 32n);
}

function terminated(path: Uint8Array): Uint8Array {
  return Buffer.concat([path, Buffer.of(0)]);
}

function textOf(path: Uint8Array): string {
  return Buffer.from(path).toString();
}
