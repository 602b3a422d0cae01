/**
 * Gives pods that ask for extended resources a toleration of the taint that nodes with such a resource may have, under its name.
 * Source: upstream `plugin/pkg/admission/extendedresourcetoleration`, `pkg/apis/core/helper` `AddOrUpdateTolerationInPod`.
 */
import { isExtendedResource } from '#pkg/api/core/resource-names.ts';
import type { Toleration } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { aboutPod } from '../pods.ts';

/** Adds the tolerations. */
export const extendedResourceTolerationPlugin: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && aboutPod(attributes) !== undefined,
  admit(attributes) {
    const draft = aboutPod(attributes)?.draft;
    const spec = draft?.spec;
    if (draft === undefined || spec === undefined) return;
    const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    const names = new Set(
      containers.flatMap(({ resources }) => Object.keys(resources?.requests ?? {})).filter(isExtendedResource),
    );
    let tolerations: readonly Given<Toleration>[] = spec.tolerations ?? [];
    for (const key of [...names].sort()) {
      const added = { key, operator: 'Exists', effect: 'NoSchedule' };
      const isSame = (one: Given<Toleration>): boolean =>
        one.key === key && one.effect === 'NoSchedule' && one.operator === 'Exists' && !one.value;
      if (!tolerations.some(isSame)) tolerations = [...tolerations, added];
    }
    if (tolerations !== spec.tolerations && names.size > 0) draft.spec = { ...spec, tolerations: [...tolerations] };
  },
};
