/** Runtime classes. Source: upstream `ValidateRuntimeClass`, `printRuntimeClass`. */

import type { RuntimeClass } from '#pkg/api/types/node-v1.ts';
import { runtimeClasses } from '#pkg/api/types/refs.ts';
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { checkResources } from '../core/validation/resources.ts';
import { checkTolerations } from '../core/validation/taints.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { Collector } from '../validation/collector.ts';
import { labelsErrors } from '../validation/selector.ts';
import { runtimeClassConverter } from './converter.ts';

const field = pathsOf<RuntimeClass>();

/** Runtime classes, whose handler stays. */
export const runtimeClassStrategy = rulesOf(runtimeClasses, {
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate(draft) {
    const into = new Collector();
    const handler = draft.handler ?? '';
    into.problems(field('handler'), handler, dns1123LabelProblems(handler));
    const limits = draft.overhead?.podFixed;
    if (limits !== undefined) checkResources(into, { limits }, { path: field('overhead'), claims: new Set() });
    const selector = draft.scheduling?.nodeSelector ?? {};
    into.add(...labelsErrors(selector, field('scheduling.nodeSelector')));
    checkTolerations(into, draft.scheduling?.tolerations ?? [], field('scheduling.tolerations'));
    return into.errors;
  },
  validateUpdate(draft, old) {
    const into = new Collector();
    into.unchanged(field('handler'), draft.handler, old.handler);
    return into.errors;
  },
  versions: { v1alpha1: { converter: runtimeClassConverter, stored: 'node.k8s.io/v1' } },
  table: {
    columns: [nameColumn, column('Handler'), ageColumn],
    cells: (object, nowMs) => [nameOf(object), object.handler ?? '', age(object, nowMs)],
  },
});
