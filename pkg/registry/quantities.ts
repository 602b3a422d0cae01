/** Comparing quantities as they stand in objects; what is not a quantity counts as zero. */
import { compareQuantity, parseQuantity, type Quantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';

/** The quantity a JSON value means, zero when it means none. */
export function quantityAt(value: unknown): Quantity {
  if (typeof value !== 'string' && typeof value !== 'number') return zeroQuantity;
  return parseQuantity(value) ?? zeroQuantity;
}

/** Negative, zero or positive as `a` is less than, equal to or more than `b`. */
export function compareQuantities(a: unknown, b: unknown): number {
  return compareQuantity(quantityAt(a), quantityAt(b));
}

/** Whether a value is no quantity or the quantity zero. */
export function isZeroQuantity(value: unknown): boolean {
  return quantityAt(value).nano === 0n;
}
