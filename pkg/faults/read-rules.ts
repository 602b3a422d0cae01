/** Rules of faults as people write them: a rule, a list of them, or `{ faults: [...] }`, checked field by field. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import {
  type FaultField,
  type FaultKind,
  type FaultPlace,
  type FaultRule,
  type FieldForm,
  faultKinds,
  fieldForms,
  knownWords,
} from './fault-rule.ts';

/** Rules that may hold at a time: each selected request asks them one after the other. */
const rulesMax = 1_000;

/** What is wrong with rules; the message has all of it in one line. */
export class FaultRuleError extends Error {
  constructor(problems: readonly string[]) {
    super(`Cannot use the fault rules: ${problems.join('; ')}`);
    this.name = 'FaultRuleError';
  }
}

/** The rules of `data`, which act at one of `places`. Throws `FaultRuleError`. */
export function readRules(data: unknown, places: readonly FaultPlace[]): readonly FaultRule[] {
  const list = isObject(data) && 'faults' in data ? data.faults : data;
  const items = Array.isArray(list) ? list : [list];
  const problems = isObject(data) && 'faults' in data ? unknownKeys(data) : [];
  if (items.length > rulesMax)
    problems.push(`faults: there are ${items.length} rules, and at most ${rulesMax} may hold`);
  const names = new Set<string>();
  items.forEach((item, index) => {
    const at = `faults[${index}]`;
    problems.push(...problemsOf(item, at, places));
    const name = isObject(item) ? item.name : undefined;
    if (typeof name !== 'string') return;
    if (names.has(name)) problems.push(`${at}.name: ${JSON.stringify(name)} is the name of another rule too`);
    names.add(name);
  });
  if (problems.length > 0 || !areRules(items, problems)) throw new FaultRuleError(problems);
  return items;
}

/** The rules of a file, in YAML or JSON. Throws `FaultRuleError`, also for what is neither. */
export function readRuleText(text: string, places: readonly FaultPlace[]): readonly FaultRule[] {
  try {
    return readYaml(text).flatMap(({ value }) => readRules(value, places));
  } catch (error) {
    if (error instanceof YamlError) throw new FaultRuleError([error.message]);
    throw error;
  }
}

/** What has no problems is a rule. */
function areRules(items: readonly unknown[], problems: readonly string[]): items is readonly FaultRule[] {
  return problems.length === 0 && Array.isArray(items);
}

const isKind = (word: unknown): word is FaultKind => typeof word === 'string' && Object.hasOwn(faultKinds, word);
const isField = (word: string): word is FaultField => Object.hasOwn(fieldForms, word);

function unknownKeys(data: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(data)
    .filter((key) => key !== 'faults')
    .map((key) => `${key}: unknown field`);
}

function problemsOf(item: unknown, at: string, places: readonly FaultPlace[]): readonly string[] {
  if (!isObject(item)) return [`${at}: must be an object with a name and a fault`];
  const { name, fault, ...rest } = item;
  const problems: string[] = [];
  if (typeof name !== 'string' || !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name))
    problems.push(`${at}.name: must be a name of lower-case letters, digits, "-" and "."`);
  if (!isKind(fault)) return [...problems, `${at}.fault: must be one of ${Object.keys(faultKinds).join(', ')}`];
  const { place, needs, takes, verbs } = faultKinds[fault];
  if (!places.includes(place))
    problems.push(`${at}.fault: ${fault} acts in clusters for tests only, whose clock and nodes are in reach`);
  for (const field of needs) if (rest[field] === undefined) problems.push(`${at}.${field}: required for ${fault}`);
  for (const [field, value] of Object.entries(rest)) {
    if (!isField(field)) problems.push(`${at}.${field}: unknown field`);
    else if (![...needs, ...takes].includes(field)) problems.push(`${at}.${field}: not used by ${fault}`);
    else {
      const problem = forms[fieldForms[field]](value) ?? wordProblem(field, value, verbs);
      if (problem !== undefined) problems.push(`${at}.${field}: ${problem}`);
    }
  }
  return problems;
}

function wordProblem(field: FaultField, value: unknown, verbs: readonly string[] | undefined): string | undefined {
  const known = field === 'verbs' && verbs !== undefined ? verbs : knownWords[field];
  if (known === undefined) return undefined;
  const odd = (Array.isArray(value) ? value : [value]).find((word) => !known.includes(word));
  return odd === undefined ? undefined : `${JSON.stringify(odd)} is none of ${known.join(', ')}`;
}

const isDuration = (text: unknown): boolean => typeof text === 'string' && (parseDurationMs(text) ?? -1) >= 0;

/** What is wrong with a value; undefined where nothing is. */
const forms: Readonly<Record<FieldForm, (value: unknown) => string | undefined>> = {
  words: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === 'string' && word !== '')
      ? undefined
      : 'must be a list of words that is not empty',
  text: (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text that is not empty'),
  share: (value) =>
    typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'must be a number from 0 to 1',
  count: (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value > 0
      ? undefined
      : 'must be a whole number from 1 on',
  code: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 400 && value < 600
      ? undefined
      : 'must be an HTTP status from 400 to 599',
  duration: (value) => (isDuration(value) ? undefined : 'must be a duration such as 1m30s'),
  jump: (value) =>
    typeof value === 'string' && isDuration(value.replace(/^-/, ''))
      ? undefined
      : 'must be a duration such as 1h, or -1h for a jump back',
};
