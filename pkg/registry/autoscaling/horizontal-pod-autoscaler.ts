/** Horizontal pod autoscalers. Source: upstream `pkg/apis/autoscaling/{v1,v2}/defaults.go`. */

import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerStatus,
  HPAScalingPolicy,
  HPAScalingRules,
} from '#pkg/api/types/autoscaling-v2.ts';
import { horizontalPodAutoscalers } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { hpaConverter } from './converter.ts';
import { horizontalPodAutoscalerTable } from './table.ts';
import { validateHorizontalPodAutoscaler, validateHorizontalPodAutoscalerStatus } from './validation.ts';

const defaultCpuPercent = 80;

const scaleUpPolicies = [
  { type: 'Pods', value: 4, periodSeconds: 15 },
  { type: 'Percent', value: 100, periodSeconds: 15 },
];
const scaleDownPolicies = [{ type: 'Percent', value: 100, periodSeconds: 15 }];

function setDefaults(draft: Draft<HorizontalPodAutoscaler>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setDefault(spec, 'minReplicas', 1);
  if ((spec.metrics ?? []).length === 0) {
    const target = { type: 'Utilization', averageUtilization: defaultCpuPercent };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  const behavior = spec.behavior;
  if (behavior === undefined) return;
  behavior.scaleUp = withDefaults(behavior.scaleUp, scaleUpPolicies);
  setDefault(behavior.scaleUp, 'stabilizationWindowSeconds', 0);
  behavior.scaleDown = withDefaults(behavior.scaleDown, scaleDownPolicies);
}

function withDefaults(
  rules: Draft<HPAScalingRules> | null | undefined,
  policies: Draft<HPAScalingPolicy>[],
): Draft<HPAScalingRules> {
  const filled = rules ?? {};
  setDefault(filled, 'selectPolicy', 'Max');
  setDefault(filled, 'policies', structuredClone(policies));
  return filled;
}

/** Autoscalers in the form of `autoscaling/v2`; a converter serves the older one. `scalesToZero`: whether one may take the last replica away. */
export function createHorizontalPodAutoscalerStrategy(scalesToZero = false): Strategy {
  const lowest = (old?: Given<HorizontalPodAutoscaler>): 0 | 1 =>
    scalesToZero || old?.spec?.minReplicas === 0 ? 0 : 1;
  return rulesOf(horizontalPodAutoscalers, {
    nameRule: 'dns1123Subdomain',
    tracksGeneration: false,
    setDefaults,
    ...ownStatus<HorizontalPodAutoscalerStatus>({ desiredReplicas: 0, currentMetrics: null }),
    validateCreate: (draft) => validateHorizontalPodAutoscaler(draft, lowest()),
    validateUpdate: (draft, old) => validateHorizontalPodAutoscaler(draft, lowest(old)),
    subresources: { status: { validateUpdate: validateHorizontalPodAutoscalerStatus } },
    versions: { v1: { converter: hpaConverter, stored: 'autoscaling/v2' } },
    table: horizontalPodAutoscalerTable,
  });
}
