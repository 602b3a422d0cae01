/** `rollout`: status, history, undo, restart, pause and resume of workloads. */

import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { duration, type FlagTable, type FlagValues, integer, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digMap, digNumber, digText } from './api.ts';

import { type KubectlContext, selectorFlag } from './context.ts';
import { podTemplateText } from './describe-workload.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { selectorText } from './logs.ts';
import { TableLayout } from './tables.ts';
import {
  getObject,
  listObjects,
  parseTargets,
  resolveObjects,
  type Target,
  targetName,
  targetOptions,
} from './targets.ts';

/** The flags of `rollout`. */
export const rolloutFlags = {
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  revision: integer({ help: 'Revision to show or to wait for; 0 for the latest.', fallback: 0 }),
  'to-revision': integer({ help: 'Revision to go back to; 0 for the one before.', fallback: 0 }),
  timeout: duration({ help: 'Longest wait; 0s for no limit.', fallback: 0 }),
  watch: toggle({ help: 'Wait until it is done.', fallback: true, short: 'w' }),
  'dry-run': text({ help: 'Only say what would be done.', fallback: 'none', allowed: ['none', 'server'] }),
} satisfies FlagTable;

type Values = FlagValues<typeof rolloutFlags> & { namespace: string };
type Action = (context: KubectlContext, values: Values, target: Target, object: JsonObject) => Promise<number>;

const actions: Readonly<Record<string, Action>> = { status, history, undo, restart, pause, resume };
const revisionKey = 'deployment.kubernetes.io/revision';
/** Interval between looks while a rollout goes on. */
const lookIntervalMs = 150;

/** Runs one of its subcommands; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function rollout(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) {
    const known = Object.keys(actions).join(', ');
    throw new UsageError(
      name === '' ? `error: rollout needs one of ${known}` : `error: unknown command "${args.join(' ')}"`,
    );
  }
  if (rest.length === 0 && values.filename.length === 0) throw new UserError('error: required resource not specified');
  const targets = await parseTargets(context, rest, targetOptions(values));
  let code = 0;
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector })) {
    code = Math.max(code, await action(context, values, target, object));
  }
  return code;
}

async function status(context: KubectlContext, values: Values, target: Target): Promise<number> {
  const endMs = values.timeout > 0 ? context.clock.monotonicMs() + values.timeout : Number.POSITIVE_INFINITY;
  let last = '';
  for (;;) {
    const object = await getObject(context, target);
    const { message, done } = rolloutStatus(target, object);
    if (message !== last) context.print(message);
    last = message;
    if (done || !values.watch) return 0;
    if (context.clock.monotonicMs() >= endMs) throw new UserError('error: timed out waiting for the condition');
    if (!(await sleep(context.clock, lookIntervalMs, context.signal))) return 1;
  }
}

/** How far a rollout is, in kubectl's words. Source: kubectl `polymorphichelpers/rollout_status.go`. */
function rolloutStatus(target: Target, object: JsonObject): { readonly message: string; readonly done: boolean } {
  const name = digText(object, 'metadata', 'name');
  const observed = digNumber(object, ['status', 'observedGeneration']) >= digNumber(object, ['metadata', 'generation']);
  switch (target.mapping.kind) {
    case 'Deployment':
      return observed
        ? deploymentStatus(name, object)
        : { message: 'Waiting for deployment spec update to be observed...\n', done: false };
    case 'DaemonSet':
      return observed
        ? daemonSetStatus(name, object)
        : { message: 'Waiting for daemon set spec update to be observed...\n', done: false };
    case 'StatefulSet':
      return observed
        ? statefulSetStatus(object)
        : { message: 'Waiting for statefulset spec update to be observed...\n', done: false };
    default:
      throw new UserError(`error: no status viewer has been implemented for ${groupKind(target)}`);
  }
}

function deploymentStatus(name: string, object: JsonObject) {
  const progressing = digList(object, 'status', 'conditions').find((condition) => condition.type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    throw new UserError(`error: deployment "${name}" exceeded its progress deadline`);
  const wanted = digNumber(object, ['spec', 'replicas'], 1);
  const total = digNumber(object, ['status', 'replicas']);
  const updated = digNumber(object, ['status', 'updatedReplicas']);
  const available = digNumber(object, ['status', 'availableReplicas']);
  const waiting = (what: string) => ({
    message: `Waiting for deployment "${name}" rollout to finish: ${what}...\n`,
    done: false,
  });
  if (updated < wanted) return waiting(`${updated} out of ${wanted} new replicas have been updated`);
  if (total > updated) return waiting(`${total - updated} old replicas are pending termination`);
  if (available < updated) return waiting(`${available} of ${updated} updated replicas are available`);
  return { message: `deployment "${name}" successfully rolled out\n`, done: true };
}

function daemonSetStatus(name: string, object: JsonObject) {
  const wanted = digNumber(object, ['status', 'desiredNumberScheduled']);
  const updated = digNumber(object, ['status', 'updatedNumberScheduled']);
  const available = digNumber(object, ['status', 'numberAvailable']);
  const waiting = (what: string) => ({
    message: `Waiting for daemon set "${name}" rollout to finish: ${what}...\n`,
    done: false,
  });
  if (updated < wanted) return waiting(`${updated} out of ${wanted} new pods have been updated`);
  if (available < wanted) return waiting(`${available} of ${wanted} updated pods are available`);
  return { message: `daemon set "${name}" successfully rolled out\n`, done: true };
}

function statefulSetStatus(object: JsonObject) {
  const wanted = digNumber(object, ['spec', 'replicas'], 1);
  const ready = digNumber(object, ['status', 'readyReplicas']);
  const updated = digNumber(object, ['status', 'updatedReplicas']);
  if (ready < wanted) return { message: `Waiting for ${wanted - ready} pods to be ready...\n`, done: false };
  if (digText(object, 'status', 'updateRevision') !== digText(object, 'status', 'currentRevision')) {
    return {
      message: `waiting for statefulset rolling update to complete ${updated} pods at revision ${digText(object, 'status', 'updateRevision')}...\n`,
      done: false,
    };
  }
  return {
    message: `statefulset rolling update complete ${digNumber(object, ['status', 'currentReplicas'])} pods at revision ${digText(object, 'status', 'currentRevision')}...\n`,
    done: true,
  };
}

/** Replica sets of a deployment by revision, oldest first. */
async function revisionsOf(
  context: KubectlContext,
  { target, object, doer }: { readonly target: Target; readonly object: JsonObject; readonly doer: string },
) {
  if (target.mapping.kind !== 'Deployment')
    throw new UserError(`error: no ${doer} has been implemented for "${groupKind(target)}"`);
  const [mapping] = await context.discovery.resolve('replicasets.apps');
  const sets = await listObjects(
    context,
    { mapping: mapping, ...(target.namespace === undefined ? {} : { namespace: target.namespace }) },
    { selector: selectorText(object) },
  );
  return sets
    .filter((set) =>
      digList(set, 'metadata', 'ownerReferences').some((owner) => owner.uid === dig(object, 'metadata', 'uid')),
    )
    .map((set) => ({ revision: Number(digText(set, 'metadata', 'annotations', revisionKey) || 0), set }))
    .sort((a, b) => a.revision - b.revision);
}

async function history(context: KubectlContext, values: Values, target: Target, object: JsonObject): Promise<number> {
  const revisions = await revisionsOf(context, { target, object, doer: 'history viewer' });
  if (values.revision > 0) {
    const found = revisions.find((one) => one.revision === values.revision);
    if (found === undefined) throw new UserError('error: unable to find the specified revision');
    context.print(
      `${targetName(target)} with revision #${values.revision}\n${podTemplateText(digMap(found.set, 'spec', 'template'))}\n`,
    );
    return 0;
  }
  const rows = revisions.map(({ revision, set }) => [
    String(revision),
    digText(set, 'metadata', 'annotations', 'kubernetes.io/change-cause') || '<none>',
  ]);
  const table = new TableLayout({ padding: 2, widthMin: 0 }).render([['REVISION', 'CHANGE-CAUSE'], ...rows]);
  context.print(`${targetName(target)} \n${table}\n`);
  return 0;
}

async function undo(context: KubectlContext, values: Values, target: Target, object: JsonObject): Promise<number> {
  const revisions = await revisionsOf(context, { target, object, doer: 'rollbacker' });
  const wanted = values['to-revision'];
  const found = wanted > 0 ? revisions.find((one) => one.revision === wanted) : revisions.at(-2);
  if (found === undefined)
    throw new UserError(
      wanted > 0
        ? `error: unable to find specified revision ${wanted} in history`
        : `error: no rollout history found for deployment "${target.name}"`,
    );
  if (dig(object, 'spec', 'paused') === true) {
    throw new UserError(
      `error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again`,
    );
  }
  const template = digMap(found.set, 'spec', 'template');
  const { 'pod-template-hash': _, ...labels } = digMap(template, 'metadata', 'labels');
  const before = { ...template, metadata: { ...digMap(template, 'metadata'), labels } };
  if (isDeepStrictEqual(before, digMap(object, 'spec', 'template'))) {
    context.print(
      `${targetName(target)} skipped rollback (current template already matches revision ${found.revision})\n`,
    );
    return 0;
  }
  await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: { fieldManager: 'kubectl-rollout', dryRun: values['dry-run'] === 'server' ? 'All' : undefined },
    body: [{ op: 'replace', path: '/spec/template', value: before }],
    contentType: 'application/json-patch+json',
  });
  context.print(`${targetName(target)} rolled back\n`);
  return 0;
}

async function patchSpec(context: KubectlContext, target: Target, spec: JsonObject, done: string): Promise<number> {
  await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: { fieldManager: 'kubectl-rollout' },
    body: { spec },
    contentType: 'application/merge-patch+json',
  });
  context.print(`${targetName(target)} ${done}\n`);
  return 0;
}

function restart(context: KubectlContext, _: Values, target: Target, object: JsonObject): Promise<number> {
  refuseOthers(target, ['DaemonSet', 'Deployment', 'StatefulSet'], 'restarting');
  if (dig(object, 'spec', 'paused') === true)
    throw new UserError(`error: ${resourceName(target)} can't restart paused deployment (run rollout resume first)`);
  const annotations = { 'kubectl.kubernetes.io/restartedAt': formatTimestamp(context.clock.nowMs()) };
  return patchSpec(context, target, { template: { metadata: { annotations } } }, 'restarted');
}

function pause(context: KubectlContext, _: Values, target: Target, object: JsonObject): Promise<number> {
  refuseOthers(target, ['Deployment'], 'pausing');
  if (dig(object, 'spec', 'paused') === true) throw new UserError(`error: ${resourceName(target)} is already paused`);
  return patchSpec(context, target, { paused: true }, 'paused');
}

function resume(context: KubectlContext, _: Values, target: Target, object: JsonObject): Promise<number> {
  refuseOthers(target, ['Deployment'], 'resuming');
  if (dig(object, 'spec', 'paused') !== true) throw new UserError(`error: ${resourceName(target)} is not paused`);
  return patchSpec(context, target, { paused: null }, 'resumed');
}

function refuseOthers(target: Target, kinds: readonly string[], doing: string): void {
  if (!kinds.includes(target.mapping.kind))
    throw new UserError(`error: ${resourceName(target)} ${doing} is not supported`);
}

/** `deployments.apps "web"`. */
function resourceName({ mapping, name }: Target): string {
  return `${mapping.resource}${mapping.group === '' ? '' : `.${mapping.group}`} "${name}"`;
}

/** `ReplicaSet.apps`. */
function groupKind({ mapping }: Target): string {
  return mapping.group === '' ? mapping.kind : `${mapping.kind}.${mapping.group}`;
}
