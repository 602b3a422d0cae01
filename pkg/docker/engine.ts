/**
 * What answers Docker's API: the images of a cluster, containers of the same runtime that pods have, and builds by the same builder. Invariants: nothing runs
 * but what a client has asked for, and nothing of it but images and volumes with names is left once `close` has resolved.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { RunBuildCommand } from '#pkg/images/build/build-parts.ts';
import type { Platform } from '#pkg/images/content/documents.ts';
import type { SystemCalls } from '#pkg/images/host/system-calls.ts';
import type { LocalImages } from '#pkg/images/local/local-image-store.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import type { ContainerNetwork } from './container-network.ts';
import { Containers } from './containers.ts';
import { Execs } from './execs.ts';
import { apiVersion } from './versions.ts';
import { Volumes } from './volumes.ts';

/** What it is of. */
export interface EngineDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly images: LocalImages;
  readonly runtime: ContainerRuntime;
  readonly network: ContainerNetwork;
  readonly calls: SystemCalls;
  /** Runs the commands of builds. */
  readonly run: RunBuildCommand;
  readonly platform: Platform;
  readonly machine: MachineSummary;
  /** Folder for what outlives it, volumes. */
  readonly dataFolder: string;
  /** Folder for what does not. */
  readonly workFolder: string;
}

/** What is said of the machine. */
export interface MachineSummary {
  readonly hostname: string;
  readonly kernel: string;
  readonly processors: number;
  readonly memoryBytes: number;
  /** Of this program. */
  readonly version: string;
}

/** All that the endpoints work with. */
export interface Engine extends EngineDeps {
  readonly containers: Containers;
  readonly execs: Execs;
  readonly volumes: Volumes;
  /** Of every answer. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  close(): Promise<void>;
}

/** Makes it. */
export function createEngine(deps: EngineDeps): Engine {
  const { dataFolder, network, runtime, workFolder } = deps;
  const volumes = new Volumes(dataFolder, deps.clock);
  const containers = new Containers({ ...deps, volumes, folder: workFolder });
  return {
    ...deps,
    containers,
    execs: new Execs(runtime, deps.random),
    volumes,
    headers: [
      ['Api-Version', apiVersion],
      ['Builder-Version', '1'],
      ['Docker-Experimental', 'false'],
      ['Ostype', 'linux'],
      ['Server', `Coxswain/${deps.machine.version} (linux)`],
    ],
    close: async () => {
      await containers.close();
      await runtime.close();
      await network.close();
    },
  };
}
