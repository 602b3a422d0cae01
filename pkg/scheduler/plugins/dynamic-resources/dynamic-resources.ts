/**
 * Refuses pods with resource claims: devices are not allocated here, and a pod placed without them would only fail on its node.
 * Upstream counterpart: `plugins/dynamicresources`.
 */
import type { PreFilterPlugin } from '../../framework/plugin.ts';
import { success, unresolvable } from '../../framework/status.ts';

const refusal = unresolvable('pod has resource claims, which this scheduler cannot allocate');

export const dynamicResources: PreFilterPlugin = {
  name: 'DynamicResources',
  events: [],
  preFilter: ({ pod }) => ({ status: pod.pod.spec?.resourceClaims?.length ? refusal : success }),
};
