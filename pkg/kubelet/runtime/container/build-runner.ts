/**
 * Runs the commands of a Dockerfile: each in a container of its own, by the OCI runtime, with the rights, the seccomp profile and the masked paths of a pod's container, and the
 * machine's network. What it prints is told as it comes. Nothing of it stays but what it changed in its root.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Random } from '#pkg/base/random.ts';
import type { BuildCommand, RunBuildCommand } from '#pkg/images/build/build-parts.ts';
import { ImageStoreError } from '#pkg/images/image-store.ts';
import { readInside } from './inside-root.ts';
import { cgroupFolders, cgroupMounts, type Machine } from './machine.ts';
import { ociSpec } from './spec/oci-spec.ts';
import type { OciSpec } from './spec/oci-types.ts';
import { containerUser } from './spec/users.ts';

/** What a runner needs of the machine. */
export interface BuildRunnerOptions {
  readonly machine: Machine;
  /** The OCI runtime, as a path or a name. */
  readonly program: string;
  readonly random: Random;
}

/** Of what a pod's container gets, no part of a build: files that would be left in the layer. */
const podFiles: ReadonlySet<string> = new Set(['/etc/hostname', '/dev/shm', '/dev/termination-log']);

/** In a root's work folder: what the OCI runtime keeps, and by which program and name a container runs. */
const stateName = 'state';
const runtimeName = 'runtime.json';

/** Makes a runner. Its commands reject with `unsupported` where the runtime is not there, and `failed` where it cannot run them. */
export function buildRunner({ machine, program, random }: BuildRunnerOptions): RunBuildCommand {
  return async ({ path: root, workPath: bundle }, command, { output, signal }) => {
    const id = `coxswain-build-${random.uuid()}`;
    const state = join(bundle, stateName);
    await mkdir(bundle, { recursive: true, mode: 0o700 });
    try {
      await writeFile(join(bundle, runtimeName), JSON.stringify({ program, id }));
      const resolvConf = join(bundle, 'resolv.conf');
      // A copy: the command may write to it.
      await writeFile(resolvConf, await readFile('/etc/resolv.conf', 'utf8').catch(() => ''));
      await writeFile(
        join(bundle, 'config.json'),
        JSON.stringify(await specOf(root, command, { machine, id, resolvConf })),
      );
      return await runToEnd(program, ['--root', state, 'run', '--bundle', bundle, id], { output, signal });
    } finally {
      // One that was broken off goes on without its caller.
      await endCommand(program, state, id);
      await rm(bundle, { recursive: true, force: true });
    }
  };
}

/** Ends the command of a build that was killed, by the work folder of its root; nothing where none ran. */
export async function endLeftCommand(workPath: string): Promise<void> {
  const said = await readFile(join(workPath, runtimeName), 'utf8').catch(() => undefined);
  if (said === undefined) return;
  let runtime: unknown;
  try {
    runtime = JSON.parse(said);
  } catch {
    // It was killed before it had said all of it, and so before anything ran.
    return;
  }
  const { program, id } = isObject(runtime) ? runtime : {};
  if (typeof program === 'string' && typeof id === 'string') await endCommand(program, join(workPath, stateName), id);
}

/** An OCI runtime that makes a container takes part of a second at most for it. */
const endsMax = 500;

/** Ends a command. Whoever was to start it may still be at it, though nobody waits for it any more: what it makes is ended too. */
async function endCommand(program: string, state: string, id: string): Promise<void> {
  const end = ['--root', state, 'delete', '--force', id];
  for (let count = 0; count < endsMax; count++) {
    await runToEnd(program, end, { output: () => {}, signal: undefined });
    if (!(await isAtWork(state)) && isCgroupGone(id)) return;
  }
  throw new ImageStoreError('failed', `cannot end ${id}, which ${program} still runs`);
}

/** Whether an OCI runtime works with a folder of states. */
async function isAtWork(state: string): Promise<boolean> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(state)) return true;
  }
  return false;
}

/** Takes a command's cgroup away with what is in it, as an OCI runtime that was killed over making it does not know of it; whether it is gone. */
function isCgroupGone(id: string): boolean {
  const mounts = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const folders = mounts === undefined ? [] : cgroupFolders(mounts, id);
  for (const folder of folders) {
    try {
      const pids = readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').map(Number);
      // One that this process does not see is 0.
      for (const pid of pids) if (pid > 0) kill(pid, 'SIGKILL');
      rmdirSync(folder);
    } catch {
      // Not there, or what is in it is about to end.
    }
  }
  return !folders.some((folder) => existsSync(folder));
}

async function specOf(
  root: string,
  command: BuildCommand,
  { machine, id, resolvConf }: { readonly machine: Machine; readonly id: string; readonly resolvConf: string },
): Promise<OciSpec> {
  const [passwd, group] = await Promise.all([readInside(root, '/etc/passwd'), readInside(root, '/etc/group')]);
  // Sources of mounts that are left out below.
  const nowhere = '';
  const spec = ociSpec({
    sandbox: {
      podUid: '',
      podName: '',
      podNamespace: '',
      attempt: 0,
      hostname: '',
      labels: {},
      annotations: {},
      namespaces: { network: 'node', pid: 'container', ipc: 'pod', user: 'node' },
      sysctls: {},
    },
    container: {
      name: id,
      attempt: 0,
      image: '',
      imageRef: '',
      command: command.arguments,
      args: [],
      workingDir: command.workingDirectory,
      env: {},
      addresses: [],
      mounts: [],
      devices: [],
      labels: {},
      annotations: {},
      resources: {},
      security: { seccomp: { type: 'runtimeDefault' } },
      terminationMessagePath: '/dev/termination-log',
      specHash: '',
    },
    image: {
      entrypoint: [],
      command: [],
      environment: command.environment,
      workingDirectory: '',
      user: '',
      labels: {},
      volumes: [],
    },
    user: containerUser({ imageUser: command.user }, { passwd, group }),
    machine: machine.facts,
    namespaces: {},
    rootPath: root,
    cgroupsPath: `/${id}`,
    files: {
      hostname: nowhere,
      resolvConf,
      shm: nowhere,
      terminationLog: { hostPath: nowhere, containerPath: '/dev/termination-log' },
    },
    devices: [],
  });
  return {
    ...spec,
    mounts: spec.mounts.filter(({ destination }) => !podFiles.has(destination)),
    linux: { ...spec.linux, namespaces: [...spec.linux.namespaces, { type: 'ipc' }, { type: 'uts' }] },
  };
}

function runToEnd(
  program: string,
  args: readonly string[],
  { output, signal }: { readonly output: (text: string) => void; readonly signal: AbortSignal | undefined },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
    child.stdout.setEncoding('utf8').on('data', output);
    child.stderr.setEncoding('utf8').on('data', output);
    child.on('error', (error) => {
      if (signal?.aborted) reject(signal.reason);
      else
        reject(
          new ImageStoreError(
            'unsupported',
            `cannot run ${program}, which runs the commands of a build: ${error.message}`,
            error,
          ),
        );
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}
