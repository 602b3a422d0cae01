/** Controller revisions: snapshots whose data never changes. Source: upstream `pkg/registry/apps/controllerrevision`. */
import { invalid } from '#pkg/apimachinery/field-error.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, semanticallySame } from '../draft.ts';
import { controllerRevisionTable } from './workload-tables.ts';

export const controllerRevisionStrategy: Strategy = {
  group: 'apps',
  resource: 'controllerrevisions',
  validate(draft) {
    const revision = draft.revision;
    return typeof revision === 'number' && revision < 0
      ? [invalid('revision', revision, 'must be greater than or equal to 0')]
      : [];
  },
  validateUpdate(draft, old) {
    return semanticallySame(draft.data, fieldsOf(old).data) ? [] : [invalid('data', draft.data, 'field is immutable')];
  },
  table: controllerRevisionTable,
};
