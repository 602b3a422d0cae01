/** What is mounted in a folder, as the machine says. */
import { readFile } from 'node:fs/promises';
import type { SystemCalls } from './system-calls.ts';

/** Takes away whatever is mounted below a folder, the last first. */
export async function unmountBelow(folder: string, calls: Pick<SystemCalls, 'unmount'>): Promise<void> {
  for (const path of mountsBelow(folder, await readFile('/proc/self/mountinfo', 'utf8'))) calls.unmount(path);
}

/** Where something is mounted below a folder, the last first. Source: proc_pid_mountinfo(5). */
export function mountsBelow(folder: string, mountInfo: string): readonly string[] {
  const places: string[] = [];
  for (const line of mountInfo.split('\n')) {
    const [, , , , escaped = ''] = line.split(' ');
    const place = escaped.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (place.startsWith(`${folder}/`)) places.unshift(place);
  }
  return places;
}
