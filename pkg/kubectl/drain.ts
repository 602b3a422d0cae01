/**
 * `drain`: a node is cordoned, and its pods are evicted as their budgets allow, then waited for. Pods of daemon sets stay, mirror pods too; those that
 * nobody would make again, and those that keep data on the node, need a flag. Source: kubectl `cmd/drain/drain.go`, `pkg/drain/filters.go`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { type ApiCall, dig, digList, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { chunkSizeFlag, cordonFlags, nodesOf, setCordoned } from './cordon.ts';
import { type Mapping, pathOf } from './discovery.ts';
import { drySuffix } from './printing.ts';
import { getObject, listObjects, type Target } from './targets.ts';

/** The flags of the command. */
export const drainFlags = {
  ...cordonFlags,
  'chunk-size': chunkSizeFlag,
  'delete-emptydir-data': toggle({ help: 'Pods that keep data in an emptyDir lose it.' }),
  'disable-eviction': toggle({ help: 'Delete pods, whatever their budgets say.' }),
  force: toggle({ help: 'Pods that nobody makes again go too.' }),
  'grace-period': integer({ help: "Seconds of grace; -1 for the pod's own.", fallback: -1, min: -1 }),
  'ignore-daemonsets': toggle({ help: 'Pods of daemon sets stay.' }),
  'pod-selector': text({ help: 'Labels of the pods that go.', placeholder: 'selector' }),
  'skip-wait-for-delete-timeout': integer({
    help: 'Seconds after which a pod that is being deleted is not waited for.',
    fallback: 0,
  }),
  timeout: duration({ help: 'Longest wait; 0s for no limit.', fallback: 0 }),
} satisfies FlagTable;

type Values = FlagValues<typeof drainFlags> & { readonly namespace: string };

/** Interval between two tries to evict a pod that its budget keeps. Source: `pkg/drain/drain.go`. */
const evictIntervalMs = 5_000;
/** Interval between two looks at whether a pod is gone. */
const goneIntervalMs = 1_000;

/** Runs the command; resolves to its exit code. */
export async function drain(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const nodes = await nodesOf(context, values, { args, name: 'drain' });
  for (const node of nodes) await setCordoned(context, values, { node, isCordoned: true });
  const failed: { readonly name: string; readonly problem: string }[] = [];
  for (const node of nodes) {
    const problem = await drainNode(context, values, node);
    if (problem === undefined) context.print(`node/${node.name} drained${drySuffix(values['dry-run'])}\n`);
    else failed.push({ name: node.name ?? '', problem });
  }
  if (failed.length === 0) return 0;
  for (const { name, problem } of failed)
    context.complain(`error: unable to drain node "${name}" due to error: ${problem}, continuing command...`);
  context.complain('There are pending nodes to be drained:');
  for (const { name } of failed) context.complain(` ${name}`);
  context.complain(failed.map(({ problem }) => problem).join('\n'));
  return 1;
}

/** What went wrong, if anything. */
async function drainNode(context: KubectlContext, values: Values, node: Target): Promise<string | undefined> {
  const [mapping] = await context.discovery.resolve('pods');
  const pods = await listObjects(
    context,
    { mapping },
    { allNamespaces: true, selector: values['pod-selector'], fieldSelector: `spec.nodeName=${node.name}` },
  );
  const sorted = await sortPods(context, values, pods);
  const problem = [...sorted.errors]
    .map(([reason, names]) => `cannot delete ${reason}: ${names.join(', ')}`)
    .join('\n');
  if (problem !== '') return problem.includes('\n') ? `[${problem.replaceAll('\n', ', ')}]` : problem;
  const warning = [...sorted.warnings].map(([reason, names]) => `${reason}: ${names.join(', ')}`).join('; ');
  if (warning !== '') context.complain(`Warning: ${warning}`);
  const ends = values.timeout > 0 ? context.clock.monotonicMs() + values.timeout : Number.POSITIVE_INFINITY;
  const problems = await Promise.all(sorted.going.map((pod) => removePod(context, values, { pod, mapping, ends })));
  const found = problems.filter((one) => one !== undefined);
  return found.length === 0 ? undefined : found.length === 1 ? found[0] : `[${found.join(', ')}]`;
}

/** Pods by what becomes of them, and why, in the order they were found. */
interface Sorted {
  readonly going: readonly JsonObject[];
  readonly errors: ReadonlyMap<string, readonly string[]>;
  readonly warnings: ReadonlyMap<string, readonly string[]>;
}

/** What is said of one pod: whether it goes, with a warning or an error beside it. */
interface Verdict {
  readonly goes: boolean;
  readonly error?: string;
  readonly warning?: string;
}

async function sortPods(context: KubectlContext, values: Values, pods: readonly JsonObject[]): Promise<Sorted> {
  const going: JsonObject[] = [];
  const errors = new Map<string, string[]>();
  const warnings = new Map<string, string[]>();
  const note = (map: Map<string, string[]>, reason: string, pod: JsonObject): void => {
    const names = map.get(reason) ?? [];
    names.push(nameOf(pod));
    map.set(reason, names);
  };
  for (const pod of pods) {
    const verdict = await judge(context, values, pod);
    if (verdict.error !== undefined) note(errors, verdict.error, pod);
    if (verdict.warning !== undefined) note(warnings, verdict.warning, pod);
    if (verdict.goes) going.push(pod);
  }
  return { going, errors, warnings };
}

async function judge(context: KubectlContext, values: Values, pod: JsonObject): Promise<Verdict> {
  if (isOver(values, context, pod)) return { goes: false };
  const owner = digList(pod, 'metadata', 'ownerReferences').find((one) => one.controller === true);
  const isFinished = ['Failed', 'Succeeded'].includes(digText(pod, 'status', 'phase'));
  if (owner?.kind === 'DaemonSet' && !isFinished) {
    if (!(await daemonSetIsThere(context, pod, digText(owner, 'name')))) {
      return values.force
        ? { goes: true, warning: 'deleting Pods that declare no controller' }
        : { goes: false, error: 'Pods that declare no controller (use --force to override)' };
    }
    return values['ignore-daemonsets']
      ? { goes: false, warning: 'ignoring DaemonSet-managed Pods' }
      : { goes: false, error: 'DaemonSet-managed Pods (use --ignore-daemonsets to ignore)' };
  }
  if (dig(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== undefined) return { goes: false };
  const keepsData = digList(pod, 'spec', 'volumes').some((volume) => dig(volume, 'emptyDir') !== undefined);
  if (keepsData && !isFinished && !values['delete-emptydir-data'])
    return { goes: false, error: 'Pods with local storage (use --delete-emptydir-data to override)' };
  if (owner === undefined && !isFinished) {
    return values.force
      ? { goes: true, warning: 'deleting Pods that declare no controller' }
      : { goes: false, error: 'Pods that declare no controller (use --force to override)' };
  }
  return { goes: true };
}

/** Whether a pod has been going for so long that nobody waits for it. */
function isOver(values: Values, context: KubectlContext, pod: JsonObject): boolean {
  const since = digText(pod, 'metadata', 'deletionTimestamp');
  const seconds = values['skip-wait-for-delete-timeout'];
  return seconds > 0 && since !== '' && (context.clock.nowMs() - Date.parse(since)) / 1000 > seconds;
}

async function daemonSetIsThere(context: KubectlContext, pod: JsonObject, name: string): Promise<boolean> {
  const [mapping] = await context.discovery.resolve('daemonsets.apps');
  const namespace = digText(pod, 'metadata', 'namespace');
  try {
    await getObject(context, { mapping, namespace, name });
    return true;
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return false;
    throw error;
  }
}

function nameOf(pod: JsonObject): string {
  return `${digText(pod, 'metadata', 'namespace')}/${digText(pod, 'metadata', 'name')}`;
}

interface Removal {
  readonly pod: JsonObject;
  readonly mapping: Mapping;
  /** When nobody waits any longer, by the monotonic clock. */
  readonly ends: number;
}

/** What went wrong, if anything. */
async function removePod(context: KubectlContext, values: Values, removal: Removal): Promise<string | undefined> {
  const { pod } = removal;
  const dryRun = values['dry-run'];
  const doing = values['disable-eviction'] ? 'deleting' : 'evicting';
  context.print(`${doing} pod ${nameOf(pod)}${drySuffix(dryRun)}\n`);
  if (dryRun === 'client') return undefined;
  const problem = await evict(context, values, removal);
  if (problem !== undefined || dryRun !== 'none') return problem;
  if (!(await isGone(context, removal)))
    return `error when waiting for pod ${JSON.stringify(digText(pod, 'metadata', 'name'))} in namespace ${JSON.stringify(digText(pod, 'metadata', 'namespace'))} to terminate: global timeout reached: ${timeText(values.timeout)}`;
  context.print(`pod/${digText(pod, 'metadata', 'name')} ${values['disable-eviction'] ? 'deleted' : 'evicted'}\n`);
  return undefined;
}

function timeText(ms: number): string {
  return ms % 60_000 === 0 && ms > 0 ? `${ms / 60_000}m0s` : `${ms / 1000}s`;
}

async function evict(
  context: KubectlContext,
  values: Values,
  { pod, mapping, ends }: Removal,
): Promise<string | undefined> {
  const [name, namespace] = [digText(pod, 'metadata', 'name'), digText(pod, 'metadata', 'namespace')];
  const grace = values['grace-period'];
  const options = {
    ...(grace < 0 ? {} : { gracePeriodSeconds: grace }),
    ...(values['dry-run'] === 'server' ? { dryRun: ['All'] } : {}),
  };
  const isDeletion = values['disable-eviction'];
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions: options };
  const call: ApiCall = isDeletion
    ? {
        method: 'DELETE',
        path: pathOf(mapping, namespace, name),
        body: { apiVersion: 'v1', kind: 'DeleteOptions', ...options },
      }
    : { method: 'POST', path: pathOf(mapping, namespace, name, 'eviction'), body: eviction };
  const failed = `error when evicting pods/${JSON.stringify(name)} -n ${JSON.stringify(namespace)}`;
  for (;;) {
    try {
      await context.api.call(call);
      return undefined;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (error.reason === 'NotFound') return undefined;
      if (error.reason !== 'TooManyRequests') return `${failed}: ${error.message}`;
      context.complain(`${failed} (will retry after 5s): ${error.message}`);
    }
    if (context.clock.monotonicMs() + evictIntervalMs > ends) {
      await sleep(context.clock, Math.max(0, ends - context.clock.monotonicMs()), context.signal);
      return `${failed}: global timeout reached: ${timeText(values.timeout)}`;
    }
    if (!(await sleep(context.clock, evictIntervalMs, context.signal))) return failed;
  }
}

async function isGone(context: KubectlContext, { pod, mapping, ends }: Removal): Promise<boolean> {
  const path = pathOf(mapping, digText(pod, 'metadata', 'namespace'), digText(pod, 'metadata', 'name'));
  for (;;) {
    try {
      const { object } = await context.api.call({ method: 'GET', path });
      if (digText(object, 'metadata', 'uid') !== digText(pod, 'metadata', 'uid')) return true;
    } catch (error) {
      if (error instanceof StatusError && error.reason === 'NotFound') return true;
      throw error;
    }
    if (context.clock.monotonicMs() >= ends) return false;
    if (!(await sleep(context.clock, goneIntervalMs, context.signal))) return false;
  }
}
