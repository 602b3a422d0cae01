/**
 * Whether our controllers and upstream's bring the same objects to the same end: against our API server, and against upstream's where one is given.
 *
 *     node tests/conformance/upstream/controllers.ts --manager kube-controller-manager [--apiserver kube-apiserver --etcd etcd]
 *
 * Each pair is two clusters one after the other, with one kind of server and the two kinds of controllers. Where they differ, `ours | theirs` is printed; the exit
 * code is 1 where that is not for what has changed since 1.28.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { resourceOfKind } from '#pkg/api/resources.ts';
import { namespaces, serviceAccounts } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { startControlPlane } from './control-plane.ts';
import { endState } from './end-state.ts';
import { changes, workloadSet } from './workload-set.ts';

const { values } = parseArgs({
  options: {
    manager: { type: 'string', default: 'kube-controller-manager' },
    apiserver: { type: 'string' },
    etcd: { type: 'string', default: '/usr/bin/etcd' },
    quiet: { type: 'string', default: '20' },
  },
});
const clock = new SystemClock();
const { signal } = new AbortController();
/** A state that has not changed for this long is an end. */
const quietMs = Number(values.quiet) * 1_000;
const endMsMax = 120_000;

function resourceOf(client: Client, { apiVersion = '', kind = '' }: KubeObject): ResourceClient<KubeObject> {
  const info = resourceOfKind(apiVersion, kind);
  if (info === undefined) throw new Error(`Cannot apply a ${kind} as there is no such resource`);
  return client.resource(info);
}

async function atRest(client: Client): Promise<readonly string[]> {
  let state = await endState(client);
  let sinceMs = clock.monotonicMs();
  const endMs = sinceMs + endMsMax;
  while (clock.monotonicMs() - sinceMs < quietMs) {
    if (clock.monotonicMs() > endMs) throw new Error('Cannot compare as the objects never come to rest');
    await sleep(clock, 500, signal);
    const now = await endState(client);
    if (now.join('\n') !== state.join('\n')) sinceMs = clock.monotonicMs();
    state = now;
  }
  return state;
}

async function hasAccount(client: Client, namespace: string): Promise<void> {
  const endMs = clock.monotonicMs() + endMsMax;
  while ((await client.resource(serviceAccounts).list({ namespace })).items.length === 0) {
    if (clock.monotonicMs() > endMs)
      throw new Error(`Cannot compare as namespace ${namespace} gets no service account`);
    await sleep(clock, 50, signal);
  }
}

async function endOf(apiserver: string | undefined, manager: string | undefined): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'controllers-compared-'));
  const plane = await startControlPlane({ apiserver, etcd: values.etcd, manager, nodes: 2, folder });
  try {
    await plane.startManager();
    for (const object of workloadSet) {
      await resourceOf(plane.client, object).create(object);
      // Pods are refused until their namespace has its account.
      if (object.kind === 'Namespace') await hasAccount(plane.client, object.metadata?.name ?? '');
    }
    await atRest(plane.client);
    for (const { of, patch } of changes)
      await resourceOf(plane.client, of).patch(of.metadata?.name ?? '', patch, {
        namespace: 'compared',
        type: 'merge',
      });
    await plane.client.resource(namespaces).delete('goes');
    return await atRest(plane.client);
  } finally {
    await plane.stop();
  }
}

/** Lines that one of the two has more often than the other. */
function onlyIn(one: readonly string[], other: readonly string[]): readonly string[] {
  const left = [...other];
  return one.filter((line) => {
    const index = left.indexOf(line);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

/** Where two values differ: `path: one | other`. */
function differences(one: unknown, other: unknown, path = ''): readonly string[] {
  if (JSON.stringify(one) === JSON.stringify(other)) return [];
  const isBranch = (value: unknown): value is object => typeof value === 'object' && value !== null;
  if (!isBranch(one) || !isBranch(other)) return [`${path}: ${JSON.stringify(one)} | ${JSON.stringify(other)}`];
  const [a, b] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) =>
    differences(a.get(key), b.get(key), `${path}.${key}`),
  );
}

/** Objects by their kind and name; several that were given the same kind of name are one list. */
function byName(lines: readonly string[]): ReadonlyMap<string, readonly unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const line of lines) {
    const [, name = '', json = ''] = /^(\S+ \S+) (.*)$/.exec(line) ?? [];
    found.set(name, [...(found.get(name) ?? []), JSON.parse(json)]);
  }
  return found;
}

/** What 1.28 does not write yet, or cannot as rules are others since; by whose release. */
const known: readonly (readonly [what: RegExp, why: string])[] = [
  [/\.status\.terminatingReplicas: 0 \| undefined$/, 'counted since 1.33'],
  [/^Endpoints .*endpoints\.kubernetes\.io\/managed-by/, 'labelled since 1.33'],
  [/^Job \S+ \.status\.terminating: 0 \| undefined$/, 'counted since 1.29'],
  [
    /^Job \S+ \.status\.conditions.*(SuccessCriteriaMet|FailureTarget)/,
    'a condition goes before the end since 1.31, without which this server refuses the end',
  ],
  [
    /^(Job|Pod) short-lived\S* 0 \| 1 objects$/,
    'the end that 1.28 writes of a Job is refused, so its time does not begin',
  ],
  [/^Job \S+ \.status\.conditions\.\d\.(message|reason): .* \| undefined$/, 'said since 1.31'],
  [/^ResourceQuota quota .*count\/jobs\.batch/, 'that Job counts'],
];

let differs = false;
for (const apiserver of values.apiserver === undefined ? [undefined] : [undefined, values.apiserver]) {
  const [ours, theirs] = [await endOf(apiserver, undefined), await endOf(apiserver, values.manager)];
  const same = ours.length - onlyIn(ours, theirs).length;
  const where = apiserver === undefined ? 'our API server' : "upstream's API server";
  console.log(
    `${where}: ${ours.length} objects with our controllers, ${theirs.length} with upstream's, ${same} of them the same`,
  );
  const [one, other] = [byName(ours), byName(theirs)];
  for (const name of [...new Set([...one.keys(), ...other.keys()])].toSorted()) {
    const [a = [], b = []] = [one.get(name), other.get(name)];
    const lines =
      a.length === b.length
        ? [...new Set(a.flatMap((object, index) => differences(object, b[index])))]
        : [`${a.length} | ${b.length} objects`];
    for (const line of lines) {
      const why = known.find(([what]) => what.test(`${name} ${line}`))?.[1];
      console.log(`  ${name} ${line}${why === undefined ? '' : `  (${why})`}`);
      differs ||= why === undefined;
    }
  }
}
process.exitCode = differs ? 1 : 0;
