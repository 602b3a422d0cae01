/**
 * Whether an object keeps the rules in CEL of its structural schema (`x-kubernetes-validations`). Rules are compiled once; a schema without any costs
 * nothing. An object has a budget for all of them.
 *
 * A rule that is broken by a part that is as it was, and that does not look at what was before, is a warning (ratcheting).
 * Source: apiextensions-apiserver `apiserver/schema/cel/validation.go`.
 */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { deepEqual, goJson, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { fieldPathOf } from '#pkg/cel/field-path.ts';
import { callCostMax } from '#pkg/cel/program.ts';
import { type CompiledRule, compileRule, rulesOfSchema, type SchemaRule } from '#pkg/cel/schema-rule.ts';
import { type Adapt, adapterOf, typeOfSchema } from '#pkg/cel/schema-types.ts';
import { EvaluationError, none, OptionalValue, type Value } from '#pkg/cel/values.ts';

/** What the rules of one object may cost together. Source: apiserver `apis/cel/config.go` `RuntimeCELCostBudget`. */
const objectCostMax = 10_000_000;

/** Longest message that an expression makes, in bytes. Source: `MaxEvaluatedMessageExpressionSizeBytes`. */
const messageBytesMax = 5 * 1024;

/** A value and what it was, where that can be known. */
interface Pair {
  readonly value: unknown;
  readonly old: unknown;
}

interface Visit {
  readonly value: unknown;
  readonly old: unknown;
  readonly path: FieldPath;
  /** The value, and the nearest part around it, with what they were, for ratcheting. */
  readonly pair: Pair | undefined;
  readonly around: Pair | undefined;
  readonly run: Run;
}

/** A value at the place where rules are: `type` is what its schema says that it is. */
interface Ruled extends Visit {
  readonly type: string;
}

/** One object on its way through the rules. */
interface Run {
  readonly errors: FieldError[];
  readonly warn: (message: string) => void;
  budget: number;
}

type Check = (visit: Visit) => void;

/** Looks at all rules of an object. `old` is undefined on create. */
export type RuleCheck = (object: unknown, old: unknown, warn: (message: string) => void) => readonly FieldError[];

/** Compiles the rules of a schema; undefined when there are none. */
export function compileRules(schema: JsonObject): RuleCheck | undefined {
  const check = checkOf(schema, true);
  if (check === undefined) return undefined;
  return (value, old, warn) => {
    const run: Run = { errors: [], warn, budget: objectCostMax };
    const pair = old === undefined ? undefined : { value, old };
    check({ value, old, path: untyped(''), pair, around: undefined, run });
    return run.errors;
  };
}

function checkOf(schema: JsonObject, isResource: boolean): Check | undefined {
  const checks = [ownRules(schema, isResource), ...allOfRules(schema, isResource), ...partRules(schema)].filter(
    (check) => check !== undefined,
  );
  if (checks.length === 0) return undefined;
  return (visit) => {
    if (visit.value === null || visit.value === undefined) return;
    for (const check of checks) if (visit.run.budget >= 0) check(visit);
  };
}

/** Rules inside of `allOf` are about the values of the schema around it. */
function allOfRules(schema: JsonObject, isResource: boolean): readonly (Check | undefined)[] {
  if (!Array.isArray(schema.allOf)) return [];
  return schema.allOf.filter(isObject).map((part) => {
    const rules = part['x-kubernetes-validations'];
    const check =
      rules === undefined ? undefined : ownRules({ ...schema, 'x-kubernetes-validations': rules }, isResource);
    return check === undefined ? undefined : (visit) => check({ ...visit, pair: undefined });
  });
}

function isEmbedded(schema: JsonObject): boolean {
  return schema['x-kubernetes-embedded-resource'] === true;
}

function partRules(schema: JsonObject): readonly (Check | undefined)[] {
  if (schema.type === 'array' && isObject(schema.items)) return [itemRules(schema, schema.items)];
  if (schema.type !== 'object') return [];
  const isWhole = schema['x-kubernetes-map-type'] === 'atomic';
  const checks = new Map<string, Check>();
  for (const [name, property] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    const check = isObject(property) ? checkOf(property, isEmbedded(property)) : undefined;
    if (check !== undefined) checks.set(name, check);
  }
  const { additionalProperties } = schema;
  const others = isObject(additionalProperties)
    ? checkOf(additionalProperties, isEmbedded(additionalProperties))
    : undefined;
  if (checks.size === 0 && others === undefined) return [];
  return [
    (visit) => {
      if (!isObject(visit.value)) return;
      for (const name of Object.keys(visit.value)) {
        const check = others ?? checks.get(name);
        const path = others === undefined ? child(visit.path, name) : at(visit.path, name);
        if (check !== undefined) check(fieldVisit(visit, name, path, isWhole));
      }
    },
  ];
}

function own(object: unknown, name: string): unknown {
  return isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;
}

function fieldVisit(visit: Visit, name: string, path: FieldPath, isWhole: boolean): Visit {
  const { value, old, pair, run } = visit;
  const part = own(value, name);
  const before = isWhole ? undefined : own(old, name);
  if (pair === undefined) return { ...visit, value: part, old: before, path };
  if (visit.around === undefined && (name === 'apiVersion' || name === 'kind')) {
    return { value: part, old: before, path, pair: undefined, around: undefined, run };
  }
  const was = isWhole ? undefined : own(pair.old, name);
  const known = was === undefined ? undefined : { value: part, old: was };
  return { value: part, old: before, path, pair: known, around: pair, run };
}

function itemRules(schema: JsonObject, items: JsonObject): Check | undefined {
  const check = checkOf(items, isEmbedded(items));
  if (check === undefined) return undefined;
  const keys = schema['x-kubernetes-list-map-keys'];
  const isMap = schema['x-kubernetes-list-type'] === 'map' && Array.isArray(keys);
  const keyOf = (item: unknown): string => goJson(isMap ? keys.map((key) => own(item, String(key)) ?? null) : null);
  return ({ value, old, path, pair, around, run }) => {
    if (!Array.isArray(value)) return;
    const before = new Map(isMap && Array.isArray(old) ? old.map((item) => [keyOf(item), item] as const) : []);
    for (const [index, item] of value.entries()) {
      const was: unknown = before.get(keyOf(item));
      const known = was === undefined ? undefined : { value: item, old: was };
      const nearest = pair ?? around;
      check({ value: item, old: was, path: at(path, index), pair: pair && known, around: nearest, run });
    }
  };
}

/** Whether a part, or what is around it where that cannot be said, is as it was. */
function isAsBefore({ pair, around }: Visit): boolean {
  const known = pair ?? around;
  return known !== undefined && deepEqual(known.value, known.old);
}

interface ReadyRule extends CompiledRule {
  /** Below the value, where the error belongs. */
  readonly place: string | undefined;
}

function ownRules(schema: JsonObject, isResource: boolean): Check | undefined {
  const rules = rulesOfSchema(schema);
  if (rules.length === 0) return undefined;
  const type = typeOfSchema(schema, isResource);
  if (type === undefined) return undefined;
  const ready = rules.map(
    (rule): ReadyRule => ({ ...compileRule(rule, type), place: fieldPathOf(rule.fieldPath, schema) }),
  );
  const adapt = adapterOf(schema, isResource);
  const typeName = typeof schema.type === 'string' ? schema.type : '';
  return (one) => {
    const visit = { ...one, type: typeName };
    const { run, path } = visit;
    if (run.budget <= 0) {
      outOfBudget(visit);
      return;
    }
    let self: Value;
    try {
      self = adapt(visit.value);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      run.errors.push(invalid(path, visit.value, error.message));
      return;
    }
    for (const rule of ready) if (run.budget >= 0) checkRule(visit, rule, self, adapt);
  };
}

function outOfBudget({ run, path, type }: Ruled): void {
  const why = 'validation failed due to running out of cost budget, no further validation rules will be run';
  run.errors.push(invalid(path, type, why));
  run.budget = -1;
}

/** Errors about objects and lists do not show them. */
function omitted(path: FieldPath, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field: path, message: `Invalid value: ${detail}` };
}

function shownRule({ message, rule }: SchemaRule): string {
  return (message === '' ? rule : message).trim();
}

function checkRule(visit: Ruled, ready: ReadyRule, self: Value, adapt: Adapt): void {
  const { run, path, old } = visit;
  const { program, rule, usesOldSelf } = ready;
  if (ready.error !== undefined) run.errors.push(invalid(path, visit.type, `rule compile error: ${ready.error}`));
  if (program === undefined) return;
  const isOptional = rule.optionalOldSelf === true;
  const hasOld = old !== undefined && old !== null;
  if (usesOldSelf && !hasOld && !isOptional) return;
  const values = [self, oldSelf(old, isOptional, adapt)];
  const outcome = program.run(values, callCostMax);
  if (outcome.cost > run.budget) {
    outOfBudget(visit);
    return;
  }
  run.budget -= outcome.cost;
  if ('error' in outcome) {
    tellFailure(visit, rule, outcome.error);
    return;
  }
  if (outcome.value === true) return;
  const detail = messageOf(visit, ready, values);
  const broken = errorOf(visit, ready, detail ?? ruleMessage(rule));
  if (!usesOldSelf && isAsBefore(visit)) run.warn(`${broken.field || '<nil>'}: ${broken.message}`);
  else run.errors.push(broken);
}

function oldSelf(old: unknown, isOptional: boolean, adapt: Adapt): Value | undefined {
  if (old === undefined || old === null) return isOptional ? none : undefined;
  const value = adapt(old);
  return isOptional ? new OptionalValue(value) : value;
}

function tellFailure({ run, path, type }: Ruled, rule: SchemaRule, { message, isFinal }: EvaluationError): void {
  const shown = shownRule(rule);
  if (message.startsWith('no such overload')) {
    const why = 'call arguments did not match a supported operator, function or macro signature for rule';
    run.errors.push(invalid(path, type, `'${message}': ${why}: ${shown}`));
  } else if (isFinal) {
    const why = 'no further validation rules will be run due to call cost exceeds limit for rule';
    run.errors.push(invalid(path, type, `'${message}': ${why}: ${shown}`));
    run.budget = -1;
  } else run.errors.push(invalid(path, type, `${message} evaluating rule: ${shown}`));
}

function ruleMessage(rule: SchemaRule): string {
  return rule.message === '' ? `failed rule: ${shownRule(rule)}` : rule.message.trim();
}

/** What the expression for messages says; undefined where it says nothing that can be shown. */
function messageOf({ run }: Visit, { message }: ReadyRule, values: readonly (Value | undefined)[]): string | undefined {
  if (message === undefined) return undefined;
  const outcome = message.run(values, Math.min(callCostMax, run.budget));
  run.budget -= outcome.cost;
  if ('error' in outcome || typeof outcome.value !== 'string') return undefined;
  const text = outcome.value.trim();
  return text === '' || text.includes('\n') || Buffer.byteLength(text) > messageBytesMax ? undefined : text;
}

function errorOf({ value, path }: Visit, { rule, place }: ReadyRule, detail: string): FieldError {
  const field = place === undefined ? path : child(path, place);
  const isWhole = typeof value === 'object';
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbiddenField(field, detail);
    case 'FieldValueRequired':
      return required(field, detail);
    case 'FieldValueDuplicate':
      return isWhole ? { reason: 'FieldValueDuplicate', field, message: 'Duplicate value' } : duplicate(field, value);
    default:
      return isWhole ? omitted(field, detail) : invalid(field, value, detail);
  }
}
