/**
 * The list in `metadata.managedFields`: who is the same manager, its order, and how long it may become.
 * Upstream counterpart: apimachinery `managedfields/internal` (managers, capmanagers).
 */
import type { ManagedFieldsEntry } from '../object.ts';
import { inOrder } from './element-order.ts';
import { difference, emptySet, type FieldSet, isMember, leaf, parseFieldSet, union } from './field-set.ts';

/** Managers with operation `Update` beyond which the oldest are merged into one. Source: upstream `DefaultMaxUpdateManagers`. */
const updateManagersMax = 10;

/** The manager into which the oldest are merged. */
const ancientManager = 'ancient-changes';

/** The manager that owns what an object had before the first apply tracked it. */
export const beforeFirstApplyManager = 'before-first-apply';

/** An entry whose set of fields is known to be good. */
export interface TrackedEntry extends ManagedFieldsEntry {
  readonly operation: 'Apply' | 'Update';
  readonly fieldsV1: FieldSet;
}

/** Whether a client asks to forget all managers: by an empty list, or a list with one empty entry. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  if (entries === undefined) return false;
  return entries.length === 0 || (entries.length === 1 && Object.keys(entries[0]!).length === 0);
}

/** Entries as a client sends them, of one manager the last; undefined when one makes no sense. */
export function decodeEntries(entries: readonly ManagedFieldsEntry[]): readonly TrackedEntry[] | undefined {
  const decoded: TrackedEntry[] = [];
  for (const entry of storedEntries(entries)) {
    const isKnown = entry.operation === 'Apply' || entry.operation === 'Update';
    if (!isKnown || !entry.apiVersion || entry.fieldsType !== 'FieldsV1') return undefined;
    if (parseFieldSet(entry.fieldsV1) === undefined) return undefined;
    const ordered = { ...entry, fieldsV1: inOrder(entry.fieldsV1) };
    const same = decoded.findIndex((other) => isSameManager(other, entry));
    if (same < 0) decoded.push(ordered);
    else decoded[same] = ordered;
  }
  return decoded;
}

/** Entries of a stored object, which were checked before they were stored. */
export function storedEntries(entries: readonly ManagedFieldsEntry[] | undefined): readonly TrackedEntry[] {
  if (entries === undefined) return [];
  const isComplete = entries.every((entry) => entry.fieldsV1 !== undefined);
  if (isComplete) return entries as readonly TrackedEntry[];
  return entries.map((entry) => ({ ...entry, fieldsV1: entry.fieldsV1 ?? emptySet })) as readonly TrackedEntry[];
}

/** Whether two entries speak of the same manager. The version is no part of who an applier is. */
export function isSameManager(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  return (
    a.operation === b.operation &&
    a.manager === b.manager &&
    (a.subresource ?? '') === (b.subresource ?? '') &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** One entry of the list, with its fields as a set. */
export interface EntryFields {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time: string;
  readonly subresource: string;
  readonly fields: FieldSet;
}

/** What no one owns although it may be said: the metadata as such. Source: apimachinery `stripmeta.go`. */
const ownerless: FieldSet = { 'f:metadata': leaf };

/** An entry with its fields in upstream's order. */
export function makeEntry({ manager, operation, apiVersion, time, subresource, fields }: EntryFields): TrackedEntry {
  const metadata = fields['f:metadata'];
  const owned = metadata !== undefined && isMember(metadata) ? difference(fields, ownerless) : fields;
  const entry = { manager, operation, apiVersion, time, fieldsType: 'FieldsV1' as const, fieldsV1: owned };
  return subresource === '' ? entry : { ...entry, subresource };
}

function compareText(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareEntries(a: TrackedEntry, b: TrackedEntry): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time, b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

/** The list as it is stored: sorted, with the oldest updaters merged when there are too many. */
export function finishEntries(entries: readonly TrackedEntry[]): readonly TrackedEntry[] {
  if (entries.length < 2) return entries;
  const list = entries.length > updateManagersMax ? capUpdaters(entries) : entries;
  const isSorted = list.every((entry, index) => index === 0 || compareEntries(list[index - 1] ?? entry, entry) <= 0);
  return isSorted ? list : [...list].sort(compareEntries);
}

function capUpdaters(entries: readonly TrackedEntry[]): readonly TrackedEntry[] {
  const appliers = entries.filter((entry) => entry.operation === 'Apply');
  const updaters = entries.filter((entry) => entry.operation === 'Update').sort(compareEntries);
  const firstOf = new Map<string | undefined, number>();
  let count = updaters.length;
  const kept: (TrackedEntry | undefined)[] = [...updaters];
  for (let i = 0; i < updaters.length && count > updateManagersMax; i++) {
    const entry = updaters[i]!;
    const first = firstOf.get(entry.apiVersion);
    if (first === undefined) {
      firstOf.set(entry.apiVersion, i);
      continue;
    }
    const { subresource: _, ...bucket } = kept[first]!;
    const time = entry.time ?? bucket.time;
    kept[first] = {
      ...bucket,
      manager: ancientManager,
      ...(time === undefined ? {} : { time }),
      fieldsV1: union(bucket.fieldsV1, entry.fieldsV1),
    };
    kept[i] = undefined;
    count--;
  }
  return [...appliers, ...kept.filter((entry) => entry !== undefined)];
}
