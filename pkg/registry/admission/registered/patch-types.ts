/**
 * The types of which mutating policies make objects: `Object{…}`, `Object.spec{…}` with any fields, and `JSONPatch{…}`.
 * Source: apiserver `pkg/cel/mutation`.
 */
import { dynType, objectType, stringType, type Type, type TypeField } from '#pkg/cel/types.ts';

/** Has every field; those of an object are what it says that they are. */
class AnyFields extends Map<string, TypeField> {
  override get(name: string): TypeField {
    return { name, type: dynType };
  }
}

/** One operation of a JSON patch. */
export const jsonPatchType: Type = objectType(
  'JSONPatch',
  new Map([
    ['op', { name: 'op', type: stringType }],
    ['path', { name: 'path', type: stringType }],
    ['from', { name: 'from', type: stringType }],
    ['value', { name: 'value', type: dynType }],
  ]),
);

/** An object, or a part of one by its path. */
export const applyType: Type = objectType('Object', new AnyFields());

/** The type of a name; undefined for others. */
export function patchTypeOf(name: string): Type | undefined {
  if (name === 'JSONPatch') return jsonPatchType;
  return name === 'Object' || name.startsWith('Object.') ? objectType(name, new AnyFields()) : undefined;
}
