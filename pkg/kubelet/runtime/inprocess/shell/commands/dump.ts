/** `hexdump`: bytes in numbers, sixteen a line. Source: hexdump(1) of util-linux and of BusyBox. */
import { parseArguments } from '../arguments.ts';
import { put, readAll } from '../io.ts';
import type { Utility } from '../utility.ts';
import { inputs } from './text.ts';

const lineBytes = 16;

/** With `-C` bytes one by one and as characters, else as numbers of two bytes. Lines that repeat are a star, but with `-v`. */
export const hexdump: Utility = async (invocation) => {
  const { operands, flags } = parseArguments(invocation.args, { flags: 'Cv' });
  const outcome = { status: 0 };
  const parts: Buffer[] = [];
  for await (const { source } of inputs(invocation, operands, outcome)) parts.push(await readAll(source));
  const all = Buffer.concat(parts);
  const isCanonical = flags.has('C');
  const offset = (at: number): string => at.toString(16).padStart(isCanonical ? 8 : 7, '0');
  let text = '';
  let last: Buffer | undefined;
  let isStarred = false;
  for (let at = 0; at < all.length; at += lineBytes) {
    const line = all.subarray(at, at + lineBytes);
    if (last?.equals(line) === true && !flags.has('v')) {
      if (!isStarred) text += '*\n';
      isStarred = true;
      continue;
    }
    isStarred = false;
    last = line;
    text += `${offset(at)}${isCanonical ? canonicalLine(line) : pairs(line)}\n`;
  }
  if (all.length > 0) text += `${offset(all.length)}\n`;
  await put(invocation.stdout, text);
  return outcome.status;
};

function canonicalLine(line: Buffer): string {
  const bytes = [...line].map((byte) => byte.toString(16).padStart(2, '0'));
  const numbers = `${bytes.slice(0, 8).join(' ')}  ${bytes.slice(8).join(' ')}`;
  const characters = [...line].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  return `  ${numbers.padEnd(48)}  |${characters.join('')}|`;
}

/** As a machine with the small end first reads them. */
function pairs(line: Buffer): string {
  let text = '';
  for (let at = 0; at < line.length; at += 2)
    text += ` ${((line[at] ?? 0) + ((line[at + 1] ?? 0) << 8)).toString(16).padStart(4, '0')}`;
  return text.padEnd(lineBytes * 2.5);
}
