/** Where workloads keep what their `scale` subresource shows. */

import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import type { Labels } from '#pkg/apimachinery/label-selector.ts';
import type { Rules } from '#pkg/apiserver/strategy.ts';
import { formatLabels, none, selectorText } from './columns.ts';

/** Where `scale` finds its values in objects of type `T`. */
type ScaleRules<T> = NonNullable<Rules<T>['scale']>;

interface Selecting<Selector> {
  readonly spec?: { readonly replicas?: number | null; readonly selector?: Selector };
  readonly status?: { readonly replicas?: number };
}

/** For kinds with `spec.replicas`, `status.replicas` and a `LabelSelector`. */
export const selectorScale: ScaleRules<Selecting<LabelSelector>> = {
  specReplicasPath: ['spec', 'replicas'],
  statusReplicasPath: ['status', 'replicas'],
  selector: (object) => selectorText(object.spec?.selector),
};

/** The same for a selector that is a plain map of labels. */
export const labelsScale: ScaleRules<Selecting<Labels>> = {
  ...selectorScale,
  selector(object) {
    const text = formatLabels(object.spec?.selector);
    return text === none ? '' : text;
  },
};
