/**
 * Messages of gRPC services that are written and read by hand, as few of their fields are needed: a writer, and the fields of one that came, by number. What is
 * absent reads as the zero value of its type, and what is zero is not written, as in proto3. Source: protobuf.dev, "Encoding".
 */
import { BackwardWriter, Reader, wireBytes, wireVarint } from '#pkg/apimachinery/protobuf/wire.ts';
import { frameHead } from './grpc-frames.ts';

/** Writes a message; the order of its fields does not matter. */
export class MessageWriter extends BackwardWriter {
  bytes(field: number, value: Uint8Array): void {
    const before = this.length;
    this.raw(value);
    this.delimit(field, before);
  }

  string(field: number, value: string | undefined): void {
    if (value !== undefined && value !== '') this.bytes(field, Buffer.from(value));
  }

  /** In their order. */
  strings(field: number, values: readonly string[]): void {
    for (const value of values.toReversed()) this.bytes(field, Buffer.from(value));
  }

  number(field: number, value: number | undefined): void {
    if (value === undefined || value === 0) return;
    this.varint(value);
    this.tag(field, wireVarint);
  }

  flag(field: number, value: boolean | undefined): void {
    this.number(field, value === true ? 1 : 0);
  }

  /** Several integers in one field, in their order. */
  packed(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const before = this.length;
    for (const value of values.toReversed()) this.varint(value);
    this.delimit(field, before);
  }

  /** A message within this one, there even when nothing is in it. */
  message(field: number, write: () => void): void {
    const before = this.length;
    write();
    this.delimit(field, before);
  }

  /** One message for each value, in their order. */
  messages<T>(field: number, values: readonly T[], write: (value: T) => void): void {
    for (const value of values.toReversed()) this.message(field, () => write(value));
  }

  /** An integer in a message of its own, where zero is not absent. */
  wrapped(field: number, value: number | undefined): void {
    if (value !== undefined) this.message(field, () => this.number(1, value));
  }

  /** Sorted by name, so that the same is written the same way. */
  map(field: number, values: Iterable<readonly [name: string, value: string | Uint8Array]>): void {
    for (const [name, value] of [...values].sort(([a], [b]) => (a < b ? 1 : -1))) {
      this.message(field, () => {
        this.bytes(2, typeof value === 'string' ? Buffer.from(value) : value);
        this.bytes(1, Buffer.from(name));
      });
    }
  }
}

/** A message with its frame before it. */
export function framed(write: (message: MessageWriter) => void): Uint8Array {
  const message = new MessageWriter();
  write(message);
  message.raw(frameHead(message.length));
  return message.finish();
}

const nothing: Buffer = Buffer.alloc(0);

/** The fields of a message that came. Fields that nobody asks for are passed over. */
export class Fields {
  readonly #bytes = new Map<number, Buffer[]>();
  readonly #integers = new Map<number, bigint>();

  /** Throws `WireError` for what is no message. */
  constructor(bytes: Uint8Array) {
    const reader = new Reader(bytes);
    while (!reader.atEnd) {
      const tag = reader.varint();
      const type = tag % 8;
      const number = Math.floor(tag / 8);
      if (type === wireBytes) this.#add(number, reader.delimited());
      else if (type === wireVarint) this.#integers.set(number, reader.bigVarint());
      else reader.skip(type);
    }
  }

  string(number: number): string {
    return this.bytes(number).toString('utf8');
  }

  strings(number: number): readonly string[] {
    return this.all(number).map((value) => value.toString('utf8'));
  }

  /** The nearest double. */
  number(number: number): number {
    return Number(this.integer(number));
  }

  integer(number: number): bigint {
    return this.#integers.get(number) ?? 0n;
  }

  flag(number: number): boolean {
    return this.integer(number) !== 0n;
  }

  bytes(number: number): Buffer {
    return this.#bytes.get(number)?.at(-1) ?? nothing;
  }

  all(number: number): readonly Buffer[] {
    return this.#bytes.get(number) ?? [];
  }

  has(number: number): boolean {
    return this.#bytes.has(number) || this.#integers.has(number);
  }

  /** The fields of a message within this one; of an empty one where it is absent. Throws `WireError`. */
  message(number: number): Fields {
    return new Fields(this.bytes(number));
  }

  /** Throws `WireError`. */
  messages(number: number): readonly Fields[] {
    return this.all(number).map((bytes) => new Fields(bytes));
  }

  /** Throws `WireError`. */
  map(number: number): ReadonlyMap<string, Buffer> {
    return new Map(this.messages(number).map((entry) => [entry.string(1), entry.bytes(2)]));
  }

  #add(number: number, bytes: Buffer): void {
    const all = this.#bytes.get(number);
    if (all === undefined) this.#bytes.set(number, [bytes]);
    else all.push(bytes);
  }
}
