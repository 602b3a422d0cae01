/** What is mounted, as the machine says. */
import { readFile } from 'node:fs/promises';
import type { SystemCalls } from './system-calls.ts';

/** Takes away whatever is mounted below a folder, the last first. */
export async function unmountBelow(folder: string, calls: Pick<SystemCalls, 'unmount'>): Promise<void> {
  for (const path of mountsBelow(folder, await readFile('/proc/self/mountinfo', 'utf8'))) calls.unmount(path);
}

/** Where something is mounted below a folder, the last first. */
export function mountsBelow(folder: string, mountInfo: string): readonly string[] {
  return mountsOf(mountInfo)
    .map(({ place }) => place)
    .filter((place) => place.startsWith(`${folder}/`))
    .toReversed();
}

/** One mount: where it is, and whether what is mounted in it is seen elsewhere. */
export interface Mount {
  readonly place: string;
  readonly isShared: boolean;
}

/** All mounts in the order in which they were made. Source: proc(5), `mountinfo`. */
export function mountsOf(mountInfo: string): readonly Mount[] {
  return mountInfo.split('\n').map((line) => {
    const [fields = ''] = line.split(' - ');
    const [, , , , place = '', , ...optional] = fields.split(' ');
    return {
      place: place.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8))),
      isShared: optional.some((field) => field.startsWith('shared:')),
    };
  });
}
