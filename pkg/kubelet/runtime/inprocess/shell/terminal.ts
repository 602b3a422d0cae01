/**
 * What a terminal does between its user and a command: lines are edited and given on when they are finished, what is typed is shown, keys end the input or
 * interrupt, and newlines go back to the start of their line. Invariant: a line has at most `lineBytesMax` bytes; what is typed beyond is not taken.
 * Source: POSIX.1-2024, General Terminal Interface, section 11.1. Upstream counterpart: the kernel's line discipline.
 */
import { Buffer } from 'node:buffer';
import type { InteractiveSource } from './interactive.ts';
import type { Sink } from './io.ts';
import type { TerminalView } from './utility.ts';

/** Longest line. Source: Linux `N_TTY_BUF_SIZE`. */
const lineBytesMax = 4096;
/** Finished lines that wait for their reader; what is typed beyond waits with the client. */
const waitingBytesMax = 64 * 1024;

const key = {
  interrupt: 3,
  end: 4,
  bell: 7,
  backspace: 8,
  newline: 10,
  return: 13,
  kill: 21,
  word: 23,
  escape: 27,
  erase: 127,
} as const;

/** One terminal, with its size in characters. */
export class Terminal implements InteractiveSource, TerminalView {
  columns = 80;
  rows = 24;
  /** What is typed is given on as it comes, and not shown. */
  isRaw = false;
  readonly #display: Sink;
  #line: number[] = [];
  /** `undefined` stands for an end. */
  readonly #finished: (Uint8Array | undefined)[] = [];
  #finishedBytes = 0;
  #isOver = false;
  #reader: (() => void) | undefined;
  #typist: (() => void) | undefined;
  #escape = '';
  readonly #interrupts = new Set<() => void>();

  /** `display` is where everything is shown. */
  constructor(display: Sink) {
    this.#display = display;
  }

  /** Where a command writes. */
  get output(): Sink {
    return { write: (bytes) => this.#display.write(shown(bytes)), end() {} };
  }

  /** Takes what is typed. Resolves when there is room for more. */
  async type(bytes: Uint8Array): Promise<void> {
    if (this.isRaw) this.#finish(bytes);
    else for (const byte of bytes) this.#key(byte);
    if (this.#finishedBytes <= waitingBytesMax) return;
    await new Promise<void>((resolve) => {
      this.#typist = resolve;
    });
  }

  /** Nobody types any more. */
  hangUp(): void {
    if (this.#line.length > 0) this.#finish(Uint8Array.from(this.#line.splice(0)));
    this.#isOver = true;
    this.#wake();
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#finished.length > 0) {
        const next = this.#finished.shift();
        this.#finishedBytes -= next?.length ?? 0;
        if (this.#finishedBytes <= waitingBytesMax) {
          this.#typist?.();
          this.#typist = undefined;
        }
        return next;
      }
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
    }
  }

  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#finished.unshift(bytes);
    this.#finishedBytes += bytes.length;
  }

  /** A command has done with it; the next one reads on. */
  cancel(): void {}

  onInterrupt(listener: () => void): () => void {
    this.#interrupts.add(listener);
    return () => this.#interrupts.delete(listener);
  }

  #key(byte: number): void {
    if (this.#skipsEscape(byte)) return;
    switch (byte) {
      case key.interrupt:
        this.#line = [];
        this.#show('^C\r\n');
        if (this.#interrupts.size === 0) this.#finish(Buffer.from('\n'));
        for (const listener of [...this.#interrupts]) listener();
        return;
      case key.end:
        if (this.#line.length > 0) this.#finish(Uint8Array.from(this.#line.splice(0)));
        else {
          this.#finished.push(undefined);
          this.#wake();
        }
        return;
      case key.return:
      case key.newline:
        this.#show('\r\n');
        this.#finish(Uint8Array.from([...this.#line.splice(0), key.newline]));
        return;
      case key.erase:
      case key.backspace:
        this.#erase();
        return;
      case key.kill:
        while (this.#line.length > 0) this.#erase();
        return;
      case key.word:
        while (this.#line.at(-1) === 32) this.#erase();
        while (this.#line.length > 0 && this.#line.at(-1) !== 32) this.#erase();
        return;
      default:
        if (this.#line.length >= lineBytesMax) this.#show('\x07');
        else {
          this.#line.push(byte);
          void this.#display.write(Uint8Array.of(byte));
        }
    }
  }

  /** Keys that move about are not known here: what they send is passed over. */
  #skipsEscape(byte: number): boolean {
    if (this.#escape === '') {
      if (byte !== key.escape) return false;
      this.#escape = '\x1b';
      return true;
    }
    this.#escape += String.fromCharCode(byte);
    if (/^(\[[0-?]*[ -/]*[@-~]|O.|[^[O])$/.test(this.#escape.slice(1)) || this.#escape.length > 16) this.#escape = '';
    return true;
  }

  /** Takes back the last character, all bytes of it. */
  #erase(): void {
    if (this.#line.length === 0) return;
    while (this.#line.length > 0) {
      const byte = this.#line.pop()!;
      if ((byte & 0xc0) !== 0x80) break;
    }
    this.#show('\b \b');
  }

  #show(text: string): void {
    void this.#display.write(Buffer.from(text));
  }

  #finish(bytes: Uint8Array): void {
    this.#finished.push(bytes);
    this.#finishedBytes += bytes.length;
    this.#wake();
  }

  #wake(): void {
    const wake = this.#reader;
    this.#reader = undefined;
    wake?.();
  }
}

/** Output as a terminal shows it: a newline begins a line at its start. */
function shown(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(key.newline)) return bytes;
  const all: number[] = [];
  for (const byte of bytes) {
    if (byte === key.newline && all.at(-1) !== key.return) all.push(key.return);
    all.push(byte);
  }
  return Uint8Array.from(all);
}
