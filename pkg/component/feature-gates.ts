/**
 * Features that are switched by name, as `--feature-gates NAME=true,…` says it, in upstream's words where one cannot be. A gate that would switch
 * what is not built here, or what cannot be switched here, is refused: nothing is taken and then passed over.
 * Upstream counterpart: component-base `featuregate`.
 */
import type { MetricFamily, Metrics } from '#pkg/base/metrics.ts';
import { type FeatureGate, featureNeeds, featureTable } from './feature-table.ts';
import { type FlagTable, list } from './flags.ts';
import { UserError } from './user-error.ts';

/** The flag, for every component that has gates. */
export const featureGatesFlag = {
  'feature-gates': list({
    help: "Features by name, upstream's of 1.36: each in the state in which it is here, or the other where it can be switched (DRADeviceTaintRules, GangScheduling, GenericWorkload, HPAScaleToZero, WatchList).",
    placeholder: 'NAME=true,…',
    problem: wordProblem,
  }),
} satisfies FlagTable;

/** Which features are on. */
export interface Features {
  /** Whether a feature of the table is. */
  isOn(name: string): boolean;
  /** All of them, for `kubernetes_feature_enabled`. */
  families(): readonly MetricFamily[];
}

/** Sets of gates by one word. */
const stageGates: Readonly<Record<string, FeatureGate['stage']>> = { AllAlpha: 'ALPHA', AllBeta: 'BETA' };

/** Of many names, those that are said. */
const namesShown = 3;

/** Go's words for a truth. Source: `strconv.ParseBool`. */
const truths: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false])),
};

/** What the flag says; of two words about one feature the last counts. `given`: its values or its text. Throws `UserError` for what cannot be. */
export function featuresOf(given: unknown): Features {
  const text = typeof given === 'string' ? given.split(',') : given;
  const said = new Map<string, boolean>();
  for (const word of Array.isArray(text) ? text.map(String) : []) {
    if (word === '') continue;
    const read = readWord(word);
    if (!read.ok) throw refused(read.problem);
    said.set(read.name, read.value);
  }
  const on = switchedOn(said);
  for (const [name, needs] of Object.entries(featureNeeds)) {
    const missing = on.has(name) ? needs.filter((need) => !on.has(need)) : [];
    if (missing.length > 0)
      throw refused(`${name} is enabled, but depends on features that are disabled: [${missing.join(' ')}]`);
  }
  return { isOn: (name) => on.has(name), families: () => [enabledFamily(on)] };
}

/** Tells of the features of a component among what it counts. */
export function countFeatures(metrics: Metrics, features: Features): void {
  metrics.collect('feature gates', () => features.families());
}

type Word =
  | { readonly ok: true; readonly name: string; readonly value: boolean }
  | { readonly ok: false; readonly problem: string };

function wordProblem(word: string): string | undefined {
  const read = readWord(word);
  return read.ok ? undefined : read.problem;
}

/** A component's name may stand before it; `kube` is what all of these are. Source: `ComponentGlobalsRegistry`. */
function readWord(word: string): Word {
  const [key = '', text] = word.replace(/^kube:/, '').split(/=(.*)/s);
  const name = key.trim();
  if (text === undefined) return { ok: false, problem: `missing bool value for ${name}` };
  const truth = text.trim();
  if (!Object.hasOwn(truths, truth)) {
    const why = `strconv.ParseBool: parsing ${JSON.stringify(truth)}: invalid syntax`;
    return { ok: false, problem: `invalid value of ${name}=${truth}, err: ${why}` };
  }
  const value = truths[truth] === true;
  const problem = gateProblem(name, value);
  return problem === undefined ? { ok: true, name, value } : { ok: false, problem };
}

/** Why there is no such gate, or why it cannot be as it is wanted. */
function gateProblem(name: string, value: boolean): string | undefined {
  const gate = featureTable.get(name);
  if (gate === undefined) return `unrecognized feature gate: ${name}`;
  const wish = `cannot set feature gate ${name} to ${value}`;
  if (gate.isLocked && gate.default !== value) return `${wish}, feature is locked to ${gate.default}`;
  const why = value ? 'what it switches is not built' : 'what it switches is always on';
  const stage = stageGates[name];
  if (stage === undefined) return canBe(gate, value) ? undefined : `${wish}, as ${why} here`;
  const stuck = [...featureTable].filter(
    ([other, of]) =>
      of.stage === stage && of.default !== value && !Object.hasOwn(stageGates, other) && !canBe(of, value),
  );
  return stuck.length === 0 ? undefined : `${wish}, as ${why} here: ${some(stuck.map(([other]) => other))}`;
}

function canBe({ effect, isOn }: FeatureGate, value: boolean): boolean {
  return effect !== 'fixed' || isOn === value;
}

/** A few names, and how many more there are. */
function some(names: readonly string[]): string {
  const more = names.length - namesShown;
  return names.slice(0, namesShown).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function switchedOn(said: ReadonlyMap<string, boolean>): ReadonlySet<string> {
  const stageWish = (of: FeatureGate['stage']): boolean | undefined =>
    Object.entries(stageGates).flatMap(([all, stage]) => (stage === of ? [said.get(all)] : []))[0];
  const on = [...featureTable].filter(([name, { effect, isOn, stage }]) => {
    if (Object.hasOwn(stageGates, name)) return said.get(name) ?? isOn;
    return effect === 'fixed' ? isOn : (said.get(name) ?? stageWish(stage) ?? isOn);
  });
  return new Set(on.map(([name]) => name));
}

/** Source: component-base `metrics/prometheus/feature`. */
function enabledFamily(on: ReadonlySet<string>): MetricFamily {
  return {
    name: 'kubernetes_feature_enabled',
    help: 'This metric records the data about the stage and enablement of a k8s feature.',
    type: 'gauge',
    samples: [...featureTable].map(([name, { stage }]) => ({ labels: { name, stage }, value: on.has(name) ? 1 : 0 })),
  };
}

function refused(problem: string): UserError {
  return new UserError(`--feature-gates: ${problem}`);
}
