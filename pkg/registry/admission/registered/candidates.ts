/** Which policies may be about a request, found once for each kind of request. Source: apiserver `policy/matching/matching.go`. */
import type { MatchResources } from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { AdmissionAttributes } from '#pkg/apiserver/strategy.ts';
import type { Hook } from './hooks.ts';
import { KindIndex } from './kind-index.ts';
import type { CompiledPolicy, PolicyBinding } from './policy.ts';
import { isAll, isExempt, matchesEveryOfKind, mayMatchKind } from './request-match.ts';

/** Whether it may be about requests of the kind of this one. */
function mayConcern(match: Given<MatchResources> | undefined, request: AdmissionAttributes): boolean {
  const rules = match?.resourceRules ?? [];
  return rules.length === 0 || mayMatchKind(rules, request, match?.matchPolicy !== 'Exact');
}

/** Whether it is about every request of the kind of this one, as what that is: then nothing has to be looked at. */
function concernsAll(match: Given<MatchResources> | undefined, request: AdmissionAttributes): boolean {
  if (match === undefined) return true;
  const { resourceRules = [], excludeResourceRules = [], objectSelector, namespaceSelector } = match;
  if (excludeResourceRules.length > 0 || !isAll(objectSelector) || !isAll(namespaceSelector)) return false;
  return resourceRules.length === 0 || matchesEveryOfKind(resourceRules, request);
}

/** A policy with its bindings, for requests of one kind. */
export interface Candidate<Policy, Binding> {
  readonly hook: Hook<Policy, Binding>;
  /** Whether the policy and each of its bindings is about all of them, with no parameters. */
  readonly isPlain: boolean;
}

/** Finds the policies that may be about a request. */
export type CandidateFinder<Policy, Binding> = (request: AdmissionAttributes) => readonly Candidate<Policy, Binding>[];

/** Looks among hooks, whose kinds it remembers until they change. There are none about what registers them. */
export function candidateFinder<Policy extends CompiledPolicy, Binding extends PolicyBinding>(hooks: {
  readonly all: readonly Hook<Policy, Binding>[];
}): CandidateFinder<Policy, Binding> {
  const index = new KindIndex<readonly Candidate<Policy, Binding>[]>();
  let known = hooks.all;
  const find = (request: AdmissionAttributes): readonly Candidate<Policy, Binding>[] => {
    if (isExempt(request)) return [];
    const about = known.filter(({ policy: { spec } }) => mayConcern(spec.matchConstraints, request));
    return about.map((hook) => ({ hook, isPlain: isPlainFor(hook, request) }));
  };
  return (request) => {
    const { all } = hooks;
    if (all !== known) {
      known = all;
      index.clear();
    }
    return all.length === 0 ? noCandidates : index.of(request, find);
  };
}

const noCandidates: readonly never[] = [];

function isPlainFor<Policy extends CompiledPolicy, Binding extends PolicyBinding>(
  { policy: { spec }, bindings }: Hook<Policy, Binding>,
  request: AdmissionAttributes,
): boolean {
  if (spec.paramKind !== undefined || !concernsAll(spec.matchConstraints, request)) return false;
  return bindings.every((binding) => concernsAll(binding.spec?.matchResources, request));
}
