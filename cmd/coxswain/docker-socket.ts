/** `coxswain docker-socket`: Docker's API over the images, the builder and the container runtime of a cluster, until it is interrupted. */
import { mkdir, rm } from 'node:fs/promises';
import { cpus, hostname, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { aborted, neverAborted } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { containersProblem, openContainers } from '#pkg/cluster/containers.ts';
import { ociProgramsOf, ociRuntimesDefault, ociRuntimesProblem } from '#pkg/cluster/oci-runtimes.ts';
import { helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { openContainerNetwork } from '#pkg/docker/container-network.ts';
import { createEngine, type Engine } from '#pkg/docker/engine.ts';
import { serveDocker } from '#pkg/docker/server.ts';
import { platformOfMachine } from '#pkg/images/content/platform.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { buildRunner, endLeftCommand } from '#pkg/kubelet/runtime/container/build-runner.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import { readMachine } from '#pkg/kubelet/runtime/container/machine.ts';
import { clusterFlags } from './cluster-flags.ts';
import { openImagesIn, placeOfImages, withoutWarnings } from './image/open-images.ts';
import { lockForUp } from './up-lock.ts';
import { versionLine } from './version-line.js';
import type { World } from './world.ts';

const flags = {
  ...clusterFlags,
  socket: text({ help: 'Path of the socket. Default: docker.sock in the folder of the data.', placeholder: 'file' }),
  'oci-runtime': text({
    help: 'Program that makes containers and runs the commands of builds: a name or a path.',
    fallback: ociRuntimesDefault,
    placeholder: 'program',
    problem: ociRuntimesProblem,
  }),
};

/** Its part of a cluster's folder. */
const folderName = 'docker';
/** Of a Unix socket's path, bytes. Source: unix(7). */
const pathBytesMax = 107;

/** Runs the command; resolves to its exit code. Throws `UserError`. */
export async function dockerSocket(world: World, args: readonly string[]): Promise<number> {
  const hint = '(see "coxswain docker-socket --help")';
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const summary = 'Answer Docker’s API on a socket, without a daemon of Docker’s.';
    world.write(helpText(flags, { usage: 'coxswain docker-socket [flags]', summary }));
    return 0;
  }
  const [unexpected] = parsed.rest;
  if (unexpected !== undefined) throw new UserError(`unexpected argument: ${unexpected} ${hint}`);
  const { values } = parsed;
  const folder = await placeOfImages(world, values);
  const socket = values.socket === '' ? join(folder, 'docker.sock') : resolve(values.socket);
  if (Buffer.byteLength(socket) > pathBytesMax)
    throw new UserError(
      `Cannot listen at ${socket} as it is longer than ${pathBytesMax} bytes: name another with --socket`,
    );
  const problem = containersProblem(values['oci-runtime']);
  if (problem !== undefined) throw new UserError(`Cannot run containers as ${problem}`);
  using _lock = await onlyOne(folder);
  const engine = await openEngine(world, folder, values['oci-runtime']);
  const { clock } = world;
  const log = createLogger({ write: (line) => world.writeError(line), clock, level: 'info', format: 'text' });
  try {
    const server = await serveDocker(socket, { engine, log });
    world.write(`Docker’s API answers at unix://${socket}\nexport DOCKER_HOST=unix://${socket}\n`);
    await runUntilSignal({ signals: process, clock, forceExit: (code) => process.exit(code) }, aborted);
    await server.close();
  } finally {
    await engine.close();
  }
  return 0;
}

/** Takes away what a socket that was killed has left in a folder of a cluster's data. Throws `UserError` while one answers. */
export async function removeDocker(world: World, clusterFolder: string): Promise<void> {
  using _lock = await onlyOne(clusterFolder);
  const runtime = await openRuntime(world, clusterFolder, undefined);
  await runtime.close();
  await (await openContainerNetwork(clusterFolder)).close();
  await rm(join(clusterFolder, folderName), { recursive: true, force: true });
}

function onlyOne(folder: string): Promise<Disposable> {
  return lockForUp(join(folder, folderName), {
    signal: neverAborted,
    onWait: () => {
      throw new UserError(`another "coxswain docker-socket" runs for ${folder}: stop it first`);
    },
  });
}

function openRuntime(
  { clock, random }: World,
  clusterFolder: string,
  ociRuntimes: string | undefined,
): Promise<ContainerRuntime> {
  return withoutWarnings(() =>
    openContainers({
      clock,
      random,
      log: silentLogger,
      folder: join(clusterFolder, folderName),
      imagesFolder: clusterFolder,
      ownNetwork: true,
      ...(ociRuntimes === undefined ? {} : { ociRuntimes }),
    }),
  );
}

async function openEngine(world: World, folder: string, ociRuntimes: string): Promise<Engine> {
  const { clock, random } = world;
  const own = join(folder, folderName);
  const workFolder = join(own, 'containers');
  await mkdir(own, { recursive: true, mode: 0o700 });
  const runtime = await openRuntime(world, folder, ociRuntimes);
  // Containers of one that was killed belong to nobody any more.
  for (const { id } of await runtime.sandboxes.list()) await runtime.sandboxes.remove(id);
  await rm(workFolder, { recursive: true, force: true });
  const machine = await readMachine(process.arch);
  const images = await openImagesIn(folder, world);
  await images.releaseLeft(endLeftCommand);
  const network = await openContainerNetwork(folder);
  if (machine === undefined) throw new UserError('Cannot run containers as no cgroups are mounted');
  return createEngine({
    clock,
    random,
    images,
    runtime,
    network,
    calls: await withoutWarnings(systemCalls),
    run: buildRunner({ machine, program: ociProgramsOf(ociRuntimes)[0] ?? ociRuntimesDefault, random }),
    platform: platformOfMachine(process.arch),
    machine: {
      hostname: hostname(),
      kernel: release(),
      processors: cpus().length,
      memoryBytes: totalmem(),
      version: versionLine().split(' ')[1] ?? '',
    },
    dataFolder: join(own, 'volumes'),
    workFolder,
  });
}
