/** What is kept of sandboxes and containers on disk, so that another kubelet finds them. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ImageConfig } from '#pkg/images/image-store.ts';
import type { ContainerConfig, ContainerResources, SandboxConfig } from '../container-config.ts';
import type { MachineFacts } from './spec/oci-spec.ts';
import type { OciBlockIo, OciHooks } from './spec/oci-types.ts';
import type { ContainerUser } from './spec/users.ts';

/** A sandbox. */
export interface SandboxFile {
  readonly id: string;
  readonly config: SandboxConfig;
  readonly createdAtMs: number;
  readonly ownNetwork: boolean;
  /** The first of the ids that its users are outside, where they are its own. */
  readonly userBase?: number;
}

/** A container, with all that its bundle was made of. */
export interface ContainerFile {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly createdAtMs: number;
  readonly image: ImageConfig;
  readonly user: ContainerUser;
  readonly rootPath: string;
  /** What it wrote is here. */
  readonly changesPath: string;
  /** In force, where they have been changed. */
  readonly resources?: ContainerResources;
  readonly devices: MachineFacts['devices'];
  readonly seccompText?: string;
  readonly blockIo?: OciBlockIo;
  /** What is run beside it, where devices ask for that. */
  readonly hooks?: OciHooks;
}

/** The names in a folder; none where there is no folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

/** Whether a mark was left. */
export async function hasMark(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}

/** Leaves a mark; nothing where its folder has gone. */
export async function leaveMark(path: string): Promise<void> {
  await writeFile(path, '').catch(() => {});
}

/** Makes a folder that only root may look into. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Removes a folder with all that is in it. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
