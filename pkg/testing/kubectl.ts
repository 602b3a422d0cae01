/** Runs `coxswain kubectl` against a cluster on virtual time, letting time pass while the command waits. For tests. */

import { createKubeApi } from '#pkg/kubectl/api.ts';
import { sendTo } from '#pkg/kubectl/in-process.ts';
import { kubectl } from '#pkg/kubectl/main.ts';
import type { TestCluster } from './cluster.ts';

export interface CommandOutput {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Virtual time that passes between two looks at whether the command has ended. */
const stepMs = 100;

/** Starts a command; it is the caller who lets time pass and ends it. */
export function startKubectl(
  cluster: TestCluster,
  args: readonly string[],
  { stdin = '', signal = new AbortController().signal } = {},
): { readonly ended: Promise<CommandOutput> } {
  const output = { out: '', err: '' };
  const running = kubectl(
    {
      clock: cluster.clock,
      signal,
      write: (text) => {
        output.out += text;
      },
      writeError: (text) => {
        output.err += text;
      },
      readStdin: () => Promise.resolve(stdin),
      connect: (options) =>
        Promise.resolve(createKubeApi({ send: sendTo(cluster.handle), namespace: options.namespace ?? 'default' })),
    },
    args,
  );
  return { ended: running.then((code) => ({ code, ...output })) };
}

export async function runKubectl(cluster: TestCluster, args: readonly string[], stdin = ''): Promise<CommandOutput> {
  let hasEnded = false;
  const ended = startKubectl(cluster, args, { stdin }).ended.finally(() => {
    hasEnded = true;
  });
  while (!hasEnded) await cluster.advance(stepMs);
  return ended;
}
