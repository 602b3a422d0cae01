/**
 * The types of objects that are being made or judged: the generated wire types (`#pkg/api/types`) with every field optional, all the way down. A
 * rule that names a field which its kind does not have fails the type check.
 *
 * What makes the types true for bytes that anybody may have sent: an object reaches a rule only after `convertAndCheck`
 * (`#pkg/api/validation/structural.ts`) has walked it against the same table of facts that the types are generated from. After it a field is
 * absent or has the JSON type that is declared for it, items of lists and values of maps are never null, and a field that Go writes as null
 * (`| null` in the generated type) may be null. That says nothing of what is required: hence the optional fields. Keys such as `__proto__`
 * are no fields of any type and occur only as own keys of maps, which are read with `Object.hasOwn` or `Object.entries`.
 *
 * Holds for built-in kinds alone. Custom resources have no types here; they are read by name (`JsonObject`).
 */

/** What has no fields. Strings with known values are an open union, which must stay one. */
type Scalar = string | number | boolean | null | undefined;

/** Lists of metadata that are put in their place as a whole: their items are never built up field by field. */
type WholeLists = 'managedFields' | 'ownerReferences';

type IsMap<T> = string extends keyof T ? true : false;

/** An object under construction, changed in place. Belongs to one request. */
export type Draft<T> = T extends Scalar
  ? T
  : unknown extends T
    ? T
    : T extends readonly (infer Item)[]
      ? Draft<Item>[]
      : DraftObject<T>;

type DraftObject<T> =
  IsMap<T> extends true
    ? { -readonly [K in keyof T]: Draft<T[K]> }
    : { -readonly [K in keyof T]?: K extends WholeLists ? T[K] : Draft<T[K]> };

/** An object as it was given, of which any field may be missing: for whoever reads and never changes. A `Draft<T>` and a `T` are both one. */
export type Given<T> = T extends Scalar
  ? T
  : unknown extends T
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Given<Item>[]
      : GivenObject<T>;

type GivenObject<T> =
  IsMap<T> extends true
    ? { readonly [K in keyof T]: Given<T[K]> }
    : { readonly [K in keyof T]?: K extends WholeLists ? T[K] : Given<T[K]> };

/** Names of fields for a loop over them: each keeps its own type, so that it is checked where it is used. */
export function fields<const Name extends string>(...names: readonly Name[]): readonly Name[] {
  return names;
}

/** The names of the fields of `T` that hold a `Value`, for rules that are the same for several fields. */
export type FieldsWith<T, Value> = {
  [K in keyof T]-?: NonNullable<T[K]> extends Value ? K : never;
}[keyof T] &
  string;
