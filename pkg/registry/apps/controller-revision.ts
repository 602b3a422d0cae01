/** Controller revisions: snapshots whose data never changes. Source: upstream `pkg/registry/apps/controllerrevision`. */

import type { ControllerRevision } from '#pkg/api/types/apps-v1.ts';
import { controllerRevisions } from '#pkg/api/types/refs.ts';
import { pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { Collector } from '../validation/collector.ts';
import { controllerRevisionTable } from './workload-tables.ts';

const field = pathsOf<ControllerRevision>();

/** Refuses every change of `data`. */
export const controllerRevisionStrategy = rulesOf(controllerRevisions, {
  validate(draft) {
    const into = new Collector();
    if (draft.data === undefined || draft.data === null) into.add(required(field('data'), 'data is mandatory'));
    into.notNegative(field('revision'), draft.revision);
    return into.errors;
  },
  validateUpdate(draft, old) {
    const into = new Collector();
    into.unchanged(field('data'), draft.data, old.data);
    return into.errors;
  },
  table: controllerRevisionTable,
});
