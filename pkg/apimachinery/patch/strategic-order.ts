/** The order of the items of lists that a strategic merge patch merged. */
import { goText } from '../go-text.ts';
import { canonicalJson, getOwn, isObject } from '../json.ts';
import { BadPatch, patchDirective } from './strategic-directives.ts';

/** What tells items apart: the value of the merge key for objects, the value itself for others. */
export function identityOf(item: unknown, mergeKey: string | undefined): string {
  if (mergeKey === undefined || !isObject(item)) return textOf(item);
  const value = getOwn(item, mergeKey);
  if (value === undefined) {
    throw new BadPatch(`map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
  }
  return textOf(value);
}

/** Other for other values; that of a string begins as its JSON does. */
const textOf = (value: unknown): string => (typeof value === 'string' ? `"${value}` : canonicalJson(value));

interface OrderOptions {
  /** Items in the order the patch wants. */
  readonly first: readonly unknown[];
  /** Items in the order the server had. */
  readonly server: readonly unknown[];
  readonly mergeKey: string | undefined;
}

/** An item with its places. */
interface Placed {
  readonly item: unknown;
  readonly patchAt: number;
  readonly serverAt: number | undefined;
}

/**
 * Items of the patch in the patch's order, the others in the server's; between the two, an item that only the server has comes
 * first only where the server has both and has it first.
 */
export function mergeOrder(merged: readonly unknown[], { first, server, mergeKey }: OrderOptions): unknown[] {
  const identify = (item: unknown): string => identityOf(item, mergeKey);
  const patchIndex = positions(first.map(identify));
  const serverIndex = positions(server.map(identify));
  const inPatch: Placed[] = [];
  const others: Placed[] = [];
  for (const item of merged) {
    const identity = identify(item);
    const patchAt = patchIndex.get(identity);
    const placed = { item, patchAt: patchAt ?? 0, serverAt: serverIndex.get(identity) };
    (patchAt === undefined ? others : inPatch).push(placed);
  }
  inPatch.sort((a, b) => a.patchAt - b.patchAt);
  const result: unknown[] = [];
  let next = 0;
  for (const { item, serverAt } of inPatch) {
    for (let other = others[next]; other !== undefined && serverAt !== undefined; other = others[++next]) {
      if (other.serverAt === undefined || other.serverAt > serverAt) break;
      result.push(other.item);
    }
    result.push(item);
  }
  return [...result, ...others.slice(next).map(({ item }) => item)];
}

/** Where each identity comes first. */
export function positions(identities: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const [index, identity] of identities.entries()) if (!found.has(identity)) found.set(identity, index);
  return found;
}

interface SetOrderOptions {
  /** The `$setElementOrder` list. */
  readonly order: readonly unknown[];
  readonly patchList: readonly unknown[];
  readonly originalList: readonly unknown[];
  readonly mergeKey: string | undefined;
}

/** Puts a merged list into the order of `$setElementOrder`, after checking that the patch agrees with it. */
export function orderBySetElementOrder(merged: readonly unknown[], options: SetOrderOptions): unknown[] {
  const { order, patchList, originalList, mergeKey } = options;
  checkPatchOrder(patchList, order, mergeKey);
  return mergeOrder(merged, { first: order, server: originalList, mergeKey });
}

/** Items of the patch have to be in the order list, in the same order; items that delete need not be. */
function checkPatchOrder(patchList: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): void {
  if (order.length === 0) return;
  let position = 0;
  for (const item of patchList) {
    if (isObject(item) && item[patchDirective] !== undefined) continue;
    const identity = identityOf(item, mergeKey);
    while (position < order.length && identityOf(order[position], mergeKey) !== identity) position++;
    if (position++ >= order.length) {
      throw new BadPatch(
        `The order in patch list:\n${goText(patchList)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
      );
    }
  }
}
