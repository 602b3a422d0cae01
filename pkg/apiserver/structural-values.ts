/**
 * Whether the values of an object are what its structural schema asks for, in the words of upstream's validator. A schema is compiled once, into
 * a tree of checks; a value costs a walk. Pure.
 *
 * On an update a part that is as it was is not looked at, so that a rule that has become stricter does not keep objects from being changed
 * elsewhere (ratcheting). Items of a list are the same where its map keys say so; without such keys a list is the same as a whole or not at all.
 *
 * Rules in CEL are `structural-rules.ts`'s, and are looked at where nothing was found here that would make them fail.
 * Source: kube-openapi `validation/validate` and `errors`, apiextensions-apiserver `apiserver/validation/validation.go`.
 */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { deepEqual, goJson, isNumeric, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { valueFormats } from '#pkg/apimachinery/value-formats.ts';
import { compilePattern } from '#pkg/cel/linear-pattern.ts';
import { isMultiple } from './structural-numbers.ts';
import { compileRules } from './structural-rules.ts';

/** A structural schema in the words of OpenAPI v3. */
type StructuralSchema = JsonObject;

/** One value on its way through the checks. */
interface Visit {
  readonly value: unknown;
  /** What was there before; undefined when there was nothing. */
  readonly old: unknown;
  /** `spec.items[0]`; empty at the root. */
  readonly path: FieldPath;
  readonly errors: FieldError[];
}

type Check = (visit: Visit) => void;

/** Checks all of an object but what every object has. `old` is undefined on create. Warnings are of rules that what is unchanged breaks. */
export type ObjectCheck = (object: unknown, old?: unknown, warn?: (message: string) => void) => readonly FieldError[];

/** Compiles a schema. Throws for a pattern that is none. */
export function compileValues(schema: StructuralSchema): ObjectCheck {
  const check = compile(rootOf(schema));
  const rules = compileRules(schema);
  return (value, old, warn = () => {}) => {
    const errors: FieldError[] = [];
    check({ value, old, path: untyped(''), errors });
    if (rules === undefined) return errors;
    if (errors.some(({ reason }) => blocking.has(reason))) return [...errors, unchecked];
    return [...errors, ...rules(value, old, warn)];
  };
}

/** After these a value is not what rules expect. Source: apiextensions-apiserver `registry/customresource/strategy.go` `hasBlockingErr`. */
const blocking: ReadonlySet<string> = new Set([
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const unchecked = invalid(
  untyped(''),
  null,
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
);

/** Of the metadata a schema can only restrict the name. */
function rootOf(schema: StructuralSchema): StructuralSchema {
  const properties = objectOf(schema.properties);
  const { apiVersion: _, kind: __, metadata, ...others } = properties;
  const { name, generateName } = objectOf(objectOf(metadata).properties);
  const named = Object.entries({ name, generateName }).filter(([, one]) => isObject(one));
  const kept = named.length === 0 ? {} : { metadata: { type: 'object', properties: Object.fromEntries(named) } };
  return { ...schema, properties: { ...others, ...kept } };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function schemasOf(value: unknown): readonly StructuralSchema[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function compile(schema: StructuralSchema): Check {
  const types = typesOf(schema);
  const isNullable = schema.nullable === true;
  const rules = [
    ...stringRules(schema),
    ...numberRules(schema),
    ...listRules(schema),
    ...objectRules(schema),
    ...enumRules(schema),
    ...junctorRules(schema),
  ];
  return (visit) => {
    const { value, old } = visit;
    if (value === undefined || (value === null && isNullable)) return;
    if (old !== undefined && deepEqual(value, old)) return;
    if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
      visit.errors.push(wrongType(visit, types.join(','), typeNameOf(value)));
      return;
    }
    for (const rule of rules) rule(visit);
  };
}

function typesOf(schema: StructuralSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string'];
  return typeof schema.type === 'string' && schema.type !== '' ? [schema.type] : [];
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value) || typeof value === 'bigint';
  const found = typeNameOf(value);
  return found === type || (type === 'number' && found === 'integer');
}

function typeNameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function wrongType({ path }: Visit, wanted: string, found: string): FieldError {
  const error = invalid(path, found, `${path} in body must be of type ${wanted}: ${JSON.stringify(found)}`);
  return { ...error, reason: 'FieldValueTypeInvalid' };
}

/** A rule for values that `applies` to, told in the words that come after the path. */
function rule<T>(applies: (value: unknown) => value is T, broken: (value: T) => string | undefined): Check {
  return ({ value, path, errors }) => {
    if (!applies(value)) return;
    const why = broken(value);
    if (why !== undefined) errors.push(invalid(path, value, `${path} in body ${why}`));
  };
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

function limitOf(schema: StructuralSchema, name: string): number | undefined {
  return isNumber(schema[name]) ? schema[name] : undefined;
}

/** Characters as Go counts them. */
function lengthOf(text: string): number {
  return text.length === 0 ? 0 : [...text].length;
}

function stringRules(schema: StructuralSchema): readonly Check[] {
  const rules: Check[] = [];
  const [most, least] = [limitOf(schema, 'maxLength'), limitOf(schema, 'minLength')];
  if (most !== undefined) {
    rules.push(({ value, path, errors }) => {
      if (isText(value) && value.length > most && lengthOf(value) > most) errors.push(tooLong(path, most));
    });
  }
  if (least !== undefined) {
    const why = `should be at least ${least} chars long`;
    rules.push(rule(isText, (text) => (lengthOf(text) < least ? why : undefined)));
  }
  if (isText(schema.pattern)) {
    const pattern = compilePattern(schema.pattern);
    const why = `should match '${schema.pattern}'`;
    rules.push(rule(isText, (text) => (pattern.test(text) ? undefined : why)));
  }
  const format = isText(schema.format) ? schema.format : '';
  const fits = Object.hasOwn(valueFormats, format) ? valueFormats[format] : undefined;
  if (fits !== undefined) {
    rules.push((visit) => {
      const { value, path, errors } = visit;
      if (!isText(value) || fits(value)) return;
      const error = invalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`);
      errors.push({ ...error, reason: 'FieldValueTypeInvalid' });
    });
  }
  return rules;
}

const int32Max = 2 ** 31;

function numberRules(schema: StructuralSchema): readonly Check[] {
  const rules: Check[] = [];
  const bound = (name: string, exclusive: string, words: string, sign: -1 | 1): void => {
    const limit = limitOf(schema, name);
    if (limit === undefined) return;
    const isOpen = schema[exclusive] === true;
    const why = `should be ${words}${isOpen ? '' : ' or equal to'} ${limit}`;
    rules.push(
      rule(isNumeric, (value) => {
        const order = value > limit ? 1 : value < limit ? -1 : 0;
        return order === sign || (isOpen && order === 0) ? why : undefined;
      }),
    );
  };
  bound('maximum', 'exclusiveMaximum', 'less than', 1);
  bound('minimum', 'exclusiveMinimum', 'greater than', -1);
  const factor = limitOf(schema, 'multipleOf');
  if (factor !== undefined && factor > 0) {
    const why = `should be a multiple of ${factor}`;
    rules.push(rule(isNumeric, (value) => (isMultiple(value, factor) ? undefined : why)));
  }
  if (schema.format === 'int32' && schema.type === 'integer') {
    const fits = (value: bigint | number): boolean => value >= -int32Max && value < int32Max;
    rules.push(({ value, path, errors }) => {
      if (isNumeric(value) && !fits(value))
        errors.push(invalid(path, value, 'Checked value must be of type integer with format int32'));
    });
  }
  return rules;
}

function listRules(schema: StructuralSchema): readonly Check[] {
  const rules: Check[] = [];
  const [most, least] = [limitOf(schema, 'maxItems'), limitOf(schema, 'minItems')];
  if (most !== undefined) {
    rules.push(({ value, path, errors }) => {
      if (isList(value) && value.length > most) errors.push(tooMany(path, value.length, most));
    });
  }
  if (least !== undefined) {
    const why = `should have at least ${least} items`;
    rules.push(rule(isList, (list) => (list.length < least ? why : undefined)));
  }
  const keys = Array.isArray(schema['x-kubernetes-list-map-keys'])
    ? schema['x-kubernetes-list-map-keys'].filter(isText)
    : [];
  const type = schema['x-kubernetes-list-type'];
  if (type === 'set' || type === 'map') rules.push(duplicatesRule(type === 'map' ? keys : undefined));
  if (!isObject(schema.items)) return rules;
  const item = compile(schema.items);
  rules.push(({ value, old, path, errors }) => {
    if (!isList(value)) return;
    const before = type === 'map' && isList(old) ? byKeys(old, keys) : undefined;
    for (let index = 0; index < value.length; index++) {
      const one = value[index];
      item({ value: one, old: before?.get(keyOf(one, keys)), path: at(path, index), errors });
    }
  });
  return rules;
}

/** What tells one item from the others, as a text. */
function keyOf(item: unknown, keys: readonly string[]): string {
  return goJson(keys.map((key) => objectOf(item)[key] ?? null));
}

function byKeys(list: readonly unknown[], keys: readonly string[]): ReadonlyMap<string, unknown> {
  return new Map(list.map((item) => [keyOf(item, keys), item]));
}

/** Source: apiextensions-apiserver `apiserver/schema/listtype/validation.go`. */
function duplicatesRule(keys: readonly string[] | undefined): Check {
  return ({ value, path, errors }) => {
    if (!isList(value)) return;
    const seen = new Set<string>();
    for (const [index, item] of value.entries()) {
      const shown =
        keys === undefined
          ? item
          : Object.fromEntries(
              keys.flatMap((key) => {
                const found = objectOf(item)[key];
                return found === undefined ? [] : [[key, found]];
              }),
            );
      const text = goJson(shown);
      if (seen.has(text)) {
        const message = `Duplicate value: ${typeof shown === 'object' || typeof shown === 'string' ? text : String(shown)}`;
        errors.push({ reason: 'FieldValueDuplicate', field: at(path, index), message });
      }
      seen.add(text);
    }
  };
}

function objectRules(schema: StructuralSchema): readonly Check[] {
  const rules: Check[] = [];
  const [most, least] = [limitOf(schema, 'maxProperties'), limitOf(schema, 'minProperties')];
  const count = (value: JsonObject): number => Object.keys(value).length;
  if (most !== undefined) {
    const why = `should have at most ${most} properties`;
    rules.push(rule(isObject, (value) => (count(value) > most ? why : undefined)));
  }
  if (least !== undefined) {
    const why = `should have at least ${least} properties`;
    rules.push(rule(isObject, (value) => (count(value) < least ? why : undefined)));
  }
  const wanted = Array.isArray(schema.required) ? schema.required.filter(isText) : [];
  if (wanted.length > 0) {
    rules.push(({ value, path, errors }) => {
      if (!isObject(value)) return;
      for (const name of wanted) if (!Object.hasOwn(value, name)) errors.push(required(child(path, name)));
    });
  }
  const properties = Object.entries(objectOf(schema.properties)).flatMap(([name, one]) =>
    isObject(one) ? [[name, compile(one)] as const] : [],
  );
  const others = isObject(schema.additionalProperties) ? compile(schema.additionalProperties) : undefined;
  if (properties.length === 0 && others === undefined) return rules;
  const known = new Set(properties.map(([name]) => name));
  rules.push(({ value, old, path, errors }) => {
    if (!isObject(value)) return;
    const before = objectOf(old);
    const visit = (name: string, check: Check): void =>
      check({ value: value[name], old: ownOf(before, name), path: child(path, name), errors });
    for (const [name, check] of properties) if (Object.hasOwn(value, name)) visit(name, check);
    if (others === undefined) return;
    for (const name of Object.keys(value)) if (!known.has(name)) visit(name, others);
  });
  return rules;
}

function ownOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function enumRules(schema: StructuralSchema): readonly Check[] {
  const allowed = schema.enum;
  if (!Array.isArray(allowed)) return [];
  const names = allowed.map((one) => (isText(one) ? one : goJson(one)));
  const known = new Set<unknown>(allowed);
  return [
    ({ value, path, errors }) => {
      // A text is compared with one, not with each of thousands.
      const isAllowed = known.has(value) || (!isText(value) && allowed.some((one) => deepEqual(one, value)));
      if (!isAllowed) errors.push(notSupported(path, value, names));
    },
  ];
}

/** A check by itself: what it finds, without telling of it. */
function faultsOf(check: Check, visit: Visit): readonly FieldError[] {
  const errors: FieldError[] = [];
  check({ ...visit, old: undefined, errors });
  return errors;
}

/** Errors of these name no field: upstream's have none. */
function junctorRules(schema: StructuralSchema): readonly Check[] {
  const rules: Check[] = [];
  const tell = ({ path, errors }: Visit, why: string): void => {
    errors.push(invalid(untyped(''), '', `${JSON.stringify(path)} ${why}`));
  };
  const all = schemasOf(schema.allOf).map(compile);
  if (all.length > 0) {
    rules.push((visit) => {
      const faults = all.flatMap((check) => faultsOf(check, visit));
      visit.errors.push(...faults);
      if (faults.length > 0) tell(visit, 'must validate all the schemas (allOf)');
    });
  }
  const any = schemasOf(schema.anyOf).map(compile);
  if (any.length > 0) {
    rules.push((visit) => {
      const faults = any.map((check) => faultsOf(check, visit));
      if (faults.some((found) => found.length === 0)) return;
      tell(visit, 'must validate at least one schema (anyOf)');
      visit.errors.push(...fewest(faults));
    });
  }
  const one = schemasOf(schema.oneOf).map(compile);
  if (one.length > 0) {
    rules.push((visit) => {
      const faults = one.map((check) => faultsOf(check, visit));
      const valid = faults.filter((found) => found.length === 0).length;
      if (valid === 1) return;
      const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      tell(visit, `must validate one and only one schema (oneOf). ${found}`);
      if (valid === 0) visit.errors.push(...fewest(faults));
    });
  }
  if (isObject(schema.not)) {
    const not = compile(schema.not);
    rules.push((visit) => {
      if (faultsOf(not, visit).length === 0) tell(visit, 'must not validate the schema (not)');
    });
  }
  return rules;
}

/** The faults of the alternative that comes nearest. */
function fewest(faults: readonly (readonly FieldError[])[]): readonly FieldError[] {
  return faults.reduce((best, found) => (found.length < best.length ? found : best));
}
