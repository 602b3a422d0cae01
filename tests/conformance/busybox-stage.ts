/** A cluster of real containers with an image of busybox, for behaviours that only those show. On a machine that makes none they are skipped. */
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import type { Container, PodSpec } from '#pkg/api/types/core-v1.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { openClusterImages } from '#pkg/cluster/images.ts';
import { writeBusyboxArchive } from '#tests/containers/busybox-image.ts';
import { noContainers } from '#tests/containers/real-containers.ts';
import { RealStage } from './real-stage.ts';

/** The image. */
export const busybox = 'docker.io/library/busybox:1.36';

/** Gives the file that calls it a cluster, and ways to declare behaviours and to hear what scripts print. */
export function onBusyboxCluster() {
  let stage: RealStage;
  beforeAll(async () => {
    if (noContainers !== undefined) return;
    stage = await RealStage.start({ runtime: 'container' });
    const archive = join(stage.folder, 'busybox.tar');
    writeBusyboxArchive(archive, busybox);
    const images = await openClusterImages({
      folder: stage.folder,
      clock: new SystemClock(),
      random: new SystemRandom(),
      architecture: process.arch,
      isRoot: true,
    });
    await images.load(archive);
  });
  afterAll(() => stage?.stop());
  return {
    behaviour(name: string, body: (stage: RealStage) => Promise<void>): void {
      test(`${name} [Conformance]`, async ({ skip }) => {
        if (noContainers !== undefined) skip(noContainers);
        await body(stage);
      });
    },
    /** What a script prints, with what goes wrong in it. */
    printed(script: string, container: Partial<Container> = {}, spec: Partial<PodSpec> = {}): Promise<string> {
      const command = ['sh', '-c', `exec 2>&1; ${script}; exit 0`];
      return stage.output({ image: busybox, command, ...container }, spec);
    },
  };
}
