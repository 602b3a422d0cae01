/** The transcripts of kubectl (`transcripts.ts`), each run against a real cluster with an old and a new kubectl. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { binary, kubectlVersions } from './kubectl-binary.ts';
import { hookMs, RunningCluster } from './running-cluster.ts';
import { type GuestEnvironment, guestOf, runTranscript, transcripts } from './transcripts.ts';

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

describe.each(kubectlVersions)('kubectl 1.%s', (version) => {
  let env: GuestEnvironment;

  beforeAll(async () => {
    env = await guestOf(cluster, version, { binary: binary(version, 'kubectl') });
  }, hookMs);

  test.each(transcripts)('%s', (file) => runTranscript(file, env));
});
