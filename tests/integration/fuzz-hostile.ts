/**
 * The fuzzer of every endpoint with bodies that mean harm: `node tests/integration/fuzz-hostile.ts [requests] [seed]`. Built-in resources, custom ones with
 * patterns and expressions, those of a server behind this one that lies, and what is no resource. Whatever comes, an answer is none of the server's fault,
 * what is refused changes nothing, no prototype changes, and the next client is served.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type BareApi, startBareApi } from '#pkg/testing/bare-api.ts';
import { baseObject, pick } from './fuzz-objects.ts';
import { collectionPath } from './fuzz-requests.ts';
import { hostileBody } from './hostile-bodies.ts';

/** What a run came to. */
export interface HostileResult {
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** What broke a law, each with its request. */
  readonly faults: readonly string[];
}

const remoteRoot = '/apis/remote.example.com/v1';
const customRoot = '/apis/hostile.example.com/v1';
const faultsMax = 20;
/** Turns of the clock, a second each, until an answer is given up. */
const turnsMax = 200;

/** Statuses of 500 and more that are right: what is not done here, what would take too long, and what a watch cannot wait for. */
const byDesign: ReadonlySet<number> = new Set([501, 504]);

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 200, pattern: '^(a+)+$' },
        size: { type: 'integer' },
        list: { type: 'array', maxItems: 50, items: { type: 'string', maxLength: 50 } },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
      'x-kubernetes-validations': [
        { rule: '!has(self.list) || self.list.all(x, self.list.exists(y, y == x))', message: 'odd' },
        { rule: '!has(self.name) || !self.name.matches("^(b+)+$")' },
      ],
    },
    status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'targets.hostile.example.com' },
  spec: {
    group: 'hostile.example.com',
    scope: 'Namespaced',
    names: { plural: 'targets', kind: 'Target' },
    versions: [
      { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
    ],
  },
};

const custom = { spec: { name: 'aaa', size: 1, list: ['a', 'b'], any: { a: [1, { b: 2 }] } } };

const remoteService = {
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: 'v1.remote.example.com' },
  spec: {
    group: 'remote.example.com',
    version: 'v1',
    service: { namespace: 'default', name: 'remote' },
    insecureSkipTLSVerify: true,
    groupPriorityMinimum: 2_000,
    versionPriority: 100,
  },
};

const pages =
  '/ /api /apis /version /healthz /readyz /livez/ping /metrics /openapi/v2 /openapi/v3 /openapi/v3/api/v1 /flagz /statusz'.split(
    ' ',
  );

/** A server behind this one that is never what it should be. */
class Liar {
  readonly #random: Random;
  isOn = false;

  constructor(random: Random) {
    this.#random = random;
  }

  answer({ path }: ApiRequest): ApiResponse {
    const bytes = (text: string, status = 200, headers = {}): ApiResponse => ({
      status,
      headers: { 'content-type': 'application/json', ...headers },
      body: { kind: 'bytes', bytes: Buffer.from(text) },
    });
    if (path === remoteRoot && !this.isOn)
      return bytes(JSON.stringify({ kind: 'APIResourceList', groupVersion: 'remote.example.com/v1', resources: [] }));
    switch (randomInt(this.#random, 6)) {
      case 0:
        throw new Error('connection reset');
      case 1:
        return bytes('{"kind":"Status","status":"Failure","code":200}', 418);
      case 2:
        return bytes('', 302, { location: 'https://169.254.169.254/' });
      case 3:
        return bytes('\0'.repeat(1_000), 200, { 'set-cookie': 'a=b', 'transfer-encoding': 'x', connection: 'upgrade' });
      case 4:
        return bytes('{"__proto__":{"polluted":1}}');
      default:
        return bytes('['.repeat(5_000), 567);
    }
  }
}

/** Sends so many requests, the same ones for the same seed. */
export async function fuzzHostile(requests: number, seed: number, halfway = (): void => {}): Promise<HostileResult> {
  const random = new SeededRandom(seed);
  const clock = new VirtualClock();
  const liar = new Liar(new SeededRandom(seed + 1));
  const api = await startBareApi({
    clock,
    random: new SeededRandom(seed + 2),
    connectRemote: () => ({ request: async (request) => liar.answer(request), close() {} }),
  });
  const stop = new AbortController();
  const running = api.run(stop.signal);
  const run = new Run(api, clock, random);
  try {
    await run.begin();
    liar.isOn = true;
    for (let done = 0; done < requests && run.faults.length < faultsMax; done++) {
      await run.step();
      if (done % 1_000 === 0) await run.others();
      if (done === Math.floor(requests / 4)) halfway();
    }
  } finally {
    stop.abort();
    await clock.advance(60_000);
    await running;
  }
  return { statuses: run.statuses, faults: run.faults };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly type?: string;
  readonly text?: string | Uint8Array;
}

class Run {
  readonly faults: string[] = [];
  readonly statuses: Record<number, number> = {};
  readonly #api: BareApi;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  #served: readonly ResourceInfo[] = [];
  /** The revision, where it is known that nothing has changed since it was asked for. */
  #known: string | undefined;

  constructor(api: BareApi, clock: VirtualClock, random: Random) {
    this.#api = api;
    this.#clock = clock;
    this.#random = random;
  }

  /** Makes what is to be attacked. */
  async begin(): Promise<void> {
    const make = async (path: string, object: object): Promise<void> => {
      const { status } = await this.#send({
        method: 'POST',
        path,
        type: 'application/json',
        text: JSON.stringify(object),
      });
      if (status !== 201) throw new Error(`Cannot make ${path} as the answer is ${status}`);
      await this.#clock.advance(1_000);
    };
    await make('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    await make('/api/v1/namespaces/default/services', {
      metadata: { name: 'remote' },
      spec: { ports: [{ name: 'https', port: 443 }] },
    });
    await make('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      metadata: { name: 'remote-1', labels: { 'kubernetes.io/service-name': 'remote' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
      ports: [{ name: 'https', port: 8443, protocol: 'TCP' }],
    });
    await make('/apis/apiregistration.k8s.io/v1/apiservices', remoteService);
    await this.#clock.advance(31_000);
    for (const info of resources) {
      const path = collectionPath(info, 'default');
      if ((await this.#send({ method: 'GET', path })).status !== 404) this.#served = [...this.#served, info];
    }
  }

  /** One request, held against the laws. */
  async step(): Promise<void> {
    const sent = this.#next();
    const before = this.#known ?? (await this.#revision());
    const beganMs = this.#clock.monotonicMs();
    const answer = await this.#send(sent);
    const isAtOnce = this.#clock.monotonicMs() === beganMs;
    const { status } = answer;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    const isRemote = sent.path.startsWith(remoteRoot);
    if (status >= 500 && !byDesign.has(status) && !isRemote) this.#fault('server error', sent, answer);
    // Where time has passed the server itself may have written; a Service's numbers are claimed before it is made, and given back.
    const isOwn = !isAtOnce || sent.path.includes('/services');
    this.#known = status >= 300 && !isOwn ? await this.#revision() : undefined;
    if (this.#known !== undefined && this.#known !== before) this.#fault('changed the store', sent, answer);
    if ('polluted' in {}) this.#fault('prototype polluted', sent, answer);
  }

  /** Somebody else, who means no harm. */
  async others(): Promise<void> {
    for (const path of ['/api/v1/namespaces/default', `${customRoot}/namespaces/default/targets`, '/readyz']) {
      const sent = { method: 'GET', path };
      const answer = await this.#send(sent);
      if (answer.status !== 200) this.#fault('others are not served', sent, answer);
    }
  }

  #next(): Sent {
    const random = this.#random;
    const place = randomInt(random, 20);
    const query = randomInt(random, 8) === 0 ? pick(random, queries) : '';
    if (place === 0)
      return { method: pick(random, ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']), path: pick(random, pages), query };
    const { collection, object } = this.#target(place);
    const method = pick(random, ['POST', 'POST', 'PUT', 'PUT', 'PATCH', 'PATCH', 'DELETE', 'GET']);
    const name = `/f${randomInt(random, 3)}`;
    const subresource = pick(random, ['', '', '', '/status', '/scale', '/x', '/token', '/eviction', '/binding']);
    const path = method === 'POST' && random.next() < 0.8 ? collection : collection + name + subresource;
    if (method === 'GET') return { method, path, query };
    const { type, text } = hostileBody(random, object, method === 'PATCH');
    return { method, path, query, type, text };
  }

  #target(place: number): { readonly collection: string; readonly object: object } {
    const random = this.#random;
    const name = `f${randomInt(random, 3)}`;
    if (place < 4) {
      const object = { apiVersion: 'hostile.example.com/v1', kind: 'Target', metadata: { name }, ...custom };
      return { collection: `${customRoot}/namespaces/default/targets`, object };
    }
    if (place === 4) return { collection: `${remoteRoot}/namespaces/default/things`, object: { metadata: { name } } };
    const info = pick(random, this.#served);
    const object = { apiVersion: apiVersionOf(info), kind: info.kind, ...baseObject(info, random, name) };
    return { collection: collectionPath(info, 'default'), object };
  }

  async #revision(): Promise<string> {
    const { body } = await this.#send({ method: 'GET', path: '/api/v1/namespaces', query: 'limit=1' });
    const object: unknown = body.kind === 'object' ? body.object : JSON.parse(textOf(body));
    return JSON.stringify(object instanceof Object && 'metadata' in object ? object.metadata : '').replace(
      /"continue":"[^"]*",?/,
      '',
    );
  }

  async #send({ method, path, query = '', type, text }: Sent): Promise<ApiResponse> {
    const leaving = new AbortController();
    let answer: ApiResponse | undefined;
    void this.#api
      .handle({
        method,
        path,
        query,
        headers: type === undefined ? {} : { 'content-type': type },
        peer: { address: '192.0.2.1', certificate: { commonName: 'admin', organizations: ['system:masters'] } },
        signal: leaving.signal,
        ...(text === undefined ? {} : { body: { kind: 'bytes', bytes: Buffer.from(text) } }),
      })
      .then((found) => {
        answer = found;
      });
    // What waits for a revision that never comes waits on the clock.
    for (let turn = 0; answer === undefined && turn < turnsMax; turn++) await this.#clock.advance(turn < 5 ? 0 : 1_000);
    if (answer?.body.kind === 'watch') leaving.abort();
    return answer ?? { status: 599, headers: {}, body: { kind: 'empty' } };
  }

  #fault(what: string, { method, path, query = '', type = '', text = '' }: Sent, { status, body }: ApiResponse): void {
    const sent = `${method} ${path}?${query} ${type} ${JSON.stringify(Buffer.from(text).toString('latin1').slice(0, 400))}`;
    this.faults.push(`${what}: ${sent} -> ${status} ${textOf(body).slice(0, 400)}`);
  }
}

const queries = [
  'dryRun=All',
  'dryRun=x',
  'timeout=0s',
  'timeout=9999999h',
  `labelSelector=${'a%3Db%2C'.repeat(500)}a`,
  `fieldSelector=${'metadata.name%3Da%2C'.repeat(500)}`,
  `labelSelector=a+in+(${'x,'.repeat(2_000)}y)`,
  `continue=${'A'.repeat(5_000)}`,
  'fieldManager=%00',
  'fieldManager=a&force=true&fieldValidation=Strict',
  'resourceVersion=9999999999&resourceVersionMatch=NotOlderThan',
  'watch=1&timeoutSeconds=1',
  'limit=9223372036854775807',
  '%00=%ff&__proto__=x&constructor=y',
] as const;

function textOf(body: ApiResponse['body']): string {
  const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
  return Buffer.from(bytes).toString();
}

/** Memory that is in use, in MB, once all else was collected. */
function heapMb(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return Math.round(process.memoryUsage().heapUsed / 1e6);
}

async function main(): Promise<void> {
  const [requests = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
  process.on('unhandledRejection', (error) => {
    console.log('UNHANDLED', error);
    process.exitCode = 1;
  });
  let early = 0;
  const { faults, statuses } = await fuzzHostile(requests, seed, () => {
    early = heapMb();
  });
  for (const fault of faults) console.log(fault);
  console.log(
    `${faults.length} faults, heap ${early} MB after a quarter, ${heapMb()} MB at the end, answers by status: ${JSON.stringify(statuses)}`,
  );
  if (faults.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
