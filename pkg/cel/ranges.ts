/** Ranges of sizes and costs. What is beyond 64 bits is as much as they hold. Pure. Source: cel-go `checker/cost.go`. */

/** From the least to the most. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The most that a size or a cost can be. */
export const most = 2 ** 64;

/** Nothing is known. */
export const unknownSize: Range = { min: 0, max: most };

/** One number. */
export function fixed(value: number): Range {
  return { min: value, max: value };
}

/** The sum. */
export function add(a: Range, b: Range): Range {
  return { min: Math.min(most, a.min + b.min), max: Math.min(most, a.max + b.max) };
}

/** The product. */
export function times(a: Range, b: Range): Range {
  return { min: Math.min(most, a.min * b.min), max: Math.min(most, a.max * b.max) };
}

/** A part of each, rounded up. */
export function scaled(a: Range, factor: number): Range {
  return { min: Math.min(most, Math.ceil(a.min * factor)), max: Math.min(most, Math.ceil(a.max * factor)) };
}

/** From the least of both to the most of both. */
export function union(a: Range, b: Range): Range {
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
}
