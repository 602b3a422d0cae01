/**
 * A spec that others are made after: they have its text but for one name. What does not hold the name is then in memory once for all of them, and
 * what was decoded of each is garbage before it has become old. Where the name stands is looked for once, so that a further spec costs copies of the few
 * objects on the way there, and whether a draft's is such a one costs a look at each of its values and no text.
 * Invariant: the model is never changed.
 */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** What is found where: a text with the name in it, or a list or object that has such somewhere. */
type Place = 'text' | Places;
type Places = readonly (readonly [key: string, place: Place])[];

/** The value that others are compared with: its keys in their order, none for a list. */
interface Shape {
  readonly keys: readonly string[] | undefined;
  readonly parts: readonly (Leaf | Shape)[];
}

interface Leaf {
  readonly value: unknown;
  /** Whether it is a text with the name in it. */
  readonly isNamed: boolean;
}

/** Stands for the name in the text of a spec: no JSON text has this character. */
export const nameMark = '\0';

/** The first spec of a text, and the name in it by which others differ. */
export class ModelSpec {
  readonly #spec: JsonObject;
  readonly #name: string | undefined;
  /** The text between the places of the name. */
  readonly #texts: readonly string[];
  /** Undefined until the first spec is made after it; `'no'` where the name is in the name of a field. */
  #places: Places | 'no' | undefined;
  #shape: Shape | undefined;

  /** `text` is its JSON, with `nameMark` where the name stands. */
  constructor(spec: JsonObject, name: string | undefined, text: string) {
    this.#spec = spec;
    this.#name = name;
    this.#texts = text.split(nameMark);
  }

  /** A spec of the same text with `name` in the place of the model's own; undefined where it is not known which texts hold that. */
  named(name: string | undefined): JsonObject | undefined {
    const own = this.#name;
    if (own === undefined || name === undefined) return own === name ? { ...this.#spec } : undefined;
    this.#places ??= placesOf(this.#spec, own) ?? 'no';
    return this.#places === 'no' ? undefined : copyOf(this.#spec, this.#places, { from: own, to: name });
  }

  /** The JSON of such a spec. */
  text(name: string | undefined): string {
    return this.#texts.join(name);
  }

  /** Whether the JSON of `spec` is that of `named(name)`. May deny it of one that has fields without a value. */
  fits(spec: JsonObject, name: string | undefined): boolean {
    const own = this.#name;
    if ((own === undefined) !== (name === undefined)) return false;
    if (own !== undefined) {
      this.#places ??= placesOf(this.#spec, own) ?? 'no';
      if (this.#places === 'no') return false;
    }
    this.#shape ??= shapeOf(this.#spec, own);
    return hasShape(spec, this.#shape, { from: own ?? '', to: name ?? '' });
  }
}

function shapeOf(value: object, name: string | undefined): Shape {
  const parts = Object.values(value).map((part: unknown) => partOf(part, name));
  return { keys: Array.isArray(value) ? undefined : Object.keys(value), parts };
}

function partOf(value: unknown, name: string | undefined): Leaf | Shape {
  if (typeof value === 'object' && value !== null) return shapeOf(value, name);
  return { value, isNamed: name !== undefined && typeof value === 'string' && value.includes(name) };
}

function hasShape(value: unknown, { keys, parts }: Shape, renaming: Renaming): boolean {
  if (keys === undefined) {
    if (!Array.isArray(value) || value.length !== parts.length) return false;
    for (let i = 0; i < parts.length; i++) if (!isPart(value[i], parts[i], renaming)) return false;
    return true;
  }
  if (!isObject(value)) return false;
  let i = 0;
  for (const key in value) {
    if (key !== keys[i] || !isPart(value[key], parts[i], renaming)) return false;
    i++;
  }
  return i === parts.length;
}

function isPart(value: unknown, part: Leaf | Shape | undefined, renaming: Renaming): boolean {
  if (part === undefined) return false;
  if ('parts' in part) return hasShape(value, part, renaming);
  if (!part.isNamed || typeof part.value !== 'string') return value === part.value;
  return value === (part.value === renaming.from ? renaming.to : part.value.replaceAll(renaming.from, renaming.to));
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
