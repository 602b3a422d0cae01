import { expect, test } from 'vitest';
import { deployments, deviceClasses, pods } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { aborted } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { integer } from '#pkg/component/flags.ts';
import { type ControllerContext, withFlags } from './common/controller.ts';
import { isComplete } from './deployment/status.ts';
import { controllerFlags, createControllerManager } from './manager.ts';
import { controllerTable } from './table.ts';
import { deploymentOf, startHarness, templateOf, until } from './testing/harness.ts';

test('all controllers together give the same transcript for the same seed, and stop', async () => {
  const transcript = async (seed: number) => {
    const harness = await startHarness({ seed });
    await harness.client.resource(deployments).create(deploymentOf('web'));
    await harness.clock.advance(30_000);
    await harness.client.resource(deployments).delete('web', { namespace: 'default' });
    await harness.clock.advance(30_000);
    expect(await harness.list(pods)).toEqual([]);
    await harness.stop();
    return harness.writes;
  };
  const first = await transcript(1);
  expect(first.length).toBeGreaterThan(10);
  expect(await transcript(1)).toEqual(first);
});

test('lost requests and lost answers delay everything and break nothing', async () => {
  for (const seed of [1, 2]) {
    const harness = await startHarness({ seed, faultShare: 0.2 });
    const get = () => harness.get(deployments, 'default/web');
    const complete = async () => {
      const deployment = await get();
      return isComplete(deployment!, deployment!.status);
    };
    await harness.client.resource(deployments).create(deploymentOf('web', { replicas: 10 }));
    await until(harness, complete);
    const template = templateOf('web', 'v2');
    await harness.client
      .resource(deployments)
      .patch('web', { spec: { template } }, { namespace: 'default', type: 'merge' });
    await until(harness, complete);
    await harness.clock.advance(60_000);
    // Not those that the pod garbage collector has ended, as there is no node, and not yet removed.
    const running = (await harness.list(pods)).filter(({ status }) => status?.phase === 'Running');
    expect(running.map(({ spec }) => spec?.containers[0]?.image)).toEqual(Array(10).fill('v2'));
    await harness.client.resource(deployments).delete('web', { namespace: 'default' });
    await until(harness, async () => (await harness.list(pods)).length === 0);
    await harness.stop();
  }
});

function bareDeps() {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const transport = inProcessTransport(new FakeApi().handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const informers = createInformers({ client, clock, random, log: silentLogger });
  return { client, informers, clock, random, log: silentLogger, metrics: new Metrics() };
}

test('a controller whose resource the server does not serve begins once it does, and the others do not wait', async () => {
  const api = new FakeApi();
  let isServed = false;
  const handle = (request: ApiRequest) => {
    if (request.path.includes('/deviceclasses') && !isServed) api.failNext(notFound(deviceClasses, ''));
    return api.handle(request);
  };
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const client = createClient({
    transport: inProcessTransport(handle, { commonName: 'test', organizations: [] }),
    userAgent: 'test',
  });
  const informers = createInformers({ client, clock, random, log: silentLogger });
  const begun: string[] = [];
  const follow = (name: string, ref: ResourceRef<KubeObject>) => (context: ControllerContext) => {
    context.informers.informer(ref);
    return {
      run: (signal: AbortSignal) => {
        begun.push(name);
        return aborted(signal);
      },
    };
  };
  const table = { devices: follow('devices', deviceClasses), pods: follow('pods', pods) };
  const deps = { client, informers, clock, random, log: silentLogger, metrics: new Metrics() };
  const stop = new AbortController();
  const ended = createControllerManager({ deps, table }).run(stop.signal);
  await clock.settle();
  expect(begun).toEqual(['pods']);
  await clock.advance(120_000);
  expect(api.requests.filter((line) => line.includes('deviceclasses')).length).toBeLessThan(15);
  isServed = true;
  await clock.advance(60_000);
  expect(begun).toEqual(['pods', 'devices']);
  stop.abort();
  await ended;
});

test('a controller that does not exist is refused', () => {
  const deps = bareDeps();
  const flagged = (...controllers: string[]) => createControllerManager({ deps, flags: { controllers } });
  expect(() => createControllerManager({ deps, controllers: ['none'] })).toThrow('Cannot start controller none');
  expect(() => flagged('*', '-none')).toThrow('Cannot start controller none');
});

test.each([
  [['*'], ['a', 'b', 'c']],
  [
    ['*', '-b'],
    ['a', 'c'],
  ],
  [
    ['c', 'a'],
    ['a', 'c'],
  ],
  [
    ['-b', '*'],
    ['a', 'c'],
  ],
])('--controllers %j runs %j', (controllers, expected) => {
  const made: string[] = [];
  const factory = (name: string) => () => {
    made.push(name);
    return { run: aborted };
  };
  const table = { a: factory('a'), b: factory('b'), c: factory('c') };
  const manager = createControllerManager({ deps: bareDeps(), table, flags: { controllers } });
  const stop = new AbortController();
  const ended = manager.run(stop.signal);
  stop.abort();
  expect(made).toEqual(expected);
  return ended;
});

test('two controllers with one flag are refused', () => {
  const other = withFlags({ 'node-cidr-mask-size': integer({ help: 'Another one.', fallback: 1 }) }, () => ({
    run: aborted,
  }));
  expect(() => controllerFlags({ ...controllerTable, other })).toThrow(
    'Cannot use the controllers as node-ipam-controller and other both have the flag --node-cidr-mask-size',
  );
});
