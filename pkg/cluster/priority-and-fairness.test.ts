/** Priority and fairness of a whole API server: whose requests are where, what is done when there is no room, and that its objects are kept. */
import { afterEach, expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { type LocalApi, type LocalApiOptions, localApi } from './local-api.ts';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';
const masters = ['root', 'system:masters'] as const;
const events = '/api/v1/namespaces/default/events';

/** A memory store in which ranges of events wait until they are let go, in any order. */
class Gate {
  readonly store: Store;
  /** What waits, in the order in which it came. */
  readonly waiting: (() => void)[] = [];
  isOpen = true;

  constructor(clock: VirtualClock) {
    const inner = createMemoryStore({ clock });
    this.store = new Proxy(inner, {
      get: (target, name) => {
        if (name !== 'range') {
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        }
        const range: Store['range'] = async (options) => {
          if (!this.isOpen && options.prefix.includes('/events/'))
            await new Promise<void>((resolve) => this.waiting.push(resolve));
          return target.range(options);
        };
        return range;
      },
    });
  }

  letGo(): void {
    this.waiting.shift()?.();
  }
}

let clock: VirtualClock;
let gate: Gate;
let api: LocalApi;
let stop: AbortController;
let running: Promise<void>;

async function start(options: Partial<LocalApiOptions> = {}): Promise<void> {
  clock = new VirtualClock();
  gate = new Gate(clock);
  api = localApi({
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    store: gate.store,
    authorizationModes: ['AlwaysAllow'],
    ...options,
  });
  stop = new AbortController();
  running = api.run(stop.signal);
  await api.ready();
  await clock.settle();
}

afterEach(async () => {
  gate.isOpen = true;
  while (gate.waiting.length > 0) gate.letGo();
  stop.abort();
  await running;
});

interface Asking {
  readonly object?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A request over the network in the name of a user. */
function ask(
  [commonName, ...organizations]: readonly string[],
  method: string,
  target: string,
  { object, headers = {}, signal = stop.signal }: Asking = {},
): Promise<ApiResponse> {
  const [path = '', query = ''] = target.split('?');
  return api.handle({
    method,
    path,
    query,
    headers,
    peer: {
      address: '192.0.2.1',
      ...(commonName === undefined ? {} : { certificate: { commonName, organizations } }),
    },
    signal,
    ...(object === undefined ? {} : { body: { kind: 'object', object } }),
  });
}

function textOf({ body }: ApiResponse): string {
  const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
  return Buffer.from(bytes).toString();
}

/** The names behind the headers of an answer. */
async function sortedInto({ headers }: ApiResponse): Promise<string> {
  const nameOf = async (resource: string, uid: string | undefined): Promise<string> => {
    const { items } = JSON.parse(textOf(await ask(masters, 'GET', `${group}/${resource}`)));
    const found = items.find((item: { metadata: { uid: string } }) => item.metadata.uid === uid);
    return found?.metadata.name ?? 'none';
  };
  const schema = await nameOf('flowschemas', headers['x-kubernetes-pf-flowschema-uid']);
  return `${schema} of ${await nameOf('prioritylevelconfigurations', headers['x-kubernetes-pf-prioritylevel-uid'])}`;
}

const account = (name: string): readonly string[] => [
  `system:serviceaccount:${name}`,
  'system:serviceaccounts',
  'system:authenticated',
];
const node = ['system:node:n', 'system:nodes', 'system:authenticated'];
const manager = ['system:kube-controller-manager', 'system:authenticated'];
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x';

test.each<[who: readonly string[], target: string, into: string]>([
  [masters, '/api/v1/pods', 'exempt of exempt'],
  [[], '/readyz', 'probes of exempt'],
  [[], '/version', 'global-default of global-default'],
  [['ann', 'system:authenticated'], '/api/v1/pods', 'global-default of global-default'],
  [node, '/api/v1/nodes/n', 'system-node-high of node-high'],
  [node, leases, 'system-node-high of node-high'],
  [node, '/api/v1/pods', 'system-nodes of system'],
  [manager, leases, 'system-leader-election of leader-election'],
  [manager, '/api/v1/pods', 'kube-controller-manager of workload-high'],
  [['system:kube-scheduler', 'system:authenticated'], '/api/v1/pods', 'kube-scheduler of workload-high'],
  [account('kube-system:a'), '/api/v1/pods', 'kube-system-service-accounts of workload-high'],
  [account('default:a'), '/api/v1/pods', 'service-accounts of workload-low'],
  [['nobody-knows'], '/api/v1/pods', 'global-default of global-default'],
])('%j asks for %s under %s', async (who, target, into) => {
  await start();
  expect(await sortedInto(await ask(who, 'GET', target))).toBe(into);
});

test('a request that is not allowed says whose it is too', async () => {
  await start({ authorizationModes: ['RBAC'] });
  const refused = await ask(['ann', 'system:authenticated'], 'GET', '/api/v1/secrets');
  expect(refused.status).toBe(403);
  expect(await sortedInto(refused)).toBe('global-default of global-default');
});

test('a new schema and level sort the next request, and the schema says whether its level is there', async () => {
  await start();
  const condition = async (): Promise<unknown> => {
    await clock.settle();
    const { status } = JSON.parse(textOf(await ask(masters, 'GET', `${group}/flowschemas/mine`)));
    const [{ lastTransitionTime, ...rest }] = status.conditions;
    expect(typeof lastTransitionTime).toBe('string');
    return rest;
  };
  const schema = {
    metadata: { name: 'mine' },
    spec: {
      matchingPrecedence: 700,
      priorityLevelConfiguration: { name: 'mine' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'ann' } }],
          nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['*'] }],
        },
      ],
    },
  };
  const ann = ['ann', 'system:authenticated'];
  expect((await ask(masters, 'POST', `${group}/flowschemas`, { object: schema })).status).toBe(201);
  expect(await condition()).toEqual({
    type: 'Dangling',
    status: 'True',
    reason: 'NotFound',
    message:
      'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object',
  });
  expect(await sortedInto(await ask(ann, 'GET', '/version'))).toBe('global-default of global-default');
  const level = {
    metadata: { name: 'mine' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
  };
  expect((await ask(masters, 'POST', `${group}/prioritylevelconfigurations`, { object: level })).status).toBe(201);
  expect(await sortedInto(await ask(ann, 'GET', '/version'))).toBe('mine of mine');
  expect(await condition()).toEqual({
    type: 'Dangling',
    status: 'False',
    reason: 'Found',
    message: 'This FlowSchema references the PriorityLevelConfiguration object named "mine" and it exists',
  });
  expect((await ask(masters, 'DELETE', `${group}/prioritylevelconfigurations/mine`)).status).toBe(200);
  expect(await sortedInto(await ask(ann, 'GET', '/version'))).toBe('global-default of global-default');
});

test('those of every cluster say from the first moment that their levels are there', async () => {
  await start();
  const { items } = JSON.parse(textOf(await ask(masters, 'GET', `${group}/flowschemas`)));
  expect(items).toHaveLength(11);
  for (const { status } of items) expect(status.conditions).toMatchObject([{ type: 'Dangling', status: 'False' }]);
  // Nothing was written of them afterwards.
  for (const { metadata } of items) expect(metadata.managedFields).toBeUndefined();
});

// Source: upstream `pkg/registry/flowcontrol/ensurer`.
test('what was changed or deleted of them is made good within a minute, unless its annotation says no', async () => {
  await start();
  const system = `${group}/prioritylevelconfigurations/system`;
  const shares = async (): Promise<number> =>
    JSON.parse(textOf(await ask(masters, 'GET', system))).spec.limited.nominalConcurrencyShares;
  const patch = (target: string, object: object): Promise<ApiResponse> =>
    ask(masters, 'PATCH', target, { object, headers: { 'content-type': 'application/merge-patch+json' } });
  expect((await patch(system, { spec: { limited: { nominalConcurrencyShares: 3 } } })).status).toBe(200);
  expect((await ask(masters, 'DELETE', `${group}/flowschemas/exempt`)).status).toBe(200);
  expect((await ask(masters, 'DELETE', `${group}/flowschemas/probes`)).status).toBe(200);
  expect(await shares()).toBe(3);
  // What is mandatory goes on without its object.
  expect((await ask(masters, 'GET', '/version')).headers['x-kubernetes-pf-flowschema-uid']).toBe('');
  await clock.advance(61_000);
  expect(await shares()).toBe(30);
  for (const name of ['exempt', 'probes'])
    expect((await ask(masters, 'GET', `${group}/flowschemas/${name}`)).status).toBe(200);
  const annotations = { 'apf.kubernetes.io/autoupdate-spec': 'false' };
  await patch(system, { metadata: { annotations }, spec: { limited: { nominalConcurrencyShares: 4 } } });
  await clock.advance(61_000);
  expect(await shares()).toBe(4);
});

test('one with 200 lists at once does not hold up the ten of another', async () => {
  // Two seats for the level of both.
  await start({ requests: { readsMax: 20, writesMax: 0, isFair: true } });
  gate.isOpen = false;
  const order: string[] = [];
  const list = async (who: string): Promise<void> => {
    expect((await ask([who, 'system:authenticated'], 'GET', events)).status).toBe(200);
    order.push(who);
  };
  const all = Array.from({ length: 200 }, () => list('noisy'));
  await clock.settle();
  all.push(...Array.from({ length: 10 }, () => list('quiet')));
  await clock.settle();
  expect(gate.waiting.length).toBeLessThanOrEqual(3);
  while (order.length < 210) {
    gate.letGo();
    await clock.settle();
  }
  await Promise.all(all);
  const last = order.lastIndexOf('quiet');
  // The noisy one has six queues of 128, so the other has a seventh of the turns at worst.
  expect(order.slice(0, last).filter((who) => who === 'noisy').length).toBeLessThanOrEqual(75);
});

test('who finds the queues full is told when to come back, and who waits too long too', async () => {
  await start({ requests: { readsMax: 20, writesMax: 0, isFair: true } });
  gate.isOpen = false;
  const answers: Promise<ApiResponse>[] = [];
  const list = (): void => void answers.push(ask(['ann', 'system:authenticated'], 'GET', events));
  // Six queues of fifty, and some seats.
  for (let i = 0; i < 310; i++) list();
  await clock.settle();
  const refused = await answers[309];
  expect(refused?.status).toBe(429);
  expect(refused && textOf(refused)).toBe('Too many requests, please try again later.\n');
  expect(refused?.headers['retry-after']).toBe('1');
  expect(refused && (await sortedInto(refused))).toBe('global-default of global-default');
  const executing = gate.waiting.length;
  // A quarter of a minute is what a request may spend in line.
  await clock.advance(15_001);
  gate.isOpen = true;
  while (gate.waiting.length > 0) gate.letGo();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(executing);
  expect(statuses.filter((status) => status === 429)).toHaveLength(310 - executing);
  const metrics = textOf(await ask(masters, 'GET', '/metrics'));
  const labels = 'priority_level="global-default",flow_schema="global-default"';
  expect(metrics).toContain(`apiserver_flowcontrol_rejected_requests_total{${labels},reason="queue-full"}`);
  expect(metrics).toContain(`apiserver_flowcontrol_rejected_requests_total{${labels},reason="time-out"} ${300}`);
  expect(metrics).toContain(`apiserver_flowcontrol_current_inqueue_requests{${labels}} 0`);
  expect(metrics).toContain(`apiserver_flowcontrol_current_executing_requests{${labels}} 0`);
  expect(metrics).toContain('apiserver_flowcontrol_nominal_limit_seats{priority_level="global-default"} 2');
});

test('who goes away leaves the line, and the seats go to others', async () => {
  await start({ requests: { readsMax: 20, writesMax: 0, isFair: true } });
  gate.isOpen = false;
  const ann = ['ann', 'system:authenticated'];
  const first = Array.from({ length: 4 }, () => ask(ann, 'GET', events));
  await clock.settle();
  const executing = gate.waiting.length;
  const gone = new AbortController();
  const waiting = ask(ann, 'GET', events, { signal: gone.signal });
  await clock.settle();
  expect(gate.waiting).toHaveLength(executing);
  gone.abort();
  expect((await waiting).status).toBe(429);
  gate.isOpen = true;
  while (gate.waiting.length > 0) gate.letGo();
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test('a list of many objects takes as many seats as their bytes do', async () => {
  await start({ requests: { readsMax: 600, writesMax: 0, isFair: true } });
  const data = { text: 'x'.repeat(50_000) };
  for (let i = 0; i < 8; i++) {
    const object = { metadata: { name: `m${i}` }, data };
    expect((await ask(masters, 'POST', '/api/v1/namespaces/default/configmaps', { object })).status).toBe(201);
  }
  await ask(['ann', 'system:authenticated'], 'GET', '/api/v1/configmaps');
  const metrics = textOf(await ask(masters, 'GET', '/metrics'));
  const labels = 'priority_level="global-default",flow_schema="global-default"';
  // Eight of 50 kB, of which a seat holds 100 kB; and the certificate of the authority that every namespace has.
  expect(metrics).toContain(`apiserver_flowcontrol_work_estimated_seats_sum{${labels}} 5`);
});

test('administrators can read the levels, their queues and what is in them', async () => {
  await start({ requests: { readsMax: 20, writesMax: 0, isFair: true } });
  gate.isOpen = false;
  const lists = Array.from({ length: 6 }, () => ask(['ann', 'system:authenticated'], 'GET', events));
  await clock.settle();
  const executing = gate.waiting.length;
  const page = async (name: string): Promise<string[][]> => {
    const text = textOf(await ask(masters, 'GET', `/debug/api_priority_and_fairness/${name}`));
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/, */));
  };
  const levels = await page('dump_priority_levels');
  expect(levels[0]).toEqual([
    'PriorityLevelName',
    'ActiveQueues',
    'IsIdle',
    'IsQuiescing',
    'WaitingRequests',
    'ExecutingRequests',
    'DispatchedRequests',
    'RejectedRequests',
    'TimedoutRequests',
    'CancelledRequests',
  ]);
  const own = levels.find(([name]) => name === 'global-default');
  expect(own?.slice(2)).toEqual([
    'false',
    'false',
    String(6 - executing),
    String(executing),
    String(executing),
    '0',
    '0',
    '0',
  ]);
  const queues = (await page('dump_queues')).filter(([name]) => name === 'global-default');
  expect(queues).toHaveLength(128);
  const requests = await page('dump_requests?includeRequestDetails=1');
  expect(requests.filter((row) => row[1] === 'global-default' && row[10] === 'ann' && row[12] === events)).toHaveLength(
    6,
  );
  gate.isOpen = true;
  while (gate.waiting.length > 0) gate.letGo();
  await Promise.all(lists);
});

test('without it two lanes are all there is', async () => {
  await start({ requests: { readsMax: 1, writesMax: 1, isFair: false } });
  const { headers, status } = await ask(['ann', 'system:authenticated'], 'GET', '/api/v1/pods');
  expect([status, headers['x-kubernetes-pf-flowschema-uid']]).toEqual([200, undefined]);
});
