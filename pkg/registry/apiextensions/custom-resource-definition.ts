/** Custom resource definitions, as objects. Source: upstream `apiextensions/v1/defaults.go`, `pkg/registry/customresourcedefinition`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { ensureObject, listAt, objectAt, objectsAt, setDefault, stringAt } from '../draft.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { keepStatus } from '../status.ts';
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

/** Definitions as objects; what they define is served by the API server. */
export const customResourceDefinitionStrategy: Strategy = {
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
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
    const versions = listAt(old, 'status', 'storedVersions');
    if (stored === undefined || versions.includes(stored)) return;
    draft.status = { ...objectAt(old, 'status'), storedVersions: [...versions, stored] };
  },
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  table: nameAndCreatedTable,
};
