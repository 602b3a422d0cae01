/**
 * The rules in CEL of a schema, when a definition is stored: each has to be an expression of its place's type, and what all of them may cost is limited by
 * what the schema allows. Source: upstream apiextensions `validation/{validation,cel_validation}.go`.
 */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { fieldPathOf } from '#pkg/cel/field-path.ts';
import { type CompiledRule, compileRule, rulesOfSchema, type SchemaRule } from '#pkg/cel/schema-rule.ts';
import { escapeName, typeOfSchema } from '#pkg/cel/schema-types.ts';
import type { Type } from '#pkg/cel/types.ts';
import type { Collector } from '../validation/collector.ts';

/** What one rule may be estimated to cost. Source: `StaticEstimatedCostLimit`. */
const ruleCostMax = 10_000_000;

/** What all rules of a schema may be estimated to cost. Source: `StaticEstimatedCRDCostLimit`. */
const schemaCostMax = 100_000_000;

/** How many of the most expensive rules are named. */
const namedMax = 4;

/** As messages of sums of 64 bits: what is more is as much. */
const costMax = 2 ** 64;

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const requestBytesMax = 3 * 1024 * 1024;

interface Part {
  readonly schema: JsonObject;
  readonly path: FieldPath;
  readonly isRoot: boolean;
  /** Known where a part around it has rules. */
  readonly type: Type | undefined;
  /** How often it may be there in one object; undefined where nothing limits that. */
  readonly cardinality: number | undefined;
  /** A part around it whose old and new items nothing relates. */
  readonly unrelated: FieldPath | undefined;
}

interface Costs {
  total: number;
  readonly expensive: { readonly path: FieldPath; readonly cost: number }[];
}

/** Checks all rules of a schema that is structural. */
export function checkRules(into: Collector, schema: JsonObject, path: FieldPath): void {
  const costs: Costs = { total: 0, expensive: [] };
  const root = { schema, path, isRoot: true, type: undefined, cardinality: 1, unrelated: undefined };
  const found = checkPart(root, costs);
  for (const error of [...found.shape, ...found.rules]) into.add(error);
  if (costs.total <= schemaCostMax) return;
  const most = costs.expensive.toSorted((a, b) => b.cost - a.cost).slice(0, namedMax);
  for (const one of most) {
    into.add(
      forbiddenField(
        one.path,
        'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      ),
    );
  }
  const name = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
  into.add(forbiddenField(path, tooExpensive(name, costs.total, schemaCostMax)));
}

/** Errors of how rules are written, and of what they say. */
interface Found {
  readonly shape: FieldError[];
  readonly rules: FieldError[];
}

function checkPart(part: Part, costs: Costs): Found {
  const { schema, path } = part;
  const found: Found = { shape: [], rules: [] };
  const rules = rulesOfSchema(schema);
  const type = part.type ?? (rules.length > 0 ? typeOfSchema(schema, part.isRoot || isEmbedded(schema)) : undefined);
  for (const inner of partsOf({ ...part, type })) {
    const { shape, rules: others } = checkPart(inner, costs);
    found.shape.push(...shape);
    found.rules.push(...others);
  }
  for (const [index, rule] of rules.entries()) {
    found.shape.push(...shapeErrors(rule, schema, at(child(path, 'x-kubernetes-validations'), index)));
  }
  if (found.shape.length > 0 || rules.length === 0) return found;
  if (type === undefined) {
    const detail = 'internal error: failed to construct type information for x-kubernetes-validations rules';
    found.rules.push(invalid(child(path, 'x-kubernetes-validations'), '', detail));
    return found;
  }
  for (const [index, rule] of rules.entries()) {
    const place = at(child(path, 'x-kubernetes-validations'), index);
    found.rules.push(...ruleErrors(compileRule(rule, type), { ...part, type }, place, costs));
  }
  return found;
}

function isEmbedded(schema: JsonObject): boolean {
  return schema['x-kubernetes-embedded-resource'] === true;
}

/** Values that a part may have in one of what is around it. */
function elementsOf({ type, additionalProperties, maxProperties, maxItems }: JsonObject): number | undefined {
  const limit =
    type === 'array' ? maxItems : additionalProperties === undefined || type !== 'object' ? 1 : maxProperties;
  return typeof limit === 'number' ? Math.max(0, limit) : undefined;
}

function partsOf({ schema, path, type, cardinality, unrelated }: Part): readonly Part[] {
  const elements = elementsOf(schema);
  const inner = {
    isRoot: false,
    cardinality: cardinality === undefined || elements === undefined ? undefined : cardinality * elements,
  };
  const isWhole = schema['x-kubernetes-map-type'] === 'atomic';
  const inMap = isWhole ? path : unrelated;
  const parts: Part[] = [];
  if (isObject(schema.properties)) {
    for (const [name, property] of Object.entries(schema.properties)) {
      if (!isObject(property)) continue;
      const field = type?.fields?.get(escapeName(name) ?? '')?.type;
      parts.push({
        ...inner,
        schema: property,
        path: at(child(path, 'properties'), name),
        type: field,
        unrelated: inMap,
      });
    }
  }
  const { additionalProperties, items } = schema;
  if (isObject(additionalProperties)) {
    const below = child(path, 'additionalProperties');
    parts.push({ ...inner, schema: additionalProperties, path: below, type: type?.params[1], unrelated: inMap });
  }
  if (isObject(items)) {
    const isRelated = schema['x-kubernetes-list-type'] === 'map';
    const inList = isRelated ? unrelated : path;
    parts.push({ ...inner, schema: items, path: child(path, 'items'), type: type?.params[0], unrelated: inList });
  }
  return parts;
}

const newline = /[\n\r]/;

function shapeErrors(rule: SchemaRule, schema: JsonObject, path: FieldPath): readonly FieldError[] {
  const errors: FieldError[] = [];
  const message = rule.message.trim();
  if (rule.rule.trim() === '') errors.push(required(child(path, 'rule'), 'rule is not specified'));
  else if (rule.message !== '' && message === '') {
    errors.push(invalid(child(path, 'message'), rule.message, 'must be non-empty if specified'));
  } else if (newline.test(message)) {
    errors.push(invalid(child(path, 'message'), rule.message, 'must not contain line breaks'));
  } else if (newline.test(rule.rule.trim()) && message === '') {
    errors.push(required(child(path, 'message'), 'message must be specified if rule contains line breaks'));
  }
  if (rule.messageExpression !== '' && rule.messageExpression.trim() === '') {
    errors.push(required(child(path, 'messageExpression'), 'messageExpression must be non-empty if specified'));
  }
  if (rule.reason !== undefined && !reasons.includes(rule.reason)) {
    errors.push(notSupported(child(path, 'reason'), rule.reason, reasons));
  }
  if (rule.fieldPath !== '') {
    const field = child(path, 'fieldPath');
    if (rule.fieldPath.trim() === '') errors.push(invalid(field, rule.fieldPath, 'must be non-empty if specified'));
    if (newline.test(rule.fieldPath)) errors.push(invalid(field, rule.fieldPath, 'must not contain line breaks'));
    if (fieldPathOf(rule.fieldPath, schema) === undefined) {
      errors.push(invalid(field, rule.fieldPath, 'must be a valid path'));
    }
  }
  return errors;
}

function ruleErrors(
  compiled: CompiledRule,
  { cardinality, unrelated, type }: Part,
  path: FieldPath,
  costs: Costs,
): readonly FieldError[] {
  const { rule } = compiled;
  const errors: FieldError[] = [];
  const place = child(path, 'rule');
  const most = cardinality ?? Math.trunc(requestBytesMax / ((type?.minBytes ?? 0) + 1));
  const cost = compiled.costMax === 0 ? 0 : Math.min(costMax, compiled.costMax * most);
  if (cost > ruleCostMax) errors.push(forbiddenField(place, tooExpensive('estimated rule cost', cost, ruleCostMax)));
  observe(costs, place, cost);
  if (compiled.error !== undefined) errors.push(invalid(place, asUpstream(rule), compiled.error));
  const messagePlace = child(path, 'messageExpression');
  if (compiled.messageError !== undefined) {
    errors.push(invalid(messagePlace, asUpstream(rule), compiled.messageError));
  } else if (compiled.message !== undefined) {
    const { messageCostMax } = compiled;
    if (messageCostMax > ruleCostMax) {
      const detail = tooExpensive('estimated messageExpression cost', messageCostMax, ruleCostMax);
      errors.push(forbiddenField(messagePlace, detail));
    }
    observe(costs, messagePlace, messageCostMax);
  }
  if (compiled.usesOldSelf) {
    if (unrelated !== undefined) {
      const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${unrelated}`;
      errors.push(invalid(place, rule.rule, detail));
    }
  } else if (rule.optionalOldSelf !== undefined && compiled.error === undefined) {
    const detail = 'may not be set if oldSelf is not used in rule';
    errors.push(invalid(child(path, 'optionalOldSelf'), rule.optionalOldSelf, detail));
  }
  return errors;
}

/** As upstream's internal type is shown. */
function asUpstream(rule: SchemaRule): object {
  return {
    Rule: rule.rule,
    Message: rule.message,
    MessageExpression: rule.messageExpression,
    Reason: rule.reason ?? null,
    FieldPath: rule.fieldPath,
    OptionalOldSelf: rule.optionalOldSelf ?? null,
  };
}

function observe(costs: Costs, path: FieldPath, cost: number): void {
  costs.total = Math.min(costMax, costs.total + cost);
  if (cost >= schemaCostMax / 100) costs.expensive.push({ path, cost });
}

function tooExpensive(name: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100x' : `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
  const advice =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared';
  return `${name} exceeds budget by factor of ${shown} (${advice})`;
}
