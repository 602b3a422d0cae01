/** Refuses pods that keep others off more than a node. Source: upstream `plugin/pkg/admission/antiaffinity`. */
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { aboutPod, podSubject } from '../pods.ts';

const hostname = 'kubernetes.io/hostname';

/** Looks at what is required of the scheduler, not at what is preferred. */
export const hardAntiAffinityTopologyPlugin: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && aboutPod(attributes) !== undefined,
  validate(attributes) {
    const draft = aboutPod(attributes)?.draft;
    const terms = draft?.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const wide = terms.find(({ topologyKey }) => topologyKey !== hostname);
    if (wide === undefined) return;
    const why = `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${wide.topologyKey ?? ''} but only key ${hostname} is allowed`;
    throw forbidden(podSubject, draft?.metadata?.name ?? '', why);
  },
};
