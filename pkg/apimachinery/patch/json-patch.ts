/**
 * JSON Patch (RFC 6902), as the library has it that upstream uses: an operation without a value has the value null, `replace` sets a
 * field that is not there, and the whole document can be replaced and tested but nothing else. Pure: containers on the way to a change
 * are copied, once for all operations of a patch, as ten thousand of them may be about one long list; everything else is shared with the original.
 * Keys are own properties only, so a pointer through `__proto__` or `constructor` finds nothing that is not in the document.
 * Upstream counterpart: `gopkg.in/evanphx/json-patch.v4`.
 */
import { goValueName } from '../go-text.ts';
import { deepClone, deepEqual, getOwn, isObject, jsonText, setOwn } from '../json.ts';
import { tooLarge } from '../status-error.ts';
import { doesNotApply, malformed, type PatchResult } from './patch-result.ts';

/** Most operations of one patch. Source: apiserver `maxJSONPatchOperations`. */
export const jsonPatchOperationsMax = 10_000;

/** Characters that the `copy` operations of one patch may copy, so that doubling does not blow it up. Source: apiserver `JSONPatchMaxCopyBytes`. */
const copiedCharactersMax = 3 * 1024 * 1024;

/** Why the patch does not apply; never leaves this module. */
class Inapplicable extends Error {}

interface State {
  document: unknown;
  /** Containers that were made for this patch and are nowhere else, so that they may be changed. */
  readonly own: WeakSet<object>;
  copiedCharacters: number;
}

/** Applies `patch`, a decoded JSON Patch, to a shared object that is not changed. */
export function applyJsonPatch(original: unknown, patch: unknown): PatchResult {
  // Go decodes null into an empty list.
  if (patch === null) return { ok: true, value: original };
  if (!Array.isArray(patch)) {
    return malformed(
      `error decoding patch: json: cannot unmarshal ${goValueName(patch)} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  if (patch.length > jsonPatchOperationsMax) {
    const message = `Request entity too large: The allowed maximum operations in a JSON patch is ${jsonPatchOperationsMax}, got ${patch.length}`;
    return { ok: false, error: tooLarge(message) };
  }
  const fault = shapeFault(patch);
  if (fault !== undefined) return malformed(`error decoding patch: json: cannot unmarshal ${fault}`);
  const state: State = { document: original, own: new WeakSet(), copiedCharacters: 0 };
  try {
    for (const operation of patch) applyOperation(state, operation);
  } catch (error) {
    if (error instanceof Inapplicable) return doesNotApply(error.message);
    throw error;
  }
  return { ok: true, value: state.document };
}

/** The first operation, or text in one, that is of a wrong type. */
function shapeFault(patch: readonly unknown[]): string | undefined {
  for (const operation of patch) {
    if (!isObject(operation)) return `${goValueName(operation)} into Go value of type handlers.jsonPatchOp`;
    for (const field of ['op', 'path', 'from']) {
      const value = getOwn(operation, field);
      if (value !== undefined && value !== null && typeof value !== 'string') {
        return `${goValueName(value)} into Go struct field jsonPatchOp.${field} of type string`;
      }
    }
  }
  return undefined;
}

/** Fields of operations that JSON Patch does not know, as paths such as `[0].foo`. What is no list of operations has none. */
export function unknownOperationFields(patch: unknown): readonly string[] {
  if (!Array.isArray(patch)) return [];
  return patch.flatMap((operation: unknown, index) =>
    isObject(operation)
      ? Object.keys(operation)
          .filter((field) => !operationFields.has(field))
          .map((field) => `[${index}].${field}`)
      : [],
  );
}

const operationFields: ReadonlySet<string> = new Set(['op', 'path', 'from', 'value']);

function applyOperation(state: State, operation: Readonly<Record<string, unknown>>): void {
  const path = tokensOf(getOwn(operation, 'path'));
  const op = getOwn(operation, 'op');
  const value = getOwn(operation, 'value') ?? null;
  switch (op) {
    case 'replace':
      if (path.length === 0 && value === null)
        throw new Inapplicable('the whole document cannot be replaced by nothing');
      state.document = edit(state, state.document, path, { kind: 'replace', value });
      break;
    case 'test':
      if (!deepEqual(find(state.document, path), value)) {
        throw new Inapplicable(`testing value ${String(operation.path)} failed`);
      }
      break;
    case 'add':
    case 'remove':
      editWithin(state, path, { kind: op, value });
      break;
    case 'move':
    case 'copy':
      transfer(state, op, tokensOf(getOwn(operation, 'from')), path);
      break;
    default:
      throw new Inapplicable(`Unexpected kind: ${String(op)}`);
  }
}

function transfer(state: State, op: 'copy' | 'move', from: readonly string[], path: readonly string[]): void {
  if (from.length === 0) throw new Inapplicable('the whole document can be neither moved nor copied');
  const value = find(state.document, from);
  if (op === 'copy') {
    state.copiedCharacters += jsonText(value).length;
    if (state.copiedCharacters > copiedCharactersMax) throw new Inapplicable('copy operations exceed the size limit');
    editWithin(state, path, { kind: 'add', value: deepClone(value) });
    return;
  }
  editWithin(state, from, { kind: 'remove', value });
  editWithin(state, path, { kind: 'add', value });
}

function tokensOf(pointer: unknown): readonly string[] {
  if (pointer === '') return [];
  if (typeof pointer !== 'string' || !pointer.startsWith('/')) throw new Inapplicable('operation has no valid path');
  const tokens = pointer.slice(1).split('/');
  return pointer.includes('~') ? tokens.map((t) => t.replaceAll('~1', '/').replaceAll('~0', '~')) : tokens;
}

/** The index a token means in a list, or undefined; with `end`, the position after the last item counts too. */
function indexOf(token: string, length: number, end: boolean): number | undefined {
  if (token === '-') return end ? length : undefined;
  if (!/^[-+]?\d{1,9}$/.test(token)) return undefined;
  // Negative indices count from the end.
  const index = Number(token) < 0 ? Number(token) + length + (end ? 1 : 0) : Math.abs(Number(token));
  return index >= 0 && (index < length || (end && index === length)) ? index : undefined;
}

/** The value at a path; null for a field that an object does not have. */
function find(document: unknown, tokens: readonly string[]): unknown {
  let value = document;
  for (const token of tokens) {
    if (Array.isArray(value)) {
      const index = indexOf(token, value.length, false);
      if (index === undefined) throw new Inapplicable(`index ${token} is out of bounds`);
      value = value[index];
    } else if (isObject(value)) {
      value = getOwn(value, token) ?? null;
    } else {
      throw new Inapplicable('the path leads through a value that holds no others');
    }
  }
  return value;
}

interface Edit {
  readonly kind: 'add' | 'remove' | 'replace';
  /** What is set there. */
  readonly value: unknown;
}

/** Makes an edit of anything but the whole document. */
function editWithin(state: State, tokens: readonly string[], change: Edit): void {
  if (tokens.length === 0) throw new Inapplicable(`the whole document is nothing to ${change.kind}`);
  state.document = edit(state, state.document, tokens, change);
}

/**
 * `node` with the edit made at `tokens[depth...]`: itself where it is the patch's own, else a copy. The depth of the document bounds the
 * recursion.
 */
function edit(state: State, node: unknown, tokens: readonly string[], change: Edit, depth = 0): unknown {
  if (depth === tokens.length) return change.value;
  const token = tokens[depth]!;
  const isLast = depth === tokens.length - 1;
  if (Array.isArray(node)) {
    const index = indexOf(token, node.length, isLast && change.kind === 'add');
    if (index === undefined) throw new Inapplicable(`index ${token} is out of bounds`);
    const list = owned(state, node, () => node.slice() as unknown[]);
    if (!isLast) list[index] = edit(state, node[index], tokens, change, depth + 1);
    else if (change.kind === 'remove') list.splice(index, 1);
    else if (change.kind === 'add') list.splice(index, 0, change.value);
    else list[index] = change.value;
    return list;
  }
  if (!isObject(node)) throw new Inapplicable('the path leads through a value that holds no others');
  if (!Object.hasOwn(node, token) && (!isLast || change.kind === 'remove')) {
    throw new Inapplicable(`there is no ${token} in the document`);
  }
  const object = owned(state, node, () => copyOf(node));
  if (isLast && change.kind === 'remove') delete object[token];
  else setOwn(object, token, edit(state, node[token], tokens, change, depth + 1));
  return object;
}

/** The container itself where it was made for this patch, else a copy that is. */
function owned<T extends object>({ own }: State, container: T, copy: () => T): T {
  if (own.has(container)) return container;
  const made = copy();
  own.add(made);
  return made;
}

function copyOf(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(object)) setOwn(copy, key, object[key]);
  return copy;
}
