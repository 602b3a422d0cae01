/**
 * Sets of field paths, in the very form in which `metadata.managedFields[].fieldsV1` carries them, so that encoding is free.
 *
 * A set is a tree of objects. Keys are path elements: `f:name` a field or map key, `k:{"name":"x"}` an item of a list by its
 * keys, `v:"x"` an item of a set, `i:0` an item by its index. A node without children is a member of the set; a node with
 * children is a member only if it has the child `.`. Sets are immutable, share nodes, and list elements in upstream's order.
 * Upstream counterpart: structured-merge-diff `fieldpath.Set`.
 */

import { jsonText } from '../json.ts';
import { compareElements, levelInOrder } from './element-order.ts';

/** A set, or a node of one. The empty object is the empty set at the root and a member elsewhere. */
export type FieldSet = { readonly [element: string]: FieldSet };

/** The node of a member without children. */
export const leaf: FieldSet = Object.freeze({});

/** The set without members. */
export const emptySet: FieldSet = leaf;

/** A set under construction. */
export type MutableFieldSet = { [element: string]: FieldSet };

const self = '.';

/** Whether a node has no children: as a root, the empty set. */
export function isEmptySet(node: FieldSet): boolean {
  for (const _ in node) return false;
  return true;
}

/** Whether a node (not the root) is a member of its set. */
export function isMember(node: FieldSet): boolean {
  return node === leaf || node[self] !== undefined || isEmptySet(node);
}

/** A node that is a member besides what its children are. */
export function withSelf(node: FieldSet): FieldSet {
  return isMember(node) ? node : { [self]: leaf, ...node };
}

/** Members of either set. Gives back `a` when `b` adds nothing. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || isEmptySet(b)) return a;
  if (isEmptySet(a)) return b;
  let result: MutableFieldSet | undefined;
  let grows = false;
  for (const element in b) {
    if (element === self) continue;
    const theirs = b[element]!;
    const ours = a[element];
    const merged = ours === undefined ? theirs : unionNode(ours, theirs);
    if (merged === ours) continue;
    result ??= { ...a };
    result[element] = merged;
    if (ours === undefined) grows = true;
  }
  if (result === undefined) return a;
  return grows ? levelInOrder(result) : result;
}

function unionNode(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  if (isEmptySet(b)) return withSelf(a);
  if (isEmptySet(a)) return withSelf(b);
  const merged = union(a, b);
  return isMember(a) || !isMember(b) ? merged : withSelf(merged);
}

/** Members of `a` that are not members of `b`. Gives back `a` when nothing of it goes. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return emptySet;
  let result: MutableFieldSet | undefined;
  for (const element in b) {
    if (element === self) continue;
    const ours = a[element];
    if (ours === undefined) continue;
    const left = differenceNode(ours, b[element]!);
    if (left === ours) continue;
    result ??= { ...a };
    if (left === undefined) delete result[element];
    else result[element] = left;
  }
  if (result === undefined) return a;
  return isEmptySet(result) ? emptySet : result;
}

/** What is left of a node; undefined when nothing is. */
function differenceNode(a: FieldSet, b: FieldSet): FieldSet | undefined {
  if (isEmptySet(a)) return isMember(b) ? undefined : a;
  const children = difference(a, b);
  const loses = isMember(a) && isMember(b);
  if (!loses) return children === a ? a : onlySelf(children) ? leaf : isEmptySet(children) ? undefined : children;
  const { [self]: _, ...rest } = children;
  return isEmptySet(rest) ? undefined : rest;
}

function onlySelf(node: FieldSet): boolean {
  for (const element in node) if (element !== self) return false;
  return node[self] !== undefined;
}

/** Members of `a` that are neither members of `b` nor below one. */
export function exclude(a: FieldSet, b: FieldSet): FieldSet {
  let result: MutableFieldSet | undefined;
  for (const element in b) {
    const ours = a[element];
    const theirs = b[element]!;
    if (element === self || ours === undefined) continue;
    const left = isMember(theirs) ? undefined : exclude(ours, theirs);
    if (left === ours) continue;
    result ??= { ...a };
    if (left === undefined || (isEmptySet(left) && !isMember(ours))) delete result[element];
    else result[element] = left;
  }
  return result ?? a;
}

/** Members of both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  const result: MutableFieldSet = {};
  for (const element in a) {
    if (element === self) continue;
    const theirs = b[element];
    if (theirs === undefined) continue;
    const ours = a[element]!;
    const children = intersection(ours, theirs);
    const member = isMember(ours) && isMember(theirs);
    if (isEmptySet(children)) {
      if (member) result[element] = leaf;
    } else {
      result[element] = member ? withSelf(children) : children;
    }
  }
  return result;
}

/** Whether two sets have the same members. */
export function setsEqual(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  for (const element in a) if (element !== self && !nodesEqual(a[element]!, b[element])) return false;
  for (const element in b) if (element !== self && a[element] === undefined) return false;
  return true;
}

function nodesEqual(a: FieldSet, b: FieldSet | undefined): boolean {
  return b !== undefined && isMember(a) === isMember(b) && setsEqual(a, b);
}

/** Deepest path taken from a client. */
const depthMax = 1000;

/** Checks a `fieldsV1` value that a client sent; undefined when it is none. */
export function parseFieldSet(value: unknown, depth = 0): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > depthMax) return undefined;
  for (const [element, node] of Object.entries(value)) {
    if (element !== self && !isPathElement(element)) return undefined;
    if (parseFieldSet(node, depth + 1) === undefined) return undefined;
  }
  return value as FieldSet;
}

function isPathElement(element: string): boolean {
  switch (element.slice(0, 2)) {
    case 'f:':
      return true;
    case 'i:':
      return /^i:\d+$/.test(element);
    case 'v:':
      return parseJson(element.slice(2)) !== undefined;
    case 'k:': {
      const keys = parseJson(element.slice(2));
      return typeof keys === 'object' && keys !== null && !Array.isArray(keys);
    }
    default:
      return false;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The paths of all members as conflicts name them: `.spec.containers[name="web"].image`. */
export function pathsOf(set: FieldSet): readonly string[] {
  const paths: string[] = [];
  collectPaths(set, '', paths);
  return paths;
}

/** All members on one level come before those below it. */
function collectPaths(node: FieldSet, path: string, paths: string[]): void {
  const elements = Object.keys(node)
    .filter((element) => element !== self)
    .sort(compareElements);
  for (const element of elements) if (isMember(node[element]!)) paths.push(path + elementText(element));
  for (const element of elements) collectPaths(node[element]!, path + elementText(element), paths);
}

/** A path element as people read it: `.name`, `[name="web"]`, `[="x"]`, `[0]`. */
export function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k': {
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>);
      return `[${keys.map(([key, value]) => `${key}=${jsonText(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
