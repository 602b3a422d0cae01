/** A kubelet that is told to stop has stopped at once, whatever its runtime is doing, and does nothing any more. */
import { expect, test } from 'vitest';
import type { Container, PodSpec, Probe } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import type { FakeRuntime } from './runtime/fake/fake-runtime.ts';
import type { Runtime } from './runtime/runtime.ts';
import { type Cluster, pod, seen, start } from './testing/virtual-node.ts';

interface Held {
  readonly runtime: Runtime;
  /** Calls that are under way for ever, and those that were begun after `watch` was called. */
  readonly calls: string[];
}

/** A runtime that begins one kind of call and never ends it, as a machine that is overloaded does. */
function holding(runtime: FakeRuntime, name: string): Held {
  const calls: string[] = [];
  const parts = ['sandboxes', 'containers', 'images', 'inspection', 'probes'] as const;
  const held = parts.map((part) => [
    part,
    new Proxy(runtime[part] as object, {
      get: (target, method) => {
        const call = `${part}.${String(method)}`;
        const found: ((...args: unknown[]) => unknown) | undefined = Reflect.get(target, method);
        if (found === undefined) return undefined;
        const own = found.bind(target);
        return (...args: unknown[]) => {
          calls.push(call);
          return call === name ? new Promise(() => {}) : own(...args);
        };
      },
    }),
  ]);
  return { calls, runtime: { ...bound(runtime), ...Object.fromEntries(held) } };
}

function bound(runtime: FakeRuntime): Runtime {
  const { capabilities, sandboxes, containers, inspection, streaming, images } = runtime;
  const close = () => runtime.close();
  return {
    capabilities,
    sandboxes,
    containers,
    inspection,
    streaming,
    images,
    onExit: (f) => runtime.onExit(f),
    close,
  };
}

/** Ends the kubelet; true when that took no time. */
async function endsAtOnce(cluster: Cluster): Promise<boolean> {
  let hasEnded = false;
  void cluster.stop().then(() => {
    hasEnded = true;
  });
  await cluster.clock.settle();
  return hasEnded;
}

const exec = { exec: { command: ['true'] } };
const probe: Probe = { httpGet: { port: 80 }, periodSeconds: 1 };
const app: Container = { name: 'app', image: 'example.com/app:v1' };

const phases: readonly {
  readonly doing: string;
  readonly call: string;
  readonly container?: Partial<Container>;
  readonly spec?: Partial<PodSpec>;
  readonly annotations?: Record<string, string>;
  readonly isDeleted?: true;
}[] = [
  { doing: 'makes a sandbox', call: 'sandboxes.run' },
  { doing: 'looks for an image', call: 'images.status' },
  { doing: 'pulls an image', call: 'images.pull' },
  { doing: 'creates a container', call: 'containers.create' },
  { doing: 'starts a container', call: 'containers.start' },
  { doing: 'looks at a container that has started', call: 'containers.status' },
  { doing: 'starts an init container', call: 'containers.start', spec: { initContainers: [{ ...app, name: 'init' }] } },
  { doing: 'runs a hook after the start', call: 'inspection.exec', container: { lifecycle: { postStart: exec } } },
  { doing: 'asks a container how it is', call: 'probes.http', container: { livenessProbe: probe } },
  { doing: 'asks by a command how it is', call: 'probes.exec', container: { readinessProbe: { ...exec } } },
  {
    doing: 'kills a container that failed its probe',
    call: 'containers.stop',
    container: { livenessProbe: { ...probe, failureThreshold: 1 } },
    annotations: { liveness: 'fail' },
  },
  {
    doing: 'runs a hook before the end',
    call: 'inspection.exec',
    container: { lifecycle: { preStop: exec } },
    isDeleted: true,
  },
  { doing: 'stops a container', call: 'containers.stop', isDeleted: true },
  { doing: 'stops a sandbox', call: 'sandboxes.stop', isDeleted: true },
  { doing: 'removes what is left of a pod', call: 'sandboxes.remove', isDeleted: true },
];

test.each(phases)('one that $doing stops at once', async ({ call, container, spec, annotations, isDeleted }) => {
  let held: Held | undefined;
  const cluster = await start((runtime) => {
    held = holding(runtime, call);
    return { runtimes: { fake: held.runtime } };
  });
  const { client, clock } = cluster;
  const made = pod('web', {
    spec: { containers: [{ ...app, ...container }], ...spec },
    annotations: annotations ?? {},
  });
  await client.resource(pods).create(made);
  await clock.advance(3_000);
  if (isDeleted) await client.resource(pods).delete('web', { namespace: 'default' });
  await clock.advance(1_000);
  const { calls } = held!;
  expect(calls).toContain(call);
  expect(await endsAtOnce(cluster)).toBe(true);
  const before = calls.length;
  await clock.advance(60_000);
  expect(calls.slice(before)).toEqual([]);
});

test('a container that comes to run just when the kubelet stops is not probed', async () => {
  const probed: string[] = [];
  const cluster = await start((runtime) => {
    const { http } = runtime.probes!;
    const spy: typeof http = (request, target) => {
      probed.push(target.kind);
      return http(request, target);
    };
    return { runtimes: { fake: { ...bound(runtime), probes: { ...runtime.probes!, http: spy } } } };
  });
  const spec = { containers: [{ ...app, livenessProbe: probe, readinessProbe: probe, startupProbe: probe }] };
  await cluster.client.resource(pods).create(pod('web', { spec, annotations: { 'start-delay': '2s' } }));
  await cluster.clock.advance(1_000);
  expect(await endsAtOnce(cluster)).toBe(true);
  await cluster.clock.advance(60_000);
  expect(probed).toEqual([]);
});

test('the next kubelet runs one container in place of one whose start the last did not wait for', async () => {
  const cluster = await start();
  const { client, clock, runtime } = cluster;
  await client.resource(pods).create(pod('web', { annotations: { 'start-delay': '10s' } }));
  await clock.advance(1_000);
  expect(await endsAtOnce(cluster)).toBe(true);
  const next = cluster.startKubelet();
  await clock.advance(30_000);
  const states = (await runtime.containers.list()).map(({ state }) => state);
  expect([states, await seen(cluster, 'web')]).toEqual([['running'], expect.stringContaining('app=running')]);
  await next.end();
});
