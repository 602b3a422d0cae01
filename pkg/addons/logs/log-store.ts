/**
 * Lines of logs in files of one folder: each file is lines of JSON in the order in which they came, and the oldest goes when there are too many.
 *
 * Laws: a line that was added is found until its file goes; a store that is opened again has what it had, but for a line that was cut off; how far
 * the log of a container has come is known after that too, so that none of its lines is there twice.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A line, and which container has written it when. */
export interface StoredLine {
  /** RFC 3339, as the kubelet says it. */
  readonly time: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly node: string;
  /** Tells the container from those of the same name before and after it. */
  readonly id: string;
  readonly text: string;
}

/** Which lines are asked for. What is absent does not matter. */
export interface LineQuery {
  readonly namespace?: string;
  readonly pod?: string;
  readonly container?: string;
  readonly node?: string;
  readonly contains?: string;
  /** Of this time and later. */
  readonly sinceMs?: number;
  /** The last ones. */
  readonly limit: number;
}

/** How far the log of a container has come: the time of its last line, and how many lines have that time. */
export interface Progress {
  readonly time: string;
  readonly count: number;
}

/** How much is kept. */
export interface LogStoreOptions {
  readonly folder: string;
  /** Default 8 MiB. */
  readonly fileBytesMax?: number;
  /** With the one that is written. Default 16. */
  readonly filesMax?: number;
}

const ending = '.jsonl';

/** The lines that were collected. One at a time has the folder. */
export class LogStore {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  readonly #filesMax: number;
  /** Numbers of the files, the oldest first. */
  readonly #files: number[];
  readonly #progress = new Map<string, Progress>();
  #bytes = 0;

  /** Opens a folder, which is made where there is none. Throws what the system says. */
  constructor({ folder, fileBytesMax = 8 * 1024 * 1024, filesMax = 16 }: LogStoreOptions) {
    this.#folder = folder;
    this.#fileBytesMax = fileBytesMax;
    this.#filesMax = filesMax;
    mkdirSync(folder, { recursive: true });
    const names = readdirSync(folder).filter((name) => name.endsWith(ending));
    this.#files = names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
    for (const file of this.#files)
      for (const line of linesIn(readFileSync(this.#path(file), 'utf8'))) this.#note(line);
    const last = this.#files.at(-1);
    // A line that was cut off ends where the next one would begin, and would spoil it.
    if (last !== undefined && statSync(this.#path(last)).size > 0) this.#begin(last + 1);
  }

  /** How far the log of a container has come; undefined when nothing of it is kept. */
  progressOf(id: string): Progress | undefined {
    return this.#progress.get(id);
  }

  /** Adds lines, which are in the file afterwards. Throws what the system says, of a disk that is full for one. */
  add(lines: readonly StoredLine[]): void {
    if (lines.length === 0) return;
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const last = this.#files.at(-1) ?? 0;
    const isFull = this.#bytes > 0 && this.#bytes + bytes.length > this.#fileBytesMax;
    const file = last === 0 || isFull ? last + 1 : last;
    if (file !== last) this.#begin(file);
    appendFileSync(this.#path(file), bytes);
    this.#bytes += bytes.length;
    for (const line of lines) this.#note(line);
  }

  /** The last lines that are as the query says, in the order in which they came. */
  async find(query: LineQuery): Promise<readonly StoredLine[]> {
    const found: StoredLine[][] = [];
    let count = 0;
    for (const file of this.#files.toReversed()) {
      // It may have gone meanwhile.
      const text = await readFile(this.#path(file), 'utf8').catch(() => '');
      const lines = [...linesIn(text)].filter((line) => isAsked(line, query)).slice(-(query.limit - count));
      found.unshift(lines);
      count += lines.length;
      if (count >= query.limit) break;
    }
    return found.flat();
  }

  #begin(file: number): void {
    this.#files.push(file);
    this.#bytes = 0;
    const surplus = this.#files.splice(0, Math.max(0, this.#files.length - this.#filesMax));
    for (const old of surplus) rmSync(this.#path(old), { force: true });
  }

  #path(file: number): string {
    return join(this.#folder, `${String(file).padStart(10, '0')}${ending}`);
  }

  #note({ id, time }: StoredLine): void {
    const before = this.#progress.get(id);
    this.#progress.set(id, { time, count: before?.time === time ? before.count + 1 : 1 });
  }

  /** Forgets how far the log of a container has come, once nothing more of it can come. */
  forget(id: string): void {
    this.#progress.delete(id);
  }
}

function* linesIn(text: string): Generator<StoredLine> {
  for (const line of text.split('\n')) {
    try {
      if (line !== '') yield JSON.parse(line);
    } catch {
      // One that was cut off.
    }
  }
}

function isAsked(line: StoredLine, { contains, sinceMs, limit: _, ...fields }: LineQuery): boolean {
  if (contains !== undefined && !line.text.includes(contains)) return false;
  if (sinceMs !== undefined && Date.parse(line.time) < sinceMs) return false;
  return Object.entries(fields).every(([name, value]) => value === undefined || Reflect.get(line, name) === value);
}
