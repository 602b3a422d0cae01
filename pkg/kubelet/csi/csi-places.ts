/**
 * Where volumes of CSI drivers are in the kubelet's folder, and what is written beside each, so that the next kubelet can give it back: the paths and the fields are upstream's, as
 * drivers look at them. Source: kubelet `volume/csi` `vol_data.json`, `makeDeviceMountPath`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { kubeletFolders } from '../plugins/kubelet-folder.ts';
import { writeWhole } from '../runtime/whole-files.ts';

const dataName = 'vol_data.json';
const pluginName = 'kubernetes.io~csi';

/** What is written of a volume. */
export interface CsiVolumeData {
  readonly driverName: string;
  readonly volumeHandle: string;
  /** Of the pod's volume or the PersistentVolume; `''` beside what was made ready for all pods. */
  readonly specVolID: string;
  readonly volumeLifecycleMode: 'Ephemeral' | 'Persistent';
}

/** A volume that was found. */
export interface FoundVolume extends CsiVolumeData {
  readonly podUid: string;
}

/** Where a volume is for a pod. */
export function targetPath(folder: string, podUid: string, specName: string): string {
  return join(volumesOf(folder, podUid), specName.replaceAll('/', '~'), 'mount');
}

/** Where a volume is made ready for all pods of the node. */
export function stagingPath(folder: string, driver: string, volumeHandle: string): string {
  const hash = createHash('sha256').update(volumeHandle).digest('hex');
  return join(folder, kubeletFolders.plugins, 'kubernetes.io/csi', driver, hash, 'globalmount');
}

/** The handle of a volume that is a pod's own. */
export function ephemeralHandle(podUid: string, volume: string): string {
  return `csi-${createHash('sha256').update(`${podUid}${volume}`).digest('hex')}`;
}

/** Writes down what is about to be made at a path; `isMade` where the folder itself is to be there too, and not only the one around it. */
export async function writeDown(
  path: string,
  data: CsiVolumeData,
  { isMade }: { readonly isMade: boolean },
): Promise<void> {
  await mkdir(isMade ? path : join(path, '..'), { recursive: true, mode: 0o750 });
  await writeWhole(join(path, '..', dataName), data);
}

/** What was written down of what is at a path; undefined where nothing was. */
export async function writtenOf(path: string): Promise<CsiVolumeData | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(path, '..', dataName), 'utf8'));
    return isObject(value) ? dataOf(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Takes away what is left at a path once its driver has given it back, files of a volume that is still there never. Rejects where it is. */
export async function takeAway(path: string): Promise<void> {
  await removeEmpty(path);
  await rm(join(path, '..', dataName), { force: true });
  await removeEmpty(join(path, '..'));
}

/** All volumes that pods have. */
export async function foundVolumes(folder: string): Promise<readonly FoundVolume[]> {
  const uids = await namesIn(join(folder, kubeletFolders.pods));
  return (await Promise.all(uids.map((podUid) => volumesOfPod(folder, podUid)))).flat();
}

/** Those of one pod. */
export async function volumesOfPod(folder: string, podUid: string): Promise<readonly FoundVolume[]> {
  const names = await namesIn(volumesOf(folder, podUid));
  const found = await Promise.all(
    names.map(async (name) => {
      const data = await writtenOf(join(volumesOf(folder, podUid), name, 'mount'));
      return data === undefined ? [] : [{ ...data, podUid }];
    }),
  );
  return found.flat();
}

/** All volumes that were made ready for pods of the node. */
export async function stagedVolumes(folder: string): Promise<readonly CsiVolumeData[]> {
  const root = join(folder, kubeletFolders.plugins, 'kubernetes.io/csi');
  const found: CsiVolumeData[] = [];
  for (const driver of await namesIn(root)) {
    for (const hash of await namesIn(join(root, driver))) {
      const data = await writtenOf(join(root, driver, hash, 'globalmount'));
      if (data !== undefined) found.push(data);
    }
  }
  return found;
}

/** Takes away the folders of a pod without volumes. */
export async function takeAwayPod(folder: string, podUid: string): Promise<void> {
  const volumes = volumesOf(folder, podUid);
  for (const path of [volumes, join(volumes, '..'), join(folder, kubeletFolders.pods, podUid)]) await removeEmpty(path);
}

function volumesOf(folder: string, podUid: string): string {
  return join(folder, kubeletFolders.pods, podUid, 'volumes', pluginName);
}

async function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

function dataOf(value: Record<string, unknown>): CsiVolumeData | undefined {
  const { driverName, volumeHandle, specVolID = '', volumeLifecycleMode } = value;
  if (typeof driverName !== 'string' || typeof volumeHandle !== 'string' || typeof specVolID !== 'string')
    return undefined;
  const mode = volumeLifecycleMode === 'Ephemeral' ? 'Ephemeral' : 'Persistent';
  return { driverName, volumeHandle, specVolID, volumeLifecycleMode: mode };
}
