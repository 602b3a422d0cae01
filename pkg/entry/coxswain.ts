/**
 * What `import … from 'coxswain'` gives: a cluster in this process on the machine's clock, kept in a folder. Names here are promises to
 * users of the package; everything that no entry names is closed to them.
 */
import './node-version.ts';

export { type Clock, SystemClock } from '#pkg/base/clock.ts';
export { type Logger, silentLogger } from '#pkg/base/logger.ts';
export { type Random, SystemRandom } from '#pkg/base/random.ts';
export { type ClusterOptions, type RunningCluster, startCluster } from '#pkg/cluster/cluster.ts';
export { kubernetesRelease } from '#pkg/cluster/release.js';
export { type ClusterSettings, defaultSettings, loopbackAddresses } from '#pkg/cluster/settings.ts';
export { createLogger } from '#pkg/component/logger.ts';
