/** Rules for the template and the selector of a kind whose pods are always restarted. Source: upstream `pkg/apis/apps/validation`. */
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  type FieldError,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { type Labels, selectorFromSet } from '#pkg/apimachinery/label-selector.ts';
import { checkPodTemplate } from '../core/validation/pod.ts';
import { Collector } from '../validation/collector.ts';
import { isEmptySelector, labelSelectorErrors, selectorMatches } from '../validation/selector.ts';

/** What the kinds that these rules are for have in common, but for the selector. */
interface Templated {
  readonly spec?: { readonly selector?: unknown; readonly template?: PodTemplateSpec };
}

type TemplatedSpec<Selector> = { readonly selector?: Selector | undefined; readonly template?: Given<PodTemplateSpec> };

const field = pathsOf<Templated>();
const labelsPath = field('spec.template.metadata.labels');
const unmatchedDetail = '`selector` does not match template `labels`';

/** How messages call a kind. */
export interface KindWords {
  /** In the message about an empty selector. */
  readonly kind: string;
  /** In the message about deadlines. */
  readonly deadlineKind: string;
}

/** Checks `spec.selector`, a `LabelSelector`, and `spec.template`. */
export function checkSelectorAndTemplate(
  into: Collector,
  spec: TemplatedSpec<Given<LabelSelector>>,
  words: KindWords,
): void {
  const selector = spec.selector;
  const labels = spec.template?.metadata?.labels ?? {};
  const errors = labelSelectorErrors(selector, field('spec.selector'));
  if (selector === undefined) into.add(required(field('spec.selector')));
  into.add(...errors);
  if (selector !== undefined && isEmptySelector(selector)) {
    into.add(invalid(field('spec.selector'), selector, `empty selector is invalid for ${words.kind}`));
  } else if (selector === undefined || (errors.length === 0 && !selectorMatches(selector, labels))) {
    // No selector at all selects nothing, so it does not match either.
    into.add(invalid(labelsPath, labels, unmatchedDetail));
  }
  checkTemplate(into, spec.template ?? {}, words.deadlineKind);
}

/** The same for a selector that is a plain map of labels. */
export function checkLabelsAndTemplate(into: Collector, spec: TemplatedSpec<Labels>, deadlineKind: string): void {
  const template = spec.template;
  if (template === undefined) {
    into.add(required(field('spec.template')));
    return;
  }
  const selector = spec.selector ?? {};
  const labels = template.metadata?.labels ?? {};
  if (!selectorFromSet(selector).matches(labels)) into.add(invalid(labelsPath, labels, unmatchedDetail));
  checkTemplate(into, template, deadlineKind);
}

function checkTemplate(into: Collector, template: Given<PodTemplateSpec>, deadlineKind: string): void {
  checkPodTemplate(into, template, field('spec.template'));
  const policy = template.spec?.restartPolicy;
  if (policy !== 'Always') into.add(notSupported(field('spec.template.spec.restartPolicy'), policy ?? '', ['Always']));
  if (template.spec?.activeDeadlineSeconds === undefined) return;
  const detail = `activeDeadlineSeconds in ${deadlineKind} is not Supported`;
  into.add(forbiddenField(field('spec.template.spec.activeDeadlineSeconds'), detail));
}

/** A selector is fixed: otherwise a workload would leave pods behind. */
export function validateSelectorUnchanged(draft: Given<Templated>, old: Given<Templated>): readonly FieldError[] {
  const into = new Collector();
  into.unchanged(field('spec.selector'), draft.spec?.selector, old.spec?.selector);
  return into.errors;
}
