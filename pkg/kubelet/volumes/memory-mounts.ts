/** Volumes in memory: file systems of their own, by the machine's `mount`, which only root may do. Source: tmpfs(5), kubelet `volume/emptydir` `setupTmpfs`. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Mounts one at a folder, unless one is there. Without a size it is the kernel's: half of the machine's memory. Rejects with what `mount` says. */
export async function mountMemory(folder: string, sizeBytes: number | undefined): Promise<void> {
  if ((await mountsBelow(folder)).length > 0) return;
  const size = sizeBytes === undefined ? '' : `,size=${Math.max(1, sizeBytes)}`;
  await run('mount', ['-t', 'tmpfs', '-o', `mode=1777${size}`, 'tmpfs', folder]);
}

/** Takes away what is mounted at a folder and below; nothing where nothing is. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const place of (await mountsBelow(folder)).toReversed())
    await run('umount', ['--lazy', '--no-canonicalize', place]);
}

/** In the order in which they were mounted. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((place) => place.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8))))
    .filter((place) => `${place}/`.startsWith(`${folder}/`));
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
