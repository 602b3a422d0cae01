/**
 * The past of a workload as ControllerRevisions: one for each template it has had, numbered in the order in which they were last wanted.
 * Upstream counterpart: `pkg/controller/history`.
 */
import type { ControllerRevision } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { controllerRevisions } from '#pkg/api/types/refs.ts';
import { canonicalJson, deepEqual, doubleOf } from '#pkg/apimachinery/json.ts';
import { controllerOf, type KubeObject, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { controllerReference, hashObject } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { claim } from './adoption.ts';

/** Label of a pod that says which revision it was made from. */
export const revisionLabel = 'controller-revision-hash';
const ownerIndex = 'controller';
/** Names are cut so that the hash still fits. Source: upstream `ControllerRevisionName`. */
const namePrefixMax = 223;

/** Adds the index that `claimRevisions` uses. */
export function indexRevisions(informer: Informer<ControllerRevision>): void {
  informer.addIndex(ownerIndex, (one) => [controllerOf(one)?.uid ?? `orphan:${one.metadata?.namespace}`]);
}

/** A patch that brings a template back. */
export function templateData(template: PodTemplateSpec | undefined): Readonly<Record<string, unknown>> {
  return { spec: { template: { ...template, $patch: 'replace' } } };
}

/** Whether a revision is of this data. */
export function isRevisionOf(revision: ControllerRevision, data: Readonly<Record<string, unknown>>): boolean {
  return deepEqual(revision.data, data);
}

/** Lowest number first; of one number the one that was made first, then by name. */
function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  const age = (one: ControllerRevision): number => Date.parse(one.metadata?.creationTimestamp ?? '');
  const order = doubleOf(a.revision) - doubleOf(b.revision) || age(a) - age(b);
  return order || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}

/** The highest number; 0 without revisions. */
export function latestNumber(revisions: readonly ControllerRevision[]): number {
  return revisions.reduce((most, { revision }) => Math.max(most, doubleOf(revision)), 0);
}

/** Whose past, and by which client it is written. */
export interface RevisionOwner {
  readonly client: Client;
  readonly owner: KubeObject;
  readonly ownerRef: ResourceRef;
}

/** The owner's revisions in order, after adopting and releasing. */
export async function claimRevisions(
  informer: Informer<ControllerRevision>,
  options: RevisionOwner & {
    readonly matches: (revision: ControllerRevision) => boolean;
    readonly signal: AbortSignal;
  },
): Promise<readonly ControllerRevision[]> {
  const { uid = '', namespace = '' } = options.owner.metadata ?? {};
  const { lister } = informer;
  const candidates = [...lister.byIndex(ownerIndex, uid), ...lister.byIndex(ownerIndex, `orphan:${namespace}`)];
  return [...(await claim(candidates, { ...options, ref: controllerRevisions }))].sort(byRevision);
}

/** A revision that may have to be made. */
export interface NewRevision {
  readonly data: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Label of the revision that gets the hash of its data. */
  readonly hashLabel: string;
  readonly revision: number;
  readonly collisionCount: number;
}

/**
 * Makes a revision, or finds it where it was made already. A name that another has is counted as a collision and avoided; the count is to be
 * kept in the owner's status.
 */
export async function createRevision(
  { client, owner, ownerRef }: RevisionOwner,
  wanted: NewRevision,
): Promise<{ readonly revision: ControllerRevision; readonly collisionCount: number }> {
  const resource = client.resource(controllerRevisions);
  const { name: ownerName = '', namespace = '', annotations } = owner.metadata ?? {};
  for (let { collisionCount } = wanted; ; collisionCount++) {
    const hash = hashObject(wanted.data, collisionCount === 0 ? undefined : collisionCount);
    const name = `${ownerName.slice(0, namePrefixMax)}-${hash}`;
    const object: ControllerRevision = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name,
        namespace,
        labels: { ...wanted.labels, [wanted.hashLabel]: hash },
        ...(annotations === undefined ? {} : { annotations }),
        ownerReferences: [controllerReference(owner, ownerRef)],
      },
      // Byte by byte what Go writes: `kubectl rollout undo` compares the text with that of the template.
      data: JSON.parse(canonicalJson(wanted.data)),
      revision: wanted.revision,
    };
    try {
      return { revision: await resource.create(object), collisionCount };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const there = await resource.get(name, { namespace });
      if (isRevisionOf(there, wanted.data)) return { revision: there, collisionCount };
    }
  }
}

/** The revision with another number. */
export async function renumber(
  client: Client,
  revision: ControllerRevision,
  number: number,
): Promise<ControllerRevision> {
  if (revision.revision === number) return revision;
  return client.resource(controllerRevisions).update({ ...revision, revision: number });
}

/** Deletes the oldest of the revisions that nothing uses, but for the `keep` newest of them. `revisions` are in order. */
export async function pruneRevisions(
  client: Client,
  revisions: readonly ControllerRevision[],
  { keep, isLive }: { readonly keep: number; readonly isLive: (revision: ControllerRevision) => boolean },
): Promise<void> {
  const unused = revisions.filter((revision) => !isLive(revision));
  for (const { metadata } of unused.slice(0, Math.max(0, unused.length - keep))) {
    await deleteRevision(client, metadata?.namespace ?? '', metadata?.name ?? '');
  }
}

/** Deletes one; it may have gone already. */
export async function deleteRevision(client: Client, namespace: string, name: string): Promise<void> {
  try {
    await client.resource(controllerRevisions).delete(name, { namespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
