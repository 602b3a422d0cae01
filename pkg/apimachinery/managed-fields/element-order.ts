/**
 * The order in which `fieldsV1` lists path elements: fields by name, then items by keys, by value, by index; numbers as numbers.
 * A set in this order is the same text wherever it came from, so that nothing changes hands by being written again.
 * Does not look at what sets mean. Upstream counterpart: structured-merge-diff `fieldpath.PathElement.Compare`, `value.Compare`.
 */
import { isNumeric } from '../json.ts';

/** A level of a set: path elements, each with the level below it. */
type Level = { readonly [element: string]: Level };

/** Names and values of an item's keys, by name. */
type KeyFields = readonly (readonly [string, unknown])[];

/** Kinds of elements in their order; `.`, the node itself, is first. */
const kinds = '.fkvi';

/** Negative when `a` comes before `b`, 0 only for the same element. Elements are of the form that `parseFieldSet` accepts. */
export function compareElements(a: string, b: string): number {
  if (a === b) return 0;
  const kind = a.charCodeAt(0);
  if (kind !== b.charCodeAt(0)) return kinds.indexOf(a[0]!) - kinds.indexOf(b[0]!);
  switch (a[0]) {
    case 'k':
      return compareKeys(fieldsOf(a), fieldsOf(b)) || compareText(a, b);
    case 'v':
      return compareValues(parsed(a), parsed(b)) || compareText(a, b);
    case 'i':
      return Number(a.slice(2)) - Number(b.slice(2)) || compareText(a, b);
    default:
      return compareText(a, b);
  }
}

/** The first letter of fields, of which most sets are made: their texts, and that of `.`, sort as they are. */
const fieldCode = 'f'.charCodeAt(0);

/** A node with its own children in order, whatever theirs are in; shared where they are. */
export function levelInOrder(set: Level): Level {
  if (!hasSeveral(set)) return set;
  const elements = Object.keys(set);
  let isSorted = true;
  let hasItems = false;
  for (let i = 0; i < elements.length; i++) {
    const isItem = elements[i]!.charCodeAt(0) > fieldCode;
    if (isItem) hasItems = true;
    if (!isSorted || i === 0) continue;
    const [last, element] = [elements[i - 1]!, elements[i]!];
    isSorted = isItem ? compareElements(last, element) <= 0 : last <= element;
  }
  if (isSorted) return set;
  const sorted: { [element: string]: Level } = {};
  for (const element of hasItems ? elements.sort(compareElements) : elements.sort()) sorted[element] = set[element]!;
  return sorted;
}

/** Most changes are of one field. */
function hasSeveral(set: Level): boolean {
  let isFirst = true;
  for (const _ in set) {
    if (!isFirst) return true;
    isFirst = false;
  }
  return false;
}

/** The set with the children of every node in order; what is in order already is shared. For sets that come from elsewhere. */
export function inOrder(set: Level): Level {
  let copy: { [element: string]: Level } | undefined;
  for (const element in set) {
    const ordered = inOrder(set[element]!);
    if (ordered === set[element]) continue;
    copy ??= { ...set };
    copy[element] = ordered;
  }
  return levelInOrder(copy ?? set);
}

/** Items by keys that are remembered, such as the conditions that objects of a kind have: compared with each write of one. */
const keysMax = 1_000;
const keysOf = new Map<string, KeyFields>();

function fieldsOf(element: string): KeyFields {
  let fields = keysOf.get(element);
  if (fields === undefined) {
    const keys = parsed(element) as Readonly<Record<string, unknown>>;
    fields = Object.entries(keys).sort(([a], [b]) => compareText(a, b));
    if (keysOf.size >= keysMax) keysOf.clear();
    keysOf.set(element, fields);
  }
  return fields;
}

function parsed(element: string): unknown {
  return JSON.parse(element.slice(2));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Fields by name, each name before its value; who has fewer comes first. */
function compareKeys(ours: KeyFields, theirs: KeyFields): number {
  for (const [index, [name, value]] of ours.entries()) {
    const other = theirs[index];
    if (other === undefined) return 1;
    const order = compareText(name, other[0]) || compareValues(value, other[1]);
    if (order !== 0) return order;
  }
  return ours.length - theirs.length;
}

/** Types in upstream's order; lists and maps, which no schema takes as keys, are alike. */
const types = ['number', 'string', 'boolean', 'object'];

function compareValues(a: unknown, b: unknown): number {
  if (isNumeric(a) && isNumeric(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a !== typeof b) return types.indexOf(typeof a) - types.indexOf(typeof b);
  if (typeof a === 'string') return compareText(a, b as string);
  if (typeof a === 'boolean') return Number(a) - Number(b);
  return 0;
}
