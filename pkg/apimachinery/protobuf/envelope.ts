/**
 * The envelope of `application/vnd.kubernetes.protobuf`: four magic bytes, then a `runtime.Unknown` message that says which kind
 * the bytes in it are of. Source: apimachinery `runtime/serializer/protobuf`.
 */
import { BackwardWriter, Reader, WireError, wireBytes } from './wire.ts';

/** The media type of enveloped messages. */
export const protobufMediaType = 'application/vnd.kubernetes.protobuf';

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** Which kind a message is of, and the message. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  /** The message itself. */
  readonly raw: Uint8Array;
}

/** Puts a message into its envelope. */
export function seal({ apiVersion, kind, raw }: Envelope): Uint8Array {
  const writer = new BackwardWriter();
  const field = (number: number, write: () => void): void => {
    const before = writer.length;
    write();
    writer.delimit(number, before);
  };
  field(4, () => {});
  field(3, () => {});
  field(2, () => writer.raw(raw));
  field(1, () => {
    field(2, () => writer.text(kind));
    field(1, () => writer.text(apiVersion));
  });
  writer.raw(magic);
  return writer.finish();
}

/** The envelope of a body, or why it is none. */
export type Opened =
  | { readonly ok: true; readonly envelope: Envelope }
  | { readonly ok: false; readonly error: string };

/** Takes a message out of its envelope. */
export function unseal(bytes: Uint8Array): Opened {
  if (bytes.length < magic.length || !magic.equals(bytes.subarray(0, magic.length))) {
    return {
      ok: false,
      error: 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    };
  }
  try {
    const outer = readTexts(bytes.subarray(magic.length));
    const type = readTexts(outer.get(1) ?? new Uint8Array());
    const text = (part: Buffer | undefined): string => part?.toString('utf8') ?? '';
    if (text(outer.get(3)) !== '') return { ok: false, error: `unknown content encoding ${text(outer.get(3))}` };
    const raw = outer.get(2) ?? new Uint8Array();
    return { ok: true, envelope: { apiVersion: text(type.get(1)), kind: text(type.get(2)), raw } };
  } catch (error) {
    if (error instanceof WireError) return { ok: false, error: `proto: ${error.message}` };
    throw error;
  }
}

function readTexts(bytes: Uint8Array): ReadonlyMap<number, Buffer> {
  const reader = new Reader(bytes);
  const parts = new Map<number, Buffer>();
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag % 8 === wireBytes) parts.set(Math.floor(tag / 8), reader.delimited());
    else reader.skip(tag % 8);
  }
  return parts;
}
