/**
 * Where a cluster's time is steered, if it can be: after authorization, and without a place in line, as a step lasts as long as the work in it. Whoever may
 * has a rule of RBAC that names the path and the verb, `get` to look and `post` to steer. What steers is `pkg/base/steered-clock.ts`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { parseDuration } from '#pkg/apimachinery/time.ts';
import { type SteeredTime, speedMax, stepMsMax } from '#pkg/base/steered-clock.ts';
import { plainBody } from './endpoints/plain-body.ts';
import type { OwnPages } from './endpoints/scope.ts';
import { noSuchMethod, objectResponse, pageNotFound } from './responses.ts';

/** The hand on a clock. */
interface Steering {
  readonly time: SteeredTime;
  pause(): void;
  resume(): void;
  setSpeed(speed: number): void;
  /** Resolves with whether all of it has passed. */
  step(durationMs: number): Promise<boolean>;
}

/** Path of the time: GET tells it, POST of `pause`, `resume`, `speed` and `step` below it steers it and tells it afterwards. */
const timePath = '/debug/time';

/** What stands for as fast as the work goes. */
const speedWord = 'max';

/** The pages of a clock. A step is answered when it has ended, and goes on when whoever asked for it does not wait. */
export function timePages(time: Steering): OwnPages {
  return {
    has: (path) => path === timePath || path.startsWith(`${timePath}/`),
    answer: (request, path) => answerTime(time, request, path),
  };
}

async function answerTime(time: Steering, request: ApiRequest, path: string): Promise<ApiResponse> {
  const action = path.slice(timePath.length + 1);
  if (request.method !== (path === timePath ? 'GET' : 'POST')) throw noSuchMethod();
  switch (action) {
    case '':
      return path === timePath ? told(time) : pageNotFound();
    case 'pause':
      time.pause();
      return told(time);
    case 'resume':
      time.resume();
      return told(time);
    case 'speed':
      time.setSpeed(speedIn(await plainBody(request)));
      return told(time);
    case 'step':
      return told(time, await time.step(stepIn(await plainBody(request))));
    default:
      return pageNotFound();
  }
}

/** The time, and of a step whether all of it has passed. */
function told({ time }: Steering, isWhole?: boolean): ApiResponse {
  const { nowMs, isPaused, speed, stepsToMs } = time;
  const text = (ms: number): string => new Date(ms).toISOString();
  return objectResponse(200, {
    now: text(nowMs),
    paused: isPaused,
    speed: Number.isFinite(speed) ? speed : speedWord,
    ...(stepsToMs === undefined ? {} : { stepsTo: text(stepsToMs) }),
    ...(isWhole === undefined ? {} : { whole: isWhole }),
  });
}

function speedIn(body: { readonly speed?: unknown } | undefined): number {
  const speed = body?.speed === speedWord ? Number.POSITIVE_INFINITY : body?.speed;
  if (typeof speed === 'number' && speed > 0 && (speed <= speedMax || speed === Number.POSITIVE_INFINITY)) return speed;
  throw badRequest(`speed: must be a number above 0 and at most ${speedMax}, or "${speedWord}"`);
}

function stepIn(body: { readonly by?: unknown } | undefined): number {
  const nanoseconds = typeof body?.by === 'string' ? parseDuration(body.by) : undefined;
  const ms = nanoseconds === undefined ? -1 : nanoseconds / 1e6;
  if (ms >= 0 && ms <= stepMsMax) return ms;
  throw badRequest(`by: must be a duration of at most ${stepMsMax / 3_600_000}h, such as 10m or 1h30m`);
}
