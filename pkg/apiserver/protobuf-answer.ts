/**
 * Answers in Kubernetes' protobuf form, for clients that ask for it. What has no such form, such as a log, stays as it is: clients
 * read the content type.
 * Source: apimachinery `runtime/serializer/protobuf` and its length-delimited framing; `meta/v1` `WatchEvent`.
 */
import { Buffer } from 'node:buffer';
import { encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import type { ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { protobufMediaType } from '#pkg/apimachinery/protobuf/envelope.ts';

/** The same answer in protobuf. */
export function protobufAnswer(answer: ApiResponse): ApiResponse {
  const { body } = answer;
  if (body.kind === 'watch') {
    const headers = { ...answer.headers, 'content-type': `${protobufMediaType};stream=watch` };
    return { ...answer, headers, body: { kind: 'watch', batches: frames(body.batches) } };
  }
  if (body.kind !== 'object' || !isObject(body.object)) return answer;
  const { object } = body;
  const bytes = encodeProtobuf(object);
  if (bytes === undefined) return answer;
  const headers = { ...answer.headers, 'content-type': protobufMediaType };
  return { ...answer, headers, body: { kind: 'object', object, bytes: () => bytes } };
}

async function* frames(batches: AsyncIterable<readonly WatchFrame[]>): AsyncGenerator<readonly WatchFrame[]> {
  for await (const batch of batches) yield batch.map(protobufFrame);
}

function protobufFrame({ type, object }: WatchFrame): WatchFrame {
  return { type, object, bytes: () => eventBytes(type, object) };
}

/** Four bytes of length, then the event: its type, and the object in an envelope of its own. */
function eventBytes(type: string, object: JsonObject): Uint8Array {
  const raw = encodeProtobuf(object) ?? new Uint8Array(0);
  const event = Buffer.concat([...field(1, Buffer.from(type)), ...field(2, Buffer.concat(field(1, raw)))]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}

/** A field of bytes: tag, length, bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array[] {
  const head = [(number << 3) | 2];
  let rest = bytes.length;
  for (; rest > 127; rest >>>= 7) head.push((rest & 127) | 128);
  head.push(rest);
  return [Uint8Array.from(head), bytes];
}
