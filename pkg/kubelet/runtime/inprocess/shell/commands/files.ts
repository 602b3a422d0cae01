/** Commands on files and folders of the container. */

import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  truncate,
  unlink,
  utimes,
} from 'node:fs/promises';
import { posix } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { countOf, parseArguments } from '../arguments.ts';
import { pathError } from '../files.ts';
import { CommandError, put } from '../io.ts';
import type { Invocation, Utility } from '../utility.ts';

/** What a container has at most below one folder that is copied, removed or searched. */
const depthMax = 100;

function absolute({ container, cwd }: Invocation, path: string): string {
  return container.files.absolute(cwd, path);
}

/** Does something to each path; what fails is told, and makes the exit code 1. */
async function forEach(
  invocation: Invocation,
  name: string,
  paths: readonly string[],
  act: (path: string) => Promise<unknown>,
): Promise<number> {
  if (paths.length === 0) throw new CommandError('missing operand');
  let status = 0;
  for (const path of paths) {
    try {
      await act(path);
    } catch (error) {
      status = 1;
      await put(invocation.stderr, `${name}: ${pathError(path, error).message}\n`);
    }
  }
  return status;
}

type Stats = Awaited<ReturnType<Invocation['container']['files']['lstat']>>;

function modeText(stats: Stats): string {
  const type = stats.isDirectory() ? 'd' : stats.isSymbolicLink() ? 'l' : '-';
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((stats.mode >> (8 - index)) & 1 ? letter : '-'));
  return type + bits.join('');
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function timeText(timeMs: number): string {
  const time = new Date(timeMs);
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${months[time.getUTCMonth()]} ${String(time.getUTCDate()).padStart(2)} ${pad(time.getUTCHours())}:${pad(time.getUTCMinutes())}`;
}

const ls: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, {
    flags: '1ACFRadhlrt',
    long: ['all', 'color=', 'full-time'],
  });
  const { files } = invocation.container;
  const isLong = flags.has('l');
  const show = async (folder: string, name: string, shown: string): Promise<void> => {
    const path = posix.join(folder, name);
    if (!isLong) return put(invocation.stdout, `${shown}\n`);
    const stats = await files.lstat(path);
    const target = stats.isSymbolicLink() ? ` -> ${await readlink(await files.host(path, { followLast: false }))}` : '';
    const size = String(stats.size).padStart(9);
    await put(
      invocation.stdout,
      `${modeText(stats)} ${String(stats.nlink).padStart(4)} ${stats.uid} ${stats.gid} ${size} ${timeText(stats.mtimeMs)} ${shown}${target}\n`,
    );
  };
  const paths = operands.length === 0 ? ['.'] : operands;
  const listFolder = async (path: string, depth: number): Promise<void> => {
    const folder = absolute(invocation, path);
    let names = (await files.list(folder)).filter((name) => flags.has('a') || flags.has('A') || !name.startsWith('.'));
    if (flags.has('t')) {
      const times = new Map<string, number>();
      for (const name of names) times.set(name, (await files.lstat(posix.join(folder, name))).mtimeMs);
      names = [...names].sort((a, b) => times.get(b)! - times.get(a)!);
    }
    if (flags.has('r')) names = [...names].reverse();
    if (flags.has('a')) names = ['.', '..', ...names];
    for (const name of names) await show(folder, name, name);
    if (!flags.has('R') || depth > depthMax) return;
    for (const name of names) {
      if (name === '.' || name === '..' || !(await files.lstat(posix.join(folder, name))).isDirectory()) continue;
      await put(invocation.stdout, `\n${posix.join(path, name)}:\n`);
      await listFolder(posix.join(path, name), depth + 1);
    }
  };
  return forEach(invocation, 'ls', paths, async (path) => {
    const stats = await (isLong ? files.lstat(absolute(invocation, path)) : files.stat(absolute(invocation, path)));
    if (!stats.isDirectory() || flags.has('d')) return show(absolute(invocation, path), '', path);
    if (paths.length > 1 || flags.has('R')) await put(invocation.stdout, `${path}:\n`);
    await listFolder(path, 0);
  });
};

const makeFolder: Utility = (invocation) => {
  const { operands, flags, values } = parseArguments(invocation.args, { flags: 'pv', valued: 'm', long: ['parents'] });
  const recursive = flags.has('p') || flags.has('parents');
  return forEach(invocation, 'mkdir', operands, async (path) => {
    const place = await invocation.container.files.writable(absolute(invocation, path));
    const mode = values.m === undefined ? undefined : Number.parseInt(values.m, 8);
    await mkdir(place, { recursive, ...(mode === undefined ? {} : { mode }) });
  });
};

const remove: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'Rfirv', long: ['recursive', 'force'] });
  const isForced = flags.has('f') || flags.has('force');
  const isRecursive = flags.has('r') || flags.has('R') || flags.has('recursive');
  if (operands.length === 0 && isForced) return 0;
  const { files } = invocation.container;
  return forEach(invocation, 'rm', operands, async (path) => {
    const target = absolute(invocation, path);
    if (target === '/') throw new CommandError(`${path}: it is dangerous to operate on /`);
    const stats = await files.lstat(target).catch((error: unknown) => {
      if (!isForced) throw error;
      return undefined;
    });
    if (stats === undefined) return;
    if (stats.isDirectory() && !isRecursive) throw new CommandError(`${path}: Is a directory`);
    await rm(await files.writable(target, { followLast: false }), { recursive: isRecursive });
  });
};

const removeFolder: Utility = (invocation) =>
  forEach(invocation, 'rmdir', invocation.args, async (path) =>
    rmdir(await invocation.container.files.writable(absolute(invocation, path), { followLast: false })),
  );

/** Where something goes that is copied or moved to `target`. */
async function destination(invocation: Invocation, source: string, target: string): Promise<string> {
  const place = absolute(invocation, target);
  const isFolder = await invocation.container.files.stat(place).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isFolder ? posix.join(place, posix.basename(absolute(invocation, source))) : place;
}

async function copyTree(invocation: Invocation, from: string, to: string, depth: number): Promise<void> {
  const { files } = invocation.container;
  if (depth > depthMax) throw new CommandError(`${from}: folders are too deep`);
  const stats = depth === 0 ? await files.stat(from) : await files.lstat(from);
  if (stats.isSymbolicLink()) {
    await symlink(
      await readlink(await files.host(from, { followLast: false })),
      await files.writable(to, { followLast: false }),
    );
  } else if (stats.isDirectory()) {
    if (to === from || to.startsWith(`${from}/`)) throw new CommandError(`${from}: cannot copy a folder into itself`);
    await mkdir(await files.writable(to), { recursive: true });
    for (const name of await files.list(from)) {
      await copyTree(invocation, posix.join(from, name), posix.join(to, name), depth + 1);
    }
  } else if (stats.isFile()) await copyFile(await files.host(from), await files.writable(to));
}

function splitTarget(operands: readonly string[]): { readonly sources: readonly string[]; readonly target: string } {
  if (operands.length < 2) throw new CommandError('missing operand');
  return { sources: operands.slice(0, -1), target: operands.at(-1) ?? '' };
}

const copy: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'LPRadfpr' });
  const { sources, target } = splitTarget(operands);
  const { files } = invocation.container;
  return forEach(invocation, 'cp', sources, async (path) => {
    const from = absolute(invocation, path);
    if ((await files.stat(from)).isDirectory() && !['R', 'a', 'r'].some((one) => flags.has(one)))
      throw new CommandError(`omitting directory '${path}'`);
    await copyTree(invocation, from, await destination(invocation, path, target), 0);
  });
};

const move: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'finv' });
  const { sources, target } = splitTarget(operands);
  const { files } = invocation.container;
  return forEach(invocation, 'mv', sources, async (path) => {
    const from = absolute(invocation, path);
    const to = await destination(invocation, path, target);
    const place = await files.writable(from, { followLast: false });
    try {
      await rename(place, await files.writable(to, { followLast: false }));
    } catch (error) {
      if (errorCode(error) !== 'EXDEV') throw error;
      await copyTree(invocation, from, to, 0);
      await rm(place, { recursive: true });
    }
    if (flags.has('v')) await put(invocation.stdout, `'${path}' -> '${to}'\n`);
  });
};

const makeLink: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'fns' });
  const [target = '', name = posix.basename(target)] = operands;
  const { files } = invocation.container;
  const place = await files.writable(await destination(invocation, target, name), { followLast: false });
  if (flags.has('f')) await rm(place, { force: true });
  return forEach(invocation, 'ln', [target], async () => {
    if (flags.has('s')) await symlink(target, place);
    else await link(await files.host(absolute(invocation, target)), place);
  });
};

const touch: Utility = (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'acm' });
  const { files, program } = invocation.container;
  return forEach(invocation, 'touch', operands, async (path) => {
    const target = absolute(invocation, path);
    const isThere = await files.stat(target).then(
      () => true,
      () => false,
    );
    if (!isThere && flags.has('c')) return;
    const now = program.clock.nowMs() / 1000;
    if (isThere) await utimes(await files.writable(target), now, now);
    else await (await files.open(target, 'a')).close();
  });
};

const changeMode: Utility = async (invocation) => {
  const [mode = '', ...paths] = invocation.args.filter((arg) => arg !== '-R');
  const { files } = invocation.container;
  return forEach(invocation, 'chmod', paths, async (path) => {
    const target = absolute(invocation, path);
    await chmod(await files.writable(target), modeOf(mode, (await files.stat(target)).mode & 0o7777));
  });
};

function modeOf(text: string, before: number): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  let mode = before;
  for (const clause of text.split(',')) {
    const [, who = '', operator = '', letters = ''] = /^([augo]*)([-+=])([rwx]*)$/.exec(clause) ?? [];
    if (operator === '') throw new CommandError(`invalid mode '${text}'`);
    let bits = 0;
    for (const one of who === '' || who.includes('a') ? 'ugo' : who) {
      const shift = { u: 6, g: 3, o: 0 }[one]!;
      if (operator === '=') mode &= ~(7 << shift);
      for (const letter of letters) bits |= { r: 4, w: 2, x: 1 }[letter]! << shift;
    }
    mode = operator === '-' ? mode & ~bits : mode | bits;
  }
  return mode;
}

const readLink: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'fn' });
  const { files } = invocation.container;
  const path = absolute(invocation, operands[0] ?? '');
  if (flags.has('f')) {
    await put(invocation.stdout, `${path}\n`);
    return 0;
  }
  const target = await readlink(await files.host(path, { followLast: false })).catch(() => undefined);
  if (target === undefined) return 1;
  await put(invocation.stdout, `${target}\n`);
  return 0;
};

const showStatus: Utility = (invocation) => {
  const { operands, values } = parseArguments(invocation.args, { flags: 'L', valued: 'c' });
  return forEach(invocation, 'stat', operands, async (path) => {
    const stats = await invocation.container.files.lstat(absolute(invocation, path));
    const kind = stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symbolic link' : 'regular file';
    const fields: Readonly<Record<string, string>> = {
      F: kind,
      a: (stats.mode & 0o7777).toString(8),
      g: String(stats.gid),
      n: path,
      s: String(stats.size),
      u: String(stats.uid),
      Y: String(Math.floor(stats.mtimeMs / 1000)),
    };
    const format = values.c ?? '  File: %n\n  Size: %s\t%F\nAccess: (%a)  Uid: %u  Gid: %g\nModify: %Y';
    await put(
      invocation.stdout,
      `${format.replaceAll(/%(\w)/g, (whole, letter: string) => fields[letter] ?? whole)}\n`,
    );
  });
};

const find: Utility = async (invocation) => {
  const { args } = invocation;
  const start = args.findIndex((arg) => arg.startsWith('-'));
  const paths = args.slice(0, start < 0 ? args.length : start);
  const tests = start < 0 ? [] : args.slice(start);
  const { files } = invocation.container;
  const { matches, plainPattern } = await import('../pattern.ts');
  let [type, name, deepest] = ['', '', depthMax];
  for (let at = 0; at < tests.length; at++) {
    const [test, value = ''] = [tests[at]!, tests[at + 1]];
    if (test === '-type') type = value;
    else if (test === '-name') name = value;
    else if (test === '-maxdepth') deepest = Math.min(countOf(value), depthMax);
    else if (test === '-print') continue;
    else throw new CommandError(`unrecognized: ${test}`);
    at++;
  }
  const walk = async (shown: string, depth: number): Promise<void> => {
    const path = absolute(invocation, shown);
    const stats = await files.lstat(path);
    const isType =
      type === '' || (type === 'd' ? stats.isDirectory() : type === 'l' ? stats.isSymbolicLink() : stats.isFile());
    const isNamed = name === '' || matches(plainPattern(name), posix.basename(path));
    if (isType && isNamed) await put(invocation.stdout, `${shown}\n`);
    if (!stats.isDirectory() || depth >= deepest) return;
    for (const entry of await files.list(path)) await walk(posix.join(shown, entry), depth + 1);
  };
  return forEach(invocation, 'find', paths.length === 0 ? ['.'] : paths, (path) => walk(path, 0));
};

const usage: Utility = (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'ahks' });
  const { files } = invocation.container;
  const sizeOf = async (path: string, depth: number): Promise<number> => {
    const stats = await files.lstat(path);
    if (!stats.isDirectory() || depth > depthMax) return stats.blocks / 2;
    let total = stats.blocks / 2;
    for (const name of await files.list(path)) total += await sizeOf(posix.join(path, name), depth + 1);
    return total;
  };
  return forEach(invocation, 'du', operands.length === 0 ? ['.'] : operands, async (path) => {
    const size = Math.ceil(await sizeOf(absolute(invocation, path), 0));
    await put(invocation.stdout, `${flags.has('h') ? `${(size / 1024).toFixed(1)}M` : size}\t${path}\n`);
  });
};

const temporary: Utility = async (invocation) => {
  const { flags } = parseArguments(invocation.args, { flags: 'dqu' });
  const { files } = invocation.container;
  const made = await mkdtemp(await files.writable('/tmp/tmp.'));
  const path = `/tmp/${posix.basename(made)}`;
  if (!flags.has('d')) {
    await rmdir(made);
    await (await files.open(path, 'w', 0o600)).close();
  }
  await put(invocation.stdout, `${path}\n`);
  return 0;
};

const cutOff: Utility = (invocation) => {
  const { operands, values } = parseArguments(invocation.args, { valued: 's' });
  const size = countOf(values.s ?? '0');
  return forEach(invocation, 'truncate', operands, async (path) => {
    const target = absolute(invocation, path);
    await (await invocation.container.files.open(target, 'a')).close();
    await truncate(await invocation.container.files.writable(target), size);
  });
};

/** By name. */
export const fileCommands: Readonly<Record<string, Utility>> = {
  basename: async ({ args: [path = '', suffix = ''], stdout }) => {
    await put(stdout, `${posix.basename(path, suffix)}\n`);
    return 0;
  },
  chmod: changeMode,
  cp: copy,
  dirname: async ({ args: [path = ''], stdout }) => {
    await put(stdout, `${posix.dirname(path)}\n`);
    return 0;
  },
  du: usage,
  find,
  ln: makeLink,
  ls,
  mkdir: makeFolder,
  mktemp: temporary,
  mv: move,
  readlink: readLink,
  realpath: (invocation) => readLink({ ...invocation, args: ['-f', ...invocation.args] }),
  rm: remove,
  rmdir: removeFolder,
  stat: showStatus,
  touch,
  truncate: cutOff,
  unlink: (invocation) =>
    forEach(invocation, 'unlink', invocation.args, async (path) =>
      unlink(await invocation.container.files.writable(absolute(invocation, path), { followLast: false })),
    ),
};
