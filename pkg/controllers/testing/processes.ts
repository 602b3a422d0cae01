/**
 * The processes of a cluster as chaos has them: each ends wherever it is, is away for a while, and begins again with nothing but what the store, or on a
 * node the runtime, has kept. The API server's watches end with it; who asks while it is away gets no answer.
 *
 * Invariants: what was started has stopped when `stop` has resolved. What a process is made of is loaded before it starts: how long that takes would else be
 * seen in the order of what happens.
 */
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import type { Awaitable } from '#pkg/base/async.ts';
import type { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Transport } from '#pkg/client/client.ts';
import { type NodePart, nodePart } from '#pkg/cluster/node-part.ts';
import type { PartContext } from '#pkg/cluster/parts.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import type { Component } from '#pkg/component/component.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { type BareApi, type BareApiOptions, startBareApi } from '#pkg/testing/bare-api.ts';

/** A process that runs once it is started. */
export interface Process {
  start(): void;
  /** Ends it, lets `awayMs` pass (default 0) and begins another. */
  restart(awayMs?: number): Promise<void>;
  stop(): Promise<void>;
}

interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

function run(component: Component): Running {
  const stop = new AbortController();
  return { stop, ended: component.run(stop.signal) };
}

async function end(clock: VirtualClock, { stop, ended }: Running): Promise<void> {
  stop.abort();
  // What is left to do needs no time, but its turn.
  await clock.settle();
  await ended;
}

/** A process that is a component, another one from `make` each time. */
export async function openProcess(clock: VirtualClock, make: () => Awaitable<Component>): Promise<Process> {
  const first = await make();
  let running: Running | undefined;
  const stop = async (): Promise<void> => {
    if (running !== undefined) await end(clock, running);
  };
  return {
    start: () => {
      running = run(first);
    },
    restart: async (awayMs = 0) => {
      await stop();
      if (awayMs > 0) await clock.advance(awayMs);
      running = run(await make());
      await clock.settle();
    },
    stop,
  };
}

/** An API server. */
export interface ApiProcess extends Omit<Process, 'start'> {
  /** In the name of a user who may do everything. */
  transport(user: string): Transport;
}

/** An API server whose store, in memory, outlives it. */
export async function startApiProcess(options: BareApiOptions & { readonly clock: VirtualClock }): Promise<ApiProcess> {
  const { clock } = options;
  const store = createMemoryStore({ clock });
  const start = async (): Promise<{ readonly api: BareApi; readonly running: Running }> => {
    const api = await startBareApi({ ...options, store });
    return { api, running: run(api) };
  };
  let now: Awaited<ReturnType<typeof start>> | undefined = await start();
  const stop = async (): Promise<void> => {
    const ending = now;
    now = undefined;
    if (ending !== undefined) await end(clock, ending.running);
  };
  return {
    transport: (user) => ({
      request: async (request) => {
        if (now === undefined) throw serviceUnavailable('there is no server');
        return now.api.transport(user).request(request);
      },
    }),
    restart: async (awayMs = 0) => {
      await stop();
      if (awayMs > 0) await clock.advance(awayMs);
      now = await start();
      await clock.settle();
    },
    stop,
  };
}

/** A node of this name with a simulated runtime, which outlives its kubelet. */
export async function openKubelet(
  clock: VirtualClock,
  { nodeName, ...context }: PartContext & { readonly nodeName: string },
): Promise<Process> {
  const part: NodePart = await nodePart(context, {
    nodeName,
    runtime: 'fake',
    network: 'loopback',
    tables: clusterTables,
    folder: '',
    kubeletPort: 10_250,
    nodesOnMachine: 1,
  });
  const kubelet = await openProcess(clock, () => part);
  return {
    ...kubelet,
    stop: async () => {
      await kubelet.stop();
      await part.close();
    },
  };
}
