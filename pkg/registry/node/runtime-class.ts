/** Runtime classes. Source: upstream `ValidateRuntimeClass`, `printRuntimeClass`. */

import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { checkResources } from '../core/validation/resources.ts';
import { checkTolerations } from '../core/validation/taints.ts';
import { fieldsOf, objectAt, objectsAt, stringAt, stringMapAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { Collector } from '../validation/collector.ts';
import { labelsErrors } from '../validation/selector.ts';
import { runtimeClassConverter } from './converter.ts';

/** Runtime classes, whose handler stays. */
export const runtimeClassStrategy: Strategy = {
  group: 'node.k8s.io',
  resource: 'runtimeclasses',
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate(draft) {
    const into = new Collector();
    const handler = stringAt(draft, 'handler');
    into.problems('handler', handler, dns1123LabelProblems(handler));
    const limits = objectAt(draft, 'overhead', 'podFixed');
    if (limits !== undefined) checkResources(into, { limits }, { path: 'overhead', claims: new Set() });
    const selector = stringMapAt(draft, 'scheduling', 'nodeSelector');
    into.add(...labelsErrors(selector, 'scheduling.nodeSelector'));
    checkTolerations(into, objectsAt(draft, 'scheduling', 'tolerations'), 'scheduling.tolerations');
    return into.errors;
  },
  validateUpdate(draft, old) {
    const into = new Collector();
    into.unchanged('handler', draft.handler, fieldsOf(old).handler);
    return into.errors;
  },
  versions: { v1alpha1: { converter: runtimeClassConverter, stored: 'node.k8s.io/v1' } },
  table: {
    columns: [nameColumn, column('Handler'), ageColumn],
    cells: (object, nowMs) => [nameOf(object), stringAt(object, 'handler'), age(object, nowMs)],
  },
};
