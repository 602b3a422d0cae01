/**
 * Watch events from bytes as a network delivers them: JSON objects one a line, cut anywhere. Gives what one chunk completed as one
 * batch, so that a burst is handled at once. Pulls a chunk only when asked for the next batch: that is the back-pressure.
 */
import { parseJson } from '#pkg/apimachinery/json.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** One event as it was on the wire. */
export interface WireWatchEvent {
  readonly type: string;
  readonly object: KubeObject;
}

/** Longest line accepted: an object of the largest size the server stores (3 MiB), encoded, with room to spare. */
const lineCharsMax = 16 * 1024 * 1024;

/** Batches of events. Throws `StatusError` for a line that is no event; a line cut off by the end of the stream is dropped. */
export async function* watchEventBatches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly WireWatchEvent[]> {
  const decoder = new TextDecoder();
  let rest: string[] = [];
  let restChars = 0;
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf('\n');
    if (end < 0) {
      rest.push(text);
      restChars += text.length;
      if (restChars > lineCharsMax) throw unreadable(`a line is longer than ${lineCharsMax} characters`);
      continue;
    }
    const complete = rest.join('') + text.slice(0, end);
    rest = end + 1 < text.length ? [text.slice(end + 1)] : [];
    restChars = text.length - end - 1;
    const batch: WireWatchEvent[] = [];
    for (const line of complete.split('\n')) if (line.trim() !== '') batch.push(parseLine(line));
    if (batch.length > 0) yield batch;
  }
}

function parseLine(line: string): WireWatchEvent {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    throw unreadable('a line is not JSON', error);
  }
  const event = value as Partial<WireWatchEvent> | null;
  if (typeof event?.type !== 'string' || typeof event.object !== 'object') throw unreadable('a line is not an event');
  return event as WireWatchEvent;
}

function unreadable(why: string, cause?: unknown): StatusError {
  return new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `unable to decode an event from the watch stream: ${why}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
