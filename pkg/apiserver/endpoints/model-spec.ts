/**
 * A spec that others are made after: they have its text but for one name. What does not hold the name is then in memory once for all of them, and
 * what was decoded of each is garbage before it has become old. Where the name stands is looked for once, so that a further spec costs copies of the few
 * objects on the way there. Invariant: the model is never changed.
 */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** What is found where: a text with the name in it, or a list or object that has such somewhere. */
type Place = 'text' | Places;
type Places = readonly (readonly [key: string, place: Place])[];

/** The first spec of a text, and the name in it by which others differ. */
export class ModelSpec {
  readonly #spec: JsonObject;
  readonly #name: string | undefined;
  /** Undefined until the first spec is made after it; `'no'` where the name is in the name of a field. */
  #places: Places | 'no' | undefined;

  constructor(spec: JsonObject, name: string | undefined) {
    this.#spec = spec;
    this.#name = name;
  }

  /** A spec of the same text with `name` in the place of the model's own; undefined where it is not known which texts hold that. */
  named(name: string | undefined): JsonObject | undefined {
    const own = this.#name;
    if (own === undefined || name === undefined) return own === name ? { ...this.#spec } : undefined;
    this.#places ??= placesOf(this.#spec, own) ?? 'no';
    return this.#places === 'no' ? undefined : copyOf(this.#spec, this.#places, { from: own, to: name });
  }
}

/** Undefined where the name of a field holds `name`. */
function placesOf(value: object, name: string): Places | undefined {
  const places: [string, Place][] = [];
  const isList = Array.isArray(value);
  for (const [key, part] of Object.entries(value)) {
    if (!isList && key.includes(name)) return undefined;
    const place = placeOf(part, name);
    if (place === 'unknown') return undefined;
    if (place !== undefined) places.push([key, place]);
  }
  return places;
}

function placeOf(value: unknown, name: string): Place | 'unknown' | undefined {
  if (typeof value === 'string') return value.includes(name) ? 'text' : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const places = placesOf(value, name);
  if (places === undefined) return 'unknown';
  return places.length === 0 ? undefined : places;
}

interface Renaming {
  readonly from: string;
  readonly to: string;
}

function copyOf(model: JsonObject, places: Places, renaming: Renaming): JsonObject {
  const copy = { ...model };
  for (const [key, place] of places) setOwn(copy, key, renamed(copy[key], place, renaming));
  return copy;
}

function renamed(value: unknown, place: Place, renaming: Renaming): unknown {
  if (typeof value === 'string') return value.replaceAll(renaming.from, renaming.to);
  if (place === 'text') return value;
  if (isObject(value)) return copyOf(value, place, renaming);
  if (!Array.isArray(value)) return value;
  const copy: unknown[] = value.slice();
  for (const [key, inner] of place) copy[Number(key)] = renamed(copy[Number(key)], inner, renaming);
  return copy;
}
