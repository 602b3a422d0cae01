/**
 * Whom a container's program runs as: the image's `user[:group]` in names or numbers and the pod's own wishes, looked up in the image's `/etc/passwd`
 * and `/etc/group`. Pure. Source: containerd `oci.WithUser`, `WithAdditionalGIDs`, KEP-3619.
 */
import { RuntimeError } from '../../runtime.ts';

/** What is asked for. */
export interface UserWish {
  /** Of the image; empty for root. */
  readonly imageUser: string;
  readonly runAsUser?: number | undefined;
  readonly runAsGroup?: number | undefined;
  readonly supplementalGroups?: readonly number[] | undefined;
  readonly supplementalGroupsPolicy?: 'merge' | 'strict' | undefined;
}

/** What the image knows of users; empty where it has no such file. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

/** Whom it runs as. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const numeric = /^\d+$/;

/** The user. Throws `RuntimeError` `failed` for a name that the image does not have. */
export function containerUser(wish: UserWish, files: UserFiles): ContainerUser {
  const users = passwdEntries(files.passwd);
  const groups = groupEntries(files.group);
  const [imageName = '', imageGroup = ''] = wish.imageUser.split(':');
  const wanted = wish.runAsUser === undefined ? imageName : String(wish.runAsUser);
  const entry = findUser(users, wanted === '' ? '0' : wanted);
  const uid = entry?.uid ?? uidOf(wanted);
  const ownGroup = wish.runAsUser === undefined ? imageGroup : '';
  const gid = wish.runAsGroup ?? (ownGroup === '' ? (entry?.gid ?? 0) : gidOf(groups, ownGroup));
  const merged =
    wish.supplementalGroupsPolicy === 'strict' || entry === undefined
      ? []
      : groups.filter(({ members }) => members.includes(entry.name)).map((group) => group.gid);
  const all = new Set([gid, ...merged, ...(wish.supplementalGroups ?? [])]);
  return { uid, gid, groups: [...all], home: entry?.home || '/' };
}

function findUser(users: readonly PasswdEntry[], wanted: string): PasswdEntry | undefined {
  return users.find(({ name, uid }) => (numeric.test(wanted) ? uid === Number(wanted) : name === wanted));
}

function uidOf(name: string): number {
  if (name === '') return 0;
  if (numeric.test(name)) return Number(name);
  throw new RuntimeError('failed', `unable to find user ${name}: no matching entries in passwd file`);
}

function gidOf(groups: readonly GroupEntry[], name: string): number {
  const found = groups.find((group) => group.name === name);
  if (found !== undefined) return found.gid;
  if (numeric.test(name)) return Number(name);
  throw new RuntimeError('failed', `unable to find group ${name}: no matching entries in group file`);
}

function passwdEntries(text: string): readonly PasswdEntry[] {
  return lines(text).map(([name = '', , uid = '', gid = '', , home = '']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
  }));
}

function groupEntries(text: string): readonly GroupEntry[] {
  return lines(text).map(([name = '', , gid = '', members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(','),
  }));
}

function lines(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.split(':'));
}
