/** How horizontal pod autoscalers are printed; reads both versions of the kind. Source: upstream `printHorizontalPodAutoscaler`. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { numberAt, objectAt, objectsAt, stringAt, valueAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, none, unknown, unset } from '../printing/columns.ts';

/** Most metrics a cell shows. */
const shownMax = 2;

/** Where each metric type keeps its values. */
const sourceFields: Readonly<Record<string, string>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

function metricText(metric: JsonObject, status: JsonObject | undefined): string {
  const type = stringAt(metric, 'type');
  const field = sourceFields[type];
  if (field === undefined) return '<unknown type>';
  const target = objectAt(metric, field, 'target');
  const current = objectAt(status, field, 'current');
  if (type === 'Resource' || type === 'ContainerResource') {
    const name = stringAt(metric, field, 'name');
    if (target?.averageValue !== undefined) {
      return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
    }
    const percent = numberAt(current, 'averageUtilization');
    const wanted = numberAt(target, 'averageUtilization');
    const currentText = percent === undefined ? unknown : `${percent}%`;
    return `${name}: ${currentText}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
  }
  if (type === 'Pods') return `${current?.averageValue ?? unknown}/${target?.averageValue ?? ''}`;
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
  return `${current?.value ?? unknown}/${target?.value ?? ''}`;
}

/** The v1 form knows only CPU. */
function v1Metrics(object: KubeObject): string {
  const target = numberAt(object, 'spec', 'targetCPUUtilizationPercentage');
  if (target === undefined) return none;
  const current = numberAt(object, 'status', 'currentCPUUtilizationPercentage');
  return `cpu: ${current === undefined ? unknown : `${current}%`}/${target}%`;
}

function metricsText(object: KubeObject): string {
  const metrics = objectsAt(object, 'spec', 'metrics');
  if (metrics.length === 0) return v1Metrics(object);
  const statuses = objectsAt(object, 'status', 'currentMetrics');
  const texts = metrics.map((metric, index) => metricText(metric, statuses[index]));
  const shown = texts.slice(0, shownMax).join(', ');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}

/** Source: upstream `printHorizontalPodAutoscaler`. */
export const horizontalPodAutoscalerTable: TablePrinter = {
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
    `${stringAt(object, 'spec', 'scaleTargetRef', 'kind')}/${stringAt(object, 'spec', 'scaleTargetRef', 'name')}`,
    metricsText(object),
    String(valueAt(object, 'spec', 'minReplicas') ?? unset),
    numberAt(object, 'spec', 'maxReplicas') ?? 0,
    numberAt(object, 'status', 'currentReplicas') ?? 0,
    age(object, nowMs),
  ],
};
