/**
 * Shows a folder or a file at a second place with the ids of a user namespace: what is root's on the disk is there that of the namespace's root, and what is written there by
 * it is root's on the disk. Calls of the C library through `node:ffi`, looked for when they are first needed, as older libraries have them not.
 * Source: mount_setattr(2), "ID-mapped mounts".
 */
import { closeSync, openSync } from 'node:fs';
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

/** What is shown, where, and by which namespace. */
export interface MappedMount {
  readonly source: string;
  /** A folder or a file, as the source is one. */
  readonly target: string;
  /** Path of the user namespace. */
  readonly namespacePath: string;
  /** With all that is mounted below the source. */
  readonly isDeep: boolean;
}

/** Makes such mounts. */
export interface MappedMounts {
  /** Throws `ImageStoreError` `unsupported` where the file system, or one below it, knows no such mounts. */
  mount(mount: MappedMount): void;
  /** A plain second place. */
  bind(source: string, target: string): void;
  /** At once from sight; nothing where nothing is mounted. */
  unmount(target: string): void;
}

interface Library {
  readonly functions: {
    open_tree(folder: number, path: string, flags: number): number;
    move_mount(from: number, fromPath: string, to: number, toPath: string, flags: number): number;
    mount_setattr(folder: number, path: string, flags: number, attributes: Uint8Array, size: bigint): number;
    mount(source: string, target: string, kind: string, flags: bigint, data: string): number;
    umount2(target: string, flags: number): number;
    __errno_location(): bigint;
  };
}

interface ForeignFunctions {
  dlopen(path: null, signatures: Readonly<Record<string, unknown>>): Library;
  getInt32(pointer: bigint): number;
}

const signatures = {
  open_tree: { arguments: ['int32', 'string', 'uint32'], return: 'int32' },
  move_mount: { arguments: ['int32', 'string', 'int32', 'string', 'uint32'], return: 'int32' },
  mount_setattr: { arguments: ['int32', 'string', 'uint32', 'buffer', 'uint64'], return: 'int32' },
  mount: { arguments: ['string', 'string', 'string', 'uint64', 'string'], return: 'int32' },
  umount2: { arguments: ['string', 'int32'], return: 'int32' },
  __errno_location: { arguments: [], return: 'pointer' },
} as const;

/** From Linux' headers. */
const currentFolder = -100;
const cloneTree = 1;
const closeOnExec = 0o2_000_000;
const recursive = 0x8000;
const emptyPath = 0x1000;
const fromEmptyPath = 4;
const mapIds = 0x00100000n;
const bindFlag = 4096n;
const detach = 2;
const attributeBytes = 32;
const namespaceAt = 24;

/** The calls of this machine. Rejects with `unsupported` where it has not all of them. */
export async function mappedMounts(): Promise<MappedMounts> {
  const name = 'node:ffi';
  let foreign: ForeignFunctions;
  let functions: Library['functions'];
  try {
    // Its types are not there yet.
    foreign = await import(name);
    ({ functions } = foreign.dlopen(null, signatures));
  } catch (error) {
    throw new ImageStoreError('unsupported', `this machine shows no files by other ids: ${errorText(error)}`, error);
  }
  const check = (result: number, call: string, path: string): number => {
    if (result >= 0) return result;
    const why = `${call} '${path}': error ${foreign.getInt32(functions.__errno_location())}`;
    throw new ImageStoreError('unsupported', `cannot show ${path} by other ids: ${why}`);
  };
  return {
    mount({ source, target, namespacePath, isDeep }) {
      const depth = isDeep ? recursive : 0;
      const tree = check(
        functions.open_tree(currentFolder, source, cloneTree | closeOnExec | depth),
        'open_tree',
        source,
      );
      try {
        const namespace = openSync(namespacePath, 'r');
        try {
          const attributes = Buffer.alloc(attributeBytes);
          attributes.writeBigUInt64LE(mapIds, 0);
          attributes.writeBigUInt64LE(BigInt(namespace), namespaceAt);
          const size = BigInt(attributeBytes);
          check(functions.mount_setattr(tree, '', emptyPath | depth, attributes, size), 'mount_setattr', source);
          check(functions.move_mount(tree, '', currentFolder, target, fromEmptyPath), 'move_mount', target);
        } finally {
          closeSync(namespace);
        }
      } finally {
        closeSync(tree);
      }
    },
    bind: (source, target) => void check(functions.mount(source, target, '', bindFlag, ''), 'mount', source),
    unmount: (target) => void functions.umount2(target, detach),
  };
}
