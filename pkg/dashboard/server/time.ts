/** The time of a cluster that is steered (`coxswain up --virtual-time`), as the API server tells it, and the hand on it: both in the user's name. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { badRequest, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import { dig, digText, type KubeApi } from '#pkg/kubectl/api.ts';
import type { ViewOptions } from '../live/list-view.ts';
import type { TimeInfo } from '../model/protocol.ts';
import type { StreamView } from './streams.ts';

const path = '/debug/time';
const actions = ['pause', 'resume', 'speed', 'step'];
/** Whoever sees it reads seconds. */
const lookMs = 1_000;

/** Tells the time as it passes. Ends at once, without a problem, where nobody steers it or this user may not look. */
export function openTime(api: KubeApi, { id, sink, send }: ViewOptions): StreamView {
  const end = new AbortController();
  let last = '';
  const look = async (): Promise<void> => {
    await sink.ready();
    try {
      const { object } = await api.call({ method: 'GET', path, signal: end.signal });
      const text = JSON.stringify(object);
      if (text === last || end.signal.aborted) return;
      last = text;
      send({ type: 'time', id, time: timeOf(object) });
    } catch (error) {
      // A server that does not answer now may later.
      if (end.signal.aborted || !isAbsent(error)) return;
      end.abort();
      send({ type: 'end', id });
    }
  };
  void repeat(sink.clock, { periodMs: () => lookMs, signal: end.signal }, look);
  return { close: () => end.abort() };
}

function isAbsent(error: unknown): boolean {
  return error instanceof StatusError && (error.status.code === 404 || error.status.code === 403);
}

/** Does it; a step is answered when it has ended. Rejects with the server's refusal. */
export async function steerTime(api: KubeApi, body: unknown): Promise<TimeInfo> {
  const action = digText(body, 'action');
  if (!actions.includes(action)) throw badRequest(`there is no action ${JSON.stringify(action)} on time`);
  const fields = { by: dig(body, 'by'), speed: dig(body, 'speed') };
  return timeOf((await api.call({ method: 'POST', path: `${path}/${action}`, body: fields })).object);
}

function timeOf(told: JsonObject): TimeInfo {
  const stepsTo = digText(told, 'stepsTo');
  return {
    now: digText(told, 'now'),
    paused: told.paused === true,
    speed: digText(told, 'speed'),
    ...(stepsTo === '' ? {} : { stepsTo }),
  };
}
