/**
 * A server of somebody else's that answers reviews: where it is, what it is shown, and how often it is asked again when it cannot answer.
 * Source: apiserver `util/webhook/webhook.go` `DefaultRetryBackoff`, `WithExponentialBackoff`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { CallWebhook } from './call-webhook.ts';

/** Where a server is, and how it is spoken to. */
export interface RemoteServer {
  readonly url: string;
  /** PEM; undefined: authorities of the system. */
  readonly caBundle?: string | undefined;
  /** PEM of what this server shows. */
  readonly credentials?: { readonly certificate: string; readonly key: string } | undefined;
  readonly token?: string | undefined;
}

/** By which means it is asked. */
export interface RemoteDeps {
  readonly call: CallWebhook;
  readonly clock: Clock;
}

/** How often, and after which pauses. */
const attemptsMax = 5;
const firstPauseMsDefault = 500;
const pauseFactor = 1.5;

/** How a server is asked. */
interface Asking extends RemoteDeps {
  /** For each attempt. */
  readonly seconds: number;
  /** Before it is asked again. Default: 500. */
  readonly firstPauseMs?: number;
}

/** Asks with a review, and returns what it has become. Rejects with an `Error` in one line. */
export async function askRemote(
  server: RemoteServer,
  review: JsonObject,
  { call, clock, seconds, firstPauseMs = firstPauseMsDefault }: Asking,
): Promise<JsonObject> {
  let pauseMs = firstPauseMs;
  for (let attempt = 1; ; attempt++) {
    const outcome = await askOnce(server, review, { call, clock, seconds });
    if (outcome.answer !== undefined) return outcome.answer;
    if (!outcome.isPassing || attempt === attemptsMax) throw new Error(outcome.why);
    await sleep(clock, pauseMs);
    pauseMs *= pauseFactor;
  }
}

interface Outcome {
  readonly answer?: JsonObject;
  readonly why: string;
  /** Another try may come to something else. */
  readonly isPassing: boolean;
}

async function askOnce(server: RemoteServer, review: JsonObject, { call, clock, seconds }: Asking): Promise<Outcome> {
  const ended = new AbortController();
  const timer = clock.setTimeout(() => ended.abort(), seconds * 1_000);
  const late = new Promise<never>((_, reject) => {
    ended.signal.addEventListener('abort', () => reject(new Error('context deadline exceeded')), { once: true });
  });
  late.catch(() => {});
  const { url, caBundle, credentials, token } = server;
  const post = `Post ${JSON.stringify(url)}`;
  try {
    const asking = call({
      url,
      caBundle,
      credentials,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: JSON.stringify(review),
      signal: ended.signal,
    });
    asking.catch(() => {});
    const { status, text } = await Promise.race([asking, late]);
    if (status < 200 || status > 299) {
      return { why: `${post}: the server answered with status ${status}`, isPassing: status === 429 || status >= 500 };
    }
    return readReview(text, review);
  } catch (error) {
    return { why: `${post}: ${errorText(error)}`, isPassing: !ended.signal.aborted };
  } finally {
    timer.cancel();
  }
}

function readReview(text: string, { apiVersion, kind }: JsonObject): Outcome {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    return { why: `the answer is no JSON: ${errorText(error)}`, isPassing: false };
  }
  if (!isObject(answer) || answer.kind !== kind || answer.apiVersion !== apiVersion || !isObject(answer.status)) {
    return { why: `the answer is no ${String(apiVersion)}, Kind=${String(kind)} with a status`, isPassing: false };
  }
  return { answer, why: '', isPassing: false };
}
