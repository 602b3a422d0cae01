/** Commands on text: what is read comes from the files that are named, or from standard input. */
import { createHash } from 'node:crypto';
import { sleep } from '#pkg/base/async.ts';
import { countOf, parseArguments } from '../arguments.ts';
import { pathError } from '../files.ts';
import { CommandError, fileSource, lines, put, readAll, readLine, type Source } from '../io.ts';
import type { Invocation, Utility } from '../utility.ts';

/** What a file that is followed is looked at. */
const followMs = 250;

/** The inputs that are named, one at a time; `-` and none are standard input. What cannot be opened is told, and makes `status` 1. */
export async function* inputs(
  invocation: Invocation,
  paths: readonly string[],
  outcome: { status: number },
): AsyncGenerator<{ readonly name: string; readonly source: Source }> {
  if (paths.length === 0) {
    yield { name: '-', source: invocation.stdin };
    return;
  }
  const { files } = invocation.container;
  for (const name of paths) {
    if (name === '-') {
      yield { name, source: invocation.stdin };
      continue;
    }
    let source: Source;
    try {
      const handle = await files.open(files.absolute(invocation.cwd, name), 'r');
      if ((await handle.stat()).isDirectory()) {
        await handle.close();
        throw new CommandError(`${name}: Is a directory`);
      }
      source = fileSource(handle);
    } catch (error) {
      outcome.status = 1;
      await put(invocation.stderr, `${pathError(name, error).message}\n`);
      continue;
    }
    try {
      yield { name, source };
    } finally {
      source.cancel();
    }
  }
}

const cat: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'nuv' });
  const outcome = { status: 0 };
  let number = 0;
  for await (const { source } of inputs(named(invocation, 'cat'), operands, outcome)) {
    if (flags.has('n')) {
      for await (const line of lines(source))
        await put(invocation.stdout, `${String(++number).padStart(6)}\t${line}\n`);
    } else {
      for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
        await put(invocation.stdout, chunk);
      }
    }
  }
  return outcome.status;
};

/** Errors about one file among several begin with the command's name. */
function named(invocation: Invocation, name: string): Invocation {
  const { stderr } = invocation;
  return {
    ...invocation,
    stderr: {
      write: (bytes) => stderr.write(Buffer.concat([Buffer.from(`${name}: `), bytes])),
      end: () => stderr.end(),
    },
  };
}

const head: Utility = async (invocation) => {
  const args = invocation.args.map((arg) => arg.replace(/^-(\d+)$/, '-n$1'));
  const { operands, values } = parseArguments(args, { valued: 'nc', flags: 'q' });
  const bytesLeft = values.c === undefined ? undefined : countOf(values.c);
  const count = countOf(values.n ?? '10');
  const outcome = { status: 0 };
  for await (const { name, source } of inputs(named(invocation, 'head'), operands, outcome)) {
    if (operands.length > 1) await put(invocation.stdout, `==> ${name} <==\n`);
    if (bytesLeft === undefined) {
      for (let left = count; left > 0; left--) {
        const line = await readLine(source);
        if (line === undefined) break;
        await put(invocation.stdout, line);
      }
    } else {
      let left = bytesLeft;
      for (let chunk = await source.read(); chunk !== undefined && left > 0; chunk = await source.read()) {
        await put(invocation.stdout, chunk.subarray(0, left));
        left -= chunk.length;
      }
    }
    // Whoever writes more need not.
    source.cancel();
  }
  return outcome.status;
};

const tail: Utility = async (invocation) => {
  const args = invocation.args.map((arg) => arg.replace(/^-(\d+)$/, '-n$1'));
  const { operands, values, flags } = parseArguments(args, { valued: 'nc', flags: 'fFq' });
  const outcome = { status: 0 };
  const { files } = invocation.container;
  for await (const { source } of inputs(named(invocation, 'tail'), operands, outcome)) {
    const all = await readAll(source);
    await put(invocation.stdout, values.c === undefined ? lastLines(all, values.n ?? '10') : lastBytes(all, values.c));
    const [path] = operands;
    if (!(flags.has('f') || flags.has('F')) || path === undefined) continue;
    let at = all.length;
    while (await sleep(invocation.container.program.clock, followMs, invocation.signal)) {
      const handle = await files.open(files.absolute(invocation.cwd, path), 'r').catch(() => undefined);
      if (handle === undefined) continue;
      try {
        const { size } = await handle.stat();
        if (size < at) at = 0;
        for (;;) {
          const { bytesRead, buffer } = await handle.read(Buffer.alloc(65_536), 0, 65_536, at);
          if (bytesRead === 0) break;
          at += bytesRead;
          await put(invocation.stdout, buffer.subarray(0, bytesRead));
        }
      } finally {
        await handle.close();
      }
    }
  }
  return outcome.status;
};

function lastBytes(bytes: Buffer, text: string): Buffer {
  const count = countOf(text.replace(/^[-+]/, ''));
  if (text.startsWith('+')) return bytes.subarray(Math.max(0, count - 1));
  return count === 0 ? Buffer.alloc(0) : bytes.subarray(-count);
}

function lastLines(bytes: Buffer, text: string): Buffer {
  const count = countOf(text.replace(/^[-+]/, ''));
  if (text.startsWith('+')) {
    let at = 0;
    for (let left = count - 1; left > 0 && at < bytes.length; left--) {
      const newline = bytes.indexOf(10, at);
      at = newline < 0 ? bytes.length : newline + 1;
    }
    return bytes.subarray(at);
  }
  if (count === 0) return Buffer.alloc(0);
  let at = bytes.length - (bytes.at(-1) === 10 ? 1 : 0);
  for (let left = count; left > 0 && at > 0; left--) {
    const newline = bytes.lastIndexOf(10, at - 1);
    if (newline < 0) return bytes;
    if (left === 1) return bytes.subarray(newline + 1);
    at = newline;
  }
  return bytes;
}

/** Longest pattern, as it is compiled by the machine's own engine, which may take long for some. */
const patternCharactersMax = 200;

/** A basic or extended expression as one of JavaScript. */
function expressionOf(
  text: string,
  { isFixed, isExtended, flags }: { readonly isFixed: boolean; readonly isExtended: boolean; readonly flags: string },
): RegExp {
  if (text.length > patternCharactersMax) throw new CommandError('the pattern is too long', 2);
  const classed = text.replaceAll(/\[:(\w+):\]/g, (whole, name: string) => classNames[name] ?? whole);
  const source = isFixed
    ? text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    : isExtended
      ? classed
      : classed.replaceAll(/\\?[+?(){}|]/g, (found) => (found.startsWith('\\') ? found.slice(1) : `\\${found}`));
  try {
    return new RegExp(source, flags);
  } catch {
    throw new CommandError(`bad regex '${text}'`, 2);
  }
}

const classNames: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  space: '\\s',
  upper: 'A-Z',
};

const grep: Utility = async (invocation) => {
  const { operands, values, flags } = parseArguments(invocation.args, { flags: 'EFGchHilnoqsvwx', valued: 'em' });
  const [pattern, ...paths] = values.e === undefined ? operands : [values.e, ...operands];
  if (pattern === undefined) throw new CommandError('a pattern is required', 2);
  const alternatives = pattern.split('\n').map((one) => {
    const { source } = expressionOf(one, { isFixed: flags.has('F'), isExtended: flags.has('E'), flags: '' });
    return flags.has('x') ? `^(?:${source})$` : flags.has('w') ? `\\b(?:${source})\\b` : source;
  });
  const expression = new RegExp(alternatives.join('|'), flags.has('i') ? 'gi' : 'g');
  const outcome = { status: 0 };
  let found = 0;
  for await (const { name, source } of inputs(named(invocation, 'grep'), paths, outcome)) {
    const prefix = (paths.length > 1 && !flags.has('h')) || flags.has('H') ? `${name}:` : '';
    let count = 0;
    let number = 0;
    for await (const line of lines(source)) {
      number++;
      expression.lastIndex = 0;
      if (expression.test(line) === flags.has('v')) continue;
      count++;
      if (flags.has('q')) return 0;
      if (flags.has('l')) break;
      if (!flags.has('c')) {
        const where = prefix + (flags.has('n') ? `${number}:` : '');
        const shown = flags.has('o') ? (line.match(expression) ?? []) : [line];
        for (const text of shown) await put(invocation.stdout, `${where}${text}\n`);
      }
      if (values.m !== undefined && count >= countOf(values.m)) break;
    }
    if (flags.has('c')) await put(invocation.stdout, `${prefix}${count}\n`);
    else if (flags.has('l') && count > 0) await put(invocation.stdout, `${name}\n`);
    found += count;
  }
  return outcome.status === 0 ? (found > 0 ? 0 : 1) : 2;
};

const wc: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'clmw' });
  const outcome = { status: 0 };
  const total = { l: 0, w: 0, c: 0, m: 0 };
  const shown = (['l', 'w', 'c', 'm'] as const).filter((one) => (flags.size === 0 ? one !== 'm' : flags.has(one)));
  const show = async (counts: typeof total, name: string): Promise<void> => {
    const isAlone = shown.length === 1;
    const columns = shown.map((one) => (isAlone ? String(counts[one]) : String(counts[one]).padStart(9)));
    await put(invocation.stdout, `${columns.join(' ')}${name === '-' ? '' : ` ${name}`}\n`);
  };
  for await (const { name, source } of inputs(named(invocation, 'wc'), operands, outcome)) {
    const counts = { l: 0, w: 0, c: 0, m: 0 };
    let isInWord = false;
    for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
      counts.c += chunk.length;
      for (const byte of chunk) {
        if (byte === 10) counts.l++;
        if ((byte & 0xc0) !== 0x80) counts.m++;
        const isSpace = byte === 32 || (byte >= 9 && byte <= 13);
        if (!isSpace && !isInWord) counts.w++;
        isInWord = !isSpace;
      }
    }
    for (const one of ['l', 'w', 'c', 'm'] as const) total[one] += counts[one];
    await show(counts, name);
  }
  if (operands.length > 1) await show(total, 'total');
  return outcome.status;
};

const sort: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'bfnru', valued: 'kt' });
  const outcome = { status: 0 };
  const all: string[] = [];
  for await (const { source } of inputs(named(invocation, 'sort'), operands, outcome)) {
    all.push(...(await readAll(source)).toString().replace(/\n$/, '').split('\n'));
  }
  const isNumeric = flags.has('n');
  all.sort((a, b) =>
    isNumeric
      ? Number.parseFloat(a || '0') - Number.parseFloat(b || '0') || (a < b ? -1 : 1)
      : a < b
        ? -1
        : a > b
          ? 1
          : 0,
  );
  if (flags.has('r')) all.reverse();
  const shown = flags.has('u') ? [...new Set(all)] : all;
  if (shown.length > 0) await put(invocation.stdout, `${shown.join('\n')}\n`);
  return outcome.status;
};

const uniq: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'cdu' });
  const outcome = { status: 0 };
  let [last, count] = ['', 0];
  const flush = async (): Promise<void> => {
    if (count === 0 || (flags.has('d') && count === 1) || (flags.has('u') && count > 1)) return;
    await put(invocation.stdout, flags.has('c') ? `${String(count).padStart(7)} ${last}\n` : `${last}\n`);
  };
  for await (const { source } of inputs(named(invocation, 'uniq'), operands.slice(0, 1), outcome)) {
    for await (const line of lines(source)) {
      if (count > 0 && line === last) count++;
      else {
        await flush();
        [last, count] = [line, 1];
      }
    }
  }
  await flush();
  return outcome.status;
};

const cut: Utility = async (invocation) => {
  const { operands, values, flags } = parseArguments(invocation.args, { valued: 'cdf', flags: 's' });
  const list = values.f ?? values.c;
  if (list === undefined) throw new CommandError('a list of fields or characters is required');
  const ranges = list.split(',').map((range) => {
    const [, from = '', dash = '', to = ''] = /^(\d*)(-?)(\d*)$/.exec(range) ?? [];
    const first = from === '' ? 1 : Number(from);
    return { first, last: dash === '' ? first : to === '' ? Number.POSITIVE_INFINITY : Number(to) };
  });
  const isIn = (index: number): boolean => ranges.some(({ first, last }) => index + 1 >= first && index + 1 <= last);
  const delimiter = values.f === undefined ? '' : (values.d ?? '\t');
  const outcome = { status: 0 };
  for await (const { source } of inputs(named(invocation, 'cut'), operands, outcome)) {
    for await (const line of lines(source)) {
      const isWhole = delimiter !== '' && !line.includes(delimiter);
      if (isWhole && flags.has('s')) continue;
      const parts = line.split(delimiter);
      await put(invocation.stdout, `${isWhole ? line : parts.filter((_, index) => isIn(index)).join(delimiter)}\n`);
    }
  }
  return outcome.status;
};

const tr: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'ds' });
  const [from, to = []] = operands.map((set) => [
    ...set
      .replaceAll(
        /\[:(upper|lower|digit):\]/g,
        (_, name: string) => ({ upper: 'A-Z', lower: 'a-z', digit: '0-9' })[name]!,
      )
      .replaceAll('\\n', '\n')
      .replaceAll('\\t', '\t')
      .replaceAll(/(.)-(.)/gs, (_, a: string, b: string) =>
        Array.from({ length: Math.max(0, b.charCodeAt(0) - a.charCodeAt(0) + 1) }, (__, index) =>
          String.fromCharCode(a.charCodeAt(0) + index),
        ).join(''),
      ),
  ]);
  if (from === undefined || (to.length === 0 && flags.size === 0)) throw new CommandError('two sets are required');
  const places = new Map(from.map((character, index) => [character, to[Math.min(index, to.length - 1)] ?? character]));
  let last = '';
  for (let chunk = await invocation.stdin.read(); chunk !== undefined; chunk = await invocation.stdin.read()) {
    let text = '';
    for (const character of Buffer.from(chunk).toString()) {
      if (flags.has('d') && places.has(character)) continue;
      const mapped = flags.has('d') ? character : (places.get(character) ?? character);
      const isRepeated =
        flags.has('s') && mapped === last && (to.length === 0 ? places.has(mapped) : to.includes(mapped));
      if (!isRepeated) text += mapped;
      last = mapped;
    }
    await put(invocation.stdout, text);
  }
  return 0;
};

/** `s/…/…/`, `…d`, `…p` with lines or patterns before them. */
const sed: Utility = async (invocation) => {
  const { operands, values, flags } = parseArguments(invocation.args, { flags: 'nEr', valued: 'e' });
  const [script, ...paths] = values.e === undefined ? operands : [values.e, ...operands];
  const isExtended = flags.has('E') || flags.has('r');
  const steps = (script ?? '')
    .split(/;|\n/)
    .filter((one) => one.trim() !== '')
    .map((one) => sedStep(one.trim(), isExtended));
  const outcome = { status: 0 };
  let number = 0;
  for await (const { source } of inputs(named(invocation, 'sed'), paths, outcome)) {
    for await (const original of lines(source)) {
      number++;
      let line = original;
      let isDeleted = false;
      for (const { isFor, verb, expression, replacement, prints } of steps) {
        if (isDeleted || !isFor(line, number)) continue;
        if (verb === 's') {
          const changed = line.replace(expression!, replacement!);
          if (prints === true && changed !== line) await put(invocation.stdout, `${changed}\n`);
          line = changed;
        }
        if (verb === 'p') await put(invocation.stdout, `${line}\n`);
        if (verb === 'd') isDeleted = true;
      }
      if (!isDeleted && !flags.has('n')) await put(invocation.stdout, `${line}\n`);
    }
  }
  return outcome.status;
};

interface SedStep {
  readonly isFor: (line: string, number: number) => boolean;
  readonly verb: string;
  readonly expression?: RegExp;
  readonly replacement?: string;
  /** A line that it has changed is shown. */
  readonly prints?: boolean;
}

function sedStep(text: string, isExtended: boolean): SedStep {
  const address = /^(?:(\d+)(?:,(\d+))?|\/((?:[^/\\]|\\.)*)\/)?\s*/.exec(text)!;
  const [all, first, last, pattern] = address;
  const rest = text.slice(all.length);
  const options = { isFixed: false, isExtended };
  const expression = pattern === undefined ? undefined : expressionOf(pattern, { ...options, flags: '' });
  const isFor = (line: string, number: number): boolean => {
    if (expression !== undefined) return expression.test(line);
    return first === undefined || (number >= Number(first) && number <= Number(last ?? first));
  };
  if (rest === 'd' || rest === 'p') return { isFor, verb: rest };
  const mark = rest[1];
  if (rest[0] !== 's' || mark === undefined) throw new CommandError(`unsupported command ${text}`);
  const quoted = mark.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  const found = new RegExp(
    `^s${quoted}((?:\\\\.|(?!${quoted}).)*)${quoted}((?:\\\\.|(?!${quoted}).)*)${quoted}([gip]*)$`,
    's',
  ).exec(rest);
  if (found === null) throw new CommandError(`bad option in substitution expression: ${text}`);
  const [, from = '', to = '', how = ''] = found;
  return {
    isFor,
    verb: 's',
    prints: how.includes('p'),
    expression: expressionOf(from, { ...options, flags: how.replaceAll('p', '') }),
    replacement: to
      .replaceAll('$', '$$$$')
      .replaceAll(/\\(\d)|\\([\s\S])|&/g, (whole, digit?: string, escaped?: string) =>
        digit !== undefined
          ? `$${digit}`
          : escaped !== undefined
            ? escaped === 'n'
              ? '\n'
              : escaped
            : whole === '&'
              ? '$&'
              : whole,
      ),
  };
}

const tee: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'a' });
  const { files } = invocation.container;
  const handles = [];
  for (const path of operands) {
    handles.push(
      await files.open(files.absolute(invocation.cwd, path), flags.has('a') ? 'a' : 'w').catch((error: unknown) => {
        throw pathError(path, error);
      }),
    );
  }
  try {
    for (let chunk = await invocation.stdin.read(); chunk !== undefined; chunk = await invocation.stdin.read()) {
      for (const handle of handles) await handle.appendFile(chunk);
      await put(invocation.stdout, chunk);
    }
  } finally {
    for (const handle of handles) await handle.close();
  }
  return 0;
};

const digest =
  (algorithm: string): Utility =>
  async (invocation) => {
    const outcome = { status: 0 };
    for await (const { name, source } of inputs(named(invocation, `${algorithm}sum`), invocation.args, outcome)) {
      const hash = createHash(algorithm);
      for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) hash.update(chunk);
      await put(invocation.stdout, `${hash.digest('hex')}  ${name}\n`);
    }
    return outcome.status;
  };

const base64: Utility = async (invocation) => {
  const { operands, flags, values } = parseArguments(invocation.args, { flags: 'd', valued: 'w' });
  const outcome = { status: 0 };
  for await (const { source } of inputs(named(invocation, 'base64'), operands, outcome)) {
    const bytes = await readAll(source);
    if (flags.has('d')) await put(invocation.stdout, Buffer.from(bytes.toString(), 'base64'));
    else {
      const width = countOf(values.w ?? '76');
      const text = bytes.toString('base64');
      await put(
        invocation.stdout,
        width === 0 ? text : `${text.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? ''}\n`,
      );
    }
  }
  return outcome.status;
};

const xargs: Utility = async (invocation) => {
  const { args } = invocation;
  const perCall = args[0] === '-n' ? countOf(args[1] ?? '') : Number.POSITIVE_INFINITY;
  const command = args[0] === '-n' ? args.slice(2) : args;
  const words = (await readAll(invocation.stdin))
    .toString()
    .split(/\s+/)
    .filter((word) => word !== '');
  let status = 0;
  do {
    const taken = words.splice(0, Math.min(words.length, perCall));
    if ((await invocation.run([...(command.length === 0 ? ['echo'] : command), ...taken])) !== 0) status = 123;
  } while (words.length > 0);
  return status;
};

/** By name. */
export const textCommands: Readonly<Record<string, Utility>> = {
  base64,
  cat,
  cut,
  grep,
  egrep: (invocation) => grep({ ...invocation, args: ['-E', ...invocation.args] }),
  head,
  md5sum: digest('md5'),
  sed,
  sha256sum: digest('sha256'),
  sort,
  tail,
  tee,
  tr,
  uniq,
  wc,
  xargs,
};
