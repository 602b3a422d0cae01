/**
 * Events in the form of either of their groups. Both are the same objects, stored in the core group, and come to the rules under the names of the
 * group that they came by. Source: upstream `pkg/apis/events/v1/conversion.go`.
 */
import type { Event as CoreEvent } from '#pkg/api/types/core-v1.ts';
import type { Event as NewerEvent } from '#pkg/api/types/events-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** An event with the fields of both groups, of which it has those of one. */
export interface AnyEvent
  extends Partial<Omit<CoreEvent, 'apiVersion' | 'series'>>,
    Partial<Omit<NewerEvent, keyof CoreEvent>> {
  readonly apiVersion?: CoreEvent['apiVersion'] | NewerEvent['apiVersion'] | 'events.k8s.io/v1beta1';
  readonly series?: Partial<NonNullable<CoreEvent['series']>>;
}

/** Whether an event came by `events.k8s.io`. */
function isNewerForm(event: Given<AnyEvent>): boolean {
  return event.apiVersion?.startsWith('events.k8s.io/') === true;
}

/** The event under the names of the core group, which errors use, whichever form it has. */
export function inCoreNames(event: Given<AnyEvent>): Given<AnyEvent> {
  if (!isNewerForm(event)) return event;
  return {
    ...event,
    count: event.deprecatedCount,
    firstTimestamp: event.deprecatedFirstTimestamp,
    involvedObject: event.regarding,
    lastTimestamp: event.deprecatedLastTimestamp,
    message: event.note,
    source: event.deprecatedSource,
    reportingComponent: event.reportingController,
  };
}
