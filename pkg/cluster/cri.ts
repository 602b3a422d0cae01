/**
 * The container runtime of another process, for a node. Invariant: it is only opened where one answers; what is missing is said in one sentence before anything starts.
 */
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Random } from '#pkg/base/random.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type CriRuntime, openCriRuntime } from '#pkg/kubelet/runtime/cri/cri-runtime.ts';
import { RuntimeError } from '#pkg/kubelet/runtime/runtime.ts';
import { readWhole, writeWhole } from '#pkg/kubelet/runtime/whole-files.ts';
import { criFolder, socketOf } from './cri-endpoint.ts';

/** Whose containers, and which runtime has them. */
export interface CriPlace {
  readonly clock: Clock;
  readonly random: Random;
  /** The node's folder. */
  readonly folder: string;
  readonly criEndpoint: string;
  /** Whether pods have networks of their own. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node; absent for that of this machine. */
  readonly nodeNetwork?: string | undefined;
}

interface EndpointFile {
  readonly endpoint: string;
}

/** Why no runtime can be used at an address, in one sentence; undefined where one answers. */
export async function criProblem(endpoint: string): Promise<string | undefined> {
  if (userInfo().uid !== 0) return 'volumes of its containers are mounted by root alone';
  const path = socketOf(endpoint);
  if (path === undefined) return `${endpoint} is no socket's address`;
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) =>
      resolve(
        `no container runtime answers at ${path} (${errorText(error)}): start one, or name its socket with --cri-socket`,
      ),
    );
  });
}

/** Opens it. Rejects with `UserError` where no runtime answers, or one that is not ready. */
export async function openCri({ folder, criEndpoint, ...place }: CriPlace): Promise<CriRuntime> {
  const problem = await criProblem(criEndpoint);
  const socketPath = socketOf(criEndpoint);
  if (problem !== undefined || socketPath === undefined)
    throw new UserError(`Cannot run containers by the runtime cri as ${problem ?? 'it has no socket'}`);
  const dataDir = join(folder, criFolder);
  // First, so that whatever is made after is found by who takes the cluster away.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeWhole(endpointFile(folder), { endpoint: criEndpoint } satisfies EndpointFile);
  try {
    const seccompFolder = join(folder, 'seccomp');
    return await openCriRuntime({ ...place, socketPath, dataDir, seccompFolder });
  } catch (error) {
    if (error instanceof RuntimeError)
      throw new UserError(`Cannot run containers by the runtime cri as ${error.message}`, error);
    throw error;
  }
}

/** Ends the containers that a node has left in a runtime, if it has used any. */
export async function endCriContainers(folder: string, deps: Pick<CriPlace, 'clock' | 'random'>): Promise<void> {
  const found = await readWhole<EndpointFile>(endpointFile(folder));
  if (found === undefined || (await criProblem(found.endpoint)) !== undefined) return;
  const runtime = await openCri({ ...deps, folder, criEndpoint: found.endpoint, ownNetwork: false });
  await runtime.close();
}

function endpointFile(folder: string): string {
  return join(folder, criFolder, 'endpoint.json');
}
