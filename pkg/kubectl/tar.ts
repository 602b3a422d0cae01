/**
 * Archives as `cp` sends and takes them: files, folders and links, without owners. What is taken never leads out of the folder it goes to: other
 * names are refused, links are left out and said. Source: POSIX.1-2001 pax and ustar; kubectl `cmd/cp/cp.go`.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';

const blockBytes = 512;
/** Longest name that a head has room for. */
const nameBytesMax = 100;
/** Largest head that a name longer than that, or a comment, may have. */
const extraBytesMax = 1024 * 1024;

/** The archive of a file or folder, which is called `name` in it. */
export function* packTar(path: string, name: string): Generator<Uint8Array> {
  yield* packEntry(path, name);
  yield Buffer.alloc(2 * blockBytes);
}

function* packEntry(path: string, name: string): Generator<Uint8Array> {
  // A link goes as one: what it leads to may lie elsewhere, or lead back here.
  const info = lstatSync(path);
  if (info.isSymbolicLink()) {
    yield* heads(name, { mode: info.mode, bytes: 0, type: '2', target: readlinkSync(path) });
    return;
  }
  if (info.isDirectory()) {
    yield* heads(`${name}/`, { mode: info.mode, bytes: 0, type: '5' });
    for (const entry of readdirSync(path).toSorted()) yield* packEntry(join(path, entry), `${name}/${entry}`);
    return;
  }
  const content = readFileSync(path);
  yield* heads(name, { mode: info.mode, bytes: content.length, type: '0' });
  yield content;
  yield padding(content.length);
}

function padding(bytes: number): Uint8Array {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
}

interface Head {
  readonly mode: number;
  readonly bytes: number;
  readonly type: string;
  /** Of a link. */
  readonly target?: string;
}

function* heads(name: string, head: Head): Generator<Uint8Array> {
  yield* longHead('K', head.target ?? '');
  yield* longHead('L', name);
  yield headBlock(name, head);
}

/** A name that the head of its entry has no room for stands before it. */
function* longHead(type: 'K' | 'L', name: string): Generator<Uint8Array> {
  const bytes = Buffer.from(name);
  if (bytes.length <= nameBytesMax) return;
  const long = Buffer.concat([bytes, Buffer.alloc(1)]);
  yield headBlock('././@LongLink', { mode: 0, bytes: long.length, type });
  yield long;
  yield padding(long.length);
}

function headBlock(name: string, { mode, bytes, type, target = '' }: Head): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, width: number): void => {
    block.write(value.toString(8).padStart(width - 1, '0'), at);
  };
  block.set(Buffer.from(name).subarray(0, nameBytesMax), 0);
  octal(mode & 0o777, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes, 124, 12);
  octal(0, 136, 12);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.set(Buffer.from(target).subarray(0, nameBytesMax), 157);
  block.write('ustar\u000000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return block;
}

/** Unpacks an archive as it comes. */
export class TarReader {
  readonly #target: string;
  readonly #prefix: string;
  readonly #warn: (text: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the entry that are yet to come, with its padding. */
  #left = 0;
  #padding = 0;
  #file: number | undefined;
  #extra: Uint8Array[] | undefined;
  #longName: string | undefined;
  /** Whether any entry was there. */
  hasEntries = false;

  /** What is below `prefix` in the archive goes to `target`; `warn` is told of what is left out. */
  constructor({
    target,
    prefix,
    warn,
  }: { readonly target: string; readonly prefix: string; warn(text: string): void }) {
    this.#target = target;
    this.#prefix = prefix.replace(/^\/+|\/+$/g, '');
    this.#warn = warn;
  }

  /** Takes bytes as they come. Throws `UserError` for a name that leads out of the folder. */
  push(chunk: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#left > 0) {
        const piece = this.#rest.subarray(0, this.#left);
        if (piece.length === 0) return;
        this.#rest = this.#rest.subarray(piece.length);
        this.#left -= piece.length;
        if (this.#file !== undefined) writeSync(this.#file, piece);
        this.#extra?.push(piece);
        if (this.#left > 0) return;
      }
      if (this.#rest.length < this.#padding + blockBytes) return;
      this.#finish();
      this.#rest = this.#rest.subarray(this.#padding);
      const block = this.#rest.subarray(0, blockBytes);
      this.#rest = this.#rest.subarray(blockBytes);
      this.#begin(block);
    }
  }

  /** Nothing more comes. */
  end(): void {
    this.#finish();
  }

  #finish(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    if (this.#extra !== undefined) this.#longName = longNameOf(Buffer.concat(this.#extra));
    this.#extra = undefined;
  }

  #begin(block: Buffer): void {
    this.#padding = 0;
    if (block.every((byte) => byte === 0)) return;
    const text = (from: number, to: number): string => block.toString('utf8', from, to).replace(/\0.*$/s, '');
    const bytes = Number.parseInt(text(124, 136).trim() || '0', 8);
    const type = text(156, 157) || '0';
    this.#left = bytes;
    this.#padding = (blockBytes - (bytes % blockBytes)) % blockBytes;
    if (type === 'L' || type === 'x') {
      if (bytes > extraBytesMax) throw new UserError('error: the archive has a name that is too long');
      this.#extra = [];
      return;
    }
    // The target of a link, which is left out anyway.
    if (type === 'K') return;
    const prefix = text(345, 500);
    const name = this.#longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
    this.#longName = undefined;
    if (type === 'g') return;
    this.hasEntries = true;
    this.#entry(name, { type, mode: Number.parseInt(text(100, 108).trim() || '644', 8) });
  }

  #entry(name: string, { type, mode }: { readonly type: string; readonly mode: number }): void {
    const path = this.#placeOf(name);
    if (type === '5') {
      mkdirSync(path, { recursive: true });
      return;
    }
    if (type === '1' || type === '2') {
      this.#warn(
        `warning: skipping symlink: ${JSON.stringify(path)} (consider using "kubectl exec -n "default" "POD" -- tar cf -" instead)`,
      );
      return;
    }
    mkdirSync(dirname(path), { recursive: true });
    this.#file = openSync(path, 'w', mode & 0o777);
  }

  #placeOf(name: string): string {
    const plain = posix.normalize(name.replace(/^\/+/, ''));
    const isBelow = plain === this.#prefix || plain.startsWith(`${this.#prefix}/`) || this.#prefix === '';
    const inner = this.#prefix === '' ? plain : plain.slice(this.#prefix.length);
    if (!isBelow || inner.split('/').includes('..'))
      throw new UserError(
        `error: tar contents corrupted: ${JSON.stringify(basename(name))} leads out of where it belongs`,
      );
    return join(this.#target, inner);
  }
}

/** The name in an extended head: a plain one, or that of the field `path`. */
function longNameOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  if (!/^\d+ \w/.test(text)) return text.replace(/\0.*$/s, '');
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1];
}
