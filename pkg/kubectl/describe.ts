/** `describe`: an object, what belongs to it, and the events about it. */

import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { type FlagTable, type FlagValues, list, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digList, digMap, digText, digTexts } from './api.ts';
import { allNamespacesFlag, type KubectlContext, selectorFlag } from './context.ts';
import { describeNode } from './describe-node.ts';
import {
  describeConfigMap,
  describeLimitRange,
  describeNamespace,
  describeQuota,
  describeSecret,
  describeServiceAccount,
} from './describe-plain.ts';
import { describeRequest } from './describe-request.ts';
import { Description, longTime } from './describe-text.ts';
import { conditionsTable, describeMetadata, describePod, describeWorkload, type Related } from './describe-workload.ts';
import { selectorText } from './logs.ts';
import { humanDuration } from './tables.ts';
import {
  listObjects,
  parseTargets,
  resolveObjects,
  type Selection,
  type Target,
  targetOf,
  targetOptions,
} from './targets.ts';

/** The flags of `describe`. */
export const describeFlags = {
  filename: list({ help: 'Files that name the objects.', short: 'f', placeholder: 'file' }),
  selector: selectorFlag,
  'all-namespaces': allNamespacesFlag,
  'show-events': toggle({ help: 'Show the events about the object.', fallback: true }),
} satisfies FlagTable;

/** Kinds about which kubectl shows no events. */
const withoutEvents = ['LimitRange', 'Namespace', 'ResourceQuota', 'Secret'];

type Values = FlagValues<typeof describeFlags> & { namespace: string };

const workloads = ['DaemonSet', 'Deployment', 'Job', 'ReplicaSet', 'ReplicationController', 'StatefulSet'];

/** Runs the command; resolves to its exit code. Throws `UserError` and what the API answers. */
export async function describe(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  if (args.length === 0 && values.filename.length === 0)
    throw new UserError(
      'error: You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of supported resources.',
    );
  const targets = await parseTargets(context, args, targetOptions(values));
  const selection = { selector: values.selector, allNamespaces: values['all-namespaces'] };
  const found = await findObjects(context, targets, selection);
  if (found.length === 0) {
    context.complain(`No resources found in ${targets[0]?.namespace ?? 'default'} namespace.`);
    return 0;
  }
  for (const [index, { target, object, isByPrefix }] of found.entries()) {
    if (index > 0 && !isByPrefix) context.print('\n\n');
    const out = await describeOne(context, target, object);
    if (values['show-events'] && !withoutEvents.includes(target.mapping.kind))
      await events(context, out, target, object);
    context.print(`${out.render()}${isByPrefix ? '\n' : ''}`);
  }
  return 0;
}

interface Found {
  readonly target: Target;
  readonly object: JsonObject;
  /** Found by the beginning of its name. */
  readonly isByPrefix: boolean;
}

/** The objects of the targets. A name that no object has stands for those that begin with it. */
async function findObjects(
  context: KubectlContext,
  targets: readonly Target[],
  selection: Selection,
): Promise<readonly Found[]> {
  const found = targets.map(async (target): Promise<readonly Found[]> => {
    try {
      return (await resolveObjects(context, [target], selection)).map((one) => ({ ...one, isByPrefix: false }));
    } catch (error) {
      const { name, mapping, document } = target;
      if (!(error instanceof StatusError) || error.reason !== 'NotFound' || document !== undefined || !name)
        throw error;
      const all = await listObjects(context, target, {});
      const matching = all.filter((object) => digText(object, 'metadata', 'name').startsWith(name));
      if (matching.length === 0) throw error;
      return matching.map((object) => ({ target: targetOf(mapping, object), object, isByPrefix: true }));
    }
  });
  return (await Promise.all(found)).flat();
}

async function describeOne(context: KubectlContext, target: Target, raw: JsonObject): Promise<Description> {
  const object: JsonObject = { kind: target.mapping.kind, ...raw };
  const { kind } = target.mapping;
  if (kind === 'Pod') return describePod(object);
  if (kind === 'Service') return describeService(context, target, object);
  if (kind === 'Node') return describeNode(context, object);
  if (kind === 'CertificateSigningRequest') return describeRequest(object);
  if (kind === 'ConfigMap') return describeConfigMap(object);
  if (kind === 'Secret') return describeSecret(object);
  if (kind === 'ServiceAccount') return describeServiceAccount(object);
  if (kind === 'ResourceQuota') return describeQuota(object);
  if (kind === 'LimitRange') return describeLimitRange(object);
  if (kind === 'Namespace') return describeNamespace(context, object);
  if (workloads.includes(kind)) return describeWorkload(object, await relatedTo(context, target, object));
  return describeAny(object);
}

/** Metadata, and the rest as YAML: for kinds without a description of their own. */
function describeAny(object: JsonObject): Description {
  const out = new Description();
  describeMetadata(out, object);
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
  out.field(0, 'API Version', digText(object, 'apiVersion'));
  out.field(0, 'Kind', digText(object, 'kind'));
  out.field(0, 'Created', longTime(digText(object, 'metadata', 'creationTimestamp')));
  for (const [key, value] of Object.entries(object)) {
    if (['apiVersion', 'kind', 'metadata', 'status'].includes(key)) continue;
    section(out, `${key.charAt(0).toUpperCase()}${key.slice(1)}`, value);
  }
  const { conditions: _, ...status } = digMap(object, 'status');
  if (Object.keys(status).length > 0) section(out, 'Status', status);
  conditionsTable(out, object, ['Type', 'Status', 'Reason', 'Message']);
  return out;
}

function section(out: Description, label: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) {
    out.field(0, label, String(value));
    return;
  }
  if (Object.keys(value).length === 0) {
    out.field(0, label, '<none>');
    return;
  }
  out.heading(0, label);
  for (const line of yamlText(value).trimEnd().split('\n')) out.line(1, line);
}

async function describeService(context: KubectlContext, target: Target, object: JsonObject): Promise<Description> {
  const out = new Description();
  describeMetadata(out, object);
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
  out.field(0, 'Selector', selectorText({ ...object, kind: 'Service' }) || '<none>');
  out.field(0, 'Type', digText(object, 'spec', 'type'));
  const ipList = (field: string): string => digTexts(object, 'spec', field).join(',');
  out.field(0, 'IP Family Policy', digText(object, 'spec', 'ipFamilyPolicy') || '<none>');
  out.field(0, 'IP Families', ipList('ipFamilies') || '<none>');
  out.field(0, 'IP', digText(object, 'spec', 'clusterIP'));
  out.field(0, 'IPs', ipList('clusterIPs') || '<none>');
  const slices = await endpointSlices(context, target);
  for (const port of digList(object, 'spec', 'ports')) {
    const name = digText(port, 'name') || '<unset>';
    out.field(0, 'Port', `${name}  ${digText(port, 'port')}/${digText(port, 'protocol')}`);
    out.field(0, 'TargetPort', `${digText(port, 'targetPort')}/${digText(port, 'protocol')}`);
    if (digText(port, 'nodePort') !== '')
      out.field(0, 'NodePort', `${name}  ${digText(port, 'nodePort')}/${digText(port, 'protocol')}`);
    out.field(0, 'Endpoints', endpointsText(slices, digText(port, 'name')));
  }
  out.field(0, 'Session Affinity', digText(object, 'spec', 'sessionAffinity'));
  const traffic = digText(object, 'spec', 'externalTrafficPolicy');
  if (traffic !== '') out.field(0, 'External Traffic Policy', traffic);
  const internal = digText(object, 'spec', 'internalTrafficPolicy');
  if (internal !== '') out.field(0, 'Internal Traffic Policy', internal);
  return out;
}

async function endpointSlices(context: KubectlContext, target: Target): Promise<readonly JsonObject[]> {
  const [mapping] = await context.discovery.resolve('endpointslices.discovery.k8s.io');
  const scope = target.namespace === undefined ? {} : { namespace: target.namespace };
  return listObjects(
    context,
    { mapping: mapping, ...scope },
    { selector: `kubernetes.io/service-name=${target.name}` },
  );
}

/** The first three ready addresses of a port, and how many more there are. */
function endpointsText(slices: readonly JsonObject[], portName: string): string {
  const addresses = slices.flatMap((slice) => {
    const ports = digList(slice, 'ports').filter((port) => digText(port, 'name') === portName);
    const ready = digList(slice, 'endpoints').filter((endpoint) => dig(endpoint, 'conditions', 'ready') !== false);
    return ready.flatMap((endpoint) =>
      ports.map((port) => `${digText(endpoint, 'addresses', 0)}:${digText(port, 'port')}`),
    );
  });
  if (addresses.length === 0) return '';
  const more = addresses.length > 3 ? ` + ${addresses.length - 3} more...` : '';
  return `${addresses.slice(0, 3).join(',')}${more}`;
}

/** What is shown of others beside a workload: the replica sets of a Deployment, how the pods of what makes pods do. */
async function relatedTo(context: KubectlContext, target: Target, object: JsonObject): Promise<Related> {
  if (target.mapping.kind === 'Deployment') return { sets: await replicaSets(context, target, object) };
  const [mapping] = await context.discovery.resolve('pods');
  const selector = selectorText(object);
  if (selector === '') return {};
  const scope = target.namespace === undefined ? {} : { namespace: target.namespace };
  const pods = await listObjects(context, { mapping: mapping, ...scope }, { selector });
  const uid = dig(object, 'metadata', 'uid');
  const own = pods.filter((pod) => digList(pod, 'metadata', 'ownerReferences').some((owner) => owner.uid === uid));
  const count = (phase: string): number => own.filter((pod) => digText(pod, 'status', 'phase') === phase).length;
  const [running, waiting] = [count('Running'), count('Pending')];
  return {
    pods: `${running} Running / ${waiting} Waiting / ${count('Succeeded')} Succeeded / ${count('Failed')} Failed`,
  };
}

async function replicaSets(context: KubectlContext, target: Target, object: JsonObject) {
  const [mapping] = await context.discovery.resolve('replicasets.apps');
  const scope = target.namespace === undefined ? {} : { namespace: target.namespace };
  const sets = (
    await listObjects(
      context,
      { mapping: mapping, ...scope },
      { selector: selectorText({ kind: 'Deployment', ...object }) },
    )
  ).filter((set) =>
    digList(set, 'metadata', 'ownerReferences').some((owner) => owner.uid === dig(object, 'metadata', 'uid')),
  );
  const revision = digText(object, 'metadata', 'annotations', 'deployment.kubernetes.io/revision');
  const isNew = (set: JsonObject): boolean =>
    digText(set, 'metadata', 'annotations', 'deployment.kubernetes.io/revision') === revision;
  const text = (list_: readonly JsonObject[]): string =>
    list_
      .map(
        (set) =>
          `${digText(set, 'metadata', 'name')} (${digText(set, 'status', 'replicas') || '0'}/${digText(set, 'spec', 'replicas')} replicas created)`,
      )
      .join(', ') || '<none>';
  return { oldSets: text(sets.filter((set) => !isNew(set))), newSet: text(sets.filter(isNew)) };
}

async function events(context: KubectlContext, out: Description, target: Target, object: JsonObject): Promise<void> {
  const [mapping] = await context.discovery.resolve('events');
  if (mapping === undefined) throw new UserError('error: the server has no events');
  const uid = target.mapping.kind === 'Node' ? target.name : digText(object, 'metadata', 'uid');
  const fieldSelector = `involvedObject.name=${target.name},involvedObject.kind=${target.mapping.kind}`;
  const found = await listObjects(
    context,
    { mapping, ...(target.namespace === undefined ? {} : { namespace: target.namespace }) },
    {
      fieldSelector,
      allNamespaces: target.namespace === undefined,
    },
  );
  const nowMs = context.clock.nowMs();
  const since = (time: string): string => (time === '' ? '<unknown>' : humanDuration(nowMs - Date.parse(time)));
  const rows = found
    .filter((event) => [uid, digText(object, 'metadata', 'uid'), ''].includes(digText(event, 'involvedObject', 'uid')))
    .toSorted((a, b) => lastSeen(a).localeCompare(lastSeen(b)))
    .map((event) => {
      const count = Number(digText(event, 'series', 'count') || digText(event, 'count') || 1);
      const first = since(digText(event, 'firstTimestamp') || digText(event, 'eventTime'));
      const age = count > 1 ? `${since(lastSeen(event))} (x${count} over ${first})` : first;
      const from = digText(event, 'source', 'component') || digText(event, 'reportingComponent');
      const path = digText(event, 'involvedObject', 'fieldPath');
      const message = `${path === '' ? '' : `${path}: `}${digText(event, 'message').trim()}`;
      return [digText(event, 'type'), digText(event, 'reason'), age, from, message];
    });
  if (rows.length === 0) out.field(0, 'Events', '<none>');
  else {
    // The dashes are as many as kubectl's.
    const head = [eventHeaders, ['----', '------', '----', '----', '-------']];
    out.heading(0, 'Events');
    for (const cells of [...head, ...rows]) out.line(1, cells.join('\t'));
  }
}

const eventHeaders = ['Type', 'Reason', 'Age', 'From', 'Message'];

/** When an event was last seen. */
function lastSeen(event: JsonObject): string {
  return (
    digText(event, 'series', 'lastObservedTime') ||
    digText(event, 'lastTimestamp') ||
    digText(event, 'eventTime') ||
    digText(event, 'metadata', 'creationTimestamp')
  );
}
