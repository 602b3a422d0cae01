/** Amounts such as `1.5Gi` in expressions. Source: apiserver `pkg/cel/library/quantity.go`. */
import {
  addQuantity,
  compareQuantity,
  parseQuantity,
  type Quantity,
  quantityError,
  quantityOf,
  subtractQuantity,
} from '#pkg/apimachinery/quantity.ts';
import { bool, double, globalFunction, instanceOf, int, memberFunction, type Overload, string } from '../functions.ts';
import { opaqueType } from '../types.ts';
import { EvaluationError, OpaqueValue } from '../values.ts';

/** The type of amounts. */
export const quantityType = opaqueType('kubernetes.Quantity');
const type = quantityType;
const nanoPerUnit = 1_000_000_000n;

class QuantityValue extends OpaqueValue {
  readonly type = type;
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof QuantityValue && other.quantity.nano === this.quantity.nano;
  }
}

const quantity = instanceOf(type, QuantityValue);

/** The amount where it is a whole number of 64 bits. */
function wholeOf({ quantity: { nano } }: QuantityValue): bigint | undefined {
  const value = nano / nanoPerUnit;
  return nano % nanoPerUnit === 0n && value < 2n ** 63n && value >= -(2n ** 63n) ? value : undefined;
}

/** The amount that a text says. Throws an `EvaluationError` for a text that is none. */
export function quantityValue(text: string): QuantityValue {
  const found = parseQuantity(text);
  if (found === undefined) throw new EvaluationError(quantityError(text));
  return new QuantityValue(found);
}

function whole(value: bigint): Quantity {
  return { ...quantityOf(0, 'DecimalExponent'), nano: value * nanoPerUnit };
}

const two = [quantity, quantity] as const;
const withInt = [quantity, int] as const;

/** All of them. */
export const quantityLibrary: readonly Overload[] = [
  globalFunction({ fn: 'quantity', id: 'string_to_quantity', takes: [string], gives: quantity }, quantityValue),
  globalFunction(
    { fn: 'isQuantity', id: 'is_quantity_string', takes: [string], gives: bool },
    (text) => parseQuantity(text) !== undefined,
  ),
  memberFunction({ fn: 'sign', id: 'quantity_sign', takes: [quantity], gives: int }, ({ quantity: { nano } }) =>
    nano > 0n ? 1n : nano < 0n ? -1n : 0n,
  ),
  memberFunction(
    { fn: 'isGreaterThan', id: 'quantity_is_greater_than', takes: two, gives: bool },
    (a, b) => compareQuantity(a.quantity, b.quantity) > 0,
  ),
  memberFunction(
    { fn: 'isLessThan', id: 'quantity_is_less_than', takes: two, gives: bool },
    (a, b) => compareQuantity(a.quantity, b.quantity) < 0,
  ),
  memberFunction({ fn: 'compareTo', id: 'quantity_compare_to', takes: two, gives: int }, (a, b) =>
    BigInt(compareQuantity(a.quantity, b.quantity)),
  ),
  memberFunction(
    { fn: 'asApproximateFloat', id: 'quantity_get_float', takes: [quantity], gives: double },
    ({ quantity: { nano } }) => Number(nano) / 1e9,
  ),
  memberFunction({ fn: 'asInteger', id: 'quantity_get_int', takes: [quantity], gives: int }, (value) => {
    const found = wholeOf(value);
    if (found === undefined) throw new EvaluationError('cannot convert value to integer');
    return found;
  }),
  memberFunction(
    { fn: 'isInteger', id: 'quantity_is_integer', takes: [quantity], gives: bool },
    (value) => wholeOf(value) !== undefined,
  ),
  memberFunction(
    { fn: 'add', id: 'quantity_add', takes: two, gives: quantity },
    (a, b) => new QuantityValue(addQuantity(a.quantity, b.quantity)),
  ),
  memberFunction(
    { fn: 'add', id: 'quantity_add_int', takes: withInt, gives: quantity },
    (a, b) => new QuantityValue(addQuantity(a.quantity, whole(b))),
  ),
  memberFunction(
    { fn: 'sub', id: 'quantity_sub', takes: two, gives: quantity },
    (a, b) => new QuantityValue(subtractQuantity(a.quantity, b.quantity)),
  ),
  memberFunction(
    { fn: 'sub', id: 'quantity_sub_int', takes: withInt, gives: quantity },
    (a, b) => new QuantityValue(subtractQuantity(a.quantity, whole(b))),
  ),
];
