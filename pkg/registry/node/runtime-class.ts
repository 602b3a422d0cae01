/** Runtime classes. Source: upstream `ValidateRuntimeClass`, `printRuntimeClass`. */
import { invalid } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, stringAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';

export const runtimeClassStrategy: Strategy = {
  group: 'node.k8s.io',
  resource: 'runtimeclasses',
  unconditionalUpdate: false,
  validate(draft) {
    const handler = stringAt(draft, 'handler');
    return dns1123LabelProblems(handler).map((problem) => invalid('handler', handler, problem));
  },
  validateUpdate: (draft, old) =>
    draft.handler === fieldsOf(old).handler ? [] : [invalid('handler', draft.handler, 'field is immutable')],
  table: {
    columns: [nameColumn, column('Handler'), ageColumn],
    cells: (object, nowMs) => [nameOf(object), stringAt(object, 'handler'), age(object, nowMs)],
  },
};
