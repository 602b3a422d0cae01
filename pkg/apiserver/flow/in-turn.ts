/** Answers a request once there is room for it: at once where there is, in its turn, or with a word to come back later. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { textResponse } from '../responses.ts';
import type { Entering, Flow, FlowControl, Place } from './flow-control.ts';

/** At once where nothing had to be waited for. */
type Answering = Promise<ApiResponse> | ApiResponse;

/** A request on its way, and who lets it in; one without a flow needs no room. */
export interface Turn {
  readonly coming: Entering & { readonly flow: Flow | undefined };
  readonly flowControl: FlowControl;
}

/** Takes a place for as long as `answer` takes; a watch has its answer once it has begun. */
export function inTurn({ coming, flowControl }: Turn, answer: () => Answering): Answering {
  const { flow } = coming;
  if (flow === undefined) return answer();
  const place = flowControl.enter(flow, coming);
  if (place === undefined) return turnedAway(flowControl, flow);
  if (place.turn !== undefined) return afterTurn(place.turn, place, { answer, flow, flowControl });
  let answering: Answering | undefined;
  try {
    answering = answer();
  } finally {
    // What is still to come keeps the place.
    if (!(answering instanceof Promise)) place.leave();
  }
  return answering instanceof Promise ? leaveAfter(place, answering) : answering;
}

async function leaveAfter(place: Place, answering: Promise<ApiResponse>): Promise<ApiResponse> {
  try {
    return await answering;
  } finally {
    place.leave();
  }
}

interface Patient {
  readonly answer: () => Answering;
  readonly flow: Flow;
  readonly flowControl: FlowControl;
}

async function afterTurn(
  turn: Promise<boolean>,
  place: Place,
  { answer, flow, flowControl }: Patient,
): Promise<ApiResponse> {
  if (!(await turn)) return turnedAway(flowControl, flow);
  try {
    return await answer();
  } finally {
    place.leave();
  }
}

/** Source: apiserver `server/filters/maxinflight.go` `tooManyRequests`. */
function turnedAway(flowControl: FlowControl, flow: Flow): ApiResponse {
  const answer = textResponse(429, 'Too many requests, please try again later.\n');
  return { ...answer, headers: { ...answer.headers, 'retry-after': String(flowControl.retryAfterSeconds(flow)) } };
}
