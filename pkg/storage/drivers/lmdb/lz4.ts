/**
 * Compresses short values as lmdb's own compression does, so that it can read them: its header, then one LZ4 block that may refer to a text known
 * beforehand. Done here, at once and in memory that is used again: the library gives each value to a thread of Node's pool, which for the
 * kilobyte of an event costs ten times what the compression does.
 *
 * Invariant: what it makes depends on the value and the text alone. It keeps no value. It does not decompress.
 *
 * Upstream counterpart: none; the form is that of the LZ4 block format description and of `compression.cpp` in the library.
 */

/** Positions are held in 16 bits, as are the distances of the format. */
const windowBytes = 65_536;

const headerBytes = 4;
/** First byte of a value that is compressed, with three bytes for how long it was. */
const compressedMark = 254;
/** From here on a first byte of a value could be taken for a mark, so that such a value is compressed whatever it gains. */
const firstMark = 250;

/** Rules of the format: a match has 4 bytes at least and begins 12 before the end at the latest; the last 5 are as they are. */
const matchBytesMin = 4;
const lastMatchBytes = 12;
const lastLiteralBytes = 5;

/** Places that are remembered, by a hash of the 4 bytes that are there. */
const hashBits = 12;

/** After each so many bytes without a match the search goes on in larger steps, so that what has none costs little. */
const patienceBits = 5;

/** Compresses with one text that is known beforehand. */
export class Lz4Compressor {
  /** The known text, and behind it the value. */
  readonly #window = Buffer.alloc(windowBytes);
  readonly #view = new DataView(this.#window.buffer, this.#window.byteOffset, windowBytes);
  readonly #start: number;
  readonly #bytesMin: number;
  /** Where the known text has what. */
  readonly #known = new Uint16Array(1 << hashBits);
  readonly #places = new Uint16Array(1 << hashBits);

  /** Compresses with `known`, of which the library too uses only whole 8 bytes; values of less than `bytesMin` are left as they are. */
  constructor(known: Buffer, bytesMin: number) {
    this.#start = Math.min(known.length, windowBytes) & ~7;
    this.#bytesMin = bytesMin;
    known.copy(this.#window, 0, 0, this.#start);
    for (let at = 0; at + matchBytesMin <= this.#start; at++) this.#known[hashOf(this.#view.getInt32(at, true))] = at;
  }

  /** The most bytes of a value that it can compress; of others the library can. */
  get valueBytesMax(): number {
    return windowBytes - this.#start;
  }

  /** Where a value of a length is to be put, which then is compressed with the next call. */
  place(length: number): Buffer {
    return this.#window.subarray(this.#start, this.#start + length);
  }

  /** The most bytes that a value of a length becomes. */
  bound(length: number): number {
    return headerBytes + length + Math.ceil(length / 255) + 16;
  }

  /** Writes the value that was put in its place to `target`, which has room for its bound; returns how many bytes it became. */
  compress(length: number, target: Buffer): number {
    const first = this.#window[this.#start] ?? 0;
    if (length < this.#bytesMin && first < firstMark) {
      this.#window.copy(target, 0, this.#start, this.#start + length);
      return length;
    }
    target[0] = compressedMark;
    target[1] = length >>> 16;
    target[2] = length >>> 8;
    target[3] = length;
    return this.#compressBlock(this.#start + length, target);
  }

  #compressBlock(end: number, target: Buffer): number {
    const window = this.#window;
    const view = this.#view;
    const places = this.#places;
    places.set(this.#known);
    const matchEnd = end - lastLiteralBytes;
    const lastStart = end - lastMatchBytes;
    let literals = this.#start;
    let to = headerBytes;
    for (let at = this.#start; at <= lastStart; ) {
      const four = view.getInt32(at, true);
      const hash = hashOf(four);
      let found = places[hash]!;
      places[hash] = at;
      if (found >= at || view.getInt32(found, true) !== four) {
        at += 1 + ((at - literals) >> patienceBits);
        continue;
      }
      let matchAt = at + matchBytesMin;
      for (let i = found + matchBytesMin; matchAt < matchEnd && window[i] === window[matchAt]; i++) matchAt++;
      while (at > literals && found > 0 && window[at - 1] === window[found - 1]) {
        at--;
        found--;
      }
      const matched = matchAt - at - matchBytesMin;
      target[to] = (Math.min(at - literals, 15) << 4) | Math.min(matched, 15);
      to = writeRest(at - literals, target, to + 1);
      while (literals < at) target[to++] = window[literals++]!;
      target[to++] = at - found;
      target[to++] = (at - found) >> 8;
      to = writeRest(matched, target, to);
      literals = at = matchAt;
    }
    target[to] = Math.min(end - literals, 15) << 4;
    to = writeRest(end - literals, target, to + 1);
    while (literals < end) target[to++] = window[literals++]!;
    return to;
  }
}

/** Knuth's multiplicative hash. */
function hashOf(four: number): number {
  return Math.imul(four, 0x9e3779b1) >>> (32 - hashBits);
}

/** Writes what of a length does not fit into its 4 bits. */
function writeRest(length: number, target: Buffer, at: number): number {
  let to = at;
  if (length < 15) return to;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) target[to++] = 255;
  target[to++] = rest;
  return to;
}
