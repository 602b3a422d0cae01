/** `coxswain kubectl` on this machine: the connection of the kubeconfig, standard streams, the terminal and Ctrl-C. */
import { textOf } from '#pkg/apimachinery/decode.ts';
import type { Machine } from '#pkg/kubectl/machine.ts';
import { kubectl } from '#pkg/kubectl/main.ts';
import { exitCodes, type World } from './world.ts';

/** Runs the command; resolves to kubectl's exit code. The first Ctrl-C ends it orderly, the second at once. */
export async function kubectlCommand(world: World, args: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted.code);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, onInterrupt);
  // A reader such as `head` that has seen enough ends the command without a complaint.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });
  const machine = machineOf(world);
  try {
    return await kubectl(
      {
        clock: world.clock,
        signal: controller.signal,
        write: world.write,
        writeError: world.writeError,
        readStdin: readAllOfStdin,
        machine,
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
    for (const signal of signals) process.off(signal, onInterrupt);
    // Input that nobody reads to its end keeps no command from ending.
    if (machine.hasRead()) process.stdin.destroy();
  }
}

function machineOf({ environment }: World): Machine & { hasRead(): boolean } {
  let hasRead = false;
  return {
    hasRead: () => hasRead,
    environment,
    stdin: () => {
      hasRead = true;
      return process.stdin;
    },
    writeBytes: (bytes) => written(process.stdout, bytes),
    writeErrorBytes: (bytes) => written(process.stderr, bytes),
    get terminal() {
      // To look at standard input opens it, which few commands need.
      if (process.stdin.isTTY !== true) return undefined;
      return {
        setRaw: (isRaw: boolean) => void process.stdin.setRawMode(isRaw),
        size: () => ({ width: process.stdout.columns ?? 80, height: process.stdout.rows ?? 24 }),
        onResize: (listener: () => void) => {
          process.stdout.on('resize', listener);
          return () => void process.stdout.off('resize', listener);
        },
      };
    },
  };
}

function written(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  if (stream.write(bytes)) return Promise.resolve();
  return new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
}

async function readAllOfStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return textOf(Buffer.concat(chunks));
}
