/**
 * What differs between two states of a cluster's store, object by object and field by field: what `coxswain snapshot diff` tells.
 *
 * Laws:
 * - States without a difference have the same objects, but for what is passed over.
 * - Of a Secret fields are named and no values are given; of an object whose value is encrypted nothing but that it is another.
 * - Only what differs is held in memory, and of the rest a digest.
 * - What only says that somebody lives, or repeats what else is there, is passed over unless it is asked for: events, leases, heartbeats of nodes and who owns which fields.
 */
import { createHash } from 'node:crypto';
import { kindFact, typeSchema } from '#pkg/api/facts.ts';
import { type FieldDifference, fieldDifferences } from '#pkg/apimachinery/field-differences.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { Schema } from '#pkg/apimachinery/schema.ts';
import { decodeStored } from '#pkg/apiserver/storage/object-codec.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { SnapshotItem } from '#pkg/storage/snapshot/snapshot-format.ts';
import { layoutKey } from './store-keys.ts';

/** Where objects are. */
const objectsPrefix = '/registry/';

/** Where those are that are passed over as a whole. */
const passedPrefixes = [`${objectsPrefix}events/`, `${objectsPrefix}leases/`] as const;

/** Fields that are passed over. */
const passedFields = /^metadata\.managedFields(?:\[|$)|^status\.conditions\[type=\w+\]\.lastHeartbeatTime$/;

/** What JSON objects begin with; encrypted values do not. */
const objectStart = 0x7b;

/** The objects of one state. */
export interface ObjectsOfState {
  /** Every key once, in any order, with what the store has beside the objects. */
  items(): AsyncIterable<SnapshotItem>;
}

/** Which object. */
export interface NamedObject {
  /** Absent, as the next three, where the value is encrypted. */
  readonly apiVersion?: string;
  readonly kind?: string;
  /** Absent for one that is in none. */
  readonly namespace?: string;
  readonly name?: string;
  /** Where it lies in the store. */
  readonly key: string;
}

/** A field that is another. */
export interface ChangedField extends FieldDifference {
  /** Of a Secret: the values are not given. */
  readonly isHidden?: true;
}

/** An object that is there in both states. */
export interface ChangedObject extends NamedObject {
  readonly fields: readonly ChangedField[];
  /** That one of its values is encrypted, and another than the other; nothing is known of its fields. */
  readonly isEncrypted?: true;
}

/** What differs, in the order of the keys. */
export interface StateDifference {
  readonly added: readonly NamedObject[];
  readonly removed: readonly NamedObject[];
  readonly changed: readonly ChangedObject[];
}

/** Which differences count. */
export interface DifferenceOptions {
  /** Whether nothing is passed over. */
  readonly all: boolean;
}

/** The differences; `before` is read twice and `after` once. Throws `UserError` for states whose keys are laid out differently, and what reading does. */
export async function stateDifference(
  before: ObjectsOfState,
  after: ObjectsOfState,
  { all }: DifferenceOptions,
): Promise<StateDifference> {
  const counts = (key: string): boolean =>
    key.startsWith(objectsPrefix) && (all || !passedPrefixes.some((prefix) => key.startsWith(prefix)));
  const { digests, layout } = await digestsOf(before, counts);
  const added: NamedObject[] = [];
  const others = new Map<string, Uint8Array>();
  for await (const { key, value } of after.items()) {
    if (key === layoutKey) checkLayout(layout, textOf(value));
    if (!counts(key)) continue;
    const known = digests.get(key);
    if (known === undefined) added.push(named(key, value));
    // What is read lies in a block with others.
    else if (known !== digestOf(value)) others.set(key, Uint8Array.from(value));
    else digests.delete(key);
  }
  const removed: NamedObject[] = [];
  const changed: ChangedObject[] = [];
  for await (const { key, value } of before.items()) {
    if (!digests.has(key)) continue;
    const other = others.get(key);
    if (other === undefined) removed.push(named(key, value));
    else changed.push(...changeOf({ key, before: value, after: other, all }));
  }
  return { added: inOrder(added), removed: inOrder(removed), changed: inOrder(changed) };
}

/** The digest of each value that counts, and how keys are laid out. */
async function digestsOf(
  state: ObjectsOfState,
  counts: (key: string) => boolean,
): Promise<{ readonly digests: Map<string, string>; readonly layout: string | undefined }> {
  const digests = new Map<string, string>();
  let layout: string | undefined;
  for await (const { key, value } of state.items()) {
    if (key === layoutKey) layout = textOf(value);
    if (counts(key)) digests.set(key, digestOf(value));
  }
  return { digests, layout };
}

function checkLayout(one: string | undefined, other: string): void {
  if (one === undefined || one === other) return;
  throw new UserError(
    `Cannot compare the states as their keys are laid out as in versions ${one} and ${other}: restore the older one, start it, and save it again`,
  );
}

function digestOf(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('base64');
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('utf8');
}

/** Undefined for what is encrypted. */
function objectIn(value: Uint8Array): JsonObject | undefined {
  return value[0] === objectStart ? decodeStored(value) : undefined;
}

function named(key: string, value: Uint8Array): NamedObject {
  return { ...nameOf(objectIn(value)), key };
}

function nameOf(object: JsonObject | undefined): Omit<NamedObject, 'key'> {
  const metadata = isObject(object?.metadata) ? object.metadata : {};
  const { apiVersion, kind } = object ?? {};
  const { namespace, name } = metadata;
  const texts = Object.entries({ apiVersion, kind, namespace, name });
  return Object.fromEntries(texts.filter(([, text]) => typeof text === 'string' && text !== ''));
}

interface TwoValues extends DifferenceOptions {
  readonly key: string;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** None where all that differs is passed over. */
function changeOf({ key, before, after, all }: TwoValues): readonly ChangedObject[] {
  const [was, is] = [objectIn(before), objectIn(after)];
  const name = { ...nameOf(is ?? was), key };
  if (was === undefined || is === undefined) return [{ ...name, fields: [], isEncrypted: true }];
  const fields = fieldDifferences(was, is, schemaOf(is)).filter(({ path }) => all || !passedFields.test(path));
  if (fields.length === 0) return [];
  const isSecret = name.apiVersion === 'v1' && name.kind === 'Secret';
  return [{ ...name, fields: isSecret ? fields.map(({ path }) => ({ path, isHidden: true as const })) : fields }];
}

/** Undefined for kinds that are defined by data. */
function schemaOf({ apiVersion, kind }: JsonObject): Schema | undefined {
  const groupVersion = typeof apiVersion === 'string' ? parseApiVersion(apiVersion) : undefined;
  if (groupVersion === undefined || typeof kind !== 'string') return undefined;
  const fact = kindFact({ ...groupVersion, kind });
  return fact === undefined ? undefined : typeSchema(fact.type);
}

function inOrder<T extends NamedObject>(objects: readonly T[]): readonly T[] {
  return objects.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
