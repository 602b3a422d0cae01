/**
 * Specs of new objects that came before: what they become when they are decoded and completed, and which of them the rules have let pass. A
 * controller makes a thousand pods of one template, and what follows from its text alone is worked out once.
 *
 * Invariant: what is known of a text is what the steps that are left out would come to, for every object that has it (`SpecRules`). Specs that
 * are in any way wrong, or warned of, are not remembered.
 */
import { deepClone, isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { FieldSet } from '#pkg/apimachinery/managed-fields/field-set.ts';
import type { CreatedSets } from '#pkg/apimachinery/managed-fields/track.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { RecentTexts } from '../recent-texts.ts';
import { sharedFields, type WrittenFields } from '../storage/shared-fields.ts';
import type { SpecRules } from '../strategy.ts';
import type { RawBody } from './body.ts';
import { ModelSpec, nameMark } from './model-spec.ts';
import type { Scope } from './scope.ts';
import type { FieldValidation } from './write-options.ts';

/** What a spec becomes before admission. */
export interface CompleteSpec {
  /** Never changed: drafts get copies. */
  readonly spec: JsonObject;
  /** The fields of the spec that whoever creates it owns. */
  readonly fields: FieldSet;
  /** Sets of all fields, by the text of those outside of the spec: objects that are made alike share them. */
  readonly all: Map<string, WrittenFields>;
  /** What it was after admission, which is mostly the same: found again without the text of each. */
  readonly finals: ModelSpec[];
}

/** A spec as it was sent. */
export interface SentSpec {
  readonly text: string;
  /** Undefined when it is new. */
  readonly known: CompleteSpec | undefined;
}

/** A spec as it will be stored. */
export interface FinalSpec {
  readonly text: string;
  /** The text without what is random in it; undefined where the rules look at more than it, or it was not needed. */
  readonly key: string | undefined;
  /** What is random in it. */
  readonly name: string | undefined;
  /** Whether the rules have let it pass without a warning. */
  readonly isGood: boolean;
}

interface Known {
  readonly complete: RecentTexts<CompleteSpec>;
  /** After the first spec of each, which is stored, the others are made. */
  readonly good: RecentTexts<ModelSpec>;
}

const knownBy = new WeakMap<SpecRules, Known>();

function knownOf(rules: SpecRules): Known {
  let known = knownBy.get(rules);
  if (known === undefined) {
    known = { complete: new RecentTexts(), good: new RecentTexts() };
    knownBy.set(rules, known);
  }
  return known;
}

/** How many sets of all fields are kept of one spec. */
const setsMax = 16;

/** How many specs after admission are kept of one: namespaces and users differ in what is made of it. Each is looked at in turn. */
const finalsMax = 4;

/** What is known of the spec of a new object with this text; undefined where that is nothing. */
export function knownSpec(rules: SpecRules, text: string): CompleteSpec | undefined {
  return knownOf(rules).complete.get(text);
}

/** The spec of a new object; undefined where nothing is remembered of such. */
export function sentSpec({ served }: Scope, value: JsonObject, raw: RawBody): SentSpec | undefined {
  const { specRules } = served.strategy;
  // How numbers were written is no part of the text, and a status would have to keep its place.
  if (specRules === undefined || raw.numbers !== undefined || value.status !== undefined || !isObject(value.spec))
    return undefined;
  const text = jsonText(value.spec);
  return { text, known: knownSpec(specRules, text) };
}

/** A draft that was completed, and how strictly it was decoded. */
export interface CompletedDraft {
  readonly draft: JsonObject;
  readonly validation: FieldValidation;
}

/** What is known of the fields of a new object. With the set of a spec that is new, what it has become is taken down. */
export function createdSets(scope: Scope, { text, known }: SentSpec, completed: CompletedDraft): CreatedSets {
  if (known !== undefined) return { known: { spec: known.fields }, take: (set) => sharedSet(known, set) };
  return {
    known: {},
    take(set) {
      rememberComplete(scope, text, { ...completed, fields: set['f:spec'] });
      return set;
    },
  };
}

/** Does so if it was clean: decoded so that every fault was seen, and without one. */
function rememberComplete(
  { served }: Scope,
  text: string,
  { draft, validation, fields }: CompletedDraft & { readonly fields: FieldSet | undefined },
): void {
  const { specRules } = served.strategy;
  if (specRules === undefined || validation === 'Ignore' || fields === undefined || !isObject(draft.spec)) return;
  knownOf(specRules).complete.set(text, { spec: deepClone(draft.spec), fields, all: new Map(), finals: [] });
}

/** The set itself, or one with the same fields that others have already. */
function sharedSet({ all }: CompleteSpec, set: FieldSet): WrittenFields {
  const { 'f:spec': _, ...others } = set;
  const text = jsonText(others);
  const found = all.get(text);
  if (found !== undefined) return found;
  // What is stored has that copy, and would be looked for at each write.
  const one = sharedFields(set);
  if (all.size < setsMax) all.set(text, one);
  return one;
}

/**
 * The spec of a draft that nobody changes any more, which shares what it can with earlier ones; undefined where nothing is remembered of such. `known` is
 * what its spec was before admission, where that came before.
 */
export function finalSpec(
  { served }: Scope,
  draft: JsonObject,
  known: CompleteSpec | undefined,
): FinalSpec | undefined {
  const { specRules } = served.strategy;
  const { spec } = draft;
  if (specRules === undefined || !isObject(spec)) return undefined;
  const standsApart = specRules.standsApart(draft);
  if (standsApart) return { text: jsonText(spec), key: undefined, name: undefined, isGood: false };
  const name = specRules.randomName?.(draft);
  const expected = known?.finals.find((one) => one.fits(spec, name));
  if (expected !== undefined) {
    draft.spec = expected.named(name) ?? spec;
    return { text: expected.text(name), key: undefined, name, isGood: true };
  }
  const text = jsonText(spec);
  const key = name === undefined ? text : text.replaceAll(name, nameMark);
  const model = knownOf(specRules).good.get(key);
  if (model === undefined) return { text, key, name, isGood: false };
  draft.spec = model.named(name) ?? spec;
  if (known !== undefined && known.finals.length < finalsMax) known.finals.push(model);
  return { text, key, name, isGood: true };
}

/** Takes down that the rules have let a spec pass. */
export function rememberGood({ served }: Scope, draft: JsonObject, { key, name, isGood }: FinalSpec): void {
  const { specRules } = served.strategy;
  if (specRules === undefined || key === undefined || isGood || !isObject(draft.spec)) return;
  knownOf(specRules).good.set(key, new ModelSpec(draft.spec, name, key));
}
