/**
 * Where the contents of volumes are kept. `memoryVolumeHost` serves simulated nodes, `disk-volume-host.ts` real ones.
 *
 * Laws: `directory` and `write` are idempotent. A reader of a written volume sees either all of the old files or all of the new ones.
 * Paths are absolute.
 */
import type { MachinePath } from './node-mounts.ts';
import type { VolumeMeasure, VolumeUsage } from './volume-usage.ts';

/** One file of a volume. */
export interface VolumeFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** Which volume of which pod. */
export interface VolumeRef {
  readonly podUid: string;
  /** Kind of the volume, such as `empty-dir`. */
  readonly plugin: string;
  readonly name: string;
}

/** A mount of a part of a volume. */
export interface PartMount extends VolumeRef {
  /** Whether nothing may be made in the volume. Default: false. */
  readonly isReadOnly?: boolean;
}

/** The place of volumes. */
export interface VolumeHost {
  /**
   * Makes the folder of a volume, which anyone may write to, if it is not there and returns its path. With `inMemory` it is a file system in memory
   * of at most `bytesMax`, where the node can make such.
   */
  directory(volume: VolumeRef, inMemory?: { readonly bytesMax?: number }): Promise<string>;
  /** Gives a volume that this host has made to a group; `isReadOnly` where nobody writes to it. */
  giveTo(path: string, owner: { readonly group: number; readonly isReadOnly: boolean }): Promise<void>;
  /**
   * The path of a part of a volume, for a mount: a folder is made where there is neither file nor folder. `subPath` is relative and without `..`;
   * throws where links lead out of `root`, and for one that would have to be made where that is read-only. What is part of written files is given as it is now, under a path of the mount's own: a later `write`
   * does not change it, the next call for `mount` does.
   */
  within(root: string, subPath: string, mount: PartMount): Promise<string>;
  /**
   * Sees to it that there is at `path` of the machine what a hostPath volume's `type` asks for: `DirectoryOrCreate` and `FileOrCreate` make
   * it, but where the node has it read-only, the others only look, and none (`''`) does nothing. Resolves with where that is, which is elsewhere for what the node has mounted at that
   * path. Throws in upstream's words.
   */
  machinePath(path: string, type: string): Promise<MachinePath>;
  /** Makes the contents of a volume's folder exactly these files, by relative path, and returns the folder's path. */
  write(volume: VolumeRef, files: ReadonlyMap<string, VolumeFile>): Promise<string>;
  /** Makes a folder that outlives pods, which anyone may write to, if it is not there and returns its path. `name` is one of a file. */
  lastingDirectory(name: string): Promise<string>;
  /** Names of those that there are. */
  lastingNames(): Promise<readonly string[]>;
  /** Removes one, with all that is in it. */
  removeLasting(name: string): Promise<void>;
  /** What a volume's folder takes on the disk, in bytes. */
  bytesOf(volume: VolumeRef): Promise<number>;
  /** How full what is at a path is: by its files, or as a file system. Undefined where this host has no files. Rejects where nothing is there. */
  usageOf(path: string, measure: Exclude<VolumeMeasure, 'driver'>): Promise<VolumeUsage | undefined>;
  /** Removes all volumes of a pod. */
  removePod(podUid: string): Promise<void>;
  /** Pods that have volumes: what a restarted kubelet finds. */
  podUids(): Promise<readonly string[]>;
}

/** Keeps names only: simulated containers read no files. */
export function memoryVolumeHost(): VolumeHost {
  const owners = new Set<string>();
  const lasting = new Set<string>();
  const pathOf = (volume: VolumeRef): string => {
    owners.add(volume.podUid);
    return `/volumes/${volume.podUid}/${volume.plugin}/${volume.name}`;
  };
  return {
    directory: async (volume) => pathOf(volume),
    giveTo: async () => {},
    machinePath: async (path) => ({ path, isReadOnly: false }),
    within: async (root, subPath) => `${root}/${subPath}`,
    write: async (volume) => pathOf(volume),
    lastingDirectory: async (name) => {
      lasting.add(name);
      return `/volumes/lasting/${name}`;
    },
    lastingNames: async () => [...lasting],
    removeLasting: async (name) => {
      lasting.delete(name);
    },
    bytesOf: async () => 0,
    usageOf: async () => undefined,
    removePod: async (podUid) => {
      owners.delete(podUid);
    },
    podUids: async () => [...owners],
  };
}
