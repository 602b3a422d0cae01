/**
 * Refuses pods with resource claims: devices are not allocated here, and a pod placed without them would only fail on its node.
 * Upstream counterpart: `plugins/dynamicresources`.
 */
import type { PostFilterPlugin, PreFilterPlugin } from '../../framework/plugin.ts';
import { success, unresolvable, unschedulable } from '../../framework/status.ts';

const refusal = unresolvable('pod has resource claims, which this scheduler cannot allocate');
/** Said of every pod that fits nowhere, as upstream does: room is looked for among idle claims before pods are evicted. */
const nothingToFree = unschedulable('no new claims to deallocate');

/** The plugin. */
export const dynamicResources: PostFilterPlugin & PreFilterPlugin = {
  name: 'DynamicResources',
  events: [],
  preFilter: ({ pod }) => ({ status: pod.pod.spec?.resourceClaims?.length ? refusal : success }),
  postFilter: () => ({ status: nothingToFree }),
};
