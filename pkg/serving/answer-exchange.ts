/** Asks the handler for the answer to a request, and writes it. Invariant: never throws, and a request that failed on the way has no half answer. */
import { Buffer } from 'node:buffer';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Connections } from './connections.ts';
import type { Exchange } from './exchange.ts';
import type { BodyRoom } from './incoming-body.ts';
import type { ServingLimits } from './limits.ts';
import type { Outbox } from './outbox.ts';
import { type PlainResponse, sendResponse } from './send-response.ts';
import type { WatchRounds } from './watch-rounds.ts';

/** What the exchanges of one server share. */
export interface Serving {
  readonly handler: ApiHandler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ServingLimits;
  readonly connections: Connections;
  readonly outbox: Outbox;
  /** Whether something is done before answers leave the outbox. */
  readonly holdsAnswers: boolean;
  readonly rounds: WatchRounds;
  readonly room: BodyRoom;
}

/** Answers one request on its connection, at the end of the turn in which the handler does. Resolves once the handler has, and never rejects. */
export function answerExchange(exchange: Exchange, serving: Serving): Promise<void> {
  exchange.isHeld = serving.holdsAnswers;
  return ask(exchange, serving).then(
    (answer) => {
      // Thousands of strangers at a time would hold what they have sent until the answer leaves.
      if (!exchange.connection.isKnown && exchange.isUnread) exchange.request.unwanted?.(serving.limits.lingerBytes);
      serving.outbox.add(() => sendPlain(exchange, answer, serving));
    },
    (error: unknown) => serving.outbox.add(() => sendPlain(exchange, failed(exchange, error, serving), serving)),
  );
}

/** The handler's answer. Rejects with what the handler throws, which is against its contract. */
export function ask(exchange: Exchange, { handler }: Serving): Promise<ApiResponse> {
  try {
    return handler(exchange);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Writes an answer. An upgrade that was not asked for is a fault of the handler. */
export function sendPlain(exchange: Exchange, answer: ApiResponse, serving: Serving): void {
  if (answer.body.kind !== 'upgrade') send(exchange, answer as PlainResponse, serving);
  else send(exchange, failed(exchange, new Error('The answer is an upgrade that nobody asked for'), serving), serving);
}

function send(exchange: Exchange, answer: PlainResponse, serving: Serving): void {
  // What was decoded is done with; the answer has its own pace.
  exchange.body?.release();
  const endEarly = (error: unknown): void => {
    serving.log.debug('Answer ended early', { path: exchange.path, error });
    exchange.response.destroy();
  };
  try {
    sendResponse(exchange, answer, serving)?.catch(endEarly);
  } catch (error) {
    endEarly(error);
  }
}

/** What a client is told of a failure that it can do nothing about. */
export function failed({ method, path }: Exchange, error: unknown, { log }: Serving): PlainResponse {
  log.error('Request failed unexpectedly', { method, path, error });
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  return { status: 500, headers, body: { kind: 'bytes', bytes: Buffer.from('Internal Server Error') } };
}
