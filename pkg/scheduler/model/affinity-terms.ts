/** A pod's terms on other pods, ready to be matched. Source: API reference, `PodAffinityTerm` v1; scheduler `framework.AffinityTerm`. */
import type { Pod, PodAffinityTerm } from '#pkg/api/types/core-v1.ts';
import { compiledLabelSelector, type Selector } from '#pkg/apimachinery/label-selector.ts';
import { selectorWithLabelKeys } from './label-keys.ts';

/** One term, compiled: which pods it speaks of, and in which topology. */
export interface AffinityTerm {
  readonly topologyKey: string;
  /** 0 for a required term. */
  readonly weight: number;
  readonly selector: Selector;
  readonly namespaces: ReadonlySet<string>;
  /** Absent: only `namespaces` count. */
  readonly namespaceSelector: Selector | undefined;
  /** Equal for terms that speak of the same pods. */
  readonly text: string;
}

/** The terms of one pod, by how much they bind. */
export interface AffinityTerms {
  readonly required: readonly AffinityTerm[];
  readonly requiredAnti: readonly AffinityTerm[];
  readonly preferred: readonly AffinityTerm[];
  readonly preferredAnti: readonly AffinityTerm[];
}

/** Where labels of namespaces are found. */
export interface NamespaceLabels {
  namespaceLabels(name: string): Readonly<Record<string, string>>;
}

/** The terms of a pod; undefined when it has none. */
export function affinityTermsOf(pod: Pod): AffinityTerms | undefined {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  if (podAffinity === undefined && podAntiAffinity === undefined) return undefined;
  const required = (terms: readonly PodAffinityTerm[] | undefined) =>
    (terms ?? []).map((term) => compile(pod, term, 0));
  const preferred = (terms: readonly { weight: number; podAffinityTerm: PodAffinityTerm }[] | undefined) =>
    (terms ?? []).map(({ weight, podAffinityTerm }) => compile(pod, podAffinityTerm, weight));
  return {
    required: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAnti: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferred: preferred(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAnti: preferred(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  };
}

/** Whether `pod` is one of those that the term speaks of. */
export function termMatches(term: AffinityTerm, pod: Pod, labels: NamespaceLabels): boolean {
  const namespace = pod.metadata?.namespace ?? '';
  if (!term.namespaces.has(namespace)) {
    if (term.namespaceSelector === undefined) return false;
    if (!term.namespaceSelector.matches(labels.namespaceLabels(namespace))) return false;
  }
  return term.selector.matches(pod.metadata?.labels);
}

/** Without namespaces and selector of namespaces a term speaks of the pod's own namespace. */
function compile(pod: Pod, term: PodAffinityTerm, weight: number): AffinityTerm {
  const { namespaces = [], namespaceSelector } = term;
  const own = namespaces.length === 0 && namespaceSelector === undefined ? [pod.metadata?.namespace ?? ''] : namespaces;
  const labels = pod.metadata?.labels;
  const keys = { match: term.matchLabelKeys, mismatch: term.mismatchLabelKeys };
  const selector = selectorWithLabelKeys(term.labelSelector, labels, keys);
  return {
    topologyKey: term.topologyKey,
    weight,
    text: JSON.stringify([selector, own, namespaceSelector]),
    selector: compiledLabelSelector(selector),
    namespaces: new Set(own),
    namespaceSelector: namespaceSelector === undefined ? undefined : compiledLabelSelector(namespaceSelector),
  };
}
