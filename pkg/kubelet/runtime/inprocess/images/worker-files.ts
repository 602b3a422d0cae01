/**
 * Makes Node's own file functions take the paths of the container: what a program reads under a mount's path is the volume, and relative paths begin at
 * its working directory. Modules are loaded by the machine's paths, and processes that a program starts see the machine's files.
 */
import fs, { type PathLike } from 'node:fs';
import os from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContainerPaths } from './container-paths.ts';

type AnyFunction = (...args: readonly unknown[]) => unknown;
type Functions = Record<string, unknown>;

/** Functions whose first argument is a path, each with its `Sync` form and its promise where there are such. Streams open their files by `open`. */
const onePath: readonly string[] = [
  ...['access', 'appendFile', 'chmod', 'chown', 'exists', 'lchmod', 'lchown', 'lstat', 'lutimes', 'mkdir', 'mkdtemp'],
  ...['open', 'openAsBlob', 'opendir', 'readFile', 'readdir', 'readlink', 'realpath', 'rm', 'rmdir', 'stat', 'statfs'],
  ...['truncate', 'unlink', 'unwatchFile', 'utimes', 'watch', 'watchFile', 'writeFile'],
];
/** Those with two. */
const twoPaths: readonly string[] = ['copyFile', 'cp', 'link', 'rename'];
/** The first is what the link says. */
const secondPath: readonly string[] = ['symlink'];

/** The paths of the container, and its host name. */
export interface FilesOptions {
  readonly paths: ContainerPaths;
  readonly hostname: string;
}

/** Changes the built-in modules; `syncBuiltinESMExports` is the caller's. */
export function mapFiles({ paths, hostname }: FilesOptions): void {
  const map = (value: unknown): unknown => mapped(paths, value);
  const pathsAt = new Map<string, readonly number[]>([
    ...onePath.map((name) => [name, [0]] as const),
    ...twoPaths.map((name) => [name, [0, 1]] as const),
    ...secondPath.map((name) => [name, [1]] as const),
  ]);
  for (const [name, indexes] of pathsAt) {
    wrap(fs, name, { indexes, map });
    wrap(fs, `${name}Sync`, { indexes, map });
    wrap(fs.promises, name, { indexes, map });
  }
  process.cwd = () => paths.cwd;
  process.chdir = (directory) => {
    const host = paths.hostPath(directory);
    if (!fs.statSync(host).isDirectory()) throw notDirectory(directory);
    paths.cwd = resolve(paths.cwd, directory);
  };
  const { homedir } = os;
  os.homedir = () => process.env.HOME ?? homedir();
  os.hostname = () => hostname;
}

function notDirectory(path: string): Error {
  const fields = { code: 'ENOTDIR', syscall: 'chdir', path };
  return Object.assign(new Error(`ENOTDIR: not a directory, chdir '${path}'`), fields);
}

/** Descriptors and whatever else is no path stay as they are, for Node to take or refuse. */
function mapped(paths: ContainerPaths, value: unknown): unknown {
  if (typeof value === 'string') return value.includes('\0') || value === '' ? value : paths.hostPath(value);
  if (value instanceof URL) return value.protocol === 'file:' ? paths.hostPath(fileURLToPath(value)) : value;
  if (Buffer.isBuffer(value)) return mapped(paths, value.toString() satisfies PathLike);
  return value;
}

interface Wrapping {
  readonly indexes: readonly number[];
  map(value: unknown): unknown;
}

function wrap(functions: Functions, name: string, { indexes, map }: Wrapping): void {
  const original = functions[name];
  if (typeof original !== 'function') return;
  const call = original;
  const withPaths = function (this: unknown, ...args: unknown[]): unknown {
    for (const index of indexes) if (index < args.length) args[index] = map(args[index]);
    return call.apply(this, args);
  };
  // `realpath.native` is another, and `exists` has a form of its own for promises.
  for (const key of Reflect.ownKeys(original)) {
    const inner = Reflect.get(original, key);
    if (typeof inner !== 'function') continue;
    const innerCall = inner as AnyFunction;
    Reflect.set(withPaths, key, (...args: unknown[]) => {
      for (const index of indexes) if (index < args.length) args[index] = map(args[index]);
      return innerCall(...args);
    });
  }
  Object.defineProperty(withPaths, 'name', { value: name });
  functions[name] = withPaths;
}
