/** Options of commands. Pure. Source: POSIX.1-2024, Utility Conventions, section 12.2. */
import { CommandError } from './io.ts';
import type { ParsedArguments } from './utility.ts';

/**
 * Reads options: the letters of `flags`, those of `valued`, which take a value, and long ones by their names (`name`, or `name=` with a value). An option
 * that is none of them is a `CommandError` with exit code 2. Options may come after operands, as busybox and GNU have it.
 */
export function parseArguments(
  args: readonly string[],
  {
    flags = '',
    valued = '',
    long = [],
  }: { readonly flags?: string; readonly valued?: string; readonly long?: readonly string[] },
): ParsedArguments {
  const found = new Set<string>();
  const values: Record<string, string> = {};
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      operands.push(...rest);
      break;
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=');
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
      if (long.includes(`${name}=`)) values[name] = equals < 0 ? valueAfter(rest, name) : arg.slice(equals + 1);
      else if (long.includes(name) && equals < 0) found.add(name);
      else throw unknown(arg);
    } else if (arg.length > 1 && arg.startsWith('-')) {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg.charAt(at);
        if (flags.includes(letter)) found.add(letter);
        else if (valued.includes(letter)) {
          values[letter] = at + 1 < arg.length ? arg.slice(at + 1) : valueAfter(rest, letter);
          break;
        } else throw unknown(`-${letter}`);
      }
    } else operands.push(arg);
  }
  return { flags: found, values, operands };
}

function valueAfter(rest: string[], name: string): string {
  const value = rest.shift();
  if (value === undefined) throw new CommandError(`option requires an argument: ${name}`, 2);
  return value;
}

function unknown(option: string): CommandError {
  return new CommandError(`unrecognized option: ${option}`, 2);
}

/** A count of an option. Throws `CommandError` for what is none. */
export function countOf(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new CommandError(`invalid number '${text}'`);
  return Number(text);
}
