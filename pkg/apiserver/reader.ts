/** Reads of the server's own resources, past authorization: for strategies and admission plugins. */
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { mergeObjects } from '#pkg/apimachinery/managed-fields/merge.ts';
import { typedErrors } from '#pkg/apimachinery/managed-fields/typed-errors.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import { writeObjects, writeUnset } from '#pkg/apimachinery/write-unset.ts';
import type { Catalog, ServedResource } from './catalog.ts';
import type { RegistryReader } from './strategy.ts';

/** Reads the stored version, or any served one of it. A resource that is not served has no objects. */
export function registryReader(catalog: () => Catalog): RegistryReader {
  return {
    async get(resource, namespace, name): Promise<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      const entry = await served?.store.getSettled(served.store.key(namespace, name));
      return entry && served!.view.object(entry);
    },
    async list(resource, namespace = ''): Promise<readonly KubeObject[]> {
      const served = catalog().findAny(resource);
      if (served === undefined) return [];
      const entries = await served.store.listSettled(served.store.scope(namespace));
      return entries.map((entry) => served.view.object(entry));
    },
    ofKind({ group, version, kind }) {
      for (const { info } of catalog().served()) {
        if (info.group === group && info.version === version && info.kind === kind) return info;
      }
      return undefined;
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
