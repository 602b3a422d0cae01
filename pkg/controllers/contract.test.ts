/** What every controller of the table keeps, whatever it does: the contract of the reconcile loop (`pkg/client/reconcile-loop.ts`). */
import { expect, test } from 'vitest';
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { createPeriodicLoop } from './common/controller.ts';
import { createControllerManager } from './manager.ts';
import { controllerTable } from './table.ts';

/** They do nothing without a key or a certificate, of which there is none here. */
const needKeys = [
  'certificatesigningrequest-signing-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-token-controller',
];

/** A manager of one controller. `before` is told of each request and may have it fail. */
function startManager(controller: string, before: (request: ApiRequest, api: FakeApi) => void = () => undefined) {
  const api = new FakeApi();
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const handle = (request: ApiRequest) => {
    before(request, api);
    return api.handle(request);
  };
  const transport = inProcessTransport(handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const metrics = new Metrics();
  const informers = createInformers({ client, clock, random, log: silentLogger });
  const deps = { client, informers, clock, random, log: silentLogger, metrics };
  const end = new AbortController();
  const ended = createControllerManager({ deps, controllers: [controller] }).run(end.signal);
  const stop = (): Promise<void> => {
    end.abort();
    return ended;
  };
  /** Turns of all loops by a label. */
  const turns = (label: 'controller' | 'result'): Readonly<Record<string, number>> => {
    const counted = metrics.families().find(({ name }) => name === 'controller_runtime_reconcile_total')?.samples ?? [];
    const sums: Record<string, number> = {};
    for (const { labels, value } of counted) {
      const key = labels[label] ?? '';
      sums[key] = (sums[key] ?? 0) + value;
    }
    return sums;
  };
  return { clock, client, stop, turns };
}

test('every controller counts and times its turns in loops of its own', async () => {
  const owners = new Map<string, string>();
  for (const name of Object.keys(controllerTable).filter((one) => !needKeys.includes(one))) {
    const { clock, stop, turns } = startManager(name);
    await clock.settle();
    await stop();
    const loops = Object.keys(turns('controller'));
    expect({ name, hasLoop: loops.length > 0 }).toEqual({ name, hasLoop: true });
    for (const loop of loops) {
      expect({ loop, also: owners.get(loop) }).toEqual({ loop, also: undefined });
      owners.set(loop, name);
    }
  }
});

test('a controller that looks at everything now and then outlives what is refused, and tries it again', async () => {
  let refusals = 3;
  const { clock, client, stop, turns } = startManager(
    'certificatesigningrequest-cleaner-controller',
    ({ method }, api) => {
      if (method === 'DELETE' && refusals-- > 0) api.failNext(serviceUnavailable('not now'));
    },
  );
  const requests = client.resource(certificateSigningRequests);
  await requests.create({
    metadata: { name: 'old', creationTimestamp: timestamp(clock) },
    spec: { request: '', signerName: 'example.com/a' },
  });
  await clock.advance(26 * 3_600_000);
  expect((await requests.list()).items).toEqual([]);
  expect(turns('result').error).toBe(3);
  await stop();
});

test('a fault of the program ends one look at everything, and the next comes with back-off, at most a period later', async () => {
  const [clock, metrics, end] = [new VirtualClock(), new Metrics(), new AbortController()];
  const looks: number[] = [];
  const work = async (): Promise<void> => {
    looks.push(clock.monotonicMs());
    if (looks.length > 1) throw new TypeError('not a function');
  };
  const loop = createPeriodicLoop({ clock, log: silentLogger, metrics }, { name: 'looks', periodMs: 1_000, work });
  const ended = loop.run(end.signal);
  await clock.advance(4_700);
  end.abort();
  await ended;
  const pauses = looks.slice(1).map((atMs, index) => atMs - (looks[index] ?? 0));
  expect(pauses).toEqual([1_000, 5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
  const panics = metrics.families().find(({ name }) => name === 'controller_runtime_reconcile_panics_total');
  expect(panics?.samples.map(({ value }) => value)).toEqual([11]);
});
