/** What every runtime has to do, whatever runs in it: the laws of `runtime.ts` as tests. Each runtime's own test file calls it. */
import type { Clock } from '#pkg/base/clock.ts';
import { makeContainerConfig, makeSandboxConfig } from '../testing/configs.ts';
import type { ContainerConfig } from './container-config.ts';
import type { Runtime, RuntimeContainer, Sandbox } from './runtime.ts';

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
  /** Resolves once the lasting program of a container that was started ends when it is asked to. Absent where it does from its start on. */
  readonly listens?: (id: string) => Promise<void>;
  exiting(exitCode: number): Partial<ContainerConfig>;
  /** An image whose program does not end when it is asked to. */
  readonly stubborn: Partial<ContainerConfig>;
  /** Resolves once that program, in a container that was started, does not end when it is asked to. Absent where it does not from its start on. */
  readonly isDeaf?: (id: string) => Promise<void>;
  /** Annotations that make the pod's containers exit so, or not when asked, where the runtime goes by annotations. */
  annotations(exitCode: number | undefined, options: { readonly stubborn: boolean }): Readonly<Record<string, string>>;
  /** A command of the lasting image, and what it writes before it ends with 0. */
  readonly command: { readonly argv: readonly string[]; readonly stdout: string };
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
    await under.listens?.(id);
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
    await under.isDeaf?.(id);
    const stops = [10_000_000, 20, 9_000_000].map((graceMs) => runtime.containers.stop(id, { graceMs }));
    await under.settle(Promise.all(stops));
    api.equal((await runtime.containers.status(id))?.exitCode, 137);
  });

  declare('a container that is frozen is there until it is thawed, and a stop lets it end by itself', async (under) => {
    const { containers } = under.runtime;
    const { freezer } = containers;
    if (freezer === undefined) return;
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await api.rejects(freezer.freeze(id), 'failed');
    await under.settle(containers.start(id));
    await under.listens?.(id);
    for (const step of [freezer.freeze, freezer.freeze, freezer.thaw, freezer.thaw, freezer.freeze]) {
      await under.settle(step(id));
      api.equal((await containers.status(id))?.state, 'running');
    }
    await under.settle(containers.stop(id, { graceMs: 30_000 }));
    api.equal((await containers.status(id))?.exitCode, 0);
    await api.rejects(freezer.thaw(id), 'failed');
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

  declare('a pod as a whole has the limits that it was given last, as long as it takes containers', async (under) => {
    const { runtime } = under;
    const { update } = runtime.sandboxes;
    if (update === undefined) return;
    const { id } = await runSandbox(under, undefined);
    await update(id, { cpuShares: 204, memoryLimitBytes: 2 ** 30 });
    await update(id, { cpuShares: 102 });
    api.equal(
      (await runtime.sandboxes.list()).map(({ config }) => config.resources),
      [{ cpuShares: 102 }],
    );
    await under.settle(runtime.sandboxes.stop(id));
    await api.rejects(update(id, { cpuShares: 2 }), 'notFound');
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
    await under.listens?.(id);
    await under.settle(runtime.containers.stop(id, { graceMs: 30_000 }));
    api.equal(await under.settle(reading), 'ended');
  });

  streamLaws(api, declare);
  limitLaws(api, declare);
}

type Declare = (name: string, body: (under: RuntimeUnderTest) => Promise<void>) => void;

/** The laws of `streams.ts`. */
function streamLaws(api: TestApi, declare: Declare): void {
  const run = async (under: RuntimeUnderTest): Promise<{ readonly id: string; readonly sandboxId: string }> => {
    const sandbox = await runSandbox(under, undefined);
    const id = await create(under, sandbox, under.lasting);
    await under.settle(under.runtime.containers.start(id));
    return { id, sandboxId: sandbox.id };
  };

  declare('a command streams its output and ends with its exit code', async (under) => {
    const { id } = await run(under);
    const { argv, stdout } = under.command;
    const streams = await under.runtime.streaming.exec(id, { command: argv });
    const [out, err] = [textOf(streams.stdout), textOf(streams.stderr)];
    api.equal([await under.settle(out), await under.settle(err)], [stdout, '']);
    api.equal(await under.settle(streams.exitCode), 0);
  });

  declare('who is attached hears of the exit, and the output ends with it', async (under) => {
    const { id } = await run(under);
    const streams = await under.runtime.streaming.attach(id, {});
    const [out, err] = [textOf(streams.stdout), textOf(streams.stderr)];
    await under.settle(under.runtime.containers.stop(id, { graceMs: 0 }));
    api.equal(await under.settle(streams.exitCode), 137);
    api.equal([typeof (await under.settle(out)), typeof (await under.settle(err))], ['string', 'string']);
  });

  declare('who leaves is heard no more, and the container goes on', async (under) => {
    const { id } = await run(under);
    const leaving = new AbortController();
    const streams = await under.runtime.streaming.attach(id, { signal: leaving.signal });
    leaving.abort();
    await api.rejects(streams.exitCode, 'failed');
    api.equal((await under.runtime.containers.status(id))?.state, 'running');
  });

  declare('there are no streams of what is not there or does not run', async (under) => {
    const { id } = await run(under);
    const { streaming } = under.runtime;
    await api.rejects(streaming.exec('none', { command: ['true'] }), 'notFound');
    await api.rejects(streaming.attach('none', {}), 'notFound');
    await under.settle(under.runtime.containers.stop(id, { graceMs: 0 }));
    await api.rejects(streaming.exec(id, { command: ['true'] }), 'failed');
    await api.rejects(streaming.attach(id, {}), 'failed');
  });

  declare('what there is no feature for is refused as unsupported', async (under) => {
    const { id, sandboxId } = await run(under);
    const { streaming, capabilities, containers } = under.runtime;
    const calls = [
      ['execStdin', () => streaming.exec(id, { command: ['true'], stdin: true })],
      ['tty', () => streaming.exec(id, { command: ['true'], tty: true })],
      ['stdin', () => streaming.attach(id, { stdin: true })],
      ['tty', () => streaming.attach(id, { tty: true })],
      ['portForward', () => streaming.portForward(sandboxId, { port: 1, addresses: [] })],
      ['update', () => containers.update(id, { cpuShares: 2 })],
    ] as const;
    for (const [feature, call] of calls) {
      if (!capabilities.features.has(feature)) await api.rejects(call(), 'unsupported');
    }
  });

  declare('a port where nobody listens cannot be reached', async (under) => {
    const { sandboxId } = await run(under);
    if (!under.runtime.capabilities.features.has('portForward')) return;
    const { streaming } = under.runtime;
    await api.rejects(streaming.portForward('none', { port: 1, addresses: ['127.0.0.1'] }), 'notFound');
    await api.rejects(streaming.portForward(sandboxId, { port: 1, addresses: ['127.0.0.1'] }), 'failed');
  });
}

function limitLaws(api: TestApi, declare: Declare): void {
  declare('limits are those that were given, until they are changed', async (under) => {
    const { runtime } = under;
    const sandbox = await runSandbox(under, undefined);
    const resources = { cpuShares: 102, memoryLimitBytes: 2 ** 30 };
    const id = await create(under, sandbox, { ...under.lasting, resources });
    await under.settle(runtime.containers.start(id));
    const before = await runtime.containers.status(id);
    api.equal(before?.resources, resources);
    if (!runtime.capabilities.features.has('update')) return;
    await under.settle(runtime.containers.update(id, { cpuShares: 204 }));
    api.equal((await runtime.containers.status(id))?.resources, { ...resources, cpuShares: 204 });
    api.equal(before?.resources, resources);
    await api.rejects(runtime.containers.update('none', {}), 'notFound');
    await under.settle(runtime.containers.stop(id, { graceMs: 0 }));
    await api.rejects(runtime.containers.update(id, { cpuShares: 2 }), 'failed');
  });
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += Buffer.from(chunk).toString();
  return text;
}

function runSandbox(
  under: RuntimeUnderTest,
  exitCode: number | undefined,
  options = { stubborn: false },
): Promise<Sandbox> {
  return under.runtime.sandboxes.run(makeSandboxConfig({ annotations: under.annotations(exitCode, options) }));
}

async function create(under: RuntimeUnderTest, sandbox: Sandbox, config: Partial<ContainerConfig>): Promise<string> {
  const image = config.image ?? 'coxswain.dev/pause:latest';
  const { id } = await under.settle(under.runtime.images.pull(image, { annotations: {} }));
  return under.runtime.containers.create(sandbox.id, makeContainerConfig({ image, imageRef: id, ...config }));
}
