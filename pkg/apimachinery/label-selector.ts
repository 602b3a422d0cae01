/**
 * Label selectors: as text (`a=b,c in (x,y),!d`), and as the `LabelSelector` objects of specs. Both become a `Selector`.
 * Upstream counterpart: apimachinery `labels`, `meta/v1` `LabelSelectorAsSelector`; messages are upstream's.
 */

import type { Given } from './draft.ts';
import { at, type FieldError, invalid, untyped } from './field-error.ts';
import type { Requirement, SelectorOperator } from './label-requirement.ts';
import { parseSelectorText } from './label-selector-parser.ts';
import { labelValueProblems, qualifiedNameProblems } from './names.ts';

/** Labels by name. */
export type Labels = Readonly<Record<string, string>>;

/** A condition on labels: all requirements have to hold. Immutable. */
export interface Selector {
  /** Sorted by key. Empty selects everything, unless `selectsNothing`. */
  readonly requirements: readonly Requirement[];
  readonly selectsNothing: boolean;
  /** No requirement: every object matches. */
  readonly isEmpty: boolean;
  matches(labels: Labels | undefined): boolean;
  /** The selector in its text form; `''` for everything and for nothing. */
  toString(): string;
}

/** The selector of a text, or what is wrong with the text. */
export type SelectorResult =
  | { readonly ok: true; readonly selector: Selector }
  | { readonly ok: false; readonly error: string };

/** A selector as specs carry it. */
export interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

class RequirementSelector implements Selector {
  readonly requirements: readonly Requirement[];
  readonly selectsNothing: boolean;
  readonly isEmpty: boolean;

  constructor(requirements: readonly Requirement[], selectsNothing = false) {
    this.requirements = requirements;
    this.selectsNothing = selectsNothing;
    this.isEmpty = requirements.length === 0 && !selectsNothing;
  }

  matches(labels: Labels | undefined): boolean {
    if (this.selectsNothing) return false;
    const { requirements } = this;
    for (const requirement of requirements) if (!requirementMatches(requirement, labels)) return false;
    return true;
  }

  toString(): string {
    return this.requirements.map(formatRequirement).join(',');
  }
}

/** Selects every object. */
export const everything: Selector = new RequirementSelector([]);
/** Selects no object. */
export const nothing: Selector = new RequirementSelector([], true);

/** Whether labels satisfy one requirement. */
function requirementMatches(requirement: Requirement, labels: Labels | undefined): boolean {
  const found: unknown = labels?.[requirement.key];
  // Names that every object inherits are no labels; none of them is a string.
  const value = typeof found === 'string' ? found : undefined;
  switch (requirement.operator) {
    case '=':
    case '==':
      return value === requirement.values[0];
    case '!=':
      return value !== requirement.values[0];
    case 'in':
      return value !== undefined && requirement.values.includes(value);
    case 'notin':
      return value === undefined || !requirement.values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
      return isInteger(value) && integerOf(value) > integerOf(requirement.values.join());
    case 'lt':
      return isInteger(value) && integerOf(value) < integerOf(requirement.values.join());
  }
}

/** Whether Go's ParseInt takes a text for a number of 64 bits. */
function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^[-+]?\d{1,63}$/.test(text) && BigInt.asIntN(64, integerOf(text)) === integerOf(text);
}

function integerOf(text: string): bigint {
  return BigInt(text.startsWith('+') ? text.slice(1) : text);
}

function formatRequirement(requirement: Requirement): string {
  const { key, operator, values } = requirement;
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values.join()}`;
    case 'lt':
      return `${key}<${values.join()}`;
    case '=':
    case '==':
    case '!=':
      return `${key}${operator}${values.join()}`;
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A selector of requirements that are already checked. */
function selectorOf(requirements: readonly Requirement[]): Selector {
  if (requirements.length === 0) return everything;
  return new RequirementSelector([...requirements].sort((a, b) => compareText(a.key, b.key)));
}

/** What is wrong with a requirement; empty when nothing is. */
function requirementErrors({ key, operator, values }: Requirement): FieldError[] {
  const problems = qualifiedNameProblems(key);
  const errors = problems.length === 0 ? [] : [invalid(untyped('key'), key, problems.join('; '))];
  const field = untyped('values');
  switch (operator) {
    case 'in':
    case 'notin':
      if (values.length === 0) {
        errors.push(invalid(field, values, "for 'in', 'notin' operators, values set can't be empty"));
      }
      break;
    case '=':
    case '==':
    case '!=':
      if (values.length !== 1) {
        errors.push(invalid(field, values, 'exact-match compatibility requires one single value'));
      }
      break;
    case 'exists':
    case '!':
      if (values.length !== 0)
        errors.push(invalid(field, values, 'values set must be empty for exists and does not exist'));
      break;
    case 'gt':
    case 'lt':
      if (values.length !== 1) {
        errors.push(invalid(field, values, "for 'Gt', 'Lt' operators, exactly one value is required"));
      }
      for (const [index, value] of values.entries()) {
        if (isInteger(value)) continue;
        errors.push(invalid(at(field, index), value, "for 'Gt', 'Lt' operators, the value must be an integer"));
      }
      break;
  }
  for (const [index, value] of values.entries()) {
    const wrong = labelValueProblems(value);
    if (wrong.length > 0) errors.push(invalid(at(at(field, index), key), value, wrong.join('; ')));
  }
  return errors;
}

function errorText(errors: readonly FieldError[]): string {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  return texts.length === 1 ? texts.join() : `[${texts.join(', ')}]`;
}

/** Parses and checks a selector's text. The empty text selects everything. */
export function parseLabelSelector(text: string): SelectorResult {
  if (text === '') return { ok: true, selector: everything };
  const parsed = parseSelectorText(text, (requirement) => {
    const errors = requirementErrors(requirement);
    return errors.length === 0 ? undefined : errorText(errors);
  });
  return parsed.ok ? { ok: true, selector: selectorOf(parsed.requirements) } : parsed;
}

const objectOperators: Readonly<Record<string, SelectorOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** The selector a `LabelSelector` object means: absent selects nothing, an empty one everything. */
export function selectorFromLabelSelector(selector: Given<LabelSelector> | undefined): SelectorResult {
  if (selector === undefined) return { ok: true, selector: nothing };
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push({ key, operator: '=', values: [value] });
  }
  for (const { key = '', operator = '', values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(objectOperators, operator) ? objectOperators[operator] : undefined;
    if (known === undefined) {
      return { ok: false, error: `${JSON.stringify(operator)} is not a valid label selector operator` };
    }
    requirements.push({ key, operator: known, values: [...(values ?? [])].sort(compareText) });
  }
  for (const requirement of requirements) {
    const errors = requirementErrors(requirement);
    if (errors.length > 0) return { ok: false, error: errorText(errors) };
  }
  return { ok: true, selector: selectorOf(requirements) };
}

const compiledSelectors = new WeakMap<object, Selector>();

/** As `selectorFromLabelSelector`, remembered for the (shared, never changed) object; an invalid selector selects nothing. */
export function compiledLabelSelector(selector: LabelSelector | undefined): Selector {
  if (selector === undefined) return nothing;
  let compiled = compiledSelectors.get(selector);
  if (compiled === undefined) {
    const result = selectorFromLabelSelector(selector);
    compiled = result.ok ? result.selector : nothing;
    compiledSelectors.set(selector, compiled);
  }
  return compiled;
}

/** A selector that wants each of these labels: those of Services and replication controllers. No labels select everything. */
export function selectorFromSet(labels: Labels | undefined): Selector {
  return selectorOf(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=', values: [value] })));
}
