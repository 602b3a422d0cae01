/**
 * What clients get wrong, and the whole Status that Kubernetes answers: once with the handler called directly and once over HTTPS.
 * Nothing of it changes the store.
 */
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { patches, paths, rules } from './bad-input-changes.ts';
import { queries, syntax } from './bad-input-reads.ts';
import { claims, deployments, maps, pods, type Row, secrets, services } from './bad-input-row.ts';
import { type Served, serveHttps } from './fuzz-https.ts';

const container = { name: 'c', image: 'i' };
const template = { metadata: { labels: { app: 'd' } }, spec: { containers: [container] } };

/** What there is: uids are replaced in messages by `UID`. */
const objects: readonly (readonly [path: string, object: Record<string, unknown>])[] = [
  [maps, { metadata: { name: 'a' }, data: { x: '1' } }],
  [maps, { metadata: { name: 'frozen' }, data: { x: '1' }, immutable: true }],
  [secrets, { metadata: { name: 's' }, type: 'Opaque', stringData: { x: '1' } }],
  [pods, { metadata: { name: 'p' }, spec: { containers: [container] } }],
  [services, { metadata: { name: 'v' }, spec: { clusterIP: '10.96.0.77', ports: [{ port: 80 }] } }],
  [
    claims,
    {
      metadata: { name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
    },
  ],
  [deployments, { metadata: { name: 'd' }, spec: { selector: { matchLabels: { app: 'd' } }, template } }],
];

let server: TestServer;
let https: Served;

beforeAll(async () => {
  server = await startTestServer({
    strategies: createStrategies(),
    admission: createAdmissionPlugins({ disabled: ['ServiceAccount'] }),
  });
  for (const [path, object] of objects) expect((await server.call('POST', path, { object })).status).toBe(201);
  https = await serveHttps(server.server.handle);
});

afterAll(() => https.close());

interface Sent {
  readonly status: number;
  readonly text: string;
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function headersOf({ type, headers, body }: Row): Record<string, string> {
  return { ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }), ...headers };
}

async function direct(row: Row): Promise<Sent> {
  const [method = '', target = ''] = row.send.split(' ');
  const text = row.body === undefined ? {} : { text: textOf(row.body) };
  const pending = server.call(method, target, { headers: headersOf(row), ...text });
  let answered = false;
  void pending.finally(() => {
    answered = true;
  });
  // What waits for a revision from the future waits on the clock.
  for (let turn = 0; turn < 10 && !answered; turn++) await server.clock.advance(1_000);
  return pending;
}

/** Node's client frames the bodies of deletions only when it is told their length. */
function lengthOf({ body }: Row): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(textOf(body))) };
}

function overHttps(row: Row): Promise<Sent> {
  const [method = '', path = ''] = row.send.split(' ');
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: https.port,
        method,
        path,
        headers: { ...headersOf(row), ...lengthOf(row) },
        ...https.client,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(row.body === undefined ? undefined : textOf(row.body));
  });
}

async function check(row: Row, send: (row: Row) => Promise<Sent>): Promise<void> {
  const before = await server.store.range({ prefix: '/' });
  const answer = await send(row);
  const known = before.items.map((item) => JSON.parse(Buffer.from(item.value).toString()).metadata.uid as string);
  const text = known.reduce((all, uid) => all.replaceAll(uid, 'UID'), answer.text);
  expect({ http: answer.status, ...JSON.parse(text) }).toEqual({
    http: row.code,
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: typeof row.message === 'string' ? row.message : expect.stringMatching(row.message),
    reason: row.reason,
    ...(row.details === undefined ? {} : { details: row.details }),
    code: row.code,
  });
  expect(await server.store.range({ prefix: '/' })).toEqual(before);
}

const table = [...syntax, ...queries, ...patches, ...paths, ...rules];

describe('called directly', () => {
  test.each(table)('$name', (row) => check(row, direct));
});

describe('over HTTPS', () => {
  // The clock is virtual and nobody moves it there.
  const rows = table.filter(({ code }) => code !== 504);
  test.each(rows)('$name', (row) => check(row, overHttps));
});
