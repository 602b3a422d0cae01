/**
 * Amounts by the name of what they are amounts of, as quotas have them: limits, what is used, what one object takes. Values, never changed.
 * Upstream counterpart: apiserver `quota/v1/resources.go`.
 */
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantity,
  zeroQuantity,
} from '#pkg/apimachinery/quantity.ts';

/** Amounts by name. */
export type Amounts = ReadonlyMap<string, Quantity>;

/** Amounts as they stand in objects. */
export type ResourceList = Readonly<Record<string, string>>;

/** No amounts. */
export const noAmounts: Amounts = new Map();

/** The amounts of a list; what is no quantity is left out. */
export function amountsOf(list: ResourceList | undefined): Amounts {
  const amounts = new Map<string, Quantity>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    if (quantity !== undefined) amounts.set(name, quantity);
  }
  return amounts;
}

/** The list of amounts, in the order of names. */
export function listOf(amounts: Amounts): ResourceList {
  const names = [...amounts.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, formatQuantity(amounts.get(name) ?? zeroQuantity)]));
}

/** Sums of both. */
export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sums = new Map(a);
  for (const [name, amount] of b) {
    const other = sums.get(name);
    sums.set(name, other === undefined ? amount : addQuantity(other, amount));
  }
  return sums;
}

/** How much more `a` is than `b`, by name; never negative. */
export function increaseOf(a: Amounts, b: Amounts): Amounts {
  const increase = new Map<string, Quantity>();
  for (const [name, amount] of a) {
    const difference = subtractQuantity(amount, b.get(name) ?? zeroQuantity);
    if (difference.nano > 0n) increase.set(name, difference);
  }
  return increase;
}

/** The amounts whose names `isWanted` takes. */
export function selectAmounts(amounts: Amounts, isWanted: (name: string) => boolean): Amounts {
  return new Map([...amounts].filter(([name]) => isWanted(name)));
}

/** Names of which `a` has more than `b`, of those that both have; in order. */
export function exceeding(a: Amounts, b: Amounts): readonly string[] {
  const names = [...a.keys()].filter((name) => {
    const limit = b.get(name);
    return limit !== undefined && compareQuantity(a.get(name) ?? zeroQuantity, limit) > 0;
  });
  return names.sort();
}

/** Whether both have the same names with the same amounts. */
export function sameAmounts(a: Amounts, b: Amounts): boolean {
  if (a.size !== b.size) return false;
  for (const [name, amount] of a) {
    const other = b.get(name);
    if (other === undefined || compareQuantity(amount, other) !== 0) return false;
  }
  return true;
}
