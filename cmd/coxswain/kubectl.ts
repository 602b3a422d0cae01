/** `coxswain kubectl` on this machine: the connection of the kubeconfig, standard streams and Ctrl-C. */
import { textOf } from '#pkg/apimachinery/decode.ts';
import { kubectl } from '#pkg/kubectl/main.ts';
import type { World } from './world.ts';

/** Runs the command; resolves to kubectl's exit code. The first Ctrl-C ends it orderly, the second at once. */
export async function kubectlCommand(world: World, args: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', onInterrupt);
  // A reader such as `head` that has seen enough ends the command without a complaint.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });
  try {
    return await kubectl(
      {
        clock: world.clock,
        signal: controller.signal,
        write: world.write,
        writeError: world.writeError,
        readStdin: readAllOfStdin,
        connect: async (options) => {
          const { connect } = await import('#pkg/kubectl/connect.ts');
          const { KUBECONFIG = '', HOME = '' } = world.environment;
          return connect({
            ...options,
            kubeconfigVariable: KUBECONFIG,
            home: HOME,
            onWarning: (text) => world.writeError(`Warning: ${text}\n`),
          });
        },
      },
      args,
    );
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function readAllOfStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return textOf(Buffer.concat(chunks));
}
