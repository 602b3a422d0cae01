/**
 * One request to a registry, by Node's own HTTP. Whoever is asked has to go on: an answer that does not begin, a body that stands still and one that comes in
 * drops end with `unreachable`. No redirects, no authentication.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { getBuiltinModule } from 'node:process';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

// Not by an import, with which Node loads all of undici.
const { Agent, request } = getBuiltinModule('node:http');

/** From a request to the beginning of its answer, and between two pieces of either's body. */
const silenceMs = 30_000;
/** The same for who has sent contents: a registry reads them once more before it answers. */
const silenceAfterBodyMs = 120_000;
/** For so many bytes of a body one waits at most so long: less than any line that is in use gives, and far less than a pull has. */
const windowBytes = 16 << 10;
const windowMs = 60_000;
/** Connections to one registry that stay open between requests. */
const idleSocketsMax = 4;

/** What is asked. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** It may have to be sent twice. */
  readonly body?: { readonly bytes: number; readonly content: () => AsyncIterable<Uint8Array> } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is answered. The body is read, or closed. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

/** Sends requests. Rejects with `unreachable` for whatever keeps an answer from coming, and the signal's reason. */
export type SendHttp = (request: HttpRequest) => Promise<HttpAnswer>;

/** Node's HTTP. `authorities` are certificates, in PEM, that are trusted beside the machine's. */
export function nodeHttp({
  clock,
  authorities,
}: {
  readonly clock: Clock;
  readonly authorities?: readonly string[];
}): SendHttp {
  const keep = { keepAlive: true, maxFreeSockets: idleSocketsMax };
  const agent = new Agent(keep);
  const secureAgent = new SecureAgent({ ...keep, ...(authorities && { ca: [...authorities] }) });
  return (asked) =>
    new Promise((resolve, reject) => {
      const { method, url, headers, body, signal } = asked;
      if (signal?.aborted) return reject(signal.reason);
      const length = body === undefined ? {} : { 'content-length': String(body.bytes) };
      const options = { method, headers: { ...headers, ...length } };
      const sent =
        url.protocol === 'https:'
          ? secureRequest(url, { ...options, agent: secureAgent })
          : request(url, { ...options, agent });
      const watch = new Watch(clock, url.host, (error) => sent.destroy(error));
      const onAbort = (): void => void sent.destroy(signalError(signal));
      signal?.addEventListener('abort', onAbort, { once: true });
      const finish = (): void => {
        watch.stop();
        signal?.removeEventListener('abort', onAbort);
      };
      sent.on('error', (error) => {
        finish();
        reject(signal?.aborted ? signal.reason : unreachable(url, error));
      });
      // Who switches to a protocol that nobody asked for is let go without an error.
      sent.on('close', () => {
        finish();
        reject(signal?.aborted ? signal.reason : unreachable(url, new Error('closed without an answer')));
      });
      sent.on('response', (answer) => {
        watch.stop();
        answer.on('close', finish);
        resolve(answerOf(answer, { url, watch, signal }));
      });
      watch.start();
      if (body === undefined) sent.end();
      else void sendBody(sent, body.content(), watch);
    });
}

/** Where the registry answers before all is sent, and closes, that is told by its answer. */
async function sendBody(
  sent: ReturnType<typeof request>,
  content: AsyncIterable<Uint8Array>,
  watch: Watch,
): Promise<void> {
  try {
    for await (const chunk of content) {
      if (sent.destroyed) return;
      const isRoom = sent.write(chunk);
      watch.start();
      if (!isRoom)
        await new Promise<void>((resolve) => {
          const go = (): void => {
            sent.off('drain', go);
            sent.off('close', go);
            resolve();
          };
          sent.on('drain', go);
          sent.on('close', go);
        });
    }
    watch.start(silenceAfterBodyMs);
    sent.end();
  } catch (error) {
    sent.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function answerOf(
  answer: IncomingMessage,
  { url, watch, signal }: { readonly url: URL; readonly watch: Watch; readonly signal: AbortSignal | undefined },
): HttpAnswer {
  // A failure before anybody reads is met by who reads.
  answer.on('error', () => {});
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    close: () => void answer.destroy(),
    body: {
      async *[Symbol.asyncIterator]() {
        const iterator = answer[Symbol.asyncIterator]();
        try {
          for (;;) {
            watch.start();
            const { done, value } = await iterator.next();
            watch.stop();
            if (done === true) return;
            watch.count(value.length);
            yield value;
          }
        } catch (error) {
          throw signal?.aborted ? signal.reason : unreachable(url, watch.failure ?? error);
        } finally {
          watch.stop();
          answer.destroy();
        }
      },
    },
  };
}

/** Ends what is silent, or next to it. Only the time that is waited for the other side counts. */
class Watch {
  readonly #clock: Clock;
  readonly #host: string;
  readonly #end: (error: Error) => void;
  #timer: { cancel(): void } | undefined;
  #sinceMs = 0;
  #waitedMs = 0;
  #bytes = 0;
  failure: ImageStoreError | undefined;

  constructor(clock: Clock, host: string, end: (error: Error) => void) {
    this.#clock = clock;
    this.#host = host;
    this.#end = end;
  }

  start(limitMs = silenceMs): void {
    this.stop();
    this.#sinceMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.setTimeout(() => this.#fail(`said nothing for ${limitMs / 1000} s`), limitMs);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#waitedMs += this.#clock.monotonicMs() - this.#sinceMs;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#waitedMs > windowMs && this.#bytes < windowBytes)
      this.#fail(`sent ${this.#bytes} bytes in ${Math.round(this.#waitedMs / 1000)} s`);
    if (this.#bytes < windowBytes) return;
    this.#bytes = 0;
    this.#waitedMs = 0;
  }

  #fail(what: string): void {
    this.failure = new ImageStoreError('unreachable', `registry ${this.#host} ${what}`);
    this.#end(this.failure);
  }
}

function unreachable(url: URL, error: unknown): ImageStoreError {
  if (error instanceof ImageStoreError) return error;
  // Several addresses were tried; each has its own error, and they have none together.
  const text = error instanceof AggregateError ? error.errors.map(errorText).join(', ') : errorText(error);
  return new ImageStoreError('unreachable', `cannot reach the registry ${url.host}: ${text}`, error);
}

function signalError(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted');
}
