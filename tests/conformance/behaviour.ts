/**
 * How a behaviour of upstream's conformance list is tested here: the test has the behaviour's code name, and its own fresh cluster on virtual
 * time. `table/` says of every behaviour whether it holds; `table.test.ts` holds that the two agree.
 */
import { describe, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { startTestCluster, type TestCluster, type TestClusterOptions } from '#pkg/testing/cluster.ts';

/** The cluster of one test, on virtual time or in real time. */
export interface StageCluster extends Omit<TestCluster, 'clock' | 'faults' | 'random'> {
  readonly clock: Clock;
}

/** What a test of a behaviour is given. */
export interface Stage {
  readonly cluster: StageCluster;
  readonly client: Client;
  /** A namespace of the test's own, with its service account. */
  readonly namespace: string;
  /** The client of one resource. */
  of<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T>;
  /** A request as an administrator sends it. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
}

export interface RequestOptions {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly text?: string;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly warnings: string;
  /** The answer's object, or its text where it is none. */
  readonly body: JsonObject & string;
}

type Body = (stage: Stage) => Promise<void>;

/** How a behaviour is performed. */
interface Mode {
  readonly start: (options: TestClusterOptions) => Promise<StageCluster>;
  /** How often one that fails is performed again, on a fresh cluster. On virtual time it would fail in the same way. */
  readonly retry: number;
}

let mode: Mode = { start: startTestCluster, retry: 0 };

/**
 * Has the behaviours that are loaded after it performed on other clusters than those on virtual time. In real time their steps may lose against the
 * controllers that are at work meanwhile, which are none of the steps that are tested.
 */
export function performOn(other: Mode): void {
  mode = other;
}

const namespace = 'conformance';
const administrator = { commonName: 'kubernetes-admin', organizations: ['system:masters'] };

/** A test of one behaviour, under its code name without the `[Conformance]` at its end. */
export function behaviour(name: string, body: Body, options: TestClusterOptions = {}): void {
  test(`${name} [Conformance]`, { retry: mode.retry }, () => onStage(body, options));
}

/**
 * A behaviour that does not hold because of a defect: the test is written as it should pass, and counts as passed while it does not. It
 * fails once the defect is gone, so that the table is brought up to date.
 */
export function defect(name: string, body: Body, options: TestClusterOptions = {}): void {
  describe('missing', () => {
    test.fails(`${name} [Conformance]`, () => onStage(body, options));
  });
}

async function onStage(body: Body, options: TestClusterOptions): Promise<void> {
  const cluster = await mode.start(options);
  try {
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await cluster.until(async () => {
      const accounts = await list(cluster, `/api/v1/namespaces/${namespace}/serviceaccounts`);
      return accounts.includes('default');
    });
    const { client } = cluster;
    await body({
      cluster,
      client,
      namespace,
      of: (ref) => client.resource(ref),
      request: (method, path, settings) => send(cluster, { method, path, ...settings }),
    });
  } finally {
    await cluster.stop();
  }
}

async function list(cluster: StageCluster, path: string): Promise<readonly string[]> {
  const { body } = await send(cluster, { method: 'GET', path });
  const items = body['items'] as unknown as readonly KubeObject[] | undefined;
  return (items ?? []).map(({ metadata }) => metadata?.name ?? '');
}

async function send(
  cluster: StageCluster,
  request: RequestOptions & { readonly method: string; readonly path: string },
): Promise<Answer> {
  const { method, path, query = '', headers = {} } = request;
  const text = request.text ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
  const answer = await cluster.handle({
    method,
    path,
    query,
    headers: text === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(text === undefined ? {} : { body: { kind: 'bytes', bytes: new TextEncoder().encode(text) } as const }),
    peer: { address: '', certificate: administrator },
    signal: new AbortController().signal,
  });
  return {
    status: answer.status,
    contentType: answer.headers['content-type'] ?? '',
    warnings: answer.headers['warning'] ?? '',
    body: (await contents(answer)) as Answer['body'],
  };
}

async function contents({ body, headers }: ApiResponse): Promise<unknown> {
  if (body.kind === 'object') return JSON.parse(new TextDecoder().decode(body.bytes()));
  let text = '';
  if (body.kind === 'bytes') text = new TextDecoder().decode(body.bytes);
  if (body.kind === 'stream') for await (const chunk of body.chunks) text += new TextDecoder().decode(chunk);
  return headers['content-type']?.startsWith('application/json') ? JSON.parse(text) : text;
}
