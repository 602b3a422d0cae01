/** Which way of making roots a store takes, by what is wished for and what this machine can. */
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError } from '../image-store.ts';
import { checkingSnapshotter } from './checking.ts';
import { overlayProblem } from './overlay.ts';
import type { Snapshotter } from './snapshotter.ts';

/** How roots are made: `auto` is by overlay mounts, where those do not work by copies, and where nobody may unpack not at all. */
export type SnapshotterChoice = 'auto' | 'copy' | 'overlay';

/** Whose roots, and what is wished for. */
export interface ChoosingOptions {
  /** The store's folder. */
  readonly folder: string;
  readonly calls: SystemCalls;
  /** Whether this process is root, which alone may unpack images. */
  readonly isRoot: boolean;
  readonly snapshotter: SnapshotterChoice;
}

/** Chooses, with why it is not overlay mounts where it is not. Rejects where those are wished for and do not work. */
export async function chooseSnapshotter(
  able: Readonly<Record<'copy' | 'overlay', Snapshotter>>,
  { folder, calls, isRoot, snapshotter }: ChoosingOptions,
): Promise<{ readonly chosen: Snapshotter; readonly problem: string | undefined }> {
  if (!isRoot) {
    const problem = 'images are unpacked by root alone, who may give files away';
    return { chosen: checkingSnapshotter(problem), problem };
  }
  if (snapshotter === 'copy') return { chosen: able.copy, problem: undefined };
  const problem = await overlayProblem(folder, calls);
  if (problem === undefined) return { chosen: able.overlay, problem };
  if (snapshotter === 'overlay')
    throw new ImageStoreError('unsupported', `cannot make overlay mounts in ${folder}: ${problem}`);
  return { chosen: able.copy, problem };
}
