/**
 * Namespaces. The finalizer in their spec holds one until the namespace controller has emptied it; only the subresource `finalize`
 * takes it away. Source: upstream `pkg/registry/core/namespace/strategy.go`.
 */
import { at, type FieldError, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { ensureObject, fieldsOf, listAt, objectAt, restoreField, stringAt } from '../draft.ts';
import { keepStatus } from '../status.ts';
import { namespaceTable } from './tables.ts';

/** The label by which selectors name a namespace. */
const nameLabel = 'kubernetes.io/metadata.name';

const finalizer = 'kubernetes';

function setNameLabel(draft: JsonObject): void {
  const metadata = objectAt(draft, 'metadata');
  const name = stringAt(metadata, 'name');
  if (metadata === undefined || name === '') return;
  const labels = ensureObject(metadata, 'labels');
  if (labels !== undefined) labels[nameLabel] = name;
}

const standardFinalizers = ['foregroundDeletion', finalizer, 'orphan'];

function finalizerErrors(name: string, path: FieldPath): readonly FieldError[] {
  const problems = qualifiedNameProblems(name);
  if (problems.length > 0) return problems.map((problem) => invalid(path, name, problem));
  if (name.includes('/') || standardFinalizers.includes(name)) return [];
  return [invalid(path, name, 'name is neither a standard finalizer name nor is it fully qualified')];
}

function finalizersOf(draft: JsonObject): readonly string[] {
  return listAt(draft, 'spec', 'finalizers').map(String);
}

/** A namespace is ending exactly when it has been deleted. */
function phaseErrors(draft: JsonObject): readonly FieldError[] {
  const isDeleted = stringAt(draft, 'metadata', 'deletionTimestamp') !== '';
  const [wanted, condition] = isDeleted ? ['Terminating', 'is not empty'] : ['Active', 'is empty'];
  const phase = stringAt(draft, 'status', 'phase');
  if (phase === wanted) return [];
  return [invalid('status.Phase', phase, `may only be '${wanted}' if \`deletionTimestamp\` ${condition}`)];
}

function keepFinalizers(draft: JsonObject, old: KubeObject): void {
  restoreField(draft, fieldsOf(old), 'spec');
}

/** Namespaces, with their finalizer and its subresource. */
export const namespaceStrategy: Strategy = {
  group: '',
  resource: 'namespaces',
  nameRule: 'dns1123Label',
  tracksGeneration: false,
  setDefaults(draft) {
    setNameLabel(draft);
    const status = objectAt(draft, 'status');
    if (status !== undefined && !status.phase) status.phase = 'Active';
  },
  prepareForCreate(draft) {
    setNameLabel(draft);
    draft.status = { phase: 'Active' };
    const spec = ensureObject(draft, 'spec') ?? {};
    const finalizers = listAt(spec, 'finalizers');
    draft.spec = { ...spec, finalizers: finalizers.includes(finalizer) ? finalizers : [...finalizers, finalizer] };
  },
  prepareForUpdate(draft, old) {
    keepFinalizers(draft, old);
    keepStatus(draft, old);
  },
  pendingFinalizers: (namespace) => listAt(namespace, 'spec', 'finalizers').length,
  prepareForDelete(draft) {
    draft.status = { ...objectAt(draft, 'status'), phase: 'Terminating' };
  },
  validate: (draft) => finalizersOf(draft).flatMap((name) => finalizerErrors(name, 'spec.finalizers')),
  selectableFields: (namespace) => ({ 'status.phase': stringAt(namespace, 'status', 'phase') }),
  subresources: {
    status: { prepareForUpdate: keepFinalizers, validateUpdate: phaseErrors },
    finalize: {
      verbs: ['update'],
      prepareForUpdate: keepStatus,
      validateUpdate: (draft) =>
        finalizersOf(draft).flatMap((name, index) => finalizerErrors(name, at('spec.finalizers', index))),
    },
  },
  table: namespaceTable,
  bootstrap: ['default', 'kube-node-lease', 'kube-public', 'kube-system'].map((name) => ({
    metadata: { name, labels: { [nameLabel]: name } },
    spec: { finalizers: [finalizer] },
    status: { phase: 'Active' },
  })),
};
