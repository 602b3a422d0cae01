/** Events of `events.k8s.io` over those of the core group. Source: `pkg/apis/events/{v1,v1beta1}/conversion.go`. */
import { fields } from '#pkg/apimachinery/draft.ts';
import { type Converter, renameFields } from '#pkg/apiserver/converters/converter.ts';

/** Fields that core/v1 spells otherwise, as `[served, stored]`. */
const names: readonly (readonly [string, string])[] = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedCount', 'count'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedSource', 'source'],
];
const storedNames = new Map(names);
const servedNames = new Map(names.map(([served, stored]) => [stored, served]));

/** The converter of one version, whose `apiVersion` is given. */
export function eventConverter(apiVersion: string): Converter {
  return {
    toStored: (draft) => ({
      reportingComponent: '',
      reportingInstance: '',
      ...renameFields(draft, storedNames),
      apiVersion: 'v1',
    }),
    fromStored(object) {
      const event = renameFields(object, servedNames);
      // The older form always shows these, the newer one only when there is something in them.
      for (const name of fields('reportingController', 'reportingInstance')) if (event[name] === '') delete event[name];
      return { ...event, apiVersion };
    },
  };
}
