/** Rules for the template and the selector of a kind whose pods are always restarted. Source: upstream `pkg/apis/apps/validation`. */
import { type FieldError, forbiddenField, invalid, notSupported, required } from '#pkg/apimachinery/field-error.ts';
import { selectorFromSet } from '#pkg/apimachinery/label-selector.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { checkPodTemplate } from '../core/validation/pod.ts';
import { objectAt, stringMapAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { isEmptySelector, labelSelectorErrors, selectorMatches } from '../validation/selector.ts';

const labelsPath = 'spec.template.metadata.labels';
const unmatchedDetail = '`selector` does not match template `labels`';

/** How messages call a kind. */
export interface KindWords {
  /** In the message about an empty selector. */
  readonly kind: string;
  /** In the message about deadlines. */
  readonly deadlineKind: string;
}

/** Checks `spec.selector`, a `LabelSelector`, and `spec.template`. */
export function checkSelectorAndTemplate(into: Collector, spec: JsonObject, words: KindWords): void {
  const selector = objectAt(spec, 'selector');
  const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
  const errors = labelSelectorErrors(selector, 'spec.selector');
  if (selector === undefined) into.add(required('spec.selector'));
  into.add(...errors);
  if (selector !== undefined && isEmptySelector(selector)) {
    into.add(invalid('spec.selector', selector, `empty selector is invalid for ${words.kind}`));
  } else if (selector === undefined || (errors.length === 0 && !selectorMatches(selector, labels))) {
    // No selector at all selects nothing, so it does not match either.
    into.add(invalid(labelsPath, labels, unmatchedDetail));
  }
  checkTemplate(into, objectAt(spec, 'template') ?? {}, words.deadlineKind);
}

/** The same for a selector that is a plain map of labels. */
export function checkLabelsAndTemplate(into: Collector, spec: JsonObject, deadlineKind: string): void {
  const template = objectAt(spec, 'template');
  if (template === undefined) {
    into.add(required('spec.template'));
    return;
  }
  const selector = stringMapAt(spec, 'selector');
  const labels = stringMapAt(template, 'metadata', 'labels');
  if (!selectorFromSet(selector).matches(labels)) into.add(invalid(labelsPath, labels, unmatchedDetail));
  checkTemplate(into, template, deadlineKind);
}

function checkTemplate(into: Collector, template: JsonObject, deadlineKind: string): void {
  checkPodTemplate(into, template, 'spec.template');
  const policy = valueAt(template, 'spec', 'restartPolicy');
  if (policy !== 'Always') into.add(notSupported('spec.template.spec.restartPolicy', policy ?? '', ['Always']));
  if (valueAt(template, 'spec', 'activeDeadlineSeconds') === undefined) return;
  const detail = `activeDeadlineSeconds in ${deadlineKind} is not Supported`;
  into.add(forbiddenField('spec.template.spec.activeDeadlineSeconds', detail));
}

/** A selector is fixed: otherwise a workload would leave pods behind. */
export function validateSelectorUnchanged(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.unchanged('spec.selector', valueAt(draft, 'spec', 'selector'), valueAt(old, 'spec', 'selector'));
  return into.errors;
}
