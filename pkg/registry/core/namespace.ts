/**
 * Namespaces. The finalizer in their spec holds one until the namespace controller has emptied it; only the subresource `finalize`
 * takes it away. Source: upstream `pkg/registry/core/namespace/strategy.go`.
 */

import type { Namespace } from '#pkg/api/types/core-v1.ts';
import { namespaces } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { at, type FieldError, type FieldPath, invalid, pathsOf, untyped } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { restoreField } from '../draft.ts';
import { keepStatus } from '../status.ts';
import { namespaceTable } from './tables.ts';

const field = pathsOf<Namespace>();

/** The label by which selectors name a namespace. */
const nameLabel = 'kubernetes.io/metadata.name';

const finalizer = 'kubernetes';

function setNameLabel(draft: Draft<Namespace>): void {
  const metadata = draft.metadata;
  const name = metadata?.name ?? '';
  if (metadata === undefined || name === '') return;
  metadata.labels ??= {};
  metadata.labels[nameLabel] = name;
}

const standardFinalizers = ['foregroundDeletion', finalizer, 'orphan'];

function finalizerErrors(name: string, path: FieldPath): readonly FieldError[] {
  const problems = qualifiedNameProblems(name);
  if (problems.length > 0) return problems.map((problem) => invalid(path, name, problem));
  if (name.includes('/') || standardFinalizers.includes(name)) return [];
  return [invalid(path, name, 'name is neither a standard finalizer name nor is it fully qualified')];
}

function finalizersOf(draft: Given<Namespace>): readonly string[] {
  return draft.spec?.finalizers ?? [];
}

/** A namespace is ending exactly when it has been deleted. */
function phaseErrors(draft: Given<Namespace>): readonly FieldError[] {
  const isDeleted = (draft.metadata?.deletionTimestamp ?? '') !== '';
  const [wanted, condition] = isDeleted ? ['Terminating', 'is not empty'] : ['Active', 'is empty'];
  const phase = draft.status?.phase ?? '';
  if (phase === wanted) return [];
  return [invalid(untyped('status.Phase'), phase, `may only be '${wanted}' if \`deletionTimestamp\` ${condition}`)];
}

function keepFinalizers(draft: Draft<Namespace>, old: Given<Namespace>): void {
  restoreField(draft, old, 'spec');
}

/** Namespaces, with their finalizer and its subresource. */
export const namespaceStrategy = rulesOf(namespaces, {
  nameRule: 'dns1123Label',
  tracksGeneration: false,
  setDefaults(draft) {
    setNameLabel(draft);
    const status = draft.status;
    if (status !== undefined && !status.phase) status.phase = 'Active';
  },
  prepareForCreate(draft) {
    setNameLabel(draft);
    draft.status = { phase: 'Active' };
    const spec = draft.spec ?? {};
    const finalizers = spec.finalizers ?? [];
    draft.spec = { ...spec, finalizers: finalizers.includes(finalizer) ? finalizers : [...finalizers, finalizer] };
  },
  prepareForUpdate(draft, old) {
    keepFinalizers(draft, old);
    keepStatus(draft, old);
  },
  pendingFinalizers: (namespace) => (namespace.spec?.finalizers ?? []).length,
  prepareForDelete(draft) {
    draft.status = { ...draft.status, phase: 'Terminating' };
  },
  validate: (draft) => finalizersOf(draft).flatMap((name) => finalizerErrors(name, field('spec.finalizers'))),
  selectableFields: (namespace) => ({ 'status.phase': namespace.status?.phase ?? '' }),
  subresources: {
    status: { prepareForUpdate: keepFinalizers, validateUpdate: phaseErrors },
    finalize: {
      verbs: ['update'],
      prepareForUpdate: keepStatus,
      validateUpdate: (draft) =>
        finalizersOf(draft).flatMap((name, index) => finalizerErrors(name, at(field('spec.finalizers'), index))),
    },
  },
  table: namespaceTable,
  bootstrap: ['default', 'kube-node-lease', 'kube-public', 'kube-system'].map((name) => ({
    metadata: { name, labels: { [nameLabel]: name } },
    spec: { finalizers: [finalizer] },
    status: { phase: 'Active' },
  })),
});
