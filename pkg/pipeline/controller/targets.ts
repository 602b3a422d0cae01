/**
 * Deployments as runs hold them. What a run does to one is one write that the server takes only if nobody has written since the run looked: the image, who
 * holds it and the image before go together (laws 3 and 4 of `model/run.ts`).
 */
import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { deployments, subjectAccessReviews } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Act, TargetFacts } from '../model/step-view.ts';
import { type DeployStep, type PipelineRun, pipelineRuns } from '../model/types.ts';
import { readMetric } from './metric.ts';

const holdAnnotation = `${pipelineRuns.group}/hold`;
const sequenceAnnotation = `${pipelineRuns.group}/sequence`;

/** What is known of runs and pods. */
export interface TargetDeps {
  readonly client: Client;
  /** Whether this run is there and has not ended. */
  isOpen(hold: Hold): boolean;
  pods(namespace: string): readonly Pod[];
}

/** What is done to a Deployment. */
type TargetAct = Exclude<Act, { readonly type: 'createPod' } | { readonly type: 'deletePod' }>;

/** Who holds a Deployment, and what it had before. */
export interface Hold {
  readonly run: string;
  readonly uid: string;
  readonly step: string;
  readonly previous: string;
}

/** A Deployment as it was looked at. */
export interface Target {
  readonly facts: TargetFacts;
  readonly deployment: Deployment | undefined;
}

/** Reads the Deployment of a step from the server. */
export async function readTarget(
  deps: TargetDeps,
  run: PipelineRun,
  { step, deploy }: { readonly step: string; readonly deploy: DeployStep },
): Promise<Target> {
  const { namespace, deployment: name, container } = deploy;
  const refused = (reason: 'Forbidden' | 'TargetMissing', message: string): Target => ({
    facts: { state: 'refused', reason, message },
    deployment: undefined,
  });
  const account = `system:serviceaccount:${run.metadata?.namespace}:${run.spec.serviceAccountName ?? 'default'}`;
  const found = await deploymentOf(deps.client, deploy);
  const image = found === undefined ? undefined : imageOf(found, container);
  const hold = found === undefined ? undefined : holdOf(found);
  const isMine = hold?.uid === run.metadata?.uid && hold?.step === step;
  // Looked at before the Deployment is said to be there or not: who may not see it is told nothing of it.
  if (!isMine && !(await mayDeploy(deps.client, account, deploy)))
    return refused('Forbidden', `${account} may not patch the Deployment ${namespace}/${name}`);
  if (found === undefined || image === undefined)
    return refused('TargetMissing', `there is no Deployment ${namespace}/${name} with a container ${container}`);
  const holder = isMine ? 'me' : hold !== undefined && deps.isOpen(hold) ? 'other' : 'none';
  const facts = { state: 'present', image, holder, isLater: isLater(found, run), rollout: rolloutOf(found) } as const;
  if (!isMine) return { facts, deployment: found };
  const pods = podsOf(deps, found, image);
  const unhealthy = hold?.previous === image ? undefined : restarted(pods);
  const addresses = pods.filter(isReady).map(({ status }) => status?.podIP ?? '');
  const metric = deploy.metric === undefined ? undefined : await readMetric(deploy.metric, addresses);
  return {
    facts: { ...facts, ...(unhealthy === undefined ? {} : { unhealthy }), ...(metric === undefined ? {} : { metric }) },
    deployment: found,
  };
}

/** Does what a run has decided. Rejects with a conflict where somebody has written since. */
export async function actOnTarget(
  client: Client,
  run: PipelineRun,
  {
    act,
    deploy,
    deployment,
  }: {
    readonly act: TargetAct;
    readonly deploy: DeployStep;
    readonly deployment: Deployment;
  },
): Promise<void> {
  const { namespace, container, deployment: name } = deploy;
  const before = holdOf(deployment);
  const { uid = '', resourceVersion = '' } = deployment.metadata ?? {};
  const patch = (annotations: JsonObject, image?: string): JsonObject => ({
    metadata: { uid, resourceVersion, annotations },
    ...(image === undefined ? {} : { spec: { template: { spec: { containers: [{ name: container, image }] } } } }),
  });
  const write = (body: JsonObject): Promise<unknown> =>
    client.resource(deployments).patch(name, body, { namespace, type: 'strategic' });
  switch (act.type) {
    case 'promote': {
      // A run that is gone has left its hold: what it put there was never found to be good.
      const previous = before?.previous ?? imageOf(deployment, container) ?? '';
      const hold: Hold = { run: runKey(run), uid: run.metadata?.uid ?? '', step: act.step, previous };
      const annotations = { [holdAnnotation]: JSON.stringify(hold), [sequenceAnnotation]: sequenceText(run) };
      await write(patch(annotations, act.image));
      return;
    }
    case 'rollBack':
      await write(patch({ [holdAnnotation]: null }, before?.previous));
      return;
    case 'release':
      await write(patch({ [holdAnnotation]: null }));
  }
}

async function deploymentOf(client: Client, { namespace, deployment }: DeployStep): Promise<Deployment | undefined> {
  try {
    return await client.resource(deployments).get(deployment, { namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function mayDeploy(client: Client, user: string, { namespace, deployment }: DeployStep): Promise<boolean> {
  const [, , accountNamespace = ''] = user.split(':');
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${accountNamespace}`, 'system:authenticated'];
  const resourceAttributes = { group: 'apps', resource: 'deployments', verb: 'patch', namespace, name: deployment };
  const review = await client.resource(subjectAccessReviews).create({ spec: { user, groups, resourceAttributes } });
  return review.status?.allowed === true;
}

function runKey({ metadata }: PipelineRun): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

function imageOf({ spec }: Deployment, container: string): string | undefined {
  return spec?.template.spec?.containers.find(({ name }) => name === container)?.image;
}

function holdOf(deployment: Deployment): Hold | undefined {
  const hold = annotationOf(deployment, holdAnnotation);
  if (hold === undefined) return undefined;
  const { run, uid, step, previous } = hold;
  const isHold =
    typeof run === 'string' && typeof uid === 'string' && typeof step === 'string' && typeof previous === 'string';
  return isHold ? { run, uid, step, previous } : undefined;
}

/** What others have written there and is no object counts as not there. */
function annotationOf({ metadata }: Deployment, name: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(metadata?.annotations?.[name] ?? 'null');
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function sequenceText(run: PipelineRun): string {
  return JSON.stringify({ pipeline: `${run.metadata?.namespace}/${run.spec.pipeline}`, sequence: run.spec.sequence });
}

function isLater(deployment: Deployment, run: PipelineRun): boolean {
  const { pipeline, sequence } = annotationOf(deployment, sequenceAnnotation) ?? {};
  return pipeline === `${run.metadata?.namespace}/${run.spec.pipeline}` && Number(sequence) > run.spec.sequence;
}

/** Source: `kubectl rollout status`. */
function rolloutOf({ metadata, spec, status }: Deployment): 'complete' | 'failed' | 'progressing' {
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return 'progressing';
  if (
    status?.conditions?.some(({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded') ===
    true
  )
    return 'failed';
  const { replicas = 1 } = spec ?? {};
  const { updatedReplicas = 0, replicas: all = 0, availableReplicas = 0 } = status ?? {};
  return updatedReplicas === replicas && all === replicas && availableReplicas === replicas
    ? 'complete'
    : 'progressing';
}

/** The pods of the Deployment that run the image. */
function podsOf(deps: TargetDeps, { metadata, spec }: Deployment, image: string): readonly Pod[] {
  const selector = compiledLabelSelector(spec?.selector);
  return deps
    .pods(metadata?.namespace ?? '')
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined && selector.matches(pod.metadata?.labels ?? {}))
    .filter((pod) => pod.spec?.containers.some((one) => one.image === image));
}

function restarted(pods: readonly Pod[]): string | undefined {
  const pod = pods.find(({ status }) => status?.containerStatuses?.some(({ restartCount }) => restartCount > 0));
  return pod === undefined ? undefined : `a container of pod ${pod.metadata?.name} has ended and was restarted`;
}

function isReady({ status }: Pod): boolean {
  return (
    status?.podIP !== undefined &&
    status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  );
}
