/**
 * The `scale` of whatever an autoscaler names, built in or custom: found by discovery, and remembered until it cannot be had. Upstream counterpart:
 * `horizontal.go` `scaleForResourceMappings`.
 */
import type { Scale } from '#pkg/api/types/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler } from '#pkg/api/types/autoscaling-v2.ts';
import { parseApiVersion, type ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Client } from '#pkg/client/client.ts';
import { discoverResources, findResource } from '#pkg/client/discovery.ts';

/** Kinds remembered; beyond that all are looked up anew. */
const kindsMax = 1_000;

/** Reads and writes scales in the name of `client`. */
export class TargetScales {
  readonly #client: Client;
  readonly #refs = new Map<string, ResourceRef<Scale>>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** The scale of the target. Throws, in words for an event, for a kind that there is not and an object that has none. */
  async get({ spec, metadata }: HorizontalPodAutoscaler, signal: AbortSignal): Promise<Scale> {
    const { name } = spec.scaleTargetRef;
    const ref = await this.#refOf(spec.scaleTargetRef, signal);
    const options = { namespace: metadata?.namespace ?? '', subresource: 'scale', signal };
    try {
      return await this.#client.resource(ref).get(name, options);
    } catch (error) {
      this.#refs.delete(keyOf(spec.scaleTargetRef));
      throw error;
    }
  }

  /** Asks for so many replicas. */
  async set({ spec }: HorizontalPodAutoscaler, scale: Scale, signal: AbortSignal): Promise<void> {
    const ref = await this.#refOf(spec.scaleTargetRef, signal);
    await this.#client.resource(ref).update(scale, { subresource: 'scale', signal });
  }

  async #refOf(
    target: HorizontalPodAutoscaler['spec']['scaleTargetRef'],
    signal: AbortSignal,
  ): Promise<ResourceRef<Scale>> {
    const key = keyOf(target);
    const known = this.#refs.get(key);
    if (known !== undefined) return known;
    const { apiVersion = '', kind } = target;
    const parsed = parseApiVersion(apiVersion === '' ? 'v1' : apiVersion);
    if (parsed === undefined) throw new Error(`unexpected GroupVersion string: ${apiVersion}`);
    const { group } = parsed;
    const named = await findResource(this.#client, apiVersion === '' ? 'v1' : apiVersion, kind);
    // A version that is not served any more stands for its group.
    const found =
      named ??
      (await discoverResources(this.#client, signal)).resources.find(
        (one) => one.ref.group === group && one.ref.kind === kind,
      )?.ref;
    if (found === undefined) throw new Error(`no matches for kind "${kind}" in group "${group}"`);
    if (this.#refs.size >= kindsMax) this.#refs.clear();
    // What is read and written of it is its scale.
    const ref: ResourceRef<Scale> = {
      group: found.group,
      version: found.version,
      resource: found.resource,
      kind: found.kind,
      namespaced: found.namespaced,
    };
    this.#refs.set(key, ref);
    return ref;
  }
}

function keyOf({ apiVersion = '', kind }: { readonly apiVersion?: string; readonly kind: string }): string {
  return `${apiVersion} ${kind}`;
}
