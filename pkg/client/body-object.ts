/** Reads the body of an answer as one object of JSON. Limits what comes in parts; does not look at what the object is. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { parseJson } from '#pkg/apimachinery/json.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** Bytes of one object that comes as a stream: from a server behind the API server, which may answer without end. Source: none; upstream's clients have no limit. */
const streamedBytesMax = 256 * 1024 * 1024;

function tooLong(): StatusError {
  const message = `the server answered with more than ${streamedBytesMax} bytes`;
  return new StatusError({ code: 500, reason: 'InternalError', message });
}

/** The decoded body; undefined when it is empty. */
export async function bodyObject(response: ApiResponse): Promise<unknown> {
  const { body } = response;
  switch (body.kind) {
    case 'object':
      return body.object;
    case 'empty':
      return undefined;
    case 'bytes':
      return parse(body.bytes);
    case 'stream': {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of body.chunks) {
        bytes += chunk.byteLength;
        if (bytes > streamedBytesMax) throw tooLong();
        parts.push(chunk);
      }
      return parse(Buffer.concat(parts));
    }
    case 'watch':
    case 'upgrade':
      throw new Error(`Cannot read an answer of kind ${body.kind} as one object`);
  }
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return undefined;
  try {
    return parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (error) {
    throw new StatusError({
      code: 500,
      reason: 'InternalError',
      message: 'the server answered with a body that is not JSON',
      cause: error,
    });
  }
}
