/** Controller revisions: snapshots whose data never changes. Source: upstream `pkg/registry/apps/controllerrevision`. */
import { required } from '#pkg/apimachinery/field-error.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { controllerRevisionTable } from './workload-tables.ts';

/** Refuses every change of `data`. */
export const controllerRevisionStrategy: Strategy = {
  group: 'apps',
  resource: 'controllerrevisions',
  validate(draft) {
    const into = new Collector();
    if (draft.data === undefined || draft.data === null) into.add(required('data', 'data is mandatory'));
    into.notNegative('revision', draft.revision);
    return into.errors;
  },
  validateUpdate(draft, old) {
    const into = new Collector();
    into.unchanged('data', draft.data, fieldsOf(old).data);
    return into.errors;
  },
  table: controllerRevisionTable,
};
