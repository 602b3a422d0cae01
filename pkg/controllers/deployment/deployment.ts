/**
 * Rolls a Deployment's pods from template to template through replica sets, one per template. Each reconcile makes one step and
 * writes the status that follows; what the step sets in motion brings the next. Upstream counterpart: `pkg/controller/deployment`.
 */

import type { Deployment, DeploymentStatus, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { deployments, pods, replicaSets } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { claim, followOwned } from '../common/adoption.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { withoutNoughts } from '../common/counts.ts';
import { indexByController, podsOf } from '../common/pod.ts';
import { AwaitedSets } from './awaited-sets.ts';
import { HashCollisionError, SetRefusedError, withRevision } from './replica-sets.ts';
import { isScalingEvent, recreateStep, rollingStep, type StepInput, type StepResult, scaleStep } from './rollout.ts';
import {
  baseStatus,
  type ConditionDraft,
  conditionOf,
  hasProgressDeadline,
  reasons,
  rolloutStatus,
  setCondition,
  stuckCheckMs,
} from './status.ts';
import { findNewSet } from './template.ts';

/** Deployments worked on at the same time. */
const workers = 5;
const ownerIndex = 'controller';

/** The Deployment controller. */
export function createDeploymentController(context: ControllerContext): Component {
  return new DeploymentController(context);
}

class DeploymentController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #awaited: AwaitedSets;
  readonly #loop: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('deployment-controller');
    this.#deployments = context.informers.informer(deployments);
    this.#sets = context.informers.informer(replicaSets);
    this.#pods = context.informers.informer(pods);
    this.#awaited = new AwaitedSets(context.clock, this.#sets.lister);
    this.#loop = createLoop(context, { name: 'deployment', workers, reconcile: (key, s) => this.#reconcile(key, s) });
    indexByController(this.#pods);
    this.#sets.addIndex(ownerIndex, (set) => [controllerOf(set)?.uid ?? `orphan:${set.metadata?.namespace}`]);
    this.#deployments.addHandler({
      added: (deployment) => this.#loop.queue.add(objectKey(deployment)),
      updated: (_, deployment) => this.#loop.queue.add(objectKey(deployment)),
      deleted: (deployment) => this.#awaited.forget(objectKey(deployment)),
    });
    followOwned(this.#sets, (set) => this.#enqueueOwner(set));
    this.#sets.addHandler({
      deleted: (set) => this.#awaited.gone(`${set.metadata?.namespace}/${controllerOf(set)?.name}`, set),
    });
    this.#pods.addHandler({ deleted: (pod) => this.#podDeleted(pod) });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  #enqueueOwner(set: ReplicaSet): void {
    const reference = controllerOf(set);
    const namespace = set.metadata?.namespace ?? '';
    if (reference !== undefined) {
      if (reference.kind === 'Deployment') this.#loop.queue.add(`${namespace}/${reference.name}`);
      return;
    }
    if (set.metadata?.labels === undefined) return;
    for (const deployment of this.#deployments.lister.list(namespace)) {
      const selector = compiledLabelSelector(deployment.spec?.selector);
      if (!selector.isEmpty && selector.matches(set.metadata.labels)) this.#loop.queue.add(objectKey(deployment));
    }
  }

  /** Recreate waits for the last old pod to go, which no change of a replica set tells. */
  #podDeleted(pod: Pod): void {
    const reference = controllerOf(pod);
    if (reference?.kind !== 'ReplicaSet') return;
    const set = this.#sets.lister.get(`${pod.metadata?.namespace}/${reference.name}`);
    const owner = set === undefined ? undefined : controllerOf(set);
    if (owner?.kind !== 'Deployment') return;
    const key = `${pod.metadata?.namespace}/${owner.name}`;
    if (this.#deployments.lister.get(key)?.spec?.strategy?.type === 'Recreate') this.#loop.queue.add(key);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const cached = this.#deployments.lister.get(key);
    if (cached === undefined) return undefined;
    if (cached.spec?.selector === undefined || compiledLabelSelector(cached.spec.selector).isEmpty) {
      const message = 'This deployment is selecting all pods. A non-empty selector is required.';
      this.#events.record(cached, { type: 'Warning', reason: 'SelectingAll', message });
      return undefined;
    }
    const waitMs = this.#awaited.waitMs(key);
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const sets = await this.#claim(cached, signal);
    if (cached.metadata?.deletionTimestamp !== undefined) {
      const newSet = findNewSet(cached, sets);
      await this.#write(cached, baseStatus(cached, { newSet, all: sets }, this.#nowMs()));
      return undefined;
    }
    const deployment = await this.#withPauseCondition(cached);
    const input: StepInput = {
      context: {
        client: this.#context.client,
        events: this.#events,
        made: (set) => this.#awaited.made(key, set),
      },
      deployment,
      sets,
      podsOf: (set) => podsOf(this.#pods, set.metadata?.uid ?? ''),
    };
    if (deployment.spec?.paused || isScalingEvent(deployment, sets)) {
      const result = await scaleStep(input);
      await this.#write(deployment, baseStatus(deployment, result, this.#nowMs()), result.newSet);
      return undefined;
    }
    const result = await this.#rollOut(input);
    const status = rolloutStatus(withNewSetCondition(deployment, result, this.#nowMs()), result, this.#nowMs());
    await this.#write(deployment, status, result.newSet);
    const checkMs = stuckCheckMs(deployment, status, this.#nowMs());
    return checkMs === undefined ? undefined : { requeueAfterMs: checkMs };
  }

  #nowMs(): number {
    return this.#context.clock.nowMs();
  }

  async #rollOut(input: StepInput): Promise<StepResult> {
    const { deployment } = input;
    try {
      return await (deployment.spec?.strategy?.type === 'Recreate' ? recreateStep(input) : rollingStep(input));
    } catch (error) {
      if (error instanceof HashCollisionError) {
        const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
        await this.#write(deployment, { ...deployment.status, collisionCount });
      }
      if (error instanceof SetRefusedError) await this.#sayRefused(deployment, error.message);
      throw error;
    }
  }

  async #sayRefused(deployment: Deployment, message: string): Promise<void> {
    const reason = reasons.createError;
    this.#events.record(deployment, { type: 'Warning', reason, message });
    if (!hasProgressDeadline(deployment)) return;
    const draft: ConditionDraft = { type: 'Progressing', status: 'False', reason, message };
    const conditions = setCondition(deployment.status?.conditions, draft, this.#nowMs());
    await this.#write(deployment, { ...deployment.status, conditions });
  }

  async #claim(deployment: Deployment, signal: AbortSignal): Promise<readonly ReplicaSet[]> {
    const { uid = '', namespace = '' } = deployment.metadata ?? {};
    const { lister } = this.#sets;
    const selector = compiledLabelSelector(deployment.spec?.selector);
    const candidates = [...lister.byIndex(ownerIndex, uid), ...lister.byIndex(ownerIndex, `orphan:${namespace}`)];
    return claim(candidates, {
      client: this.#context.client,
      ref: replicaSets,
      owner: deployment,
      ownerRef: deployments,
      matches: (set) => selector.matches(set.metadata?.labels),
      signal,
    });
  }

  /** Says in a condition that the rollout is paused, so that the time it stands still does not count against its deadline. */
  async #withPauseCondition(deployment: Deployment): Promise<Deployment> {
    if (!hasProgressDeadline(deployment)) return deployment;
    const condition = conditionOf(deployment.status, 'Progressing');
    if (condition?.reason === reasons.timedOut) return deployment;
    const isPaused = deployment.spec?.paused === true;
    if (isPaused === (condition?.reason === reasons.paused)) return deployment;
    const draft: ConditionDraft = isPaused
      ? { type: 'Progressing', status: 'Unknown', reason: reasons.paused, message: 'Deployment is paused' }
      : { type: 'Progressing', status: 'Unknown', reason: reasons.resumed, message: 'Deployment is resumed' };
    const conditions = setCondition(deployment.status?.conditions, draft, this.#nowMs());
    return this.#write(deployment, { ...deployment.status, conditions });
  }

  /** Writes a status, and the revision of the newest set with it; the Deployment as it is then. Writes nothing where nothing changes. */
  async #write(deployment: Deployment, status: DeploymentStatus, newSet?: ReplicaSet): Promise<Deployment> {
    const revised = withRevision(deployment, newSet);
    if (revised === deployment && deepEqual(comparable(deployment.status), comparable(status))) return deployment;
    return this.#context.client
      .resource(deployments)
      .update({ ...revised, status: withoutNoughts(status, ['terminatingReplicas']) }, { subresource: 'status' });
  }
}

/** What the Progressing condition says of the newest set before anything else is known of it. */
function withNewSetCondition(deployment: Deployment, result: StepResult, nowMs: number): Deployment {
  if (result.newSet === undefined || !hasProgressDeadline(deployment)) return deployment;
  const name = result.newSet.metadata?.name;
  const isKnown = conditionOf(deployment.status, 'Progressing') !== undefined;
  if (!result.created && isKnown) return deployment;
  const draft: ConditionDraft = result.created
    ? { type: 'Progressing', status: 'True', reason: reasons.created, message: `Created new replica set "${name}"` }
    : { type: 'Progressing', status: 'True', reason: reasons.found, message: `Found new replica set "${name}"` };
  const conditions = setCondition(deployment.status?.conditions, draft, nowMs);
  return { ...deployment, status: { ...deployment.status, conditions } };
}

/** A status with absent counts as 0, as the server may keep either. */
function comparable(status: DeploymentStatus | undefined): unknown {
  return {
    observedGeneration: 0,
    replicas: 0,
    updatedReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    unavailableReplicas: 0,
    terminatingReplicas: 0,
    conditions: [],
    ...status,
  };
}
