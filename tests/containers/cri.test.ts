/** The kubelet over a container runtime of another process: Debian's containerd. What is there of it is undone after. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { runtimeConformance } from '#pkg/kubelet/runtime/conformance.ts';
import type { CriRuntime } from '#pkg/kubelet/runtime/cri/cri-runtime.ts';
import { noContainerd, OwnContainerd } from './own-containerd.ts';

const whereThereIs = noContainerd === undefined ? describe : describe.skip;

whereThereIs('the cri runtime', () => {
  let containerd: OwnContainerd;
  beforeAll(async () => {
    containerd = await OwnContainerd.start();
  });
  afterAll(async () => {
    expect(containerd?.remains()).toEqual([]);
    await containerd?.remove();
  });

  describe.each([
    ['the network of the runtime', true],
    ['the network of the machine', false],
  ])('keeps the laws of runtimes on %s', (_, ownNetwork) => {
    let runtime: CriRuntime;
    beforeAll(async () => {
      runtime = await containerd.open('conformance', { ownNetwork });
    });
    afterAll(() => runtime?.close());
    const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
      await expect(promise).rejects.toMatchObject({ reason });
    };
    const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
    runtimeConformance({ test, equal, rejects }, async () => {
      const busybox = { image: containerd.image('busybox') };
      return {
        runtime,
        clock: new SystemClock(),
        settle: (promise) => promise,
        lasting: { ...busybox, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.05; done'] },
        exiting: (exitCode) => ({ ...busybox, command: ['sh', '-c', `exit ${exitCode}`] }),
        // The first process of a namespace gets no signal that it does not ask for.
        stubborn: { ...busybox, command: ['sleep', '1000'] },
        annotations: () => ({}),
        command: { argv: ['echo', 'hello'], stdout: 'hello\n' },
        close: async () => {
          for (const { id } of await runtime.sandboxes.list()) await runtime.sandboxes.remove(id);
        },
      };
    });
  });
});
