/**
 * Who owns what: a controller takes matching objects that nobody controls and lets go of those of its own that match no longer.
 * Upstream counterpart: `controller_ref_manager.go`.
 */
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Informer } from '#pkg/client/informer.ts';

/** Tells of every object that comes, changes or goes, so that its owner is looked at: the one before too, where it has changed hands. */
export function followOwned<T extends KubeObject>(informer: Informer<T>, enqueueOwner: (object: T) => void): void {
  informer.addHandler({
    added: enqueueOwner,
    updated: (previous, object) => {
      if (controllerOf(previous)?.uid !== controllerOf(object)?.uid) enqueueOwner(previous);
      enqueueOwner(object);
    },
    deleted: enqueueOwner,
  });
}

/** Whose objects, and which of them match. */
export interface ClaimOptions<T extends KubeObject> {
  readonly client: Client;
  /** Resource of the objects claimed. */
  readonly ref: ResourceRef<T>;
  readonly owner: KubeObject;
  readonly ownerRef: ResourceRef;
  readonly matches: (object: T) => boolean;
  /** Finalizers that come with adoption and go with release. Default: none. */
  readonly finalizers?: readonly string[];
  readonly signal: AbortSignal;
}

/** Those of `candidates` that `owner` controls after adopting and releasing. `candidates` holds owned ones and orphans. */
export async function claim<T extends KubeObject>(
  candidates: readonly T[],
  options: ClaimOptions<T>,
): Promise<readonly T[]> {
  const claimed: T[] = [];
  let mayAdopt: boolean | undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    if (controller !== undefined && controller.uid !== options.owner.metadata?.uid) continue;
    const matches = options.matches(object);
    if (controller !== undefined) {
      if (matches) claimed.push(object);
      else if (options.owner.metadata?.deletionTimestamp === undefined) await release(object, options);
      continue;
    }
    const isOut = options.owner.metadata?.deletionTimestamp !== undefined || !matches;
    if (isOut || object.metadata?.deletionTimestamp !== undefined) continue;
    mayAdopt ??= await isStillThere(options);
    if (!mayAdopt) throw new Error('Cannot adopt as the owner was just deleted');
    const adopted = await adopt(object, options);
    if (adopted !== undefined) claimed.push(adopted);
  }
  return claimed;
}

/** Asks the server, not the cache: an owner that was deleted and made anew under its name must not adopt. */
async function isStillThere<T extends KubeObject>(options: ClaimOptions<T>): Promise<boolean> {
  const { name = '', namespace = '', uid } = options.owner.metadata ?? {};
  try {
    const { metadata } = await options.client
      .resource(options.ownerRef)
      .get(name, { namespace, signal: options.signal });
    return metadata?.uid === uid && metadata?.deletionTimestamp === undefined;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function adopt<T extends KubeObject>(object: T, options: ClaimOptions<T>): Promise<T | undefined> {
  const ownerReferences = [{ ...controllerReference(options.owner, options.ownerRef) }];
  const { finalizers } = options;
  return patchOwners(object, options, { ownerReferences, ...(finalizers === undefined ? {} : { finalizers }) });
}

async function release<T extends KubeObject>(object: T, options: ClaimOptions<T>): Promise<void> {
  const ownerReferences = [{ $patch: 'delete', uid: options.owner.metadata?.uid ?? '' }];
  const { finalizers } = options;
  const without = finalizers === undefined ? {} : { '$deleteFromPrimitiveList/finalizers': finalizers };
  await patchOwners(object, options, { ownerReferences, ...without });
}

/** The uid in the patch makes it fail on another object of that name. Undefined when the object has gone. */
async function patchOwners<T extends KubeObject>(
  object: T,
  options: ClaimOptions<T>,
  changes: JsonObject,
): Promise<T | undefined> {
  const { name = '', namespace = '', uid } = object.metadata ?? {};
  const patch = { metadata: { ...changes, uid } };
  try {
    const resource = options.client.resource(options.ref);
    return await resource.patch(name, patch, { namespace, type: 'strategic', signal: options.signal });
  } catch (error) {
    if (isNotFound(error) || isInvalid(error)) return undefined;
    throw error;
  }
}
