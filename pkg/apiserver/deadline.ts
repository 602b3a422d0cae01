/**
 * How long a client gives a request: `?timeout=5s`. What takes longer is answered with 504 and goes on without anybody to tell, as
 * a write that is on its way cannot be called back. Requests that are meant to last have no deadline.
 * Source: apiserver `endpoints/filters/request_deadline.go`, `server/filters/timeout.go`.
 */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { badRequest, StatusError } from '#pkg/apimachinery/status-error.ts';
import { durationError, parseDuration } from '#pkg/apimachinery/time.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { RequestInfo } from './request-info.ts';

/** Nobody gets longer, whatever they ask for. Source: `--request-timeout`. */
const deadlineMsMax = 60_000;

/** Milliseconds until a request that does not last has to be answered; undefined where that was not asked for. Throws BadRequest. */
export function deadlineMs(info: RequestInfo): number | undefined {
  const text = info.query.size === 0 ? null : info.query.get('timeout');
  if (text === null || text === '') return undefined;
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) {
    throw badRequest(`invalid timeout specified in the request URL - ${durationError(text)}`);
  }
  const ms = nanoseconds / 1e6;
  return ms > 0 && ms < deadlineMsMax ? ms : deadlineMsMax;
}

/** The answer, if it comes in time. Throws Timeout. */
export async function withinDeadline(clock: Clock, ms: number, answer: Promise<ApiResponse>): Promise<ApiResponse> {
  const timer = new AbortController();
  const late = sleep(clock, ms, timer.signal).then((isOver) => {
    if (isOver) throw tooLate();
    return answer;
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
    // Whichever of the two has lost has nobody to tell.
    answer.catch(() => {});
    late.catch(() => {});
  }
}

function tooLate(): StatusError {
  const message = 'Timeout: request did not complete within the allotted timeout';
  return new StatusError({ code: 504, reason: 'Timeout', message, details: {} });
}
