/**
 * Namespaces that belong to users of a pod's own. A thread of many cannot enter a user namespace, so a process of util-linux' `unshare` is in them for a moment, until
 * they are kept by mounts. Source: user_namespaces(7).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { userIdsCount } from '../user-ids.ts';
import type { Reaper } from './reaper.ts';
import type { SharedNamespace } from './system-calls.ts';

/** Which others there are, and by what the ids of theirs are mapped. */
export interface UserNamespaceOptions {
  readonly kinds: readonly SharedNamespace[];
  /** The first of 65,536 ids outside. */
  readonly userBase: number;
  readonly reaper: Reaper;
}

/** Calls `keep` while a process is in them. */
export async function withUserNamespace(
  { kinds, userBase, reaper }: UserNamespaceOptions,
  keep: (pid: number) => void,
): Promise<void> {
  // It echoes what it is told, once it is in them.
  const child = spawn('unshare', ['--user', ...kinds.map((kind) => `--${kind}`), '--', 'cat'], {
    cwd: '/',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid !== undefined) reaper.own(pid, true);
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  try {
    await echoed(child);
    if (pid === undefined) throw new Error('unshare has no process');
    const map = `0 ${userBase} ${userIdsCount}\n`;
    writeFileSync(`/proc/${pid}/uid_map`, map);
    writeFileSync(`/proc/${pid}/gid_map`, map);
    keep(pid);
  } finally {
    child.kill('SIGKILL');
    await ended;
    if (pid !== undefined) reaper.own(pid, false);
  }
}

function echoed(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let problem = '';
    child.stderr?.on('data', (text: Buffer) => {
      problem += text.toString();
    });
    child.once('error', reject);
    child.once('exit', () =>
      reject(new Error(`cannot make a user namespace: ${problem.trim() || 'unshare has ended'}`)),
    );
    child.stdout?.once('data', () => resolve());
    child.stdin?.on('error', () => {});
    child.stdin?.write('\n');
  });
}
