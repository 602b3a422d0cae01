/** Keeps pods with scheduling gates out of the queue until the last gate is removed. Upstream counterpart: `plugins/schedulinggates`. */
import type { PreEnqueuePlugin } from '../../framework/plugin.ts';
import { success, unresolvable } from '../../framework/status.ts';

/** The plugin. */
export const schedulingGates: PreEnqueuePlugin = {
  name: 'SchedulingGates',
  events: [{ resource: 'TargetPod', actions: ['UpdatePodGatesEliminated'] }],
  preEnqueue(pod) {
    const gates = pod.pod.spec?.schedulingGates ?? [];
    if (gates.length === 0) return success;
    return unresolvable(`waiting for scheduling gates: [${gates.map((gate) => gate.name).join(' ')}]`);
  },
};
