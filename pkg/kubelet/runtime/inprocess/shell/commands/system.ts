/** Commands that tell of the container and its processes, and those that only wait or answer. */
import { arch, availableParallelism, freemem, loadavg, release, totalmem, uptime, userInfo } from 'node:os';
import { sleep } from '#pkg/base/async.ts';
import { parseArguments } from '../arguments.ts';
import { Cancelled, CommandError, put } from '../io.ts';
import type { Utility } from '../utility.ts';

const terminatedExitCode = 143;

/** A byte in a text: one that is no character by itself is half of a pair of surrogates, which no text of a command has. */
function byteMark(byte: number): string {
  return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
}

/** A text as bytes, with the bytes that `byteMark` put into it. */
function markedBytes(text: string): Uint8Array {
  const parts = text.split(/((?<![\ud800-\udbff])[\udc80-\udcff])/);
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) & 255]))),
  );
}

/** What escapes of `printf` and `echo -e` stand for. */
function unescaped(text: string): string {
  const plain: Readonly<Record<string, string>> = {
    '\\': '\\',
    a: '\x07',
    b: '\b',
    e: '\x1b',
    f: '\f',
    n: '\n',
    r: '\r',
    t: '\t',
    v: '\v',
  };
  return text.replaceAll(
    /\\(?:x([0-9a-fA-F]{1,2})|0?([0-7]{1,3})|([\s\S]))/g,
    (whole, hex?: string, octal?: string, one?: string) => {
      if (hex !== undefined) return byteMark(Number.parseInt(hex, 16));
      if (octal !== undefined) return byteMark(Number.parseInt(octal, 8) & 255);
      return plain[one!] ?? whole;
    },
  );
}

const echo: Utility = async ({ args, stdout }) => {
  let [rest, isEscaped, hasNewline] = [args, false, true];
  while (rest[0] !== undefined && /^-[neE]+$/.test(rest[0])) {
    if (rest[0].includes('n')) hasNewline = false;
    if (rest[0].includes('e')) isEscaped = true;
    rest = rest.slice(1);
  }
  const text = rest.join(' ');
  await put(stdout, markedBytes((isEscaped ? unescaped(text) : text) + (hasNewline ? '\n' : '')));
  return 0;
};

const printf: Utility = async ({ args: [format, ...values], stdout }) => {
  if (format === undefined) throw new CommandError('usage: printf FORMAT [ARG]...', 2);
  const left = [...values];
  do {
    let taken = 0;
    const text = format.replaceAll(
      /%([-0 +]*)(\d*)(?:\.(\d+))?([%sdiuxXocbf])|\\(?:x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[\s\S])/g,
      (whole, flags: string, width: string, precision: string | undefined, kind: string | undefined) => {
        if (kind === undefined) return unescaped(whole);
        if (kind === '%') return '%';
        taken++;
        const value = left.shift() ?? '';
        return pad(converted(kind, value, precision), flags, Number(width || 0));
      },
    );
    await put(stdout, markedBytes(text));
    if (taken === 0) break;
  } while (left.length > 0);
  return 0;
};

function converted(kind: string, value: string, precision: string | undefined): string {
  if (kind === 's') return precision === undefined ? value : value.slice(0, Number(precision));
  if (kind === 'b') return unescaped(value);
  if (kind === 'c') return value.slice(0, 1);
  const number = Number(value === '' ? 0 : value);
  if (Number.isNaN(number)) throw new CommandError(`${value}: invalid number`);
  if (kind === 'f') return number.toFixed(precision === undefined ? 6 : Number(precision));
  const whole = Math.trunc(number);
  if (kind === 'x' || kind === 'X') return kind === 'x' ? whole.toString(16) : whole.toString(16).toUpperCase();
  return kind === 'o' ? whole.toString(8) : String(whole);
}

/** Widths that are padded to at most. */
const widthMax = 4096;

function pad(text: string, flags: string, width: number): string {
  const bounded = Math.min(width, widthMax);
  if (flags.includes('-')) return text.padEnd(bounded);
  return flags.includes('0') ? text.padStart(bounded, '0') : text.padStart(bounded);
}

const wait: Utility = async ({ args, container, signal }) => {
  let seconds = 0;
  for (const arg of args) {
    const [, amount = '', unit = ''] = /^(\d*\.?\d+)([smhd]?)$/.exec(arg) ?? [];
    if (arg === 'infinity') seconds = 2 ** 31;
    else if (amount === '') throw new CommandError(`invalid number '${arg}'`);
    seconds += Number(amount) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[unit]!;
  }
  if (args.length === 0) throw new CommandError('missing operand');
  return (await sleep(container.program.clock, seconds * 1000, signal)) ? 0 : terminatedExitCode;
};

const id: Utility = async ({ args, stdout }) => {
  const { uid, gid, username } = userInfo();
  const { flags } = parseArguments(args, { flags: 'Ggnru' });
  const name = flags.has('n') ? username : String(flags.has('u') ? uid : gid);
  const isOne = flags.has('u') || flags.has('g') || flags.has('G');
  await put(stdout, isOne ? `${name}\n` : `uid=${uid}(${username}) gid=${gid} groups=${gid}\n`);
  return 0;
};

const processes: Utility = async ({ container, stdout }) => {
  await put(stdout, 'PID   COMMAND\n');
  for (const { pid, command } of container.processes()) {
    await put(stdout, `${String(pid).padStart(5)} ${command.join(' ')}\n`);
  }
  return 0;
};

const signals: Readonly<Record<string, string>> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  9: 'KILL',
  10: 'USR1',
  12: 'USR2',
  15: 'TERM',
};

const kill: Utility = async ({ args, container, stdout, stderr }) => {
  let [rest, name] = [args, 'TERM'];
  if (rest[0] === '-l') {
    await put(stdout, `${Object.values(signals).join(' ')}\n`);
    return 0;
  }
  if (rest[0] === '-s') [name, rest] = [rest[1] ?? '', rest.slice(2)];
  else if (rest[0]?.startsWith('-') === true) [name, rest] = [rest[0].slice(1), rest.slice(1)];
  const plain = (signals[name] ?? name).toUpperCase().replace(/^SIG/, '');
  if (plain !== '0' && !Object.values(signals).includes(plain)) throw new CommandError(`bad signal name '${name}'`);
  let status = 0;
  for (const pid of rest) {
    const found = container.processes().find((one) => String(one.pid) === pid);
    if (found === undefined) {
      status = 1;
      await put(stderr, `kill: can't kill pid ${pid}: No such process\n`);
    } else if (plain !== '0') found.signal(`SIG${plain}`);
  }
  return status;
};

const date: Utility = async ({ args, container, stdout }) => {
  const now = new Date(container.program.clock.nowMs());
  const format = args.find((arg) => arg.startsWith('+'))?.slice(1) ?? '%a %b %e %H:%M:%S UTC %Y';
  const two = (value: number): string => String(value).padStart(2, '0');
  const [day, month] = [now.toUTCString().slice(0, 3), now.toUTCString().slice(8, 11)];
  const fields: Readonly<Record<string, string>> = {
    '%': '%',
    F: now.toISOString().slice(0, 10),
    H: two(now.getUTCHours()),
    M: two(now.getUTCMinutes()),
    N: String(now.getUTCMilliseconds() * 1_000_000).padStart(9, '0'),
    S: two(now.getUTCSeconds()),
    T: now.toISOString().slice(11, 19),
    Y: String(now.getUTCFullYear()),
    Z: 'UTC',
    a: day,
    b: month,
    d: two(now.getUTCDate()),
    e: String(now.getUTCDate()).padStart(2),
    m: two(now.getUTCMonth() + 1),
    n: '\n',
    s: String(Math.floor(now.getTime() / 1000)),
  };
  const known = format.replaceAll(/%([\s\S])/g, (whole, letter: string) => fields[letter] ?? whole);
  await put(stdout, `${args.includes('-Iseconds') ? `${now.toISOString().slice(0, 19)}+00:00` : known}\n`);
  return 0;
};

const uname: Utility = async ({ args, container, stdout }) => {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[arch() as string] ?? arch();
  const { flags } = parseArguments(args, { flags: 'amnrsv' });
  const all = flags.has('a');
  const parts = [
    ...(all || flags.has('s') || flags.size === 0 ? ['Linux'] : []),
    ...(all || flags.has('n') ? [container.program.hostname] : []),
    ...(all || flags.has('r') ? [release()] : []),
    ...(all || flags.has('m') ? [machine] : []),
  ];
  await put(stdout, `${parts.join(' ')}\n`);
  return 0;
};

/** Source: POSIX.1-2024 `test`. */
const test: Utility = async (invocation) => {
  const { args, container, cwd } = invocation;
  const { files } = container;
  const unary = async (operator: string, value: string): Promise<boolean | undefined> => {
    if (operator === '-n') return value !== '';
    if (operator === '-z') return value === '';
    if (operator === '-t') return invocation.terminal !== undefined;
    if (!/^-[defhLrswx]$/.test(operator)) return undefined;
    const path = files.absolute(cwd, value);
    const stats = await (operator === '-h' || operator === '-L' ? files.lstat(path) : files.stat(path)).catch(
      () => undefined,
    );
    if (stats === undefined) return false;
    if (operator === '-d') return stats.isDirectory();
    if (operator === '-f') return stats.isFile();
    if (operator === '-s') return stats.size > 0;
    if (operator === '-x') return (stats.mode & 0o111) !== 0;
    return operator === '-h' || operator === '-L' ? stats.isSymbolicLink() : true;
  };
  const whole = (text: string): number => {
    if (!/^\s*[-+]?\d+\s*$/.test(text)) throw new CommandError(`${text}: bad number`, 2);
    return Number(text);
  };
  const binary = async (left: string, operator: string, right: string): Promise<boolean | undefined> => {
    if (operator === '=' || operator === '==') return left === right;
    if (operator === '!=') return left !== right;
    if (operator === '-nt' || operator === '-ot') {
      const [a, b] = await Promise.all(
        [left, right].map((path) =>
          files.stat(files.absolute(cwd, path)).then(
            ({ mtimeMs }) => mtimeMs,
            () => 0,
          ),
        ),
      );
      return operator === '-nt' ? a! > b! : a! < b!;
    }
    const compare: Readonly<Record<string, (a: number, b: number) => boolean>> = {
      '-eq': (a, b) => a === b,
      '-ge': (a, b) => a >= b,
      '-gt': (a, b) => a > b,
      '-le': (a, b) => a <= b,
      '-lt': (a, b) => a < b,
      '-ne': (a, b) => a !== b,
    };
    return Object.hasOwn(compare, operator) ? compare[operator]!(whole(left), whole(right)) : undefined;
  };
  const evaluate = async (words: readonly string[]): Promise<boolean> => {
    const [first = '', second = '', third = ''] = words;
    if (words.length === 0) return false;
    if (words.length === 1) return first !== '';
    if (words.length === 3) {
      const result = await binary(first, second, third);
      if (result !== undefined) return result;
    }
    if (first === '!') return !(await evaluate(words.slice(1)));
    if (words.length === 2) {
      const result = await unary(first, second);
      if (result !== undefined) return result;
    }
    for (const operator of ['-o', '-a']) {
      const at = words.indexOf(operator, 1);
      if (at <= 0 || at === words.length - 1) continue;
      const [left, right] = [await evaluate(words.slice(0, at)), await evaluate(words.slice(at + 1))];
      return operator === '-o' ? left || right : left && right;
    }
    throw new CommandError(`${second || first}: unknown operand`, 2);
  };
  return (await evaluate(args)) ? 0 : 1;
};

/** `test` under a name that wants a word at its end. */
function testUntil(end: string): Utility {
  return (invocation) => {
    if (invocation.args.at(-1) !== end) throw new CommandError(`missing ${end}`, 2);
    return test({ ...invocation, args: invocation.args.slice(0, -1) });
  };
}

/** By name. */
export const systemCommands: Readonly<Record<string, Utility>> = {
  '[': testUntil(']'),
  // As busybox takes it, which is `[` but for its name; what bash does inside it, it does not.
  '[[': testUntil(']]'),
  date,
  echo,
  env: async (invocation) => {
    const { args, env, stdout, run } = invocation;
    if (args.length > 0) return run(args);
    for (const [name, value] of Object.entries(env)) await put(stdout, `${name}=${value}\n`);
    return 0;
  },
  false: () => 1,
  free: async ({ stdout }) => {
    const [total, free] = [totalmem(), freemem()].map((bytes) => Math.floor(bytes / 1024));
    await put(
      stdout,
      `              total        used        free\nMem:    ${String(total).padStart(11)} ${String(total! - free!).padStart(11)} ${String(free).padStart(11)}\n`,
    );
    return 0;
  },
  hostname: async ({ args, container, stdout }) => {
    const { hostname, ip } = container.program;
    await put(stdout, `${args[0] === '-i' || args[0] === '-I' ? ip : hostname}\n`);
    return 0;
  },
  id,
  kill,
  nproc: async ({ stdout }) => {
    await put(stdout, `${availableParallelism()}\n`);
    return 0;
  },
  printenv: async ({ args, env, stdout }) => {
    if (args.length === 0) for (const [name, value] of Object.entries(env)) await put(stdout, `${name}=${value}\n`);
    let status = 0;
    for (const name of args) {
      const value = env[name];
      if (value === undefined) status = 1;
      else await put(stdout, `${value}\n`);
    }
    return status;
  },
  printf,
  ps: processes,
  pwd: async ({ cwd, stdout }) => {
    await put(stdout, `${cwd}\n`);
    return 0;
  },
  seq: async ({ args, stdout, signal }) => {
    const [first, step, last] =
      args.length === 1
        ? [1, 1, Number(args[0])]
        : args.length === 2
          ? [Number(args[0]), 1, Number(args[1])]
          : args.map(Number);
    if (![first, step, last].every((one) => Number.isFinite(one)) || step === 0)
      throw new CommandError('invalid number');
    for (let value = first!; step! > 0 ? value <= last! : value >= last!; value += step!) {
      if (signal.aborted) throw new Cancelled();
      await put(stdout, `${value}\n`);
    }
    return 0;
  },
  sleep: wait,
  stty: async ({ args, terminal, stdout }) => {
    if (terminal === undefined) throw new CommandError('standard input: Not a tty');
    if (args[0] === 'size') await put(stdout, `${terminal.rows} ${terminal.columns}\n`);
    return 0;
  },
  sync: () => 0,
  test,
  timeout: async (invocation) => {
    const [seconds = '', ...words] = invocation.args;
    if (!/^\d*\.?\d+s?$/.test(seconds)) throw new CommandError(`invalid number '${seconds}'`);
    const done = new AbortController();
    const late = sleep(invocation.container.program.clock, Number.parseFloat(seconds) * 1000, done.signal);
    const status = await Promise.race([invocation.run(words), late.then((isLate) => (isLate ? 143 : 0))]);
    done.abort();
    return status;
  },
  true: () => 0,
  tty: async ({ terminal, stdout }) => {
    await put(stdout, terminal === undefined ? 'not a tty\n' : '/dev/pts/0\n');
    return terminal === undefined ? 1 : 0;
  },
  uname,
  uptime: async ({ stdout }) => {
    await put(
      stdout,
      ` up ${Math.floor(uptime() / 60)} min,  load average: ${loadavg()
        .map((one) => one.toFixed(2))
        .join(', ')}\n`,
    );
    return 0;
  },
  whoami: async ({ stdout }) => {
    await put(stdout, `${userInfo().username}\n`);
    return 0;
  },
  yes: async ({ args, container, stdout, signal }) => {
    const line = Buffer.from(`${args.length === 0 ? 'y' : args.join(' ')}\n`.repeat(100));
    while (!signal.aborted) {
      await put(stdout, line);
      await sleep(container.program.clock, 0);
    }
    throw new Cancelled();
  },
};
