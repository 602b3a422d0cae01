/**
 * Gives the contents of a volume to a group: it reads them, writes what their owner may write, and has what is made there later. Links are not followed.
 * Source: kubelet `volume/volume_linux.go` `changeFilePermission`.
 */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const readWrite = 0o660;
const read = 0o440;
const enter = 0o110;
const groupOfFolder = 0o2000;
const permissionBits = 0o7777;

/** Whether the root of a volume is a group's already, as `giveToGroup` leaves what may be written. */
export async function isOfGroup(path: string, group: number): Promise<boolean> {
  const { gid, mode } = await lstat(path);
  const wanted = readWrite | enter | groupOfFolder;
  return gid === group && (mode & wanted) === wanted;
}

/** Gives a path, and what is below it, to `group`; `isReadOnly` where nobody is to write it. What has gone meanwhile is passed over. */
export async function giveToGroup(path: string, group: number, isReadOnly: boolean): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (found.gid !== group) await lchown(path, found.uid, group);
  if (found.isSymbolicLink()) return;
  const added = (isReadOnly ? read : readWrite) | (found.isDirectory() ? enter | groupOfFolder : 0);
  const mode = (found.mode | added) & permissionBits;
  // A change of the owner takes away some of the bits.
  if (found.gid !== group || mode !== (found.mode & permissionBits)) await chmod(path, mode);
  if (!found.isDirectory()) return;
  for (const name of await readdir(path)) await giveToGroup(join(path, name), group, isReadOnly);
}
