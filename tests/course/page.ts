/**
 * Pages of the course: Markdown in which what a reader types stands in blocks of `console`, with what it prints. A line that begins with `$ ` is a command, lines that
 * begin with `> ` go on with it, and what follows, to the next command or the end of the block, is its output, both streams in one.
 */

/** A command of a page. */
export interface Step {
  /** Line of the page, from 1. */
  readonly line: number;
  readonly command: string;
  readonly output: readonly string[];
}

/** What a page is run with: its front matter, `key: value` between two lines of `---`. */
export interface PageFacts {
  readonly title: string;
  /** `root`, where its commands need it. */
  readonly needs?: string;
}

export interface Page {
  readonly facts: PageFacts;
  readonly steps: readonly Step[];
}

const fence = /^```/;

/** Reads a page; throws one line for a page without a title or a block that does not end. */
export function readPage(text: string): Page {
  const lines = text.split('\n');
  const steps: Step[] = [];
  for (let at = 0; at < lines.length; at++) {
    if (!fence.test(lines[at]!)) continue;
    const end = lines.findIndex((line, index) => index > at && fence.test(line));
    if (end < 0) throw new Error(`line ${at + 1}: the block does not end`);
    if (lines[at] === '```console') steps.push(...stepsOf(lines.slice(at + 1, end), at + 2));
    at = end;
  }
  return { facts: factsOf(lines), steps };
}

/** The page with other outputs, one for each of its steps. */
export function withOutputs(text: string, outputs: readonly (readonly string[])[]): string {
  const lines = text.split('\n');
  const { steps } = readPage(text);
  for (let index = steps.length - 1; index >= 0; index--) {
    const { line, command, output } = steps[index]!;
    const from = line - 1 + command.split('\n').length;
    lines.splice(from, output.length, ...outputs[index]!);
  }
  return lines.join('\n');
}

function stepsOf(lines: readonly string[], first: number): readonly Step[] {
  const steps: { line: number; command: string; output: string[] }[] = [];
  for (const [index, line] of lines.entries()) {
    const last = steps.at(-1);
    if (line.startsWith('$ ')) steps.push({ line: first + index, command: line.slice(2), output: [] });
    else if (last === undefined) throw new Error(`line ${first + index}: output without a command`);
    else if (line.startsWith('> ') && last.output.length === 0) last.command += `\n${line.slice(2)}`;
    else last.output.push(line);
  }
  return steps;
}

function factsOf(lines: readonly string[]): PageFacts {
  const end = lines.indexOf('---', 1);
  if (lines[0] !== '---' || end < 0) throw new Error('line 1: there is no front matter');
  const facts = new Map<string, string>();
  for (const line of lines.slice(1, end)) {
    const [, name = '', value = ''] = /^(\w+): (.+)$/.exec(line) ?? [];
    facts.set(name, value);
  }
  const title = facts.get('title');
  if (title === undefined) throw new Error('line 1: the page has no title');
  const needs = facts.get('needs');
  return { title, ...(needs === undefined ? {} : { needs }) };
}
