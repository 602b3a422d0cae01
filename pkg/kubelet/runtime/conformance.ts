/** What every runtime has to do, whatever runs in it: the laws of `runtime.ts` as tests. Each runtime's own test file calls it. */
import type { Clock } from '#pkg/base/clock.ts';
import type { ContainerConfig, Runtime, RuntimeContainer, Sandbox } from './runtime.ts';

/** The test functions of the caller's framework, so that this file depends on none. */
export interface TestApi {
  test(name: string, body: () => Promise<void>): void;
  equal(actual: unknown, expected: unknown): void;
  rejects(promise: Promise<unknown>, reason: string): Promise<void>;
}

export interface RuntimeUnderTest {
  readonly runtime: Runtime;
  readonly clock: Clock;
  /** Awaits a promise that needs time to pass. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** An image whose program runs until it is asked to end, and one that exits with `exitCode` by itself. */
  readonly lasting: Partial<ContainerConfig>;
  exiting(exitCode: number): Partial<ContainerConfig>;
  /** An image whose program does not end when it is asked to. */
  readonly stubborn: Partial<ContainerConfig>;
  /** Annotations that make the pod's containers exit so, or not when asked, where the runtime goes by annotations. */
  annotations(exitCode: number | undefined, options: { readonly stubborn: boolean }): Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Declares the suite. `make` is called once per test. */
export function runtimeConformance(api: TestApi, make: () => Promise<RuntimeUnderTest>): void {
  const declare = (name: string, body: (under: RuntimeUnderTest) => Promise<void>): void =>
    api.test(name, async () => {
      const under = await make();
      try {
        await body(under);
      } finally {
        await under.close();
      }
    });

  declare('a container goes from created to running to exited, and its exit is announced once', async (under) => {
    const { runtime } = under;
    const exits: RuntimeContainer[] = [];
    runtime.onExit((container) => exits.push(container));
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    api.equal((await runtime.containers.status(id))?.state, 'created');
    await under.settle(runtime.containers.start(id));
    api.equal((await runtime.containers.status(id))?.state, 'running');
    await under.settle(runtime.containers.stop(id, { graceMs: 30_000 }));
    const exited = await runtime.containers.status(id);
    api.equal(exited?.state, 'exited');
    await under.settle(runtime.containers.stop(id, { graceMs: 0 }));
    api.equal(exits, [exited]);
  });

  declare('a program that exits has its exit code and reason', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, 3);
    const id = await create(under, sandbox, under.exiting(3));
    const exit = new Promise<RuntimeContainer>((resolve) => {
      runtime.onExit(resolve);
    });
    await under.settle(runtime.containers.start(id));
    const { exitCode, reason, state } = await under.settle(exit);
    api.equal({ exitCode, reason, state }, { exitCode: 3, reason: 'Error', state: 'exited' });
  });

  declare('a container that is killed has exit code 137', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(runtime.containers.start(id));
    await under.settle(runtime.containers.stop(id, { graceMs: 0 }));
    api.equal((await runtime.containers.status(id))?.exitCode, 137);
  });

  declare('a container is started once, and what was told of it stays as it was', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    const created = await runtime.containers.status(id);
    await under.settle(runtime.containers.start(id));
    await api.rejects(runtime.containers.start(id), 'failed');
    await under.settle(runtime.containers.stop(id, { graceMs: 0 }));
    await api.rejects(runtime.containers.start(id), 'failed');
    api.equal([created?.state, (await runtime.containers.status(id))?.state], ['created', 'exited']);
  });

  declare('of two stops the earlier deadline counts, and both resolve', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined, { stubborn: true });
    const id = await create(under, sandbox, under.stubborn);
    await under.settle(runtime.containers.start(id));
    const stops = [10_000_000, 20, 9_000_000].map((graceMs) => runtime.containers.stop(id, { graceMs }));
    await under.settle(Promise.all(stops));
    api.equal((await runtime.containers.status(id))?.exitCode, 137);
  });

  declare('a sandbox that was stopped has no running containers and takes no new ones', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(runtime.containers.start(id));
    await under.settle(runtime.sandboxes.stop(sandbox.id));
    api.equal((await runtime.containers.status(id))?.state, 'exited');
    api.equal(
      (await runtime.sandboxes.list()).map(({ state }) => state),
      ['notReady'],
    );
    await api.rejects(create(under, sandbox, under.lasting), 'notFound');
  });

  declare('what is not there is not found, and is stopped and removed already', async (under) => {
    const { runtime } = under;
    await runtime.containers.stop('none', { graceMs: 0 });
    await runtime.containers.remove('none');
    await runtime.sandboxes.stop('none');
    api.equal(await runtime.containers.status('none'), undefined);
    await api.rejects(runtime.inspection.exec('none', { command: ['true'] }), 'notFound');
    await api.rejects(runtime.inspection.stats('none'), 'notFound');
    await api.rejects(runtime.inspection.logs('none', {})[Symbol.asyncIterator]().next(), 'notFound');
  });

  declare('a container that has ended runs no commands', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(runtime.containers.start(id));
    await under.settle(runtime.containers.stop(id, { graceMs: 0 }));
    await api.rejects(runtime.inspection.exec(id, { command: ['true'] }), 'failed');
  });

  declare('removing a sandbox ends and removes its containers', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(runtime.containers.start(id));
    await under.settle(runtime.sandboxes.remove(sandbox.id));
    await under.settle(runtime.sandboxes.remove(sandbox.id));
    api.equal([await runtime.sandboxes.list(), await runtime.containers.list()], [[], []]);
    await api.rejects(runtime.containers.start(id), 'notFound');
  });

  declare('a name that cannot be an image is refused as such', async (under) => {
    await api.rejects(under.runtime.images.status('Not An Image'), 'invalidImage');
  });

  declare('followed logs end with the container', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(runtime.containers.start(id));
    const reading = (async () => {
      for await (const line of runtime.inspection.logs(id, { follow: true })) api.equal(typeof line.text, 'string');
      return 'ended';
    })();
    await under.settle(runtime.containers.stop(id, { graceMs: 30_000 }));
    api.equal(await under.settle(reading), 'ended');
  });
}

function runSandbox(
  under: RuntimeUnderTest,
  exitCode: number | undefined,
  options = { stubborn: false },
): Promise<Sandbox> {
  return under.runtime.sandboxes.run({
    podUid: 'uid-1',
    podName: 'web',
    podNamespace: 'default',
    attempt: 0,
    hostname: 'web',
    ip: '127.0.0.1',
    annotations: under.annotations(exitCode, options),
  });
}

async function create(under: RuntimeUnderTest, sandbox: Sandbox, config: Partial<ContainerConfig>): Promise<string> {
  const image = config.image ?? 'coxswain.dev/pause:latest';
  const { id } = await under.settle(under.runtime.images.pull(image, { annotations: {} }));
  return under.runtime.containers.create(sandbox.id, {
    name: 'app',
    attempt: 0,
    image,
    imageRef: id,
    command: [],
    args: [],
    env: {},
    mounts: [],
    terminationMessagePath: '/dev/termination-log',
    specHash: 'app',
    ...config,
  });
}
