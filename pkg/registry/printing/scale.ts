/** Where workloads keep what their `scale` subresource shows. */
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { objectAt, stringMapAt } from '../draft.ts';
import { formatLabels, none, selectorText } from './columns.ts';

/** For kinds with `spec.replicas`, `status.replicas` and a `LabelSelector`. */
export const selectorScale: NonNullable<Strategy['scale']> = {
  specReplicasPath: ['spec', 'replicas'],
  statusReplicasPath: ['status', 'replicas'],
  selector: (object) => selectorText(objectAt(object, 'spec', 'selector')),
};

/** The same for a selector that is a plain map of labels. */
export const labelsScale: NonNullable<Strategy['scale']> = {
  ...selectorScale,
  selector(object) {
    const text = formatLabels(stringMapAt(object, 'spec', 'selector'));
    return text === none ? '' : text;
  },
};
