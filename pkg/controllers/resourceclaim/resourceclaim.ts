/**
 * Makes the ResourceClaims that pods ask for by templates and names them in the pods' status, takes pods that are over off the claims they had, gives up
 * what nobody uses any more, and reserves allocated claims for pods that came to their node past the scheduler. Devices are allocated by the scheduler.
 * Upstream counterpart: `pkg/controller/resourceclaim`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod, PodResourceClaimStatus } from '#pkg/api/types/core-v1.ts';
import { pods, resourceClaims, resourceClaimTemplates } from '#pkg/api/types/refs.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '#pkg/api/types/resource-v1.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { releaseClaim } from './release.ts';
import { claimFor, isClaimOf, makeClaim } from './template-claim.ts';

/** Source: `ResourceClaimControllerConfiguration` `ConcurrentSyncs`. */
const workers = 50;
const podPrefix = 'pod:';
const claimPrefix = 'claim:';
/** Most that can share a claim. Source: `ResourceClaimReservedForMaxSize`. */
const reservedForMax = 256;
const ownerIndex = 'pod';
const templateIndex = 'template';

/** The resource claim controller. */
export function createResourceClaimController(context: ControllerContext): Component {
  return new ResourceClaimController(context).component;
}

class ResourceClaimController {
  readonly component: Component;
  readonly #context: ControllerContext;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<ResourceClaim>;
  readonly #templates: Informer<ResourceClaimTemplate>;
  readonly #events: EventRecorder;
  /** Claims that were made for pods and are not seen yet, by pod uid and name in the pod: no more than pods that wait for theirs. */
  readonly #made = new Map<string, ResourceClaim>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    this.#pods = informers.informer(pods);
    this.#claims = informers.informer(resourceClaims);
    this.#templates = informers.informer(resourceClaimTemplates);
    this.#events = context.recorder('resource_claim');
    this.#claims.addIndex(ownerIndex, (claim) => [controllerOf(claim)?.uid ?? '']);
    this.#pods.addIndex(templateIndex, (pod) =>
      (pod.spec?.resourceClaims ?? []).map((one) => `${pod.metadata?.namespace}/${one.resourceClaimTemplateName}`),
    );
    const loop = createLoop(context, { name: 'resource_claim', workers, reconcile: (key) => this.#reconcile(key) });
    const { queue } = loop;
    const podChanged = (pod: Pod): void => {
      if ((pod.spec?.resourceClaims ?? []).length === 0) return;
      queue.add(podPrefix + objectKey(pod));
      for (const claim of this.#claimsOf(pod)) queue.add(claimPrefix + claim);
    };
    this.#pods.addHandler({
      added: podChanged,
      updated: (_, pod) => podChanged(pod),
      deleted: (pod) => {
        podChanged(pod);
        for (const { name } of pod.spec?.resourceClaims ?? []) this.#made.delete(madeKey(pod, name));
      },
    });
    const claimChanged = (claim: ResourceClaim): void => {
      queue.add(claimPrefix + objectKey(claim));
      const owner = controllerOf(claim);
      // One that was deleted early is made anew.
      if (owner?.kind === 'Pod') queue.add(`${podPrefix}${claim.metadata?.namespace}/${owner.name}`);
    };
    this.#claims.addHandler({
      added: claimChanged,
      updated: (_, claim) => claimChanged(claim),
      deleted: claimChanged,
    });
    this.#templates.addHandler({
      added: (template) => {
        for (const pod of this.#pods.lister.byIndex(templateIndex, objectKey(template))) podChanged(pod);
      },
    });
    this.component = loop;
  }

  async #reconcile(key: string): Promise<ReconcileResult> {
    if (key.startsWith(claimPrefix)) {
      const claim = this.#claims.lister.get(key.slice(claimPrefix.length));
      if (claim !== undefined) await releaseClaim(this.#context.client, claim, this.#pods.lister);
      return undefined;
    }
    const pod = this.#pods.lister.get(key.slice(podPrefix.length));
    // Who is on the way out gets nothing more.
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod)) return undefined;
    await this.#makeClaims(pod);
    if (pod.spec?.nodeName) await this.#reserve(pod);
    return undefined;
  }

  /** Keys of the claims of a pod, those by templates as its status names them. */
  #claimsOf({ metadata, spec, status }: Pod): readonly string[] {
    const named = (spec?.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName);
    const made = (status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName);
    return [...named, ...made].filter((name) => name !== undefined).map((name) => `${metadata?.namespace}/${name}`);
  }

  async #makeClaims(pod: Pod): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const known = pod.status?.resourceClaimStatuses ?? [];
    const added: PodResourceClaimStatus[] = [];
    for (const { name: part, resourceClaimTemplateName } of pod.spec?.resourceClaims ?? []) {
      if (resourceClaimTemplateName === undefined) continue;
      try {
        const claim = this.#found(pod, part) ?? (await this.#make(pod, part, resourceClaimTemplateName));
        const resourceClaimName = claim.metadata?.name ?? '';
        if (known.some((one) => one.name === part && one.resourceClaimName === resourceClaimName)) continue;
        added.push({ name: part, resourceClaimName });
      } catch (error) {
        const message = `PodResourceClaim ${part}: ${errorText(error)}`;
        this.#events.record(pod, { type: 'Warning', reason: 'FailedResourceClaimCreation', message });
        throw error;
      }
    }
    if (added.length === 0) return;
    const status = { resourceClaimStatuses: added.map((one) => ({ ...one })) };
    const how = { namespace, type: 'strategic', subresource: 'status' } as const;
    await this.#context.client.resource(pods).patch(name, { status }, how);
  }

  /** The claim that was made for a part of a pod, seen by now or not. */
  #found(pod: Pod, part: string): ResourceClaim | undefined {
    const key = madeKey(pod, part);
    const seen = this.#claims.lister
      .byIndex(ownerIndex, pod.metadata?.uid ?? '')
      .find((claim) => isClaimOf(claim, pod, part) && claim.metadata?.deletionTimestamp === undefined);
    if (seen === undefined) return this.#made.get(key);
    this.#made.delete(key);
    return seen;
  }

  async #make(pod: Pod, part: string, templateName: string): Promise<ResourceClaim> {
    const template = this.#templates.lister.get(`${pod.metadata?.namespace}/${templateName}`);
    if (template === undefined)
      throw new Error(
        `resource claim template "${templateName}": resourceclaimtemplate.resource.k8s.io "${templateName}" not found`,
      );
    const made = await makeClaim(this.#context, claimFor(pod, part, template));
    this.#made.set(madeKey(pod, part), made);
    return made;
  }

  /** A pod that came to its node without the scheduler has nobody else who reserves what it uses. */
  async #reserve(pod: Pod): Promise<void> {
    const { name = '', uid = '' } = pod.metadata ?? {};
    for (const key of this.#claimsOf(pod)) {
      const claim = this.#claims.lister.get(key);
      const reservedFor = claim?.status?.reservedFor ?? [];
      if (claim?.status?.allocation === undefined || reservedFor.length >= reservedForMax) continue;
      if (reservedFor.some((one) => one.uid === uid)) continue;
      const status = { ...claim.status, reservedFor: [...reservedFor, { resource: 'pods', name, uid }] };
      await this.#context.client.resource(resourceClaims).update({ ...claim, status }, { subresource: 'status' });
    }
  }
}

function madeKey(pod: Pod, part: string): string {
  return `${pod.metadata?.uid}/${part}`;
}
