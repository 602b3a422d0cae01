/**
 * What one metric of an autoscaler asks for, and what its status says of it. A metric that cannot be had is a `MetricProblem`, with the reason under
 * which an event and the condition `ScalingActive` tell of it.
 * Upstream counterpart: `horizontal.go` `computeReplicasForMetric`.
 */
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget } from '#pkg/api/types/autoscaling-v2.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import { selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { MetricQuery, MetricsSource } from './metrics-source.ts';
import {
  averageReplicas,
  type CalculationInput,
  milliOf,
  type Proposal,
  perPodReplicas,
  utilizationReplicas,
  valueReplicas,
} from './replica-calculator.ts';

/** What a metric is looked up with. */
export interface MetricContext {
  readonly hpa: HorizontalPodAutoscaler;
  readonly source: MetricsSource;
  /** The pods of the target, and how it is calculated. */
  readonly input: CalculationInput & { readonly pods: readonly Pod[] };
  /** The selector of the target, as text. */
  readonly selector: string;
  /** As the target's scale says it. */
  readonly statusReplicas: number;
  readonly signal: AbortSignal;
}

/** What a metric asks for. */
export interface MetricProposal {
  readonly replicas: number;
  /** As messages name it. */
  readonly name: string;
  readonly status: MetricStatus;
}

/** A metric that cannot be had. */
export class MetricProblem extends Error {
  override readonly name = 'MetricProblem';
  /** Of the event and the condition. */
  readonly reason: string;
  /** What event and condition say; the message is what the whole adds up. */
  readonly detail: string;

  constructor(reason: string, detail: string, message: string) {
    super(message);
    this.reason = reason;
    this.detail = detail;
  }
}

/** Works one metric out. Throws `MetricProblem`. */
export async function propose(spec: MetricSpec, context: MetricContext): Promise<MetricProposal> {
  const told = reasonOf(spec);
  if (told === undefined) {
    const text = `unknown metric source type ${JSON.stringify(spec.type)}`;
    throw new MetricProblem('InvalidMetricSourceType', text, text);
  }
  try {
    return await kinds[told.kind](spec, context);
  } catch (error) {
    context.signal.throwIfAborted();
    const text = errorText(error);
    throw new MetricProblem(told.reason, text, `failed to get ${told.what} value: ${text}`);
  }
}

type Kind = 'container' | 'external' | 'object' | 'pods' | 'resource';

function reasonOf(
  spec: MetricSpec,
): { readonly kind: Kind; readonly reason: string; readonly what: string } | undefined {
  switch (spec.type) {
    case 'Object':
      return { kind: 'object', reason: 'FailedGetObjectMetric', what: 'object metric' };
    case 'Pods':
      return { kind: 'pods', reason: 'FailedGetPodsMetric', what: 'pods metric' };
    case 'Resource':
      return { kind: 'resource', reason: 'FailedGetResourceMetric', what: `${spec.resource?.name} resource metric` };
    case 'ContainerResource': {
      const what = `${spec.containerResource?.container} container metric`;
      return { kind: 'container', reason: 'FailedGetContainerResourceMetric', what };
    }
    case 'External':
      return {
        kind: 'external',
        reason: 'FailedGetExternalMetric',
        what: `${spec.external?.metric.name} external metric`,
      };
    default:
      return undefined;
  }
}

const kinds: Readonly<Record<Kind, (spec: MetricSpec, context: MetricContext) => Promise<MetricProposal>>> = {
  async resource({ resource }, context) {
    if (resource === undefined) throw new Error('invalid resource metric source');
    const { name, target } = resource;
    const { proposal, current, isShare } = await resourceProposal({ name, target }, context);
    return {
      replicas: proposal.replicas,
      name: isShare ? `${name} resource utilization (percentage of request)` : `${name} resource`,
      status: { type: 'Resource', resource: { name, current } },
    };
  },

  async container({ containerResource }, context) {
    if (containerResource === undefined) throw new Error('invalid container resource metric source');
    const { name, container, target } = containerResource;
    const { proposal, current, isShare } = await resourceProposal({ name, target, container }, context);
    return {
      replicas: proposal.replicas,
      name: isShare ? `${name} container resource utilization (percentage of request)` : `${name} resource`,
      status: { type: 'ContainerResource', containerResource: { name, container, current } },
    };
  },

  async pods({ pods }, context) {
    if (pods === undefined) throw new Error('invalid pods metric source');
    const { metric, target } = pods;
    const query = { ...metricQuery(metric, context), selector: context.selector };
    const metrics = await context.source.pods(query).catch(unable(`metric ${metric.name}`));
    const wanted = milliOf(target.averageValue) ?? 0;
    const proposal = averageReplicas(context.input, { metrics, resource: '', target: wanted });
    const current = { averageValue: `${proposal.current}m` };
    return {
      replicas: proposal.replicas,
      name: `pods metric ${metric.name}`,
      status: { type: 'Pods', pods: { metric, current } },
    };
  },

  async object({ object }, context) {
    if (object === undefined) throw new Error('invalid object metric source');
    const { metric, target, describedObject } = object;
    const where = `metric ${metric.name}: %s on ${describedObject.kind} ${context.hpa.metadata?.namespace}/${describedObject.name}`;
    const ask = () => context.source.object(metricQuery(metric, context), describedObject).catch(unable(where));
    if (target.type === 'Value') {
      const proposal = valueReplicas(context.input, { value: await ask(), target: milliOf(target.value) ?? 0 });
      const status: MetricStatus = {
        type: 'Object',
        object: { metric, describedObject, current: { value: `${proposal.current}m` } },
      };
      return { replicas: proposal.replicas, name: `${describedObject.kind} metric ${metric.name}`, status };
    }
    if (target.type === 'AverageValue') {
      const value = await ask().catch(prefixed(`failed to get ${metric.name} object metric`));
      const proposal = perPod(context, value, target);
      const current = { averageValue: `${proposal.current}m` };
      const status: MetricStatus = { type: 'Object', object: { metric, describedObject, current } };
      return {
        replicas: proposal.replicas,
        name: `external metric ${metric.name}(${goSelector(metric.selector)})`,
        status,
      };
    }
    throw new Error('invalid object metric source: neither a value target nor an average value target was set');
  },

  async external({ external }, context) {
    if (external === undefined) throw new Error('invalid external metric source');
    const { metric, target } = external;
    const name = `external metric ${metric.name}(${goSelector(metric.selector)})`;
    const where = `external metric ${context.hpa.metadata?.namespace}/${metric.name}/${goSelector(metric.selector)}`;
    const ask = () => context.source.external(metricQuery(metric, context)).catch(unable(where));
    if (target.averageValue !== undefined) {
      const value = await ask().catch(prefixed(`failed to get ${metric.name} external metric`));
      const proposal = perPod(context, value, target);
      const current = { averageValue: `${proposal.current}m` };
      return { replicas: proposal.replicas, name, status: { type: 'External', external: { metric, current } } };
    }
    if (target.value !== undefined) {
      const value = await ask().catch(prefixed(`failed to get external metric ${metric.name}`));
      const proposal = valueReplicas(context.input, { value, target: milliOf(target.value) ?? 0 });
      const current = { value: `${proposal.current}m` };
      return { replicas: proposal.replicas, name, status: { type: 'External', external: { metric, current } } };
    }
    throw new Error('invalid external metric source: neither a value target nor an average value target was set');
  },
};

async function resourceProposal(
  { name, target, container }: { readonly name: string; readonly target: MetricTarget; readonly container?: string },
  { source, input, hpa, selector, signal }: MetricContext,
) {
  const query = { namespace: hpa.metadata?.namespace ?? '', selector, signal };
  const isShare = target.averageValue === undefined;
  if (isShare && target.averageUtilization === undefined) {
    throw new Error(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  }
  try {
    const metrics = await source.resource(name, query, container).catch(unable(`metrics for resource ${name}`));
    const own = container === undefined ? {} : { container };
    const proposal: Proposal = isShare
      ? utilizationReplicas(input, { metrics, resource: name, target: target.averageUtilization ?? 0, ...own })
      : averageReplicas(input, { metrics, resource: name, target: milliOf(target.averageValue) ?? 0 });
    const current = isShare
      ? { averageUtilization: proposal.current, averageValue: `${proposal.average ?? 0}m` }
      : { averageValue: `${proposal.current}m` };
    return { proposal, current, isShare };
  } catch (error) {
    return prefixed(`failed to get ${name} ${isShare ? 'utilization' : 'usage'}`)(error);
  }
}

function perPod({ input, statusReplicas }: MetricContext, value: number, { averageValue }: MetricTarget): Proposal {
  return perPodReplicas(input, { value, target: milliOf(averageValue) ?? 0, statusReplicas });
}

function metricQuery(
  { name, selector }: { readonly name: string; readonly selector?: LabelSelector },
  { hpa, signal }: MetricContext,
): MetricQuery {
  const found = selector === undefined ? undefined : selectorFromLabelSelector(selector);
  if (found?.ok === false) throw new Error(found.error);
  const metricSelector = found?.selector.toString() ?? '';
  return { namespace: hpa.metadata?.namespace ?? '', metric: name, metricSelector, signal };
}

/** Says that what could not be had. A `%s` in `what` is where the reason goes. */
function unable(what: string): (error: unknown) => never {
  return (error) => {
    const text = what.includes('%s') ? what.replace('%s', () => errorText(error)) : `${what}: ${errorText(error)}`;
    throw new Error(`unable to get ${text}`, { cause: error });
  };
}

function prefixed(prefix: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${prefix}: ${errorText(error)}`, { cause: error });
  };
}

/** A selector as Go prints one. Source: `meta/v1` `LabelSelector.String`. */
function goSelector(selector: LabelSelector | undefined): string {
  if (selector === undefined) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${(values ?? []).join(' ')}],},`,
  );
  const map = labels.map(([key, value]) => `${key}: ${value},`).join('');
  return `&LabelSelector{MatchLabels:map[string]string{${map}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
