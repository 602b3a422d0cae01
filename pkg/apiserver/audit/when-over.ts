/**
 * Tells when an answer that lasts is over: when its body has ended, its reader has gone or ended it. The answer goes on as it is otherwise.
 */
import type { ApiResponse, ReadyFrames, ResponseBody } from '#pkg/apimachinery/http.ts';

/** The same answer; `over` is called once, at its end or when `signal` is aborted, that of the request. */
export function whenOver(response: ApiResponse, signal: AbortSignal, over: () => void): ApiResponse {
  let isOver = false;
  const once = (): void => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener('abort', once);
    over();
  };
  if (signal.aborted) once();
  else signal.addEventListener('abort', once);
  return { ...response, body: bodyUntil(response.body, once) };
}

function bodyUntil(body: ResponseBody, over: () => void): ResponseBody {
  switch (body.kind) {
    case 'stream':
      return { kind: 'stream', chunks: until(body.chunks, over) };
    case 'watch':
      return {
        kind: 'watch',
        batches: until(body.batches, over),
        ...(body.ready === undefined ? {} : { ready: new FramesUntil(body.ready, over) }),
      };
    case 'upgrade':
      return { kind: 'upgrade', accept: (connection) => body.accept(connection).finally(over) };
    case 'bytes':
    case 'empty':
    case 'object':
      over();
      return body;
  }
}

/** The same items. By hand, as a generator that waits for its next item hears of its reader's end only after that. */
function until<T>(items: AsyncIterable<T>, over: () => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = items[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await iterator.next();
            if (result.done === true) over();
            return result;
          } catch (error) {
            over();
            throw error;
          }
        },
        async return(value) {
          try {
            return (await iterator.return?.(value)) ?? { value, done: true };
          } finally {
            over();
          }
        },
      };
    },
  };
}

/** Frames of which somebody wants to know the end. */
class FramesUntil implements ReadyFrames {
  readonly #frames: ReadyFrames;
  readonly #over: () => void;

  constructor(frames: ReadyFrames, over: () => void) {
    this.#frames = frames;
    this.#over = over;
  }

  get isEnded(): boolean {
    return this.#frames.isEnded;
  }

  take(): ReturnType<ReadyFrames['take']> {
    return this.#frames.take();
  }

  onReady(listener: Parameters<ReadyFrames['onReady']>[0]): void {
    this.#frames.onReady((atOnce) => {
      listener(atOnce);
      if (this.#frames.isEnded) this.#over();
    });
  }

  close(): void {
    this.#frames.close();
    this.#over();
  }
}
