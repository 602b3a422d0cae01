/** The flag that says what the virtual machines of a node may use together. Pure. */
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';

/** Two small machines. */
const bytesMin = 16 * 2 ** 20;
/** They have it in one buffer, of which WebAssembly has no larger ones. */
const bytesMax = 4 * 2 ** 30;

/** The bytes that a value means; undefined for `''`, and for what `machineMemoryProblem` refuses. */
export function machineBytesOf(value: string): number | undefined {
  const quantity = parseQuantity(value);
  const bytes = quantity === undefined ? Number.NaN : quantityValue(quantity);
  return bytes >= bytesMin && bytes <= bytesMax ? bytes : undefined;
}

/** Why a value cannot be used; undefined where it can. */
export function machineMemoryProblem(value: string): string | undefined {
  return value === '' || machineBytesOf(value) !== undefined ? undefined : 'must be a quantity from 16Mi to 4Gi';
}
