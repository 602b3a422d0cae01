/** Mounts of volumes, by the machine's `mount`, which only root may do: file systems in memory, and parts of others, and folders whose mounts are seen elsewhere. Source: tmpfs(5), kubelet `volume/emptydir` `setupTmpfs`. */
import { execFile, spawn } from 'node:child_process';
import { type FileHandle, mkdir, readFile } from 'node:fs/promises';
import { type Mount, mountsOf } from '#pkg/images/host/mounts.ts';
import { VolumeError } from './payload.ts';

const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/** Mounts one at a folder, unless one is there. Without a size it is the kernel's: half of the machine's memory. Rejects with what `mount` says. */
export async function mountMemory(folder: string, sizeBytes: number | undefined): Promise<void> {
  if ((await mountsBelow(folder)).length > 0) return;
  const size = sizeBytes === undefined ? '' : `,size=${Math.max(1, sizeBytes)}`;
  await run('mount', ['-t', 'tmpfs', '-o', `mode=1777${size}`, 'tmpfs', folder]);
}

/** Mounts what is open at a path, where there is a folder for a folder and a file for anything else. Rejects with what `mount` says. */
export async function bindOpen(place: FileHandle, at: string): Promise<void> {
  // The command gets the open file itself: names may lead elsewhere by now.
  const child = spawn('mount', ['--no-canonicalize', '--bind', '/proc/self/fd/3', at], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', place.fd],
  });
  let problem = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    problem += chunk.toString();
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new VolumeError(problem.trim());
}

/**
 * Makes a folder, and has what containers mount in it seen outside of them, where they ask for that: on machines on whose mounts that is not so already it is mounted at its own
 * place. Rejects with what `mount` says.
 */
export async function shareMounts(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const around = (await allMounts())
    .filter(({ place }) => `${folder}/`.startsWith(place === '/' ? '/' : `${place}/`))
    .reduce((a, b) => (b.place.length >= a.place.length ? b : a), { place: '', isShared: false });
  if (around.isShared) return;
  if (around.place !== folder) await run('mount', ['--no-canonicalize', '--bind', folder, folder]);
  await run('mount', ['--no-canonicalize', '--make-shared', folder]);
}

/** Takes away what is mounted at a folder and below; nothing where nothing is. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const place of (await mountsBelow(folder)).toReversed())
    await run('umount', ['--lazy', '--no-canonicalize', place]);
}

/** In the order in which they were mounted. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  return (await allMounts()).map(({ place }) => place).filter((place) => `${place}/`.startsWith(`${folder}/`));
}

async function allMounts(): Promise<readonly Mount[]> {
  return mountsOf(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { env }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
