/**
 * A spec that others are made of which differ from it by one name at random: where that name stands in it is found once, and a further spec
 * is a copy of what lies on the way there. All else is the model's, so that what a thousand pods have in common is in memory once.
 *
 * Invariant: the spec that comes of a name has the text of the model with that name in the place of its own. The model is never changed, and
 * whoever is given a spec may set its own fields but nothing further down.
 */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** Where the name is below an object or a list: by key or index, `true` for a text that has it. */
type Places = ReadonlyMap<string, Places | true>;

/** One spec, and the name in it. */
export class SpecModel {
  readonly #spec: Readonly<JsonObject>;
  readonly #name: string | undefined;
  readonly #places: Places | undefined;

  /** `name` is undefined where nothing in the spec is random. It must not be a part of a key: see `canBeModel`. */
  constructor(spec: Readonly<JsonObject>, name: string | undefined) {
    this.#spec = spec;
    this.#name = name;
    this.#places = name === undefined ? undefined : placesIn(spec, name);
  }

  /** The spec with another name in the place of the model's. `name` is given where the model has one. */
  named(name: string | undefined): JsonObject {
    if (this.#places === undefined || this.#name === undefined || name === undefined) return { ...this.#spec };
    return renamedObject(this.#spec, this.#places, { from: this.#name, to: name });
  }
}

/** Whether a spec can be a model: no key in it has the name, as keys would have to change their places. */
export function canBeModel(spec: unknown, name: string | undefined): boolean {
  if (name === undefined || typeof spec !== 'object' || spec === null) return true;
  if (Array.isArray(spec)) return spec.every((item) => canBeModel(item, name));
  return Object.entries(spec).every(([key, value]) => !key.includes(name) && canBeModel(value, name));
}

function placesIn(value: object, name: string): Places | undefined {
  let places: Map<string, Places | true> | undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = typeof inner === 'string' ? inner.includes(name) : isHolder(inner) && placesIn(inner, name);
    if (found === false || found === undefined) continue;
    places ??= new Map();
    places.set(key, found);
  }
  return places;
}

function isHolder(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

interface Renaming {
  readonly from: string;
  readonly to: string;
}

function renamedObject(object: Readonly<JsonObject>, places: Places, renaming: Renaming): JsonObject {
  const copy: JsonObject = { ...object };
  for (const [key, inner] of places) setOwn(copy, key, renamedAt(copy[key], inner, renaming));
  return copy;
}

function renamedAt(value: unknown, places: Places | true, renaming: Renaming): unknown {
  const { from, to } = renaming;
  if (places === true) return value === from ? to : String(value).replaceAll(from, to);
  if (isObject(value)) return renamedObject(value, places, renaming);
  if (!Array.isArray(value)) return value;
  const list: unknown[] = value.slice();
  for (const [index, inner] of places) list[Number(index)] = renamedAt(list[Number(index)], inner, renaming);
  return list;
}
