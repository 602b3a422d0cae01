/**
 * Priority levels of flowcontrol.apiserver.k8s.io before v1, where shares were no pointer: zero means the default in them.
 * Source: `pkg/apis/flowcontrol/{v1beta1,v1beta2,v1beta3}/{conversion,defaults}.go`.
 */
import type { PriorityLevelConfiguration as V1beta1 } from '#pkg/api/types/flowcontrol-v1beta1.ts';
import type { PriorityLevelConfiguration as V1beta2 } from '#pkg/api/types/flowcontrol-v1beta2.ts';
import {
  priorityLevelConfigurations,
  priorityLevelConfigurationsV1beta1,
  priorityLevelConfigurationsV1beta2,
  priorityLevelConfigurationsV1beta3,
} from '#pkg/api/types/refs.ts';
import type { KubeObject, ObjectMeta, ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Converter, converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** What v1beta3 says of a zero that is meant. Source: `PriorityLevelPreserveZeroConcurrencySharesKey`. */
const zeroAnnotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

/** v1beta1 and v1beta2, which call the shares assured. */
export function assuredSharesConverter(version: 'v1beta1' | 'v1beta2'): Converter {
  const served: ResourceRef<V1beta1 | V1beta2> =
    version === 'v1beta1' ? priorityLevelConfigurationsV1beta1 : priorityLevelConfigurationsV1beta2;
  return converterOf(served, priorityLevelConfigurations, {
    toStored({ spec, ...rest }) {
      if (!spec?.limited) return { ...rest, ...present({ spec }) };
      const { assuredConcurrencyShares: shares, ...limited } = spec.limited;
      return { ...rest, spec: { ...spec, limited: { ...nonZero(shares), ...limited } } };
    },
    fromStored({ spec, ...rest }) {
      if (!spec?.limited) return { ...rest, ...present({ spec }) };
      const { nominalConcurrencyShares: shares, ...limited } = spec.limited;
      return { ...rest, spec: { ...spec, limited: { assuredConcurrencyShares: shares ?? 0, ...limited } } };
    },
  });
}

/** v1beta3, in which an annotation keeps a zero from becoming the default. */
export const nominalSharesConverter: Converter = converterOf(
  priorityLevelConfigurationsV1beta3,
  priorityLevelConfigurations,
  {
    toStored(draft) {
      const { [zeroAnnotation]: kept, ...annotations } = draft.metadata?.annotations ?? {};
      const { spec, ...rest } = draft;
      if (kept !== undefined) return { ...rest, metadata: annotated(draft, annotations), ...present({ spec }) };
      if (!spec?.limited) return { ...rest, ...present({ spec }) };
      const { nominalConcurrencyShares: shares, ...limited } = spec.limited;
      return { ...rest, spec: { ...spec, limited: { ...nonZero(shares), ...limited } } };
    },
    fromStored({ spec, ...rest }) {
      if (!spec?.limited) return { ...rest, ...(spec && { spec: unlimited(spec) }) };
      const { nominalConcurrencyShares: shares, ...limited } = spec.limited;
      const served = {
        ...spec,
        limited: { ...(typeof shares === 'number' && { nominalConcurrencyShares: shares }), ...limited },
      };
      if (shares) return { ...rest, spec: served };
      const annotations = { ...rest.metadata?.annotations, [zeroAnnotation]: '' };
      return { ...rest, metadata: annotated(rest, annotations), spec: served };
    },
  },
);

function nonZero(shares: number | null | undefined): { readonly nominalConcurrencyShares?: number } {
  return shares ? { nominalConcurrencyShares: shares } : {};
}

function annotated({ metadata = {} }: KubeObject, annotations: Readonly<Record<string, string>>): ObjectMeta {
  const { annotations: _, ...rest } = metadata;
  return Object.keys(annotations).length === 0 ? rest : { ...rest, annotations };
}

function unlimited<T extends { readonly limited?: unknown }>({ limited: _, ...spec }: T): Omit<T, 'limited'> {
  return spec;
}
