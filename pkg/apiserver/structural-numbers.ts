/** Rules about numbers of custom resources: doubles, and integers of 64 bits that are more than doubles. */

/** Whether a number is a multiple of `factor`, which is above zero; exactly so for integers. */
export function isMultiple(value: bigint | number, factor: number): boolean {
  const isLong = typeof value === 'bigint' || (Number.isInteger(value) && !Number.isSafeInteger(value));
  if (isLong && Number.isInteger(factor)) return BigInt(value) % BigInt(factor) === 0n;
  return Number.isInteger(Number(value) / factor);
}
