/** Makes a draft what somebody has made of it. Whoever holds the draft, or its metadata, sees the change. */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** `made` belongs to the draft from then on. */
export function putInPlace(draft: JsonObject, made: JsonObject): void {
  const { metadata } = draft;
  if (isObject(metadata) && isObject(made.metadata)) {
    fill(metadata, made.metadata);
    fill(draft, { ...made, metadata });
  } else fill(draft, made);
}

function fill(object: JsonObject, fields: JsonObject): void {
  for (const name of Object.keys(object)) delete object[name];
  for (const name of Object.keys(fields)) setOwn(object, name, fields[name]);
}
