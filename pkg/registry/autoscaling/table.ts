/** How horizontal pod autoscalers are printed; reads both versions of the kind. Source: upstream `printHorizontalPodAutoscaler`. */
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '#pkg/api/types/autoscaling-v2.ts';
import type { FieldsWith, Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, none, unknown, unset } from '../printing/columns.ts';

/** Most metrics a cell shows. */
const shownMax = 2;

/** Where each metric type keeps its values. */
const sourceFields: Readonly<Record<string, FieldsWith<MetricSpec, object>>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

function metricText(metric: Given<MetricSpec>, status: Given<MetricStatus> | undefined): string {
  const type = metric.type ?? '';
  const field = sourceFields[type];
  if (field === undefined) return '<unknown type>';
  const target = metric[field]?.target;
  const current = status?.[field]?.current;
  if (field === 'resource' || field === 'containerResource') {
    const name = metric[field]?.name ?? '';
    if (target?.averageValue !== undefined) {
      return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
    }
    const percent = current?.averageUtilization;
    const wanted = target?.averageUtilization;
    const currentText = percent === undefined ? unknown : `${percent}%`;
    return `${name}: ${currentText}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
  }
  if (field === 'pods') return `${current?.averageValue ?? unknown}/${target?.averageValue ?? ''}`;
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
  return `${current?.value ?? unknown}/${target?.value ?? ''}`;
}

function metricsText(object: Given<HorizontalPodAutoscaler>): string {
  const metrics = object.spec?.metrics ?? [];
  if (metrics.length === 0) return none;
  const statuses = object.status?.currentMetrics ?? [];
  const texts = metrics.map((metric, index) => metricText(metric, statuses[index]));
  const shown = texts.slice(0, shownMax).join(', ');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}

/** Source: upstream `printHorizontalPodAutoscaler`. */
export const horizontalPodAutoscalerTable: TablePrinter<Given<HorizontalPodAutoscaler>> = {
  columns: [
    nameColumn,
    column('Reference'),
    column('Targets'),
    column('MinPods'),
    column('MaxPods'),
    column('Replicas'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    nameOf(object),
    `${object.spec?.scaleTargetRef?.kind ?? ''}/${object.spec?.scaleTargetRef?.name ?? ''}`,
    metricsText(object),
    String(object.spec?.minReplicas ?? unset),
    object.spec?.maxReplicas ?? 0,
    object.status?.currentReplicas ?? 0,
    age(object, nowMs),
  ],
};
