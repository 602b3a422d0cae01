/**
 * Reads a Dockerfile: lines to instructions, with their flags, and instructions to stages. What an instruction means is `builder.ts`'s. What is not built here is refused
 * with its line. Source: Docker's "Dockerfile reference" (format, escape, parser directives).
 */
import { ImageStoreError } from '../image-store.ts';

/** One instruction. */
export interface Instruction {
  /** In capitals. */
  readonly name: string;
  /** Such as `from` of `--from=build`. */
  readonly flags: ReadonlyMap<string, string>;
  /** What comes after the flags, with lines that go on joined. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** What is built from one `FROM` on. */
export interface Stage {
  readonly from: Instruction;
  /** By which later stages know it; in lower case. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** A whole file. */
export interface Dockerfile {
  /** Before the first stage: what `FROM` may name. */
  readonly globalArguments: readonly Instruction[];
  readonly stages: readonly Stage[];
}

/** Flags that are understood, by instruction. */
const flagsOf: Readonly<Record<string, readonly string[]>> = {
  ADD: ['chown', 'chmod'],
  ARG: [],
  CMD: [],
  COPY: ['chown', 'chmod', 'from'],
  ENTRYPOINT: [],
  ENV: [],
  EXPOSE: [],
  FROM: ['platform'],
  LABEL: [],
  MAINTAINER: [],
  RUN: [],
  SHELL: [],
  STOPSIGNAL: [],
  USER: [],
  VOLUME: [],
  WORKDIR: [],
};

const textBytesMax = 1 << 20;

/** Reads the file. Throws `unsupported` and `damaged`, with the line. */
export function parseDockerfile(text: string): Dockerfile {
  if (text.length > textBytesMax)
    throw new ImageStoreError('unsupported', `Dockerfile has more than ${textBytesMax} characters`);
  const globalArguments: Instruction[] = [];
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const instruction of instructionsOf(text)) {
    const last = stages.at(-1);
    if (instruction.name === 'FROM') stages.push({ from: instruction, name: stageName(instruction), instructions: [] });
    else if (last !== undefined) last.instructions.push(instruction);
    else if (instruction.name === 'ARG') globalArguments.push(instruction);
    else throw wrong(instruction.line, `${instruction.name} comes before the first FROM`);
  }
  if (stages.length === 0) throw new ImageStoreError('damaged', 'Dockerfile has no FROM');
  return { globalArguments, stages };
}

/** What is wrong with a line. */
export function wrong(
  line: number,
  what: string,
  reason: 'damaged' | 'failed' | 'unsupported' = 'damaged',
): ImageStoreError {
  return new ImageStoreError(reason, `Dockerfile, line ${line}: ${what}`);
}

function stageName({ text, line }: Instruction): string | undefined {
  const words = text.split(/\s+/);
  if (words.length === 1 && words[0] !== '') return undefined;
  const [, keyword, name] = words;
  if (words.length !== 3 || keyword?.toLowerCase() !== 'as' || name === undefined || !/^[a-z][\w.-]*$/i.test(name))
    throw wrong(line, 'FROM is to be an image, and AS with a name');
  return name.toLowerCase();
}

function instructionsOf(text: string): readonly Instruction[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const goesOn = escapeOf(lines);
  const instructions: Instruction[] = [];
  for (let index = 0; index < lines.length; index++) {
    const first = lines[index] ?? '';
    if (isPassed(first)) continue;
    const line = index + 1;
    let joined = '';
    for (let part: string | undefined = first; part !== undefined; part = lines[++index]) {
      // Comments and empty lines may stand between lines that go on.
      if (joined !== '' && isPassed(part)) continue;
      const isOpen = part.trimEnd().endsWith(goesOn);
      joined += isOpen ? part.trimEnd().slice(0, -1) : part;
      if (!isOpen) break;
    }
    instructions.push(instructionOf(joined.trim(), line));
  }
  return instructions;
}

function instructionOf(text: string, line: number): Instruction {
  const [, word = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  const known = Object.hasOwn(flagsOf, name) ? flagsOf[name] : undefined;
  if (known === undefined) throw wrong(line, `${name} is not built here`, 'unsupported');
  const flags = new Map<string, string>();
  let left = rest;
  for (;;) {
    const match = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(left);
    const [whole, flag = '', value = ''] = match ?? [];
    // Of a command such dashes are the command's.
    if (whole === undefined || name === 'CMD' || name === 'ENTRYPOINT') break;
    if (!known.includes(flag)) throw wrong(line, `--${flag} of ${name} is not built here`, 'unsupported');
    flags.set(flag, value);
    left = left.slice(whole.length);
  }
  if (/^<<-?["']?\w/.test(left) || (name !== 'RUN' && /\s<<-?["']?\w/.test(left)))
    throw wrong(line, 'texts in the file itself (<<) are not built here', 'unsupported');
  if (left === '') throw wrong(line, `${name} says nothing`);
  return { name, flags, text: left, line };
}

/** Only comments that are such directives may come before it. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name = '', value = ''] = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (name === '') return '\\';
    if (name === 'escape' && (value === '`' || value === '\\')) return value;
  }
  return '\\';
}

function isPassed(line: string): boolean {
  return /^\s*(?:#.*)?$/.test(line);
}
