/** The store by both kinds of roots, and what it does with archives, saved images and files that were damaged. */

import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { SystemRandom } from '#pkg/base/random.ts';
import { imageStoreConformance, type StorePlaceForTests } from '../conformance.ts';
import { systemCalls } from '../host/system-calls.ts';
import type { SnapshotterChoice } from '../snapshots/choose.ts';
import { noOverlay, noRoot, testFolder } from '../testing/folders.ts';
import { HastyClock } from '../testing/hasty-clock.ts';
import { testPlatform } from '../testing/image-documents.ts';
import { openImageStore } from './local-image-store.ts';

const calls = await systemCalls();

function place(snapshotter: SnapshotterChoice): StorePlaceForTests {
  const folder = testFolder();
  return {
    folder,
    open: (registries) =>
      openImageStore({
        folder: join(folder, 'images'),
        calls,
        clock: new HastyClock(),
        random: new SystemRandom(),
        platform: testPlatform,
        registries,
        snapshotter,
        isRoot: noRoot === undefined,
      }),
    releaseAtEnd: (store, key) => onTestFinished(() => store.release(key)),
  };
}

imageStoreConformance('overlay', noOverlay === undefined, () => place('overlay'));
imageStoreConformance('copy', noRoot === undefined, () => place('copy'));
