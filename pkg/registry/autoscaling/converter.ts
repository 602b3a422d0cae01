/**
 * autoscaling/v1 over autoscaling/v2: one CPU target has fields of its own, everything else rides in annotations.
 * Source: `pkg/apis/autoscaling/v1/conversion.go`.
 */
import { typeSchema } from '#pkg/api/facts.ts';
import type { HorizontalPodAutoscaler as ServedAutoscaler } from '#pkg/api/types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
} from '#pkg/api/types/autoscaling-v2.ts';
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from '#pkg/api/types/refs.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { converterOf, present } from '#pkg/apiserver/converters/converter.ts';

const prefix = 'autoscaling.alpha.kubernetes.io/';
/** The annotations that carry what v1 has no fields for. */
const carriers = {
  metrics: `${prefix}metrics`,
  behavior: `${prefix}behavior`,
  currentMetrics: `${prefix}current-metrics`,
  conditions: `${prefix}conditions`,
};

/** What is aimed at when nothing else is said. Source: `pkg/apis/autoscaling/types.go` `DefaultCPUUtilization`. */
const defaultCpuPercent = 80;

type Resource = { readonly type?: string; readonly resource?: { readonly name?: string } | null };

function isCpu({ type, resource }: Resource): boolean {
  return type === 'Resource' && resource?.name === 'cpu';
}

function cpuTarget(metric: Given<MetricSpec>): number | undefined {
  const target = isCpu(metric) ? metric.resource?.target : undefined;
  return target?.type === 'Utilization' ? target.averageUtilization : undefined;
}

/** Of several CPU targets the first is the field; the rest are carried. Both numbers of replicas are always written in this form. */
function fromStored(object: Given<HorizontalPodAutoscaler>): Given<ServedAutoscaler> {
  const { metrics, behavior, ...spec } = object.spec ?? {};
  const { currentMetrics, conditions, ...status } = object.status ?? {};
  const targets = (metrics ?? []).map(cpuTarget);
  const first = targets.findIndex((target) => target !== undefined);
  const others = metrics?.filter((_, index) => index !== first);
  const used = currentMetrics?.find(isCpu)?.resource?.current?.averageUtilization;
  const annotations: Record<string, string> = { ...object.metadata?.annotations };
  const carry = (annotation: string, value: unknown): void => {
    const isEmpty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (!isEmpty) annotations[annotation] = JSON.stringify(value);
  };
  carry(carriers.metrics, others);
  carry(carriers.behavior, behavior);
  carry(carriers.currentMetrics, currentMetrics);
  carry(carriers.conditions, conditions);
  const served = { ...spec, ...present({ targetCPUUtilizationPercentage: targets[first] }) };
  const seen = {
    currentReplicas: 0,
    desiredReplicas: 0,
    ...status,
    ...present({ currentCPUUtilizationPercentage: used }),
  };
  return {
    ...(object.kind === undefined ? {} : { kind: object.kind }),
    metadata: { ...object.metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: served,
    ...(object.status === undefined ? {} : { status: seen }),
  };
}

function toStored(object: Given<ServedAutoscaler>): Given<HorizontalPodAutoscaler> {
  const { annotations: given = {}, ...metadata } = object.metadata ?? {};
  const { targetCPUUtilizationPercentage: target, ...spec } = object.spec ?? {};
  const { currentCPUUtilizationPercentage: _, currentReplicas = 0, ...status } = object.status ?? {};
  const { metrics: others = [], ...carriedSpec } = specCarriedBy(given);
  const percent = target ?? (others?.length === 0 ? defaultCpuPercent : undefined);
  const annotations = Object.fromEntries(
    Object.entries(given).filter(([name]) => !Object.values(carriers).includes(name)),
  );
  const metrics = percent === undefined ? others : [cpuMetric(percent), ...(others ?? [])];
  return {
    ...(object.kind === undefined ? {} : { kind: object.kind }),
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...spec, ...carriedSpec, ...(metrics ? { metrics } : {}) },
    ...(object.status === undefined
      ? {}
      : { status: { ...status, ...(currentReplicas === 0 ? {} : { currentReplicas }), ...statusCarriedBy(given) } }),
  };
}

function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

type Annotations = Readonly<Record<string, string>>;

function specCarriedBy(annotations: Annotations): Given<HorizontalPodAutoscalerSpec> {
  const { metrics, behavior } = carriers;
  return fitting('HorizontalPodAutoscalerSpec', { metrics: annotations[metrics], behavior: annotations[behavior] });
}

function statusCarriedBy(annotations: Annotations): Given<HorizontalPodAutoscalerStatus> {
  const { currentMetrics, conditions } = carriers;
  const texts = { currentMetrics: annotations[currentMetrics], conditions: annotations[conditions] };
  return fitting('HorizontalPodAutoscalerStatus', texts);
}

/** Fields of a type from their JSON. Annotations are the user's to write: what is no JSON or does not fit is dropped. */
function fitting(type: string, texts: Readonly<Record<string, string | undefined>>): JsonObject {
  const schema = typeSchema(`io.k8s.api.autoscaling.v2.${type}`);
  const found: JsonObject = {};
  for (const [field, text] of Object.entries(texts)) {
    const checked =
      text === undefined ? undefined : convertAndCheck({ [field]: parsed(text) }, schema, { strict: 'Ignore' });
    if (checked !== undefined && checked.typeError === undefined && checked.object[field] !== undefined)
      found[field] = checked.object[field];
  }
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The converter. */
export const hpaConverter = converterOf(horizontalPodAutoscalersV1, horizontalPodAutoscalers, { toStored, fromStored });
