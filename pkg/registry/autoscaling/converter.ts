/**
 * autoscaling/v1 over autoscaling/v2: one CPU target has fields of its own, everything else rides in annotations.
 * Source: `pkg/apis/autoscaling/v1/conversion.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Converter } from '#pkg/apiserver/converters/converter.ts';

const prefix = 'autoscaling.alpha.kubernetes.io/';

/** Fields of v2 that v1 does not have: where they are and the annotation that carries them. */
const carried = [
  { part: 'spec', field: 'metrics', annotation: `${prefix}metrics` },
  { part: 'spec', field: 'behavior', annotation: `${prefix}behavior` },
  { part: 'status', field: 'currentMetrics', annotation: `${prefix}current-metrics` },
  { part: 'status', field: 'conditions', annotation: `${prefix}conditions` },
] as const;

interface CpuMetric {
  readonly type?: string;
  readonly resource?: {
    readonly name?: string;
    readonly target?: { readonly type?: string; readonly averageUtilization?: number };
    readonly current?: { readonly averageUtilization?: number };
  };
}

/** What is aimed at when nothing else is said. Source: `pkg/apis/autoscaling/types.go` `DefaultCPUUtilization`. */
const defaultCpuPercent = 80;

function isCpu(metric: CpuMetric): boolean {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu';
}

function cpuTarget(metric: CpuMetric): number | undefined {
  return isCpu(metric) && metric.resource!.target?.type === 'Utilization'
    ? metric.resource!.target.averageUtilization
    : undefined;
}

function copyOf(object: unknown): JsonObject {
  return isObject(object) ? { ...object } : {};
}

/** Of several CPU targets the first is the field; the rest are carried. Both numbers of replicas are always written in this form. */
function fromStored(object: KubeObject): KubeObject {
  const source = object as JsonObject;
  const parts = { spec: copyOf(source.spec), status: copyOf(source.status) };
  const annotations = copyOf(object.metadata?.annotations);
  const metrics = [...((parts.spec.metrics as CpuMetric[] | undefined) ?? [])];
  const at = metrics.findIndex((metric) => cpuTarget(metric) !== undefined);
  const current = ((parts.status.currentMetrics as CpuMetric[] | undefined) ?? []).find(isCpu);
  if (at >= 0) {
    parts.spec.targetCPUUtilizationPercentage = cpuTarget(metrics[at]!);
    metrics.splice(at, 1);
    parts.spec.metrics = metrics;
  }
  const used = current?.resource?.current?.averageUtilization;
  for (const { part, field, annotation } of carried) {
    const value = parts[part][field];
    delete parts[part][field];
    const isEmpty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (!isEmpty) annotations[annotation] = JSON.stringify(value);
  }
  if (used !== undefined) parts.status.currentCPUUtilizationPercentage = used;
  const metadata: JsonObject = { ...object.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  return {
    ...source,
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: parts.spec,
    ...(source.status === undefined ? {} : { status: { currentReplicas: 0, desiredReplicas: 0, ...parts.status } }),
  } as KubeObject;
}

function toStored(draft: JsonObject): JsonObject {
  const parts = { spec: copyOf(draft.spec), status: copyOf(draft.status) };
  const metadata = copyOf(draft.metadata);
  const annotations = copyOf(metadata.annotations);
  for (const { part, field, annotation } of carried) {
    const value = parsed(annotations[annotation]);
    delete annotations[annotation];
    if (value !== undefined) parts[part][field] = value;
  }
  const target = parts.spec.targetCPUUtilizationPercentage;
  delete parts.spec.targetCPUUtilizationPercentage;
  delete parts.status.currentCPUUtilizationPercentage;
  if (parts.status.currentReplicas === 0) delete parts.status.currentReplicas;
  const others = (parts.spec.metrics as CpuMetric[] | undefined) ?? [];
  const percent = typeof target === 'number' ? target : others.length === 0 ? defaultCpuPercent : undefined;
  if (percent !== undefined) {
    const wanted = { type: 'Utilization', averageUtilization: percent };
    parts.spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: wanted } }, ...others];
  }
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  else delete metadata.annotations;
  return {
    ...draft,
    apiVersion: 'autoscaling/v2',
    metadata,
    spec: parts.spec,
    ...(draft.status === undefined ? {} : { status: parts.status }),
  };
}

/** Annotations are the user's to write: what is no JSON is dropped. */
function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The converter. */
export const hpaConverter: Converter = { toStored, fromStored };
