/** What is wrong with arguments about resources, beyond what their schema says. Source: kube-scheduler `validation_pluginargs.go`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { ResourceSpec, ScoringStrategy, ShapePoint } from './strategies.ts';

/** Arguments of the plugin. Source: `NodeResourcesFitArgs` of kubescheduler.config.k8s.io/v1; the strategy `Packing` is Coxswain's own. */
export interface FitArgs {
  readonly scoringStrategy: ScoringStrategy;
  /** Extended resources that nobody counts, and groups of them. */
  readonly ignoredResources?: readonly string[];
  readonly ignoredResourceGroups?: readonly string[];
}

/** JSON Schema of a list of resources with their weights. */
export const resourcesSchema = {
  type: 'array',
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'weight'],
    properties: { name: { type: 'string' }, weight: { type: 'integer' } },
  },
};

/** Highest score of a point of a shape. Source: `MaxCustomPriorityScore`. */
const pointScoreMax = 10;

const field = pathsOf<FitArgs>();

/** Of the plugin that keeps pods where there is room. */
export function fitProblems({ ignoredResources = [], ignoredResourceGroups = [], scoringStrategy }: FitArgs) {
  const errors: FieldError[] = [];
  const strategy = field('scoringStrategy');
  checkNames(ignoredResources, field('ignoredResources'), errors);
  for (const [index, group] of ignoredResourceGroups.entries()) {
    if (!group.includes('/')) continue;
    const path = at(field('ignoredResourceGroups'), index);
    errors.push(invalid(path, group, "resource group name can't contain '/'"));
  }
  checkNames(ignoredResourceGroups, field('ignoredResourceGroups'), errors);
  for (const [index, { name, weight }] of (scoringStrategy.resources ?? []).entries()) {
    if (weight > 0 && weight <= 100) continue;
    const path = child(at(child(strategy, 'resources'), index), 'weight');
    errors.push(invalid(path, weight, `resource weight of ${name} not in valid range (0, 100]`));
  }
  const { type, requestedToCapacityRatio } = scoringStrategy;
  const shape = requestedToCapacityRatio?.shape;
  // The path is upstream's, which leaves a field out.
  if (shape !== undefined || type === 'RequestedToCapacityRatio')
    checkShape(shape ?? [], child(strategy, 'requestedToCapacityRatio.shape'), errors);
  return errors;
}

/** Of the plugin that keeps the use of resources in balance. */
export function balanceProblems(resources: readonly ResourceSpec[], path: FieldPath<readonly ResourceSpec[]>) {
  const errors: FieldError[] = [];
  for (const [index, { name, weight }] of resources.entries()) {
    const isAgain = resources.findIndex((other) => other.name === name) < index;
    if (isAgain) errors.push(duplicate(child(at(path, index), 'name'), name));
    if (weight !== 1) errors.push(invalid(child(at(path, index), 'weight'), weight, 'must be 1'));
  }
  return errors;
}

function checkNames(names: readonly string[], path: FieldPath<readonly string[]>, errors: FieldError[]): void {
  for (const [index, name] of names.entries())
    for (const problem of qualifiedNameProblems(name)) errors.push(invalid(at(path, index), name, problem));
}

function checkShape(shape: readonly ShapePoint[], path: FieldPath<readonly ShapePoint[]>, errors: FieldError[]): void {
  if (shape.length === 0) errors.push(required(path, 'at least one point must be specified'));
  const falling = shape.findIndex(({ utilization }, index) => (shape[index - 1]?.utilization ?? -1) >= utilization);
  if (falling > 0) {
    const why = 'utilization values must be sorted in increasing order';
    errors.push(invalid(child(at(path, falling), 'utilization'), shape[falling]?.utilization, why));
  }
  for (const [index, { utilization, score }] of shape.entries()) {
    const point = at(path, index);
    if (utilization < 0 || utilization > 100)
      errors.push(invalid(child(point, 'utilization'), utilization, 'not in valid range [0, 100]'));
    if (score < 0 || score > pointScoreMax)
      errors.push(invalid(child(point, 'score'), score, `not in valid range [0, ${pointScoreMax}]`));
  }
}
