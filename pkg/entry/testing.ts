/** What `import … from 'coxswain/testing'` gives: clusters for tests, and builders of objects. The names are promises to users of the package. */
import './node-version.ts';

export { isPodReady } from '#pkg/api/core/pod.ts';
export type { FaultRule } from '#pkg/faults/fault-rule.ts';
export type { FaultState } from '#pkg/faults/fault-set.ts';
export {
  type Amounts,
  type DeploymentOptions,
  makeDeployment,
  makeNode,
  makePod,
  makeService,
  type PodBuilder,
} from '#pkg/testing/builders.ts';
export {
  type ListeningTestCluster,
  type ListeningTestClusterOptions,
  startTestCluster,
  type TestCluster,
  type TestClusterOptions,
  type TestFaults,
  type TestNode,
} from '#pkg/testing/cluster.ts';
