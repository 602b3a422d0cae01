/** The quality-of-service class of a pod. Source: `component-helpers` `ComputePodQOS`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { allContainers } from '../pods/pod-view.ts';
import { quantityValue } from '../resources/amounts.ts';

const supported = ['cpu', 'memory'] as const;

/** Guaranteed: every container has equal limits and requests of both; BestEffort: none has any; else Burstable. */
export function qosClass(pod: Pod): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  let any = false;
  let guaranteed = true;
  for (const { resources } of allContainers(pod)) {
    for (const name of supported) {
      const limit = quantityValue(resources?.limits?.[name]);
      const request = quantityValue(resources?.requests?.[name] ?? resources?.limits?.[name]);
      if (limit > 0 || request > 0) any = true;
      if (limit === 0 || limit !== request) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
