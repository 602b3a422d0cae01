/** Runs `coxswain kubectl` against a cluster on virtual time, letting time pass while the command waits. For tests. */
import type { TestCluster } from '#pkg/testing/cluster.ts';
import { createKubeApi } from './api.ts';
import { sendTo } from './in-process.ts';
import { kubectl } from './main.ts';

export interface CommandOutput {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Virtual time that passes between two looks at whether the command has ended. */
const stepMs = 100;

export async function runKubectl(cluster: TestCluster, args: readonly string[], stdin = ''): Promise<CommandOutput> {
  const output = { out: '', err: '' };
  let ended = false;
  const running = kubectl(
    {
      clock: cluster.clock,
      signal: new AbortController().signal,
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
  ).finally(() => {
    ended = true;
  });
  while (!ended) await cluster.advance(stepMs);
  return { code: await running, ...output };
}
