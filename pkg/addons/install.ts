/**
 * Puts addons into a cluster and takes them out. The laws are in `addon.ts`.
 *
 * Which objects an addon has is kept in a ConfigMap of `kube-system`, written before the first of them is and taken away after the last is gone, so that
 * whatever is interrupted can be finished or taken back. Each object has the addon's label, by which it is known as the addon's own.
 */
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type KubeObject, objectKey, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { unlessGone } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { findResource } from '#pkg/client/discovery.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { AddonCluster, AddonParts } from './addon.ts';

/** The label of all that an addon has made, with its name. */
const addonLabel = 'coxswain.dev/addon';

const stateNamespace = 'kube-system';
const fieldManager = 'coxswain-addon';
const lookEveryMs = 200;

/** What installing works with. */
export interface InstallDeps {
  readonly client: Client;
  readonly clock: Clock;
  /** Longest wait for kinds that are new, programs that start and objects that go. */
  readonly waitMs: number;
}

/** An addon that a cluster has. */
export interface InstalledAddon {
  readonly name: string;
  readonly objects: readonly ObjectName[];
}

/** Which object, without what is in it. */
interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** The addons that the cluster has, by name. */
export async function installedAddons(client: Client): Promise<readonly InstalledAddon[]> {
  const { items } = await client
    .resource(configMaps)
    .list({ namespace: stateNamespace, labelSelector: `${addonLabel},coxswain.dev/addon-state` });
  return items
    .map((map) => ({ name: map.metadata?.labels?.[addonLabel] ?? '', objects: namesIn(map) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Makes an addon's objects, or what is missing of them, takes away what it had before and has no more, and waits for its programs. Throws `UserError`
 * where it cannot be in this cluster, or something else has the name of one of its objects; then nothing was written.
 */
export async function enableAddon(
  deps: InstallDeps,
  { name, parts, cluster }: { readonly name: string; readonly parts: AddonParts; readonly cluster: AddonCluster },
): Promise<void> {
  const problem = parts.problem(cluster);
  if (problem !== undefined) throw new UserError(`Cannot enable the addon ${name} as ${problem}`);
  const objects = parts.objects(cluster).map((object) => labelled(object, name));
  await refuseOthers(deps, { name, objects });
  const before = (await readState(deps, name))?.objects ?? [];
  const names = objects.map(nameOf);
  const gone = before.filter((one) => !names.some((other) => sameName(one, other)));
  await writeState(deps, { name, objects: [...gone, ...names] });
  for (const object of objects) await apply(deps, object);
  await removeAll(deps, gone);
  if (gone.length > 0) await writeState(deps, { name, objects: names });
  for (const object of objects) await ready(deps, object);
}

/** Takes away all that an addon has made, and waits until it is gone. Returns whether there was anything. */
export async function disableAddon(deps: InstallDeps, name: string): Promise<boolean> {
  const state = await readState(deps, name);
  if (state === undefined) return false;
  await removeAll(deps, state.objects);
  await deps.client.resource(configMaps).delete(stateName(name), { namespace: stateNamespace });
  return true;
}

function stateName(name: string): string {
  return `coxswain-addon-${name}`;
}

function labelled(object: KubeObject, name: string): KubeObject {
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, labels: { ...metadata?.labels, [addonLabel]: name } } };
}

function nameOf({ apiVersion = '', kind = '', metadata }: KubeObject): ObjectName {
  return { apiVersion, kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}

function sameName(a: ObjectName, b: ObjectName): boolean {
  return a.apiVersion === b.apiVersion && a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
}

/** Of damaged state, what can be read. */
function namesIn({ data }: ConfigMap): readonly ObjectName[] {
  let value: unknown;
  try {
    value = JSON.parse(data?.objects ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(value)) return [];
  const isName = (one: unknown): one is ObjectName =>
    isObject(one) && [one.apiVersion, one.kind, one.namespace, one.name].every((part) => typeof part === 'string');
  return value.filter(isName);
}

async function readState({ client }: InstallDeps, name: string): Promise<InstalledAddon | undefined> {
  const map = await unlessGone(client.resource(configMaps).get(stateName(name), { namespace: stateNamespace }));
  return map === undefined ? undefined : { name, objects: namesIn(map) };
}

async function writeState({ client }: InstallDeps, { name, objects }: InstalledAddon): Promise<void> {
  const labels = { [addonLabel]: name, 'coxswain.dev/addon-state': '' };
  const map = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: stateName(name), namespace: stateNamespace, labels },
    data: { objects: JSON.stringify(objects) },
  };
  const options = { type: 'apply', namespace: stateNamespace, fieldManager, force: true } as const;
  await client.resource(configMaps).patch(stateName(name), map, options);
}

/** Refuses objects that are there and not the addon's. */
async function refuseOthers(
  deps: InstallDeps,
  { name, objects }: { readonly name: string; readonly objects: readonly KubeObject[] },
): Promise<void> {
  for (const object of objects) {
    const found = await read(deps, nameOf(object));
    if (found === undefined || found.metadata?.labels?.[addonLabel] === name) continue;
    throw new UserError(
      `Cannot enable the addon ${name} as there is a ${object.kind} ${objectKey(object)} that is not its own: delete that first`,
    );
  }
}

/** The object; undefined where it, or its kind, is not there. */
async function read({ client }: InstallDeps, name: ObjectName): Promise<KubeObject | undefined> {
  const ref = await findResource(client, name.apiVersion, name.kind);
  return ref === undefined ? undefined : unlessGone(client.resource(ref).get(name.name, inNamespace(ref, name)));
}

function inNamespace(ref: ResourceRef, { namespace }: ObjectName): { readonly namespace?: string } {
  return ref.namespaced ? { namespace } : {};
}

async function apply(deps: InstallDeps, object: KubeObject): Promise<void> {
  const name = nameOf(object);
  let ref: ResourceRef | undefined;
  // A kind that the addon itself defines is served a moment after its definition.
  await until(deps, `the kind ${name.kind} to be served`, async () => {
    ref = await findResource(deps.client, name.apiVersion, name.kind);
    return ref !== undefined;
  });
  if (ref === undefined) return;
  const options = { type: 'apply', fieldManager, force: true, ...inNamespace(ref, name) } as const;
  await deps.client.resource(ref).patch(name.name, { ...object }, options);
}

/** In the opposite order of their making, and gone before the next: who uses something goes before it. */
async function removeAll(deps: InstallDeps, names: readonly ObjectName[]): Promise<void> {
  for (const name of names.toReversed()) {
    const ref = await findResource(deps.client, name.apiVersion, name.kind);
    if (ref === undefined) continue;
    const options = { propagationPolicy: 'Foreground', ...inNamespace(ref, name) } as const;
    const isThere = await unlessGone(
      deps.client
        .resource(ref)
        .delete(name.name, options)
        .then(() => true),
    );
    if (isThere !== true) continue;
    await until(deps, `${name.kind} ${name.name} to be gone`, async () => (await read(deps, name)) === undefined);
  }
}

/** Waits for a program to run on as many nodes, or as many times, as it is to. */
async function ready(deps: InstallDeps, object: KubeObject): Promise<void> {
  const name = nameOf(object);
  const isReady = readiness[name.kind];
  if (isReady === undefined) return;
  await until(deps, `${name.kind} ${name.namespace}/${name.name} to be ready`, async () => {
    const found: Workload | undefined = await read(deps, name);
    return found !== undefined && isReady(found);
  });
}

type Workload = KubeObject & {
  readonly spec?: { readonly replicas?: number };
  readonly status?: Readonly<Record<string, unknown>>;
};

const readiness: Readonly<Record<string, (object: Workload) => boolean>> = {
  Deployment: ({ metadata, spec, status }) =>
    status?.observedGeneration === metadata?.generation &&
    status?.updatedReplicas === (spec?.replicas ?? 1) &&
    status?.availableReplicas === (spec?.replicas ?? 1) &&
    status?.replicas === (spec?.replicas ?? 1),
  DaemonSet: ({ metadata, status }) =>
    status?.observedGeneration === metadata?.generation &&
    Number(status?.desiredNumberScheduled ?? 0) > 0 &&
    status?.updatedNumberScheduled === status?.desiredNumberScheduled &&
    status?.numberAvailable === status?.desiredNumberScheduled,
};

async function until({ clock, waitMs }: InstallDeps, what: string, probe: () => Promise<boolean>): Promise<void> {
  const end = clock.monotonicMs() + waitMs;
  while (!(await probe())) {
    if (clock.monotonicMs() >= end) throw new UserError(`Cannot see ${what} within ${waitMs / 1000} s`);
    await sleep(clock, lookEveryMs);
  }
}
