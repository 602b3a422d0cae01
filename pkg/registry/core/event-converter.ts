/** Events of `events.k8s.io` over those of the core group. Source: `pkg/apis/events/{v1,v1beta1}/conversion.go`. */
import type { Event as EventV1 } from '#pkg/api/types/events-v1.ts';
import type { Event as EventV1beta1 } from '#pkg/api/types/events-v1beta1.ts';
import { events, eventsEventsV1, eventsEventsV1beta1 } from '#pkg/api/types/refs.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Converter, converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** The converter of one version. */
export function eventConverter(version: 'v1' | 'v1beta1'): Converter {
  const served: ResourceRef<EventV1 | EventV1beta1> = version === 'v1' ? eventsEventsV1 : eventsEventsV1beta1;
  return converterOf(served, events, {
    toStored({
      note: message,
      regarding: involvedObject,
      reportingController: reportingComponent = '',
      reportingInstance = '',
      deprecatedCount: count,
      deprecatedFirstTimestamp: firstTimestamp,
      deprecatedLastTimestamp: lastTimestamp,
      deprecatedSource: source,
      ...rest
    }) {
      const renamed = { involvedObject, message, source, firstTimestamp, lastTimestamp, count };
      return { ...rest, ...present(renamed), reportingComponent, reportingInstance };
    },
    // The older form always shows who reports, the newer one only when there is something in it.
    fromStored({
      message: note,
      involvedObject: regarding,
      reportingComponent,
      reportingInstance,
      count: deprecatedCount,
      firstTimestamp: deprecatedFirstTimestamp,
      lastTimestamp: deprecatedLastTimestamp,
      source: deprecatedSource,
      ...rest
    }) {
      return {
        ...rest,
        ...(reportingComponent ? { reportingController: reportingComponent } : {}),
        ...(reportingInstance ? { reportingInstance } : {}),
        ...present({
          regarding,
          note,
          deprecatedSource,
          deprecatedFirstTimestamp,
          deprecatedLastTimestamp,
          deprecatedCount,
        }),
      };
    },
  });
}
