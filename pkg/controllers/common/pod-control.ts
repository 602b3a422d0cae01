/**
 * Creates and deletes pods for a controller and says so in events. Upstream counterpart: `controller_utils.go` `RealPodControl`.
 *
 * Names are chosen here and not by the server, so that a pod whose answer was lost can be looked for: a pod that was made counts as made, and none is made
 * twice for want of an answer. What is stored is the same.
 */
import type { Pod, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { controllerOf, type KubeObject, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { nameSuffix, type Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import { isAnswerLost, lookFor } from './lost-answer.ts';

/** Names that are tried when others have them. Source: apiserver `maxNameGenerationCreateAttempts`. */
const namesMax = 8;
/** Source: apiserver `names/generate.go`. */
const suffixLength = 5;
const generatedBaseMax = 63 - suffixLength;

/** In whose name pods are made. */
export interface PodControlOptions {
  readonly client: Client;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly owner: KubeObject;
  readonly ownerRef: ResourceRef;
  /** What the names of its pods begin with. Default: the owner's name and a hyphen. */
  readonly generateName?: string;
}

/** A pod from the owner's template. Rejects with what the server refuses, after recording it. */
export async function createPod(template: PodTemplateSpec | undefined, options: PodControlOptions): Promise<Pod> {
  const { events, owner } = options;
  try {
    const pod = await create(podFromTemplate(template, options), options);
    const message = `Created pod: ${pod.metadata?.name}`;
    events.record(owner, { type: 'Normal', reason: 'SuccessfulCreate', message });
    return pod;
  } catch (error) {
    if (!isNamespaceTerminating(error)) {
      const message = `Error creating: ${errorText(error)}`;
      events.record(owner, { type: 'Warning', reason: 'FailedCreate', message });
    }
    throw error;
  }
}

async function create(pod: Pod, { client, random, owner }: PodControlOptions): Promise<Pod> {
  const base = (pod.metadata?.generateName ?? '').slice(0, generatedBaseMax);
  for (let tries = 1; ; tries++) {
    const name = base + nameSuffix(random, suffixLength);
    try {
      return await client.resource(pods).create({ ...pod, metadata: { ...pod.metadata, name } });
    } catch (error) {
      if (isAlreadyExists(error) && tries < namesMax) continue;
      const made = isAnswerLost(error) ? await findMade(client, { name, owner }) : undefined;
      if (made === undefined) throw error;
      return made;
    }
  }
}

/** The pod of that name, if it is the owner's. A list, as controllers may not get pods one by one. */
function findMade(
  client: Client,
  { name, owner }: { readonly name: string; readonly owner: KubeObject },
): Promise<Pod | undefined> {
  const { namespace = '', uid } = owner.metadata ?? {};
  return lookFor(async () => {
    const { items } = await client.resource(pods).list({ namespace, fieldSelector: `metadata.name=${name}` });
    return items.find((pod) => controllerOf(pod)?.uid === uid);
  });
}

/** Deletes a pod. False: it had gone already, which may have been seen before this was asked for. */
export async function deletePod(pod: Pod, options: PodControlOptions): Promise<boolean> {
  const { client, events, owner } = options;
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  try {
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    await client.resource(pods).delete(name, { namespace, ...preconditions });
    events.record(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
    return true;
  } catch (error) {
    // A conflict: the name is another pod's by now.
    if (isNotFound(error) || isConflict(error)) return false;
    const message = `Error deleting: ${errorText(error)}`;
    events.record(owner, { type: 'Warning', reason: 'FailedDelete', message });
    throw error;
  }
}

/** The pod that a template makes for an owner, which controls it. */
function podFromTemplate(
  template: PodTemplateSpec | undefined,
  options: Pick<PodControlOptions, 'generateName' | 'owner' | 'ownerRef'>,
): Pod {
  const { name = '', namespace = '' } = options.owner.metadata ?? {};
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: options.generateName ?? `${name}-`,
      namespace,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(options.owner, options.ownerRef)],
    },
    ...(template?.spec === undefined ? {} : { spec: template.spec }),
  };
}
