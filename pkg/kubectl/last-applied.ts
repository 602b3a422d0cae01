/** The note of what was last applied, which `apply` leaves on an object and works out removals from. Source: kubectl `pkg/util/apply.go`. */
import { isObject, parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Schema } from '#pkg/apimachinery/schema.ts';
import { digMap, digText } from './api.ts';
import type { Mapping } from './discovery.ts';
import { sortedJson } from './sorted-json.ts';

/** The annotation that holds it. */
export const lastAppliedKey = 'kubectl.kubernetes.io/last-applied-configuration';

/** The object with the note of itself. */
export function withLastApplied(object: JsonObject): JsonObject {
  const { [lastAppliedKey]: _, ...annotations } = digMap(object, 'metadata', 'annotations');
  const plain = { ...object, metadata: { ...digMap(object, 'metadata'), annotations } };
  const note = `${sortedJson(plain)}\n`;
  return {
    ...plain,
    metadata: { ...digMap(object, 'metadata'), annotations: { ...annotations, [lastAppliedKey]: note } },
  };
}

/** The text of the note; empty without one. */
export function lastAppliedText(object: JsonObject): string {
  return digText(object, 'metadata', 'annotations', lastAppliedKey);
}

/** What was last applied; nothing where there is no note, or one that is none. */
export function lastApplied(object: JsonObject): JsonObject {
  const text = lastAppliedText(object);
  if (text === '') return {};
  const value: unknown = parseJson(text);
  return isObject(value) ? value : {};
}

/** The shape of a built-in kind, by which strategic merge patches are made; undefined for others. */
export async function schemaOf({ group, version, kind }: Mapping): Promise<Schema | undefined> {
  // The table of facts takes longer to load than most commands.
  const { kindFact, typeSchema } = await import('#pkg/api/facts.ts');
  const fact = kindFact({ group, version, kind });
  return fact === undefined ? undefined : typeSchema(fact.type);
}

/** The content type of a patch that was made with or without a schema. */
export function patchType(schema: Schema | undefined): string {
  return schema === undefined ? 'application/merge-patch+json' : 'application/strategic-merge-patch+json';
}
