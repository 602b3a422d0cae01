/**
 * Where volumes of CSI drivers are in the kubelet's folder, and what is written of each, so that the next kubelet can give it back: the paths and the fields are upstream's, as
 * drivers look at them, but that what is written of devices is where it is for folders. Source: kubelet `volume/csi` `vol_data.json`, `makeDeviceMountPath`, `csi_block.go`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, rmdir, stat, unlink } from 'node:fs/promises';
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
  /** Name of the pod's volume or the PersistentVolume. */
  readonly specVolID: string;
  readonly volumeLifecycleMode: 'Ephemeral' | 'Persistent';
  /** `Block` for a device. Default: a folder. */
  readonly volumeMode?: 'Block';
}

/** A volume as it is wanted for a pod. */
interface WantedVolume {
  readonly driverName: string;
  readonly handle: string;
  readonly specName: string;
  readonly mode: CsiVolumeData['volumeLifecycleMode'];
  readonly use: { readonly isBlock: boolean };
}

/** What is written of it. */
export function dataOf({ driverName, handle, specName, mode, use }: WantedVolume): CsiVolumeData {
  const device = use.isBlock ? { volumeMode: 'Block' as const } : {};
  return { driverName, volumeHandle: handle, specVolID: specName, volumeLifecycleMode: mode, ...device };
}

/** Where a volume is, and where it is written what it is. */
export interface CsiPlace {
  /** What its driver is told. */
  readonly path: string;
  /** A folder of its own. */
  readonly record: string;
}

/** A volume that was found. */
export interface FoundVolume extends CsiVolumeData {
  readonly podUid: string;
}

/** Whether both are of one volume. */
export function isSameVolume(
  one: Pick<CsiVolumeData, 'driverName' | 'volumeHandle'>,
  other: Pick<CsiVolumeData, 'driverName' | 'volumeHandle'>,
): boolean {
  return one.driverName === other.driverName && one.volumeHandle === other.volumeHandle;
}

/** Where a volume is for a pod. */
export function targetPlace(
  folder: string,
  podUid: string,
  { specVolID, volumeMode }: Pick<CsiVolumeData, 'specVolID' | 'volumeMode'>,
): CsiPlace {
  const name = specVolID.replaceAll('/', '~');
  const record = join(volumesOf(folder, podUid), name);
  const path = volumeMode === 'Block' ? join(devicesOf(folder), 'publish', name, podUid) : join(record, 'mount');
  return { path, record };
}

/** Where a volume is made ready for all pods of the node. */
export function stagingPlace(
  folder: string,
  { driverName, volumeHandle, specVolID, volumeMode }: Omit<CsiVolumeData, 'volumeLifecycleMode'>,
): CsiPlace {
  const hash = createHash('sha256').update(volumeHandle).digest('hex');
  const record = join(csiFolder(folder), driverName, hash);
  const path = volumeMode === 'Block' ? join(devicesOf(folder), 'staging', specVolID) : join(record, 'globalmount');
  return { path, record };
}

/** The handle of a volume that is a pod's own. */
export function ephemeralHandle(podUid: string, volume: string): string {
  return `csi-${createHash('sha256').update(`${podUid}${volume}`).digest('hex')}`;
}

/** Writes down what is about to be made at a place; `isMade` where the folder itself is to be there too, and not only the one around it. */
export async function writeDown(
  { path, record }: CsiPlace,
  data: CsiVolumeData,
  { isMade }: { readonly isMade: boolean },
): Promise<void> {
  for (const folder of [record, isMade ? path : join(path, '..')])
    await mkdir(folder, { recursive: true, mode: 0o750 });
  await writeWhole(join(record, dataName), data);
}

/** What was written down in a folder; undefined where nothing was. */
export async function writtenIn(record: string): Promise<CsiVolumeData | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(record, dataName), 'utf8'));
    return isObject(value) ? readData(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Takes away what is left at a place once its driver has given it back, files of a volume that is still there never. Rejects where it is. */
export async function takeAway({ path, record }: CsiPlace): Promise<void> {
  await removeEmpty(path);
  // Other pods' devices may be beside it.
  if (join(path, '..') !== record) await rmdir(join(path, '..')).catch(() => {});
  await rm(join(record, dataName), { force: true });
  await removeEmpty(record);
}

/** Whether there is a device at a path. */
export async function isBlockDevice(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isBlockDevice(),
    () => false,
  );
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
      const data = await writtenIn(join(volumesOf(folder, podUid), name));
      return data === undefined ? [] : [{ ...data, podUid }];
    }),
  );
  return found.flat();
}

/** All volumes that were made ready for pods of the node. */
export async function stagedVolumes(folder: string): Promise<readonly CsiVolumeData[]> {
  const root = csiFolder(folder);
  const found: CsiVolumeData[] = [];
  for (const driver of await namesIn(root)) {
    for (const hash of await namesIn(join(root, driver))) {
      const data = await writtenIn(join(root, driver, hash));
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

function csiFolder(folder: string): string {
  return join(folder, kubeletFolders.plugins, 'kubernetes.io/csi');
}

function devicesOf(folder: string): string {
  return join(csiFolder(folder), 'volumeDevices');
}

async function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

/** A folder without anything in it, or what a device was mounted on. */
async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') await unlink(path);
    else if (errorCode(error) !== 'ENOENT') throw error;
  }
}

function readData(value: Record<string, unknown>): CsiVolumeData | undefined {
  const { driverName, volumeHandle, specVolID = '', volumeLifecycleMode, volumeMode } = value;
  if (typeof driverName !== 'string' || typeof volumeHandle !== 'string' || typeof specVolID !== 'string')
    return undefined;
  const mode = volumeLifecycleMode === 'Ephemeral' ? 'Ephemeral' : 'Persistent';
  const data = { driverName, volumeHandle, specVolID, volumeLifecycleMode: mode } as const;
  return volumeMode === 'Block' ? { ...data, volumeMode } : data;
}
