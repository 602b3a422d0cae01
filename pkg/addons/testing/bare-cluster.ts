/** The cluster that tests of addons ask about. */
import type { AddonCluster } from '../addon.ts';

/** A cluster as it comes, on a machine that has none of the programs that addons start. */
export const bareCluster: AddonCluster = {
  name: 'dev',
  runtimes: ['inprocess'],
  network: 'loopback',
  dataDir: '/data',
  command: [],
  programPath: () => undefined,
};
