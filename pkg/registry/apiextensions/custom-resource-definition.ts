/** Custom resource definitions, as objects; `custom-resources.ts` serves what they define. Source: upstream `apiextensions/v1/defaults.go`, `pkg/registry/customresourcedefinition`. */
import type { CustomResourceDefinitionStatus } from '#pkg/api/types/apiextensions-v1.ts';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { ensureObject, listAt, objectAt, objectsAt, setDefault, shared, stringAt } from '../draft.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { keepStatus } from '../status.ts';
import { cleanupFinalizer } from './conditions.ts';
import { validateDefinition, validateDefinitionUpdate } from './validation.ts';

const httpsPort = 443;

function setDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  const names = objectAt(spec, 'names');
  if (names !== undefined) {
    const kind = stringAt(names, 'kind');
    setDefault(names, 'singular', kind.toLowerCase());
    setDefault(names, 'listKind', `${kind}List`);
  }
  const conversion = ensureObject(spec, 'conversion');
  if (conversion === undefined) return;
  setDefault(conversion, 'strategy', 'None');
  const service = objectAt(conversion, 'webhook', 'clientConfig', 'service');
  if (service !== undefined) setDefault(service, 'port', httpsPort);
}

function storageVersion(draft: JsonObject): string | undefined {
  const version = objectsAt(draft, 'spec', 'versions').find((candidate) => candidate.storage === true);
  return version === undefined ? undefined : stringAt(version, 'name');
}

/** At the first request to delete it. Source: upstream `registry/customresourcedefinition/etcd.go` `Delete`. */
function beginDeletion(draft: JsonObject): void {
  const metadata = objectAt(draft, 'metadata') ?? {};
  const finalizers = listAt(metadata, 'finalizers');
  if (!finalizers.includes(cleanupFinalizer)) metadata.finalizers = [...finalizers, cleanupFinalizer];
  const others = objectsAt(draft, 'status', 'conditions').filter(({ type }) => type !== 'Terminating');
  const terminating = {
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: metadata.deletionTimestamp,
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  };
  draft.status = { ...objectAt(draft, 'status'), conditions: [...others, terminating] };
}

/** Definitions as objects. */
export const customResourceDefinitionStrategy = rulesOf(customResourceDefinitions, {
  keeping: { keyName: 'apiextensions.k8s.io/customresourcedefinitions' },
  unconditionalUpdate: false,
  setDefaults,
  prepareForCreate(draft) {
    const stored = storageVersion(draft);
    draft.status = {
      conditions: null,
      acceptedNames: { plural: '', kind: '' },
      storedVersions: stored === undefined ? [] : [stored],
    };
  },
  prepareForUpdate(draft, old) {
    keepStatus(draft, old);
    const stored = storageVersion(draft);
    const versions = old.status?.storedVersions ?? [];
    if (stored === undefined || versions.includes(stored)) return;
    draft.status = {
      ...shared<CustomResourceDefinitionStatus>(old.status ?? {}),
      storedVersions: [...versions, stored],
    };
  },
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  // Its deletion always waits for its objects, however few.
  pendingFinalizers: ({ metadata }) => (metadata?.deletionTimestamp === undefined ? 1 : 0),
  prepareForDelete: beginDeletion,
  table: nameAndCreatedTable,
});
