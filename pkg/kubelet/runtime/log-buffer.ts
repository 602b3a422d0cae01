/**
 * The output of one container: its last lines, in memory. When `bytesMax` is exceeded the oldest lines go, as if the log file
 * had been rotated. Readers that follow get each later line once and end when the container has.
 */
import { Deferred } from '#pkg/base/async.ts';
import type { LogLine, LogOptions } from './runtime.ts';

/** Output kept for one container. Upstream keeps 10 MiB files; this is memory, and a node may have a hundred containers. */
const bytesMaxDefault = 1024 * 1024;

/** What a line takes besides its characters, so that empty lines count too. */
const lineBytes = 64;

/** A line longer than this is kept in pieces, as CRI runtimes do. */
const lineCharactersMax = 16 * 1024;

/** Places of lines that are gone are given back from this number on. */
const placesMin = 1024;

/** The output of one container. */
export class LogBuffer {
  readonly #bytesMax: number;
  /** Kept lines, after `#gone` places of lines that are not kept any more. */
  #lines: (LogLine | undefined)[] = [];
  #gone = 0;
  /** Number of the first place since the start. */
  #firstPlace = 0;
  #bytes = 0;
  #ended = false;
  #changed: Deferred | undefined;
  readonly #partial = { stdout: '', stderr: '' };

  constructor(options: { readonly bytesMax?: number } = {}) {
    this.#bytesMax = options.bytesMax ?? bytesMaxDefault;
  }

  /** Adds output as it came; lines are cut at newlines, the rest waits for more. */
  write(stream: 'stdout' | 'stderr', text: string, timeMs: number): void {
    let rest = this.#partial[stream] + text;
    for (;;) {
      const end = rest.indexOf('\n');
      const isTooLong = (end < 0 ? rest.length : end) > lineCharactersMax;
      if (end < 0 && !isTooLong) break;
      if (isTooLong) this.#push({ timeMs, stream, text: rest.slice(0, lineCharactersMax), partial: true });
      else this.#push({ timeMs, stream, text: rest.slice(0, end) });
      rest = rest.slice(isTooLong ? lineCharactersMax : end + 1);
    }
    this.#partial[stream] = rest;
    this.#wake();
  }

  /** No more output. */
  end(timeMs: number): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#partial[stream] !== '') this.#push({ timeMs, stream, text: this.#partial[stream], partial: true });
      this.#partial[stream] = '';
    }
    this.#ended = true;
    this.#wake();
  }

  /** Lines that are there, then, when following, later ones. */
  async *read(options: LogOptions): AsyncGenerator<LogLine> {
    let next = this.#startOf(options);
    for (;;) {
      next = Math.max(next, this.#first());
      while (next < this.#firstPlace + this.#lines.length) {
        const line = this.#lines[next - this.#firstPlace]!;
        next++;
        yield line;
        next = Math.max(next, this.#first());
      }
      if (!options.follow || this.#ended || options.signal?.aborted) return;
      this.#changed ??= new Deferred();
      await untilChanged(this.#changed.promise, options.signal);
    }
  }

  #startOf(options: LogOptions): number {
    const { sinceMs, tailLines } = options;
    let start = this.#gone;
    if (sinceMs !== undefined) {
      const index = this.#lines.findIndex((line) => line !== undefined && line.timeMs >= sinceMs);
      start = index < 0 ? this.#lines.length : index;
    }
    if (tailLines !== undefined) start = Math.max(start, this.#lines.length - tailLines);
    return this.#firstPlace + start;
  }

  /** Number of the first kept line since the start. */
  #first(): number {
    return this.#firstPlace + this.#gone;
  }

  #push(line: LogLine): void {
    this.#lines.push(line);
    this.#bytes += line.text.length + lineBytes;
    while (this.#bytes > this.#bytesMax && this.#gone < this.#lines.length - 1) {
      this.#bytes -= this.#lines[this.#gone]!.text.length + lineBytes;
      this.#lines[this.#gone++] = undefined;
    }
    // Not at each line: moving all that follow is what would cost most.
    if (this.#gone < placesMin || this.#gone < this.#lines.length / 2) return;
    this.#lines = this.#lines.slice(this.#gone);
    this.#firstPlace += this.#gone;
    this.#gone = 0;
  }

  #wake(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}

function untilChanged(changed: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return changed;
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    void changed.then(done);
  });
}
