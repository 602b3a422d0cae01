/** Orders the active queue: higher priority first, then who waited longer. Upstream counterpart: `plugins/queuesort`. */
import type { QueueSortPlugin } from '../../framework/plugin.ts';

/** The plugin. */
export const prioritySort: QueueSortPlugin = {
  name: 'PrioritySort',
  events: [],
  compare: (a, b) => b.pod.priority - a.pod.priority || a.enqueuedMs - b.enqueuedMs,
};
