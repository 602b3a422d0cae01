/** Short words for the structural schemas of custom resources, so that what a field is can be read in one line. */

/** A structural schema, as a CustomResourceDefinition has it. */
export type Schema = Readonly<Record<string, unknown>>;

/** A rule in CEL and what is said when it does not hold. */
type CelRule = readonly [rule: string, message: string];

/** What `listOf` takes beside the items. */
interface ListLimits {
  readonly max: number;
  readonly min?: number;
  /** Names of the fields that tell items apart. */
  readonly keys?: readonly string[];
  readonly atomic?: true;
  readonly rules?: readonly CelRule[];
}

/** A text, at most `max` long. */
export function textOf(max: number, more: Schema = {}): Schema {
  return { type: 'string', maxLength: max, ...more };
}

/** One of some words. */
export function wordOf(words: readonly string[], fallback?: string): Schema {
  return { type: 'string', enum: words, ...(fallback === undefined ? {} : { default: fallback }) };
}

/** A number in a range, both ends included. */
export function numberOf(minimum: number, maximum: number, more: Schema = {}): Schema {
  return { type: 'integer', format: 'int32', minimum, maximum, ...more };
}

/** A list. */
export function listOf(items: Schema, { max, min, keys, atomic, rules = [] }: ListLimits): Schema {
  return {
    type: 'array',
    items,
    maxItems: max,
    ...(min === undefined ? {} : { minItems: min }),
    ...(keys === undefined ? {} : { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }),
    ...(atomic === undefined ? {} : { 'x-kubernetes-list-type': 'atomic' }),
    ...validations(rules),
  };
}

/** An object; `required` names the fields that it must have. */
export function objectOf(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
  rules: readonly CelRule[] = [],
): Schema {
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }), ...validations(rules) };
}

/** A schema with a default. */
export function withDefault(schema: Schema, fallback: unknown): Schema {
  return { ...schema, default: fallback };
}

function validations(rules: readonly CelRule[]): Schema {
  if (rules.length === 0) return {};
  return { 'x-kubernetes-validations': rules.map(([rule, message]) => ({ rule, message })) };
}

/** The conditions of a status, told apart by their type. */
export const conditionsSchema: Schema = listOf(
  objectOf(
    {
      type: textOf(316, { minLength: 1 }),
      status: wordOf(['True', 'False', 'Unknown']),
      observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
      lastTransitionTime: { type: 'string', format: 'date-time' },
      reason: textOf(1024, { minLength: 1 }),
      message: textOf(32_768),
    },
    ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
  ),
  { max: 8, keys: ['type'] },
);
