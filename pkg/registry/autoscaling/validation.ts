/** Rules for horizontal pod autoscalers, in either version. Source: upstream `pkg/apis/autoscaling/validation`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123LabelProblems, type Problems, pathSegmentProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { checkContainerResourceName } from '../core/validation/resources.ts';
import { numberAt, objectAt, objectsAt, valueAt } from '../draft.ts';
import { compareQuantities } from '../quantities.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const periodSecondsMax = 1800;
const windowSecondsMax = 3600;

/** What is wrong with a `HorizontalPodAutoscaler`. Source: upstream `ValidateHorizontalPodAutoscaler`. */
export function validateHorizontalPodAutoscaler(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  const min = numberAt(spec, 'minReplicas');
  const max = numberAt(spec, 'maxReplicas') ?? 0;
  if (min !== undefined && min < 1) {
    into.add(invalid('spec.minReplicas', min, 'must be greater than or equal to 1'));
  }
  if (max < 1) into.add(invalid('spec.maxReplicas', max, 'must be greater than 0'));
  if (min !== undefined && max < min) {
    into.add(invalid('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`'));
  }
  checkReference(into, objectAt(spec, 'scaleTargetRef') ?? {}, 'spec.scaleTargetRef');
  for (const [index, metric] of objectsAt(spec, 'metrics').entries())
    checkMetric(into, metric, at('spec.metrics', index));
  const percent = spec.targetCPUUtilizationPercentage;
  into.positive('spec.targetCPUUtilizationPercentage', percent, 'must be greater than 0');
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = objectAt(spec, 'behavior', direction);
    if (rules !== undefined) checkScaling(into, rules, `spec.behavior.${direction}`);
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

function checkReference(into: Collector, reference: JsonObject, path: FieldPath): void {
  for (const field of ['kind', 'name']) into.needsName(child(path, field), reference[field], pathSegmentProblems);
}

type SourceRule = (into: Collector, source: JsonObject, path: FieldPath) => void;

const eitherTarget = 'must set either a target raw value or a target utilization';
const bothTargets = 'may not set both a target raw value and a target utilization';

/** A share of what pods ask for, or an amount for each of them. */
function checkResourceTarget(into: Collector, source: JsonObject, path: FieldPath): void {
  const target = objectAt(source, 'target') ?? {};
  const own = child(path, 'target');
  checkTarget(into, target, own);
  const { averageUtilization, averageValue } = target;
  if (averageUtilization === undefined && averageValue === undefined) {
    into.add(required(child(own, 'averageUtilization'), eitherTarget));
  }
  if (averageUtilization !== undefined) into.unset(child(own, 'averageValue'), averageValue, bothTargets);
}

/** Checks a value or an average; `missing` is what is said when there is neither. */
function checkValueTarget(
  into: Collector,
  source: JsonObject,
  { path, missing }: { path: FieldPath; missing: string },
): void {
  const target = objectAt(source, 'target') ?? {};
  const metric = objectAt(source, 'metric') ?? {};
  const own = child(path, 'target');
  const name = { path: `${path}.metric.name`, detail: 'must specify a metric name', rule: pathSegmentProblems };
  needsName(into, metric.name, name);
  into.add(...labelSelectorErrors(metric.selector, `${path}.metric.selector`));
  checkTarget(into, target, own);
  if (target.value === undefined && target.averageValue === undefined)
    into.add(required(child(own, 'averageValue'), missing));
}

/** `[type, field, rule]` of each kind of metric, in the order in which upstream looks for them. */
const sources: readonly (readonly [string, string, SourceRule])[] = [
  [
    'Object',
    'object',
    (into, source, path): void => {
      checkReference(into, objectAt(source, 'describedObject') ?? {}, child(path, 'describedObject'));
      checkValueTarget(into, source, { path, missing: 'must set either a target value or averageValue' });
    },
  ],
  [
    'External',
    'external',
    (into, source, path): void => {
      const missing = 'must set either a target value for metric or a per-pod target';
      checkValueTarget(into, source, { path, missing });
      const target = objectAt(source, 'target');
      if (target?.averageValue === undefined) return;
      const both = 'may not set both a target value for metric and a per-pod target';
      into.unset(`${path}.target.value`, target.value, both);
    },
  ],
  [
    'Pods',
    'pods',
    (into, source, path): void => {
      const missing = 'must specify a positive target averageValue';
      checkValueTarget(into, source, { path, missing });
      const target = objectAt(source, 'target');
      if (target?.value === undefined || target.averageValue !== undefined) return;
      into.add(required(`${path}.target.averageValue`, missing));
    },
  ],
  [
    'Resource',
    'resource',
    (into, source, path): void => {
      into.needsText(child(path, 'name'), source.name, 'must specify a resource name');
      checkResourceTarget(into, source, path);
    },
  ],
  [
    'ContainerResource',
    'containerResource',
    (into, source, path): void => {
      const namePath = child(path, 'name');
      if (into.needsText(namePath, source.name, 'must specify a resource name')) {
        checkContainerResourceName(into, String(source.name), namePath);
      }
      const container = {
        path: child(path, 'container'),
        detail: 'must specify a container',
        rule: dns1123LabelProblems,
      };
      needsName(into, source.container, container);
      checkResourceTarget(into, source, path);
    },
  ],
];

function checkMetric(into: Collector, metric: JsonObject, path: FieldPath): void {
  const types = sources.map(([type]) => type).sort();
  if (into.needsText(child(path, 'type'), metric.type, 'must specify a metric source type')) {
    into.oneOf(child(path, 'type'), metric.type, types);
  }
  const given = sources.filter(([, field]) => isObject(metric[field]));
  const [first] = given;
  if (first !== undefined) first[2](into, metric[first[1]] as JsonObject, child(path, first[1]));
  const wanted = sources.find(([type]) => type === metric.type)?.[1];
  if (wanted !== undefined && !isObject(metric[wanted])) {
    into.add(required(child(path, wanted), 'must populate information for the given metric source'));
  }
  if (given.length === 1) return;
  for (const [, field] of given) {
    if (field === wanted) continue;
    into.add(forbiddenField(child(path, field), 'must populate the given metric source only'));
  }
}

function checkTarget(into: Collector, target: JsonObject, path: FieldPath): void {
  const type = target.type;
  into.needsText(child(path, 'type'), type, 'must specify a metric target type');
  if (type !== 'Utilization' && type !== 'Value' && type !== 'AverageValue') {
    into.add(invalid(child(path, 'type'), type ?? '', 'must be either Utilization, Value, or AverageValue'));
  }
  for (const field of ['value', 'averageValue']) {
    if (target[field] === undefined || compareQuantities(target[field], 0) > 0) continue;
    into.add(invalid(child(path, field), target[field], 'must be positive'));
  }
  into.positive(child(path, 'averageUtilization'), target.averageUtilization, 'must be greater than 0');
}

function checkScaling(into: Collector, rules: JsonObject, path: FieldPath): void {
  const window = numberAt(rules, 'stabilizationWindowSeconds') ?? 0;
  const own = child(path, 'stabilizationWindowSeconds');
  if (window < 0) into.add(invalid(own, window, 'must be greater than or equal to zero'));
  if (window > windowSecondsMax) into.add(invalid(own, window, `must be less than or equal to ${windowSecondsMax}`));
  into.oneOf(child(path, 'selectPolicy'), rules.selectPolicy, ['Disabled', 'Max', 'Min']);
  const policies = objectsAt(rules, 'policies');
  if (policies.length === 0) into.add(required(child(path, 'policies'), 'must specify at least one Policy'));
  for (const [index, policy] of policies.entries()) {
    const place = at(child(path, 'policies'), index);
    into.oneOf(child(place, 'type'), policy.type ?? '', ['Percent', 'Pods']);
    for (const field of ['value', 'periodSeconds']) into.positive(child(place, field), numberAt(policy, field) ?? 0);
    const period = numberAt(policy, 'periodSeconds') ?? 0;
    if (period <= periodSecondsMax) continue;
    into.add(invalid(child(place, 'periodSeconds'), period, `must be less than or equal to ${periodSecondsMax}`));
  }
  const { tolerance } = rules;
  if (tolerance === undefined || compareQuantities(tolerance, 0) >= 0) return;
  into.add(invalid(child(path, 'tolerance'), tolerance, 'must be greater than or equal to 0'));
}

/** Refuses counts below zero in what the controller reports. */
export function validateHorizontalPodAutoscalerStatus(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const field of ['currentReplicas', 'desiredReplicas']) {
    into.notNegative(child('status', field), valueAt(draft, 'status', field));
  }
  return into.errors;
}
