/** Patches of a kustomization, strategic ones and JSON Patches. Source: kustomize `PatchTransformer`, `PatchJson6902Transformer`. */
import { kindFact, typeSchema } from '#pkg/api/facts.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch } from '#pkg/apimachinery/patch/json-patch.ts';
import type { Schema } from '#pkg/apimachinery/schema.ts';
import { readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { flag, type Mapping, mapAt, readingOptions, textAt } from './kustomization.ts';
import { mergePatch } from './merge.ts';
import { effectiveNamespace, idOf, idsOf, idText, keepId, type Resource } from './resource.ts';
import { selected } from './selection.ts';

/** Applies one entry of `patches` or `patchesJson6902`. What a patch deletes is taken out of the list. */
export function applyPatch(resources: Resource[], entry: Mapping, read: (path: string) => string): void {
  const path = textAt(entry, 'path');
  const inline = textAt(entry, 'patch').trim();
  if (path === '' && inline === '') throw new UserError('error: must specify one of patch and path');
  if (path !== '' && inline !== '') throw new UserError("error: patch and path can't be set at the same time");
  const values = valuesOf(inline === '' ? read(path) : inline);
  const target = isObject(entry.target) ? entry.target : undefined;
  const [first] = values;
  if (Array.isArray(first)) {
    if (target === undefined) throw new UserError('error: must specify a target for JSON patch');
    for (const resource of selected(resources, target)) applyOperations(resource, first);
    return;
  }
  for (const patch of values) {
    if (!isObject(patch)) throw new UserError(`error: unable to parse SM or JSON patch from [${inline || path}]`);
    const among = target === undefined ? [targetOf(resources, patch)] : selected(resources, target);
    for (const resource of among) merge(resources, { resource, patch, options: mapAt(entry, 'options') });
  }
}

/** Applies one entry of `patchesStrategicMerge`: a file, or the patch itself. */
export function applyStrategicPatch(resources: Resource[], entry: string, read: (path: string) => string): void {
  const isInline = /\n|:\s/.test(entry);
  for (const patch of valuesOf(isInline ? entry : read(entry))) {
    if (!isObject(patch)) throw new UserError(`error: unable to parse SM or JSON patch from [${entry}]`);
    merge(resources, { resource: targetOf(resources, patch), patch, options: {} });
  }
}

function valuesOf(text: string): readonly unknown[] {
  try {
    return readYaml(text, readingOptions)
      .map(({ value }) => value)
      .filter((value) => value !== null);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new UserError(`error: unable to parse SM or JSON patch from [${text}]: ${error.message}`);
  }
}

/** The one object that has the id of a patch, by any of its names. */
function targetOf(resources: readonly Resource[], patch: JsonObject): Resource {
  const wanted = idOf(patch);
  const found = resources.filter((resource) =>
    idsOf(resource).some(
      (id) =>
        id.group === wanted.group &&
        id.version === wanted.version &&
        id.kind === wanted.kind &&
        id.name === wanted.name &&
        effectiveNamespace(id) === effectiveNamespace(wanted),
    ),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (only === undefined) {
    throw new UserError(
      `error: no resource matches strategic merge patch "${idText(wanted)}": no matches for Id ${idText(wanted)}; failed to find unique target for patch ${idText(wanted)}`,
    );
  }
  throw new UserError(
    `error: multiple matches for Id ${idText(wanted)}; failed to find unique target for patch ${idText(wanted)}`,
  );
}

interface Merge {
  readonly resource: Resource;
  readonly patch: JsonObject;
  readonly options: Mapping;
}

function merge(resources: Resource[], { resource, patch, options }: Merge): void {
  const { object } = resource;
  const id = idOf(object);
  const merged = mergePatch(object, patch, schemaOf(object));
  if (merged === undefined) {
    resources.splice(resources.indexOf(resource), 1);
    return;
  }
  const metadata = { ...mapAt(merged, 'metadata') };
  if (!flag(options, 'allowNameChange')) {
    metadata.name = id.name;
    if (id.namespace !== '') metadata.namespace = id.namespace;
  } else keepId(resource);
  if (!flag(options, 'allowKindChange')) Object.assign(merged, { apiVersion: object.apiVersion, kind: object.kind });
  resource.object = { ...merged, metadata };
}

function schemaOf(object: JsonObject): Schema | undefined {
  const fact = kindFact(idOf(object));
  return fact === undefined ? undefined : typeSchema(fact.type);
}

function applyOperations(resource: Resource, patch: readonly unknown[]): void {
  const applied = applyJsonPatch(resource.object, patch);
  if (!applied.ok || !isObject(applied.value)) {
    const why = applied.ok ? 'it leaves no object' : String(applied.error.cause ?? applied.error.message);
    throw new UserError(`error: cannot patch ${idText(idOf(resource.object))}: ${why}`);
  }
  keepId(resource);
  resource.object = structuredClone(applied.value);
}
