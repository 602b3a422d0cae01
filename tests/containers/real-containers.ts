/** What tests of real containers need of the machine, and a runtime for each: in folders of its own, of which nothing is left. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { ImageStore } from '#pkg/images/image-store.ts';
import { type ContainerRuntime, openContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import { readMachine } from '#pkg/kubelet/runtime/container/machine.ts';
import type { OciRuntimes } from '#pkg/kubelet/runtime/container/oci-runtimes.ts';
import { type Places, placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import type { ContainerConfig, SandboxConfig } from '#pkg/kubelet/runtime/container-config.ts';
import type { Runtime } from '#pkg/kubelet/runtime/runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { folderImages } from './folder-images.ts';

/** `runc`, or what the run is to try in its place. */
const program = process.env['COXSWAIN_TEST_OCI_RUNTIME'] ?? 'runc';
const runcPath = [`/usr/sbin/${program}`, `/usr/bin/${program}`].find((path) => existsSync(path));

/** The one of this machine. */
export const onlyRunc: OciRuntimes = { first: runcPath ?? '', byHandler: {} };

/** Why there can be no containers; undefined when there can. */
export const noContainers: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'only root makes containers';
  if (runcPath === undefined) return `there is no ${program}`;
  return existsSync('/bin/busybox') ? undefined : 'there is no busybox';
})();

if (noContainers !== undefined) {
  // Where the run says that it has all that is needed, tests that do not run are no success.
  if (process.env.COXSWAIN_TEST_NEEDS_ENGINE === '1')
    throw new Error(`Cannot run the tests of the container runtime: ${noContainers}`);
  console.log(`skipped: tests of the container runtime: ${noContainers}`);
}

const log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };

/** The folder of a runtime, its images and whatever else a test needs. */
export class Bench {
  readonly folder: string;
  readonly places: Places;

  /** Default: a new one. */
  constructor(folder = mkdtempSync(join(tmpdir(), 'coxswain-runtime-'))) {
    this.folder = folder;
    this.places = placesOf(join(folder, 'node'));
  }

  /** A runtime of this folder; one at a time. Pods have users of their own where the images can be made by other ids. */
  open(
    images: ImageStore = folderImages(join(this.folder, 'images')),
    {
      hasUserNamespaces = false,
      ociRuntimes = onlyRunc,
    }: { readonly hasUserNamespaces?: boolean; readonly ociRuntimes?: OciRuntimes } = {},
  ): Promise<ContainerRuntime> {
    return openContainerRuntime({
      clock: new SystemClock(),
      random: new SystemRandom(),
      log,
      dataDir: this.places.disk,
      images,
      ociRuntimes,
      architecture: process.arch,
      ownNetwork: true,
      hasUserNamespaces,
      seccompFolder: join(this.folder, 'seccomp'),
      blockIoFile: join(this.folder, 'block-io.yaml'),
      podPidsMax: 200,
    });
  }

  /** What is left of it on the machine: folders, mounts, cgroups. */
  async remains(): Promise<readonly string[]> {
    const machine = await readMachine(process.arch);
    const cgroups = Object.values(machine?.cgroups.folders ?? {}).map((folder) => join(folder, this.places.cgroup));
    const all = [this.places.memory, ...new Set(cgroups)].filter((path) => existsSync(path));
    const roots = join(this.folder, 'images', 'roots');
    return existsSync(roots) ? [...all, ...readdirSync(roots)] : all;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A container that runs a script of busybox' shell. */
export function script(text: string, fields: Partial<ContainerConfig> = {}): ContainerConfig {
  return makeContainerConfig({ image: 'busybox', command: ['sh', '-c', text], ...fields });
}

/** Runs a container in a sandbox of its own. */
export async function start(
  runtime: Runtime,
  config: ContainerConfig,
  sandboxFields: Partial<SandboxConfig> = {},
): Promise<{ readonly id: string; readonly sandboxId: string }> {
  const { id: sandboxId } = await runtime.sandboxes.run(makeSandboxConfig(sandboxFields));
  const id = await runtime.containers.create(sandboxId, config);
  await runtime.containers.start(id);
  return { id, sandboxId };
}

/** The whole output of a container, once it has ended. */
export async function outputOf(runtime: Runtime, id: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { text } of runtime.inspection.logs(id, { follow: true })) lines.push(text);
  return lines;
}

/** Resolves once a container has written a line, or has ended without one. */
export async function hasWritten(runtime: Runtime, id: string): Promise<void> {
  for await (const _ of runtime.inspection.logs(id, { follow: true })) return;
}

/** Runs a container to its end: what it wrote, and how it ended. */
export async function runToEnd(runtime: Runtime, config: ContainerConfig, sandboxFields: Partial<SandboxConfig> = {}) {
  const { id } = await start(runtime, config, sandboxFields);
  const lines = await outputOf(runtime, id);
  return { lines, status: await runtime.containers.status(id) };
}
