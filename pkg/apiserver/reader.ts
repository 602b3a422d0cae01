/** Reads and writes of the server's own resources, past authorization and admission: for strategies and admission plugins. */
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { deepClone } from '#pkg/apimachinery/json.ts';
import { mergeObjects } from '#pkg/apimachinery/managed-fields/merge.ts';
import { typedErrors } from '#pkg/apimachinery/managed-fields/typed-errors.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import { writeObjects, writeUnset } from '#pkg/apimachinery/write-unset.ts';
import { type Awaitable, onceThere } from '#pkg/base/async.ts';
import type { Catalog, ServedResource } from './catalog.ts';
import { betweenVersions } from './converters/between-versions.ts';
import type { AdmissionSubject, RegistryWriter } from './strategy.ts';

/** Reads the stored version, or any served one of it. A resource that is not served has no objects. */
export function registryReader(catalog: () => Catalog): RegistryWriter {
  return {
    get(resource, namespace, name): Awaitable<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      if (served === undefined) return undefined;
      const entry = served.store.getSettled(served.store.key(namespace, name));
      return onceThere(entry, (found) => found && served.view.object(found));
    },
    list(resource, namespace = ''): Awaitable<readonly KubeObject[]> {
      const served = catalog().findAny(resource);
      if (served === undefined) return [];
      const entries = served.store.listSettled(served.store.scope(namespace));
      return onceThere(entries, (found) => found.map((entry) => served.view.object(entry)));
    },
    async swap(resource, { metadata = {} }, draft): Promise<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      if (served === undefined) return undefined;
      const key = served.store.key(metadata.namespace ?? '', metadata.name ?? '');
      const result = await served.store.put(key, draft, Number(metadata.resourceVersion));
      return result.ok ? result.entry.object : undefined;
    },
    ofKind({ group, version, kind }) {
      for (const { info } of catalog().served()) {
        if (info.group === group && info.version === version && info.kind === kind) return info;
      }
      return undefined;
    },
    equivalents: (request) => equivalentsOf(catalog(), request),
    inVersion(object, from, to) {
      const [own, other] = [catalog().find(from), catalog().find(to)];
      if (own === undefined || other === undefined || own === other) return object;
      if (own.remote !== undefined) return own.remote.inVersion(object, other.apiVersion);
      return betweenVersions(deepClone(object), { from: own, to: other });
    },
    remade: (request, object) => remadeObject(catalog().find(request), object),
    merged(request, object, configuration) {
      const served = catalog().find(request);
      if (served === undefined) throw new Error(`${request.resource} is not served`);
      const problems = typedErrors(configuration, served.schema);
      if (problems !== undefined) throw new Error(problems);
      return mergeObjects(object, configuration, served.schema);
    },
  };
}

function equivalentsOf(catalog: Catalog, request: AdmissionSubject): readonly AdmissionSubject[] {
  const own = catalog.find(request);
  if (own === undefined) return [];
  const found: AdmissionSubject[] = [];
  for (const other of catalog.served()) if (other !== own && other.base === own.base) found.push(other.info);
  return found;
}

/** Unknown fields are dropped, as where an object is read. */
function remadeObject(served: ServedResource | undefined, object: JsonObject): JsonObject {
  if (served === undefined) return object;
  const { schema, strategy } = served;
  const { object: draft, typeError } = convertAndCheck(object, schema, { strict: 'Ignore' });
  if (typeError !== undefined) throw internalError(new Error(typeError));
  writeObjects(draft, schema);
  applySchemaDefaults(draft, schema);
  strategy.setDefaults?.(draft);
  writeUnset(draft, schema);
  draft.kind = served.info.kind;
  draft.apiVersion = served.apiVersion;
  return draft;
}
