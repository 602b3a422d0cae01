/** Flags of kubelets that people may set, whether nodes are processes or all in one. */

import { featureGatesFlag } from '#pkg/component/feature-gates.ts';
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { cpuFlags } from './cpu-flags.ts';
import { credentialProviderFlags } from './credential-provider-flags.ts';
import { criEndpointDefault, criEndpointProblem } from './cri-endpoint.ts';
import { evictionFlags } from './eviction-flags.ts';
import { imageCollectionFlags } from './image-collection-flags.ts';
import { machineMemoryProblem } from './machine-memory.ts';
import { memoryFlags } from './memory-flags.ts';
import { ociRuntimesDefault, ociRuntimesProblem } from './oci-runtimes.ts';
import { podPidsFlags } from './pod-pids-flags.ts';
import { shutdownFlags } from './shutdown-flags.ts';
import { staticPodFlags } from './static-pod-flags.ts';
import { sysctlFlags } from './sysctl-flags.ts';

/** The table. */
export const nodeFlags = {
  'image-aliases': text({
    help: 'File that says which programs of the in-process runtime stand for which container images (a YAML map); empty for none.',
    fallback: '',
    placeholder: 'file',
  }),
  'container-runtime-endpoint': text({
    help: 'Where the container runtime of another process answers, for the runtime cri: unix:///path, or a path.',
    fallback: criEndpointDefault,
    placeholder: 'address',
    problem: criEndpointProblem,
  }),
  'oci-runtime': text({
    help: 'Program that makes containers, for the runtime container: a name or a path. Of several with commas between them the first is for pods without a RuntimeClass, and handlers name them by the last parts of their paths.',
    fallback: ociRuntimesDefault,
    placeholder: 'program',
    problem: ociRuntimesProblem,
  }),
  'machine-memory': text({
    help: 'What the virtual machines of a node may use together, for the runtime vm: a quantity from 16Mi to 4Gi. Their limits may be more than that together; when it runs low their balloons give pages back. Empty for as much as their limits say.',
    fallback: '',
    placeholder: 'quantity',
    problem: machineMemoryProblem,
  }),
  ...cpuFlags,
  ...credentialProviderFlags,
  ...evictionFlags,
  ...imageCollectionFlags,
  ...memoryFlags,
  ...podPidsFlags,
  ...featureGatesFlag,
  ...shutdownFlags,
  ...staticPodFlags,
  ...sysctlFlags,
} satisfies FlagTable;
