/**
 * Audit events for a server elsewhere: lists of them by POST, tried again with growing pauses, whatever went wrong; after `triesMax` tries a list is lost and counted.
 * With `blocking` modes each event is a list of its own and is sent while the request goes on: nothing here can hold it up, so the modes differ in that alone.
 * Upstream counterpart: apiserver `plugin/pkg/audit/webhook`, `util/webhook`.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { jitter, type Random } from '#pkg/base/random.ts';
import { Batches, type BatchSettings } from './batches.ts';
import { fitted, type Sink, type SinkLosses, type TruncateSettings } from './sink.ts';

/** Where events go and how. */
export interface WebhookSinkOptions {
  /** Sends one body. Rejects for what is no success, and when `signal` is aborted. */
  post(body: string, signal: AbortSignal): Promise<void>;
  readonly batching: BatchSettings;
  readonly initialBackoffMs: number;
  readonly truncate: TruncateSettings | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly losses: SinkLosses;
}

/** Source: apiserver `util/webhook` `DefaultRetryBackoffWithInitialDelay`. */
const triesMax = 5;
const backoffFactor = 1.5;
const backoffJitter = 0.2;

const listHead = '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[';

/** Makes the sink. Whoever made it ends it. */
export function webhookSink(options: WebhookSinkOptions): Sink {
  const { batching, truncate, clock, losses } = options;
  const batches = new Batches({
    ...batching,
    clock,
    lost: (count) => losses.lost('buffered', count, 'the buffer is full'),
    async send(events, signal) {
      for (const part of partsOf(events, truncate?.batchBytesMax)) await sendAgain(options, part, signal);
    },
  });
  return {
    record(event) {
      const json = fitted(event, truncate, losses);
      if (json !== undefined) batches.add(json);
      return true;
    },
    end: () => batches.end(),
  };
}

/** The events in lists of no more than so many bytes, but for one that is longer alone. */
function partsOf(events: readonly string[], bytesMax = Number.POSITIVE_INFINITY): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const size = bytesMax === Number.POSITIVE_INFINITY ? 0 : Buffer.byteLength(event);
    if (bytes + size > bytesMax) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(event);
    bytes += size;
  }
  return parts;
}

async function sendAgain(
  { post, initialBackoffMs, clock, random, losses }: WebhookSinkOptions,
  events: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const body = `${listHead}${events.join(',')}]}`;
  let delayMs = initialBackoffMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await post(body, signal);
    } catch (error) {
      if (
        attempt >= triesMax ||
        signal.aborted ||
        !(await sleep(clock, jitter(random, delayMs, backoffJitter), signal))
      )
        return losses.lost('webhook', events.length, error);
      delayMs *= backoffFactor;
    }
  }
}
