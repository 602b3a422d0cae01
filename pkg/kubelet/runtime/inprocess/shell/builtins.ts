/** Commands of the shell itself: those that change it, or leave something. Source: POSIX.1-2024, Shell Command Language, section 2.15. */
import { CommandError, put, readLine } from './io.ts';
import { Leave } from './leave.ts';
import { parse } from './parse.ts';
import type { Streams } from './redirect.ts';
import type { Shell } from './shell.ts';

type Builtin = (shell: Shell, args: readonly string[], streams: Streams) => Promise<number> | number;

const isName = (text: string): boolean => /^[A-Za-z_]\w*$/.test(text);

function statusOf(shell: Shell, [text]: readonly string[]): number {
  if (text === undefined) return shell.status;
  if (!/^\d+$/.test(text)) throw new CommandError(`Illegal number: ${text}`, 2);
  return Number(text) & 255;
}

function countOf([text = '1']: readonly string[]): number {
  if (!/^[1-9]\d*$/.test(text)) throw new CommandError(`Illegal number: ${text}`, 2);
  return Number(text);
}

/** `NAME` or `NAME=VALUE`. */
function assign(shell: Shell, arg: string): string {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  if (!isName(name)) throw new CommandError(`${arg}: bad variable name`, 2);
  if (equals >= 0) shell.set(name, arg.slice(equals + 1));
  return name;
}

async function changeDirectory(shell: Shell, [given]: readonly string[], streams: Streams): Promise<number> {
  const path = given === '-' ? (shell.get('OLDPWD') ?? shell.cwd) : (given ?? shell.get('HOME') ?? '/');
  const target = shell.files.absolute(shell.cwd, path);
  const found = await shell.files.stat(target).catch(() => undefined);
  if (found === undefined) throw new CommandError(`can't cd to ${path}: No such file or directory`);
  if (!found.isDirectory()) throw new CommandError(`can't cd to ${path}: Not a directory`);
  shell.set('OLDPWD', shell.cwd);
  shell.cwd = target;
  shell.set('PWD', target);
  if (given === '-') await put(streams.stdout, `${target}\n`);
  return 0;
}

async function setOptions(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  if (args.length === 0) {
    for (const [name, value] of shell.variables())
      await put(streams.stdout, `${name}='${value.replaceAll("'", `'"'"'`)}'\n`);
    return 0;
  }
  for (const [index, arg] of args.entries()) {
    if (arg === '--' || !/^[-+]\w/.test(arg)) {
      shell.positional = args.slice(arg === '--' ? index + 1 : index);
      return 0;
    }
    const isOn = arg.startsWith('-');
    for (const letter of arg.slice(1)) {
      if (letter === 'e') shell.endsOnFailure = isOn;
      else if (letter === 'u') shell.isStrict = isOn;
      else if (letter === 'x') shell.isTracing = isOn;
      else throw new CommandError(`${arg}: this option is not known here`, 2);
    }
  }
  return 0;
}

async function read(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  const names = args.filter((arg) => arg !== '-r');
  if (names.some((name) => !isName(name))) throw new CommandError(`${names.join(' ')}: bad variable name`, 2);
  const line = await readLine(streams.stdin);
  const text = (line?.toString() ?? '').replace(/\n$/, '');
  const separators = shell.get('IFS') ?? ' \t\n';
  let rest = trimStart(text, separators);
  for (const [index, name] of (names.length === 0 ? ['REPLY'] : names).entries()) {
    if (index >= names.length - 1) {
      shell.set(name, trimEnd(rest, separators));
      break;
    }
    const end = [...rest].findIndex((character) => separators.includes(character));
    shell.set(name, end < 0 ? rest : rest.slice(0, end));
    rest = end < 0 ? '' : trimStart(rest.slice(end + 1), separators);
  }
  return line === undefined ? 1 : 0;
}

function trimStart(text: string, separators: string): string {
  let at = 0;
  while (at < text.length && separators.includes(text.charAt(at))) at++;
  return text.slice(at);
}

function trimEnd(text: string, separators: string): string {
  let end = text.length;
  while (end > 0 && separators.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

async function source(shell: Shell, [path = '']: readonly string[], streams: Streams): Promise<number> {
  const handle = await shell.files.open(shell.files.absolute(shell.cwd, path), 'r').catch(() => undefined);
  if (handle === undefined) throw new CommandError(`can't open '${path}': No such file or directory`, 2);
  const script = await handle.readFile('utf8').finally(() => handle.close());
  return shell.list(parse(script), streams);
}

function trap(shell: Shell, args: readonly string[]): number {
  const [action = '', ...signals] = args;
  for (const signal of signals) {
    if (signal !== 'EXIT' && signal !== '0') throw new CommandError(`${signal}: only EXIT is trapped here`, 2);
    shell.exitTrap = action === '-' || action === '' ? undefined : action;
  }
  return 0;
}

/** By name. */
export const builtins: Readonly<Record<string, Builtin>> = {
  ':': () => 0,
  '.': source,
  break: (_, args) => {
    throw new Leave('break', countOf(args));
  },
  cd: changeDirectory,
  command: async (shell, args, streams) => {
    const [first, ...names] = args;
    if (first !== '-v' && first !== '-V') return shell.invoke(args, streams);
    for (const name of names) {
      const isKnown = Object.hasOwn(builtins, name) || shell.isFunction(name);
      if (isKnown) await put(streams.stdout, `${name}\n`);
      else if (shell.find(name) !== undefined) await put(streams.stdout, `/bin/${name}\n`);
      else return 127;
    }
    return 0;
  },
  continue: (_, args) => {
    throw new Leave('continue', countOf(args));
  },
  eval: (shell, args, streams) => shell.list(parse(args.join(' ')), streams),
  exec: async (shell, args, streams) => {
    if (args.length === 0) return 0;
    throw new Leave('exit', await shell.invoke(args, streams));
  },
  exit: (shell, args) => {
    throw new Leave('exit', statusOf(shell, args));
  },
  export: (shell, args) => {
    for (const arg of args) if (arg !== '-p') shell.export(assign(shell, arg));
    return 0;
  },
  local: (shell, args) => {
    for (const arg of args) {
      shell.local(arg.replace(/=[\s\S]*/, ''));
      assign(shell, arg);
    }
    return 0;
  },
  pwd: async (shell, _, streams) => {
    await put(streams.stdout, `${shell.cwd}\n`);
    return 0;
  },
  read,
  return: (shell, args) => {
    throw new Leave('return', statusOf(shell, args));
  },
  set: setOptions,
  shift: (shell, args) => {
    const count = countOf(args);
    if (count > shell.positional.length) throw new CommandError("can't shift that many", 2);
    shell.positional = shell.positional.slice(count);
    return 0;
  },
  source,
  trap,
  type: async (shell, names, streams) => {
    for (const name of names) {
      const what = Object.hasOwn(builtins, name)
        ? `${name} is a shell builtin`
        : shell.isFunction(name)
          ? `${name} is a function`
          : shell.find(name) === undefined
            ? undefined
            : `${name} is /bin/${name}`;
      if (what === undefined) {
        await put(streams.stderr, `${name}: not found\n`);
        return 127;
      }
      await put(streams.stdout, `${what}\n`);
    }
    return 0;
  },
  unset: (shell, args) => {
    for (const arg of args) if (!/^-[fv]$/.test(arg)) shell.unset(arg);
    return 0;
  },
  wait: (shell) => shell.wait(),
};
