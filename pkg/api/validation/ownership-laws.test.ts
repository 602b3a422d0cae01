/**
 * The laws of field ownership, on random objects of built-in types. Seeded: a failure names its seed.
 * They were checked against upstream's own code, too, which this repository does not hold.
 */
import { describe, expect, test } from 'vitest';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { type ApplyResult, applyObject } from '#pkg/apimachinery/managed-fields/apply.ts';
import {
  difference,
  emptySet,
  type FieldSet,
  intersection,
  pathsOf,
  setsEqual,
  union,
} from '#pkg/apimachinery/managed-fields/field-set.ts';
import { removeFields } from '#pkg/apimachinery/managed-fields/merge.ts';
import { addedFields, fieldSetOf } from '#pkg/apimachinery/managed-fields/object-fields.ts';
import { trackUpdate } from '#pkg/apimachinery/managed-fields/track.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { ListSchema, ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { typeSchema } from '../facts.ts';

const kinds = [
  ['apps/v1', 'Deployment', 'io.k8s.api.apps.v1.Deployment'],
  ['v1', 'Pod', 'io.k8s.api.core.v1.Pod'],
  ['v1', 'Service', 'io.k8s.api.core.v1.Service'],
  ['v1', 'Node', 'io.k8s.api.core.v1.Node'],
  ['networking.k8s.io/v1', 'Ingress', 'io.k8s.api.networking.v1.Ingress'],
  ['resource.k8s.io/v1', 'ResourceClaim', 'io.k8s.api.resource.v1.ResourceClaim'],
] as const;

/** Which part of all fields, map keys and list items an object is made of: two parts have only their containers in common. */
type Part = 'all' | 'even' | 'odd';

/** Random values of a schema. Never a zero value or an empty list or map: Go's encoding would drop them. */
class Values {
  readonly random: SeededRandom;
  readonly #part: Part;

  constructor(random: SeededRandom, part: Part = 'all') {
    this.random = random;
    this.#part = part;
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  object(schema: ObjectSchema, depth = 0): JsonObject {
    const object: JsonObject = {};
    for (const { name, schema: inner, omitEmpty } of schema.fields.values()) {
      if (depth === 0 && (name === 'metadata' || name === 'apiVersion' || name === 'kind')) continue;
      const isHeld = inner.type !== 'object' && inner.type !== 'map' && inner.type !== 'list';
      const isShared = this.#part === 'all' || !(isHeld || isAtomic(inner));
      if (!isShared && (name.length % 2 === 0) !== (this.#part === 'even')) continue;
      if (depth > 8 || !this.chance(!omitEmpty && isHeld ? 1 : depth < 3 ? 0.5 : 0.15)) continue;
      const value = this.value(inner, depth + 1);
      if (value !== undefined) object[name] = value;
    }
    return object;
  }

  value(schema: Schema, depth: number): unknown {
    switch (schema.type) {
      case 'object': {
        const object = this.object(schema, depth);
        return Object.keys(object).length === 0 ? undefined : object;
      }
      case 'map': {
        const entries = [0, 1].map(() => [this.#word(), this.value(schema.of, depth)]);
        const filled = entries.filter(([, value]) => value !== undefined);
        return filled.length === 0 ? undefined : Object.fromEntries(filled);
      }
      case 'list':
        return this.#list(schema, depth);
      case 'boolean':
        return true;
      case 'int32':
      case 'int64':
      case 'double':
        return this.#number();
      case 'any':
      case 'rawObject':
        return { x: this.#word() };
      default:
        return this.#word();
    }
  }

  #list(schema: ListSchema, depth: number): readonly unknown[] | undefined {
    const items = new Map<string, unknown>();
    for (let i = 0; i < 3; i++) {
      const item = this.value(schema.of, depth);
      if (item === undefined) continue;
      const keys = schema.mapKeys.map((key) => [key, schema.of.type === 'object' && schema.of.fields.get(key)?.schema]);
      for (const [key, of] of keys as [string, Schema][]) (item as JsonObject)[key] = this.value(of, depth) ?? 'k';
      const identity = keys.length === 0 ? item : keys.map(([key]) => (item as JsonObject)[key as string]);
      items.set(schema.listType === 'atomic' ? String(i) : JSON.stringify(identity), item);
    }
    return items.size === 0 ? undefined : [...items.values()];
  }

  #word(): string {
    const words = { all: ['a', 'b', 'c'], even: ['a', 'b'], odd: ['x', 'y'] }[this.#part];
    return words[randomInt(this.random, words.length)]!;
  }

  #number(): number {
    return (this.#part === 'odd' ? 4 : 1) + randomInt(this.random, 3);
  }
}

function isAtomic(schema: Schema): boolean {
  return schema.type === 'list' ? schema.listType === 'atomic' : 'atomic' in schema && schema.atomic;
}

/** One object with its history. */
class World {
  readonly values: Values;
  readonly schema: ObjectSchema;
  readonly head: { readonly apiVersion: string; readonly kind: string };
  live: KubeObject | undefined;
  #seconds = 0;

  constructor(seed: number) {
    const [apiVersion, kind, type] = kinds[seed % kinds.length]!;
    this.head = { apiVersion, kind };
    this.schema = typeSchema(type);
    this.values = new Values(new SeededRandom(seed));
  }

  config(values = this.values): KubeObject {
    const meta: JsonObject = { name: 'n' };
    if (values.chance(0.7)) meta.labels = values.value({ type: 'map', of: { type: 'string' }, atomic: false }, 0);
    return deepFreeze({ ...this.head, metadata: meta, ...values.object(this.schema) }) as KubeObject;
  }

  #stamp(): string {
    this.#seconds += 1;
    return `2026-01-01T00:00:${String(this.#seconds).padStart(2, '0')}Z`;
  }

  try(manager: string, config: KubeObject, force: boolean): ApplyResult {
    const { live, schema, head } = this;
    const options = { live, config, manager, force, schema, apiVersion: head.apiVersion, timestamp: this.#stamp() };
    const result = applyObject(options);
    if (result.ok) this.live = deepFreeze(result.object) as KubeObject;
    return result;
  }

  apply(manager: string, config: KubeObject, force = true): KubeObject {
    const result = this.try(manager, config, force);
    if (!result.ok) throw result.error;
    return this.live!;
  }

  update(manager: string, updated: KubeObject): void {
    const { live, schema, head } = this;
    const options = { live, updated, manager, schema, apiVersion: head.apiVersion, timestamp: this.#stamp() };
    const managedFields = trackUpdate(options);
    this.live = deepFreeze({ ...updated, metadata: { ...updated.metadata, managedFields } }) as KubeObject;
  }

  setOf(manager: string, operation = 'Apply'): FieldSet {
    const found = this.live?.metadata?.managedFields?.find(
      (entry) => entry.manager === manager && entry.operation === operation,
    );
    return (found?.fieldsV1 as FieldSet | undefined) ?? emptySet;
  }

  /** All fields of an object, with those that Go writes anyway. */
  fieldsOf(object: KubeObject): FieldSet {
    return addedFields(object as JsonObject, this.schema);
  }
}

const managers = ['a', 'b', 'c'];

function expectNamesExist(world: World): void {
  const there = world.fieldsOf(world.live!);
  for (const entry of world.live!.metadata?.managedFields ?? []) {
    expect(pathsOf(difference(entry.fieldsV1 as FieldSet, there))).toEqual([]);
  }
}

/** Applies and updates at random, and looks at the laws after each. */
function history(seed: number): void {
  const world = new World(seed);
  const configs = new Map<string, KubeObject>();
  for (let step = 0; step < 6; step++) {
    const manager = managers[randomInt(world.values.random, managers.length)]!;
    if (world.live !== undefined && world.values.chance(0.25)) {
      world.update(manager, { ...world.config(), metadata: world.live.metadata! });
      expectNamesExist(world);
      continue;
    }
    const known = configs.get(manager);
    const config = known !== undefined && world.values.chance(0.3) ? withoutSome(world, known) : world.config();
    const before = new Map(managers.map((name) => [name, world.setOf(name)]));
    const result = world.try(manager, config, world.values.chance(0.6));
    if (!result.ok) continue;
    configs.set(manager, config);
    const named = fieldSetOf(config as JsonObject, world.schema);
    expect(setsEqual(world.setOf(manager), named)).toBe(true);
    const there = world.fieldsOf(world.live!);
    for (const other of managers.filter((name) => name !== manager)) {
      const lost = difference(before.get(other)!, world.setOf(other));
      // What others lose is named in the configuration, or is not there any more: below what was named as a whole, say.
      expect(pathsOf(difference(intersection(lost, there), union(named, ancestorsOf(named))))).toEqual([]);
    }
    expectNamesExist(world);
    const after = world.live!;
    expect(world.try(manager, config, false)).toEqual({ ok: true, object: after, changed: false });
  }
}

/** All nodes of a set as members. */
function ancestorsOf(set: FieldSet): FieldSet {
  return Object.fromEntries(
    Object.entries(set).map(([element, node]) => [element, element === '.' ? node : { '.': {}, ...ancestorsOf(node) }]),
  );
}

/** The configuration without one of its fields, which is no key of an item. */
function withoutSome(world: World, config: KubeObject): KubeObject {
  const [path] = leavesOf(fieldSetOf(config as JsonObject, world.schema)).filter(() => world.values.chance(0.3));
  return path === undefined ? config : without(world, config, path);
}

function without(world: World, config: KubeObject, path: FieldSet): KubeObject {
  const left = removeFields(config, path, world.schema) as KubeObject;
  return deepFreeze({ ...left, metadata: { name: 'n', ...left.metadata } });
}

/** Sets of one member each: those without children, other than the keys of items. */
function leavesOf(set: FieldSet): readonly FieldSet[] {
  const keys = Object.keys(set);
  return keys.flatMap((element): readonly FieldSet[] => {
    if (element === '.') return [];
    const below = Object.keys(set[element]!).filter((name) => name !== '.');
    if (below.length === 0) return element.startsWith('f:') ? [{ [element]: {} }] : [];
    const itemKeys = element.startsWith('k:') ? Object.keys(JSON.parse(element.slice(2)) as object) : [];
    return leavesOf(set[element]!)
      .filter((leaf) => !itemKeys.some((key) => leaf[`f:${key}`] !== undefined))
      .map((leaf) => ({ [element]: leaf }));
  });
}

const seeds = Array.from({ length: 40 }, (_, index) => index);

describe('laws of ownership', () => {
  test.each(seeds)(
    'the same apply twice changes nothing, forced takes what it names, sets name what is there: seed %i',
    (seed) => {
      for (let round = 0; round < 10; round++) history(seed * 10 + round);
    },
  );

  test.each(seeds)('appliers of different fields keep all of theirs: seed %i', (seed) => {
    const world = new World(seed);
    const [even, odd] = [new Values(world.values.random, 'even'), new Values(world.values.random, 'odd')];
    const [first, second] = [world.config(even), world.config(odd)];
    const alone = world.apply('a', first, false);
    const both = world.apply('b', second, false);
    const fields = world.fieldsOf(both);
    for (const config of [first, second]) {
      expect(pathsOf(difference(fieldSetOf(config as JsonObject, world.schema), fields))).toEqual([]);
    }
    expect(world.setOf('a')).toEqual(fieldSetOf(alone as JsonObject, world.schema));
    const nothing = deepFreeze({ ...world.head, metadata: { name: 'n' } }) as KubeObject;
    const left = world.apply('b', nothing, false);
    expect({ ...left, metadata: { ...left.metadata, managedFields: [] } }).toEqual({
      ...first,
      metadata: { ...first.metadata, managedFields: [] },
    });
  });

  test.each(seeds)('a field that is given up goes when no one else owns it, and only then: seed %i', (seed) => {
    const world = new World(seed);
    const shared = world.config();
    world.apply('a', shared);
    const leaves = leavesOf(fieldSetOf(shared as JsonObject, world.schema));
    const kept = leaves.filter(() => world.values.chance(0.5)).reduce(union, emptySet);
    const given = leaves.filter(() => world.values.chance(0.5)).reduce(union, emptySet);
    world.apply('b', without(world, shared, difference(leaves.reduce(union, emptySet), kept)));
    const left = world.apply('a', without(world, shared, given));
    const others = world.setOf('b');
    const fields = fieldSetOf(left as JsonObject, world.schema);
    for (const leaf of leaves) {
      const isGiven = pathsOf(intersection(leaf, given)).length > 0;
      const isOwned = pathsOf(intersection(leaf, others)).length > 0;
      expect([pathsOf(leaf), pathsOf(intersection(leaf, fields)).length > 0]).toEqual([
        pathsOf(leaf),
        !isGiven || isOwned,
      ]);
    }
  });
});
