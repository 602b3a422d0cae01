/** Rules for horizontal pod autoscalers, in either version. Source: upstream `pkg/apis/autoscaling/validation`. */

import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  MetricTarget,
  ObjectMetricSource,
  ResourceMetricSource,
} from '#pkg/api/types/autoscaling-v2.ts';
import { type FieldsWith, fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, type Problems, pathSegmentProblems } from '#pkg/apimachinery/names.ts';
import { checkContainerResourceName } from '../core/validation/resources.ts';
import { compareQuantities } from '../quantities.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const field = pathsOf<HorizontalPodAutoscaler>();

const periodSecondsMax = 1800;
const windowSecondsMax = 3600;

/** What is wrong with an autoscaler that is to leave `lowest` replicas at least. Source: upstream `ValidateHorizontalPodAutoscaler`. */
export function validateHorizontalPodAutoscaler(
  draft: Given<HorizontalPodAutoscaler>,
  lowest: 0 | 1,
): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  const min = spec.minReplicas;
  const max = spec.maxReplicas ?? 0;
  if (min !== undefined && min < lowest)
    into.add(invalid(field('spec.minReplicas'), min, `must be greater than or equal to ${lowest}`));
  if (max < 1) into.add(invalid(field('spec.maxReplicas'), max, 'must be greater than 0'));
  if (min !== undefined && max < min) {
    into.add(invalid(field('spec.maxReplicas'), max, 'must be greater than or equal to `minReplicas`'));
  }
  checkReference(into, spec.scaleTargetRef ?? {}, field('spec.scaleTargetRef'));
  for (const [index, metric] of (spec.metrics ?? []).entries())
    checkMetric(into, metric, at(field('spec.metrics'), index));
  // What pods use says nothing where there are none.
  if (min === 0 && !(spec.metrics ?? []).some(({ type }) => type === 'Object' || type === 'External')) {
    const detail = 'must specify at least one Object or External metric to support scaling to zero replicas';
    into.add(forbiddenField(field('spec.metrics'), detail));
  }
  for (const direction of fields('scaleUp', 'scaleDown')) {
    const rules = spec.behavior?.[direction];
    if (rules !== undefined) checkScaling(into, rules, child(field('spec.behavior'), direction));
  }
  return into.errors;
}

function needsName(into: Collector, name: unknown, { path, detail, rule }: NameRules): void {
  if (into.needsText(path, name, detail)) into.problems(path, name, rule(name));
}

interface NameRules {
  readonly path: FieldPath;
  readonly detail: string;
  readonly rule: (name: string) => Problems;
}

function checkReference(
  into: Collector,
  reference: Given<CrossVersionObjectReference>,
  path: FieldPath<CrossVersionObjectReference>,
): void {
  for (const each of fields('kind', 'name')) into.needsName(child(path, each), reference[each], pathSegmentProblems);
}

const eitherTarget = 'must set either a target raw value or a target utilization';
const bothTargets = 'may not set both a target raw value and a target utilization';

/** A share of what pods ask for, or an amount for each of them. */
function checkResourceTarget(
  into: Collector,
  source: Given<ResourceMetricSource>,
  path: FieldPath<ResourceMetricSource>,
): void {
  const target = source.target ?? {};
  const own = child(path, 'target');
  checkTarget(into, target, own);
  const { averageUtilization, averageValue } = target;
  if (averageUtilization === undefined && averageValue === undefined) {
    into.add(required(child(own, 'averageUtilization'), eitherTarget));
  }
  if (averageUtilization !== undefined) into.unset(child(own, 'averageValue'), averageValue, bothTargets);
}

type ValueSource = Pick<ObjectMetricSource, 'metric' | 'target'>;

/** Checks a value or an average; `missing` is what is said when there is neither. */
function checkValueTarget(
  into: Collector,
  { metric = {}, target = {} }: Given<ValueSource>,
  { path, missing }: { path: FieldPath<ValueSource>; missing: string },
): void {
  const own = child(path, 'target');
  const name = { path: child(path, 'metric.name'), detail: 'must specify a metric name', rule: pathSegmentProblems };
  needsName(into, metric.name, name);
  into.add(...labelSelectorErrors(metric.selector, child(path, 'metric.selector')));
  checkTarget(into, target, own);
  if (target.value === undefined && target.averageValue === undefined)
    into.add(required(child(own, 'averageValue'), missing));
}

/** One kind of metric. */
interface SourceRule {
  readonly type: string;
  /** The field of a metric that is for this kind. */
  readonly field: FieldsWith<MetricSpec, object>;
  check(into: Collector, metric: Given<MetricSpec>, path: FieldPath<MetricSpec>): void;
}

/** The kinds of metrics, in the order in which upstream looks for them. */
const sources: readonly SourceRule[] = [
  {
    type: 'Object',
    field: 'object',
    check(into, { object: source = {} }, metricPath) {
      const path = child(metricPath, 'object');
      checkReference(into, source.describedObject ?? {}, child(path, 'describedObject'));
      checkValueTarget(into, source, { path, missing: 'must set either a target value or averageValue' });
    },
  },
  {
    type: 'External',
    field: 'external',
    check(into, { external: source = {} }, metricPath) {
      const path = child(metricPath, 'external');
      const missing = 'must set either a target value for metric or a per-pod target';
      checkValueTarget(into, source, { path, missing });
      if (source.target?.averageValue === undefined) return;
      const both = 'may not set both a target value for metric and a per-pod target';
      into.unset(child(path, 'target.value'), source.target.value, both);
    },
  },
  {
    type: 'Pods',
    field: 'pods',
    check(into, { pods: source = {} }, metricPath) {
      const path = child(metricPath, 'pods');
      const missing = 'must specify a positive target averageValue';
      checkValueTarget(into, source, { path, missing });
      if (source.target?.value === undefined || source.target.averageValue !== undefined) return;
      into.add(required(child(path, 'target.averageValue'), missing));
    },
  },
  {
    type: 'Resource',
    field: 'resource',
    check(into, { resource: source = {} }, metricPath) {
      const path = child(metricPath, 'resource');
      into.needsText(child(path, 'name'), source.name, 'must specify a resource name');
      checkResourceTarget(into, source, path);
    },
  },
  {
    type: 'ContainerResource',
    field: 'containerResource',
    check(into, { containerResource: source = {} }, metricPath) {
      const path = child(metricPath, 'containerResource');
      const namePath = child(path, 'name');
      if (into.needsText(namePath, source.name, 'must specify a resource name')) {
        checkContainerResourceName(into, source.name, namePath);
      }
      const container = {
        path: child(path, 'container'),
        detail: 'must specify a container',
        rule: dns1123LabelProblems,
      };
      needsName(into, source.container, container);
      checkResourceTarget(into, source, path);
    },
  },
];

function checkMetric(into: Collector, metric: Given<MetricSpec>, path: FieldPath<MetricSpec>): void {
  const types = sources.map(({ type }) => type).sort();
  if (into.needsText(child(path, 'type'), metric.type, 'must specify a metric source type')) {
    into.oneOf(child(path, 'type'), metric.type, types);
  }
  const given = sources.filter(({ field }) => metric[field] !== undefined);
  given[0]?.check(into, metric, path);
  const wanted = sources.find(({ type }) => type === metric.type)?.field;
  if (wanted !== undefined && metric[wanted] === undefined) {
    into.add(required(child(path, wanted), 'must populate information for the given metric source'));
  }
  if (given.length === 1) return;
  for (const { field } of given) {
    if (field === wanted) continue;
    into.add(forbiddenField(child(path, field), 'must populate the given metric source only'));
  }
}

function checkTarget(into: Collector, target: Given<MetricTarget>, path: FieldPath<MetricTarget>): void {
  const type = target.type;
  into.needsText(child(path, 'type'), type, 'must specify a metric target type');
  if (type !== 'Utilization' && type !== 'Value' && type !== 'AverageValue') {
    into.add(invalid(child(path, 'type'), type ?? '', 'must be either Utilization, Value, or AverageValue'));
  }
  for (const name of fields('value', 'averageValue')) {
    if (target[name] === undefined || compareQuantities(target[name], 0) > 0) continue;
    into.add(invalid(child(path, name), target[name], 'must be positive'));
  }
  into.positive(child(path, 'averageUtilization'), target.averageUtilization, 'must be greater than 0');
}

function checkScaling(into: Collector, rules: Given<HPAScalingRules>, path: FieldPath<HPAScalingRules>): void {
  const window = rules.stabilizationWindowSeconds ?? 0;
  const own = child(path, 'stabilizationWindowSeconds');
  if (window < 0) into.add(invalid(own, window, 'must be greater than or equal to zero'));
  if (window > windowSecondsMax) into.add(invalid(own, window, `must be less than or equal to ${windowSecondsMax}`));
  into.oneOf(child(path, 'selectPolicy'), rules.selectPolicy, ['Disabled', 'Max', 'Min']);
  const policies = rules.policies ?? [];
  if (policies.length === 0) into.add(required(child(path, 'policies'), 'must specify at least one Policy'));
  for (const [index, policy] of policies.entries()) {
    const place = at(child(path, 'policies'), index);
    into.oneOf(child(place, 'type'), policy.type ?? '', ['Percent', 'Pods']);
    for (const name of fields('value', 'periodSeconds')) into.positive(child(place, name), policy[name] ?? 0);
    const period = policy.periodSeconds ?? 0;
    if (period <= periodSecondsMax) continue;
    into.add(invalid(child(place, 'periodSeconds'), period, `must be less than or equal to ${periodSecondsMax}`));
  }
  const { tolerance } = rules;
  if (tolerance === undefined || compareQuantities(tolerance, 0) >= 0) return;
  into.add(invalid(child(path, 'tolerance'), tolerance, 'must be greater than or equal to 0'));
}

/** Refuses counts below zero in what the controller reports. */
export function validateHorizontalPodAutoscalerStatus(draft: Given<HorizontalPodAutoscaler>): readonly FieldError[] {
  const into = new Collector();
  for (const name of fields('currentReplicas', 'desiredReplicas')) {
    into.notNegative(child(field('status'), name), draft.status?.[name]);
  }
  return into.errors;
}
