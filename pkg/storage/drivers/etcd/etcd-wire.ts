/** How messages of etcd's API are written and read: fields by their numbers, zeros too, as in some places they say more than what is absent. */
import { BackwardWriter, Reader, wireVarint } from '#pkg/apimachinery/protobuf/wire.ts';
import { frameHead } from '#pkg/grpc/grpc-frames.ts';

/** Fields in the order of their numbers reversed, as the writer goes backwards. */
export class Message extends BackwardWriter {
  number(field: number, value: number): void {
    this.varint(value);
    this.tag(field, wireVarint);
  }

  bytes(field: number, value: Uint8Array): void {
    const before = this.length;
    this.raw(value);
    this.delimit(field, before);
  }

  /** The field 2 of a put, with what is to be behind it. */
  value(value: Uint8Array, behind: Uint8Array | undefined): void {
    const before = this.length;
    if (behind !== undefined) this.raw(behind);
    this.raw(value);
    this.delimit(2, before);
  }

  string(field: number, value: string): void {
    const before = this.length;
    this.text(value);
    this.delimit(field, before);
  }

  message(field: number, write: () => void): void {
    const before = this.length;
    write();
    this.delimit(field, before);
  }
}

/** A message with its frame before it; `bytes` is about how long it will be. */
export function made(write: (message: Message) => void, bytes?: number): Uint8Array {
  const message = new Message(bytes);
  write(message);
  message.raw(frameHead(message.length));
  return message.finish();
}

/** Calls `take` for each field; what it returns false for is passed over. */
export function eachField(bytes: Uint8Array, take: (field: number, reader: Reader) => boolean): void {
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (!take(tag >>> 3, reader)) reader.skip(tag & 7);
  }
}
