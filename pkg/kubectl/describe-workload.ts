/** `describe` of pods and of what makes them. Source: the form of kubectl's own describers. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityMilliValue, quantityOf } from '#pkg/apimachinery/quantity.ts';
import { dig, digList, digMap, digNumber, digText, digTexts } from './api.ts';
import { Description, longTime } from './describe-text.ts';
import { describeVolumes } from './describe-volumes.ts';
import { selectorText } from './logs.ts';

/** Name, namespace, labels and annotations. */
export function describeMetadata(out: Description, object: JsonObject): void {
  out.field(0, 'Name', digText(object, 'metadata', 'name'));
  const namespace = digText(object, 'metadata', 'namespace');
  if (namespace !== '') out.field(0, 'Namespace', namespace);
}

function labels(out: Description, object: JsonObject): void {
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
}

function controlledBy(object: JsonObject): string {
  const owner = digList(object, 'metadata', 'ownerReferences').find((reference) => reference.controller === true);
  return owner === undefined ? '' : `${digText(owner, 'kind')}/${digText(owner, 'name')}`;
}

/** What is said of a pod, container by container. */
export function describePod(object: JsonObject): Description {
  const out = new Description();
  describeMetadata(out, object);
  out.field(0, 'Priority', digText(object, 'spec', 'priority') || '0');
  out.field(0, 'Service Account', digText(object, 'spec', 'serviceAccountName') || 'default');
  const node = digText(object, 'spec', 'nodeName');
  const host = digText(object, 'status', 'hostIP');
  out.field(0, 'Node', node === '' ? '<none>' : host === '' ? node : `${node}/${host}`);
  if (digText(object, 'status', 'startTime') !== '')
    out.field(0, 'Start Time', longTime(digText(object, 'status', 'startTime')));
  labels(out, object);
  const terminating = digText(object, 'metadata', 'deletionTimestamp');
  if (terminating === '') out.field(0, 'Status', digText(object, 'status', 'phase'));
  else {
    out.field(0, 'Status', `Terminating (since ${terminating})`);
    out.field(0, 'Termination Grace Period', `${digText(object, 'metadata', 'deletionGracePeriodSeconds')}s`);
  }
  if (digText(object, 'status', 'reason') !== '') out.field(0, 'Reason', digText(object, 'status', 'reason'));
  if (digText(object, 'status', 'message') !== '') out.field(0, 'Message', digText(object, 'status', 'message'));
  out.field(0, 'IP', digText(object, 'status', 'podIP'));
  const addresses = digList(object, 'status', 'podIPs');
  if (addresses.length > 0) {
    out.heading(0, 'IPs');
    for (const address of addresses) out.field(1, 'IP', digText(address, 'ip'));
  } else out.field(0, 'IPs', '<none>');
  if (controlledBy(object) !== '') out.field(0, 'Controlled By', controlledBy(object));
  containers(
    out,
    'Init Containers',
    digList(object, 'spec', 'initContainers'),
    digList(object, 'status', 'initContainerStatuses'),
    0,
    object,
  );
  containers(
    out,
    'Containers',
    digList(object, 'spec', 'containers'),
    digList(object, 'status', 'containerStatuses'),
    0,
    object,
  );
  const conditions = digList(object, 'status', 'conditions').map((condition) => [
    digText(condition, 'type'),
    digText(condition, 'status'),
  ]);
  if (conditions.length > 0) {
    out.heading(0, 'Conditions');
    out.line(1, 'Type\tStatus');
    for (const [type, status] of conditions) out.line(1, `${type} \t${status} `);
  }
  describeVolumes(out, object, 0);
  out.field(0, 'QoS Class', digText(object, 'status', 'qosClass') || 'BestEffort');
  out.map(0, 'Node-Selectors', digMap(object, 'spec', 'nodeSelector'));
  tolerations(out, object, 0);
  return out;
}

function tolerations(out: Description, object: JsonObject, depth: number): void {
  const texts = digList(object, 'spec', 'tolerations').map((toleration) => {
    const key = digText(toleration, 'key');
    const value = digText(toleration, 'value');
    const effect = digText(toleration, 'effect');
    const seconds = digText(toleration, 'tolerationSeconds');
    const exists = digText(toleration, 'operator') === 'Exists' ? ' op=Exists' : '';
    return `${key}${value === '' ? '' : `=${value}`}${effect === '' ? '' : `:${effect}`}${exists}${seconds === '' ? '' : ` for ${seconds}s`}`;
  });
  out.list(depth, 'Tolerations', texts);
}

function containers(
  out: Description,
  label: string,
  specs: readonly JsonObject[],
  statuses: readonly JsonObject[],
  depth: number,
  pod?: JsonObject,
): void {
  if (specs.length === 0) return;
  out.heading(depth, label);
  for (const spec of specs) {
    const status = statuses.find((one) => one.name === spec.name);
    // In a template names stand one space to the right of their heading, in a pod two; what belongs to them is the same in both.
    out.line(1, `${depth === 0 ? '' : ' '}${digText(spec, 'name')}:`);
    const at = 2;
    if (status !== undefined) out.field(at, 'Container ID', digText(status, 'containerID'));
    out.field(at, 'Image', digText(spec, 'image'));
    if (status !== undefined) out.field(at, 'Image ID', digText(status, 'imageID'));
    const ports = digList(spec, 'ports');
    const shown = ports.map((port) => portText(port, 'containerPort'));
    out.field(at, ports.length > 1 ? 'Ports' : 'Port', shown.join(', ') || '<none>');
    const hostPorts = ports.map((port) => portText(port, 'hostPort'));
    out.field(at, ports.length > 1 ? 'Host Ports' : 'Host Port', hostPorts.join(', ') || '<none>');
    block(out, at, 'Command', digTexts(spec, 'command'));
    block(out, at, 'Args', digTexts(spec, 'args'));
    if (status !== undefined) {
      state(out, at, 'State', digMap(status, 'state'));
      if (Object.keys(digMap(status, 'lastState')).length > 0)
        state(out, at, 'Last State', digMap(status, 'lastState'));
      out.field(at, 'Ready', status.ready === true ? 'True' : 'False');
      out.field(at, 'Restart Count', digText(status, 'restartCount') || '0');
    }
    for (const kind of ['limits', 'requests']) {
      const amounts = Object.entries(digMap(spec, 'resources', kind)).sort(([a], [b]) => (a < b ? -1 : 1));
      if (amounts.length === 0) continue;
      out.heading(at, kind === 'limits' ? 'Limits' : 'Requests');
      for (const [name, amount] of amounts) out.field(at + 1, name, String(amount));
    }
    for (const kind of ['liveness', 'readiness', 'startup']) {
      const probe = digMap(spec, `${kind}Probe`);
      if (Object.keys(probe).length > 0)
        out.field(at, `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`, probeText(probe));
    }
    environment(out, at, { spec, pod: depth === 0 ? pod : undefined });
    block(out, at, 'Mounts', digList(spec, 'volumeMounts').map(mountText).sort(), '<none>');
  }
}

function portText(port: JsonObject, field: 'containerPort' | 'hostPort'): string {
  const name = digText(port, 'name');
  return `${digText(port, field) || '0'}/${digText(port, 'protocol') || 'TCP'}${name === '' ? '' : ` (${name})`}`;
}

function mountText(mount: JsonObject): string {
  const flags = [
    mount.readOnly === true ? 'ro' : 'rw',
    ...(mount.subPath === undefined ? [] : [`path="${String(mount.subPath)}"`]),
  ];
  return `${digText(mount, 'mountPath')} from ${digText(mount, 'name')} (${flags.join(',')})`;
}

function block(out: Description, depth: number, label: string, lines: readonly string[], empty?: string): void {
  if (lines.length === 0) {
    if (empty !== undefined) out.field(depth, label, empty);
    return;
  }
  out.heading(depth, label);
  for (const line of lines) out.line(depth + 1, line);
}

function state(out: Description, depth: number, label: string, value: JsonObject): void {
  const [name, details] = Object.entries(value)[0] ?? ['waiting', {}];
  out.field(depth, label, `${name.charAt(0).toUpperCase()}${name.slice(1)}`);
  for (const [field, title] of [
    ['reason', 'Reason'],
    ['message', 'Message'],
    ['exitCode', 'Exit Code'],
    ['signal', 'Signal'],
    ['startedAt', 'Started'],
    ['finishedAt', 'Finished'],
  ] as const) {
    // Of a container that waits the reason is enough.
    const text = name === 'waiting' && field === 'message' ? '' : digText(details, field);
    if (text !== '') out.field(depth + 1, title, field.endsWith('At') ? longTime(text) : text);
  }
}

function probeText(probe: JsonObject): string {
  const timing = `delay=${digNumber(probe, ['initialDelaySeconds'])}s timeout=${digNumber(probe, ['timeoutSeconds'], 1)}s period=${digNumber(probe, ['periodSeconds'], 10)}s #success=${digNumber(probe, ['successThreshold'], 1)} #failure=${digNumber(probe, ['failureThreshold'], 3)}`;
  if (probe.exec !== undefined) return `exec [${digTexts(probe, 'exec', 'command').join(' ')}] ${timing}`;
  if (probe.httpGet !== undefined) {
    const scheme = (digText(probe, 'httpGet', 'scheme') || 'HTTP').toLowerCase();
    return `http-get ${scheme}://${digText(probe, 'httpGet', 'host')}:${digText(probe, 'httpGet', 'port')}${digText(probe, 'httpGet', 'path')} ${timing}`;
  }
  if (probe.tcpSocket !== undefined)
    return `tcp-socket ${digText(probe, 'tcpSocket', 'host')}:${digText(probe, 'tcpSocket', 'port')} ${timing}`;
  if (probe.grpc !== undefined)
    return `grpc <pod>:${digText(probe, 'grpc', 'port')} ${digText(probe, 'grpc', 'service')} ${timing}`;
  return `unknown ${timing}`;
}

/** A container, and the pod whose fields its variables may hold; none in a template. */
interface Contained {
  readonly spec: JsonObject;
  readonly pod: JsonObject | undefined;
}

function environment(out: Description, depth: number, contained: Contained): void {
  const { spec } = contained;
  const from = digList(spec, 'envFrom').map((source) => {
    const kind = source.configMapRef === undefined ? 'Secret' : 'ConfigMap';
    const reference = digMap(source, kind === 'Secret' ? 'secretRef' : 'configMapRef');
    const prefix = digText(source, 'prefix');
    const as = `${kind}${prefix === '' ? '' : ` with prefix '${prefix}'`}`;
    return `${digText(reference, 'name')}\t${as}\tOptional: ${reference.optional === true}`;
  });
  if (from.length > 0) block(out, depth, 'Environment Variables from', from);
  const variables = digList(spec, 'env');
  if (variables.length === 0) {
    out.field(depth, 'Environment', '<none>');
    return;
  }
  out.heading(depth, 'Environment');
  for (const variable of variables) out.field(depth + 1, digText(variable, 'name'), variableText(variable, contained));
}

function variableText(variable: JsonObject, { spec, pod }: Contained): string {
  const source = digMap(variable, 'valueFrom');
  if (source.fieldRef !== undefined) {
    const path = digText(source, 'fieldRef', 'fieldPath');
    return `${metadataAt(pod, path)} (${digText(source, 'fieldRef', 'apiVersion') || 'v1'}:${path})`;
  }
  if (source.resourceFieldRef !== undefined) {
    const resource = digText(source, 'resourceFieldRef', 'resource');
    return `${resourceValue(spec, resource, digText(source, 'resourceFieldRef', 'divisor'))} (${resource})`;
  }
  if (source.secretKeyRef !== undefined) {
    return `<set to the key '${digText(source, 'secretKeyRef', 'key')}' in secret '${digText(source, 'secretKeyRef', 'name')}'>\tOptional: ${dig(source, 'secretKeyRef', 'optional') === true}`;
  }
  if (source.configMapKeyRef !== undefined) {
    return `<set to the key '${digText(source, 'configMapKeyRef', 'key')}' of config map '${digText(source, 'configMapKeyRef', 'name')}'>\tOptional: ${dig(source, 'configMapKeyRef', 'optional') === true}`;
  }
  return digText(variable, 'value');
}

/** What a field path of the metadata of a pod stands for; `''` for others, of which only the kubelet knows. */
function metadataAt(pod: JsonObject | undefined, path: string): string {
  const [, field, key] = /^metadata\.(name|namespace|uid|labels|annotations)(?:\['([^']+)'\])?$/.exec(path) ?? [];
  if (field === undefined) return '';
  return key === undefined ? digText(pod, 'metadata', field) : digText(pod, 'metadata', field, key);
}

/** What `limits.cpu` and the like stand for: so many divisors, rounded up. */
function resourceValue(spec: JsonObject, path: string, divisor: string): number {
  const [kind = '', resource = ''] = path.split('.', 2);
  const milli = (text: string): number => quantityMilliValue(parseQuantity(text) ?? quantityOf(0));
  const unit = milli(divisor === '' || divisor === '0' ? '1' : divisor);
  return Math.ceil(milli(digText(spec, 'resources', kind, resource) || '0') / unit);
}

/** A pod template as `describe` and `rollout history` show it. */
export function podTemplateText(template: JsonObject): string {
  const out = new Description();
  template_(out, template);
  return out.renderTabs();
}

function template_(out: Description, template: JsonObject): void {
  out.heading(0, 'Pod Template');
  out.map(1, 'Labels', digMap(template, 'metadata', 'labels'));
  const annotations = digMap(template, 'metadata', 'annotations');
  if (Object.keys(annotations).length > 0) out.annotations(1, annotations);
  const account = digText(template, 'spec', 'serviceAccountName');
  if (account !== '') out.field(1, 'Service Account', account);
  containers(out, 'Init Containers', digList(template, 'spec', 'initContainers'), [], 1);
  containers(out, 'Containers', digList(template, 'spec', 'containers'), [], 1);
  describeVolumes(out, template, 1);
  out.map(1, 'Node-Selectors', digMap(template, 'spec', 'nodeSelector'));
  tolerations(out, template, 1);
}

/** What is said of other objects in the description of a workload. */
export interface Related {
  /** Of a Deployment. */
  readonly sets?: { readonly oldSets: string; readonly newSet: string };
  /** How the pods of others do. */
  readonly pods?: string;
}

/** Deployments, replica sets, replication controllers, stateful sets, daemon sets and jobs. */
export function describeWorkload(object: JsonObject, related: Related): Description {
  const out = new Description();
  describeMetadata(out, object);
  const wanted = digNumber(object, ['spec', 'replicas'], 1);
  if (object.kind === 'Deployment') {
    out.field(0, 'CreationTimestamp', longTime(digText(object, 'metadata', 'creationTimestamp')));
    labels(out, object);
    out.field(0, 'Selector', selectorText(object) || '<none>');
    deploymentFields(out, object, wanted);
  } else {
    out.field(0, 'Selector', selectorText(object) || '<none>');
    labels(out, object);
    if (controlledBy(object) !== '') out.field(0, 'Controlled By', controlledBy(object));
    if (object.kind !== 'DaemonSet' && object.kind !== 'Job')
      out.field(0, 'Replicas', `${digNumber(object, ['status', 'replicas'])} current / ${wanted} desired`);
    if (related.pods !== undefined) out.field(0, 'Pods Status', related.pods);
  }
  template_(out, digMap(object, 'spec', 'template'));
  conditionsTable(out, object, ['Type', 'Status', 'Reason']);
  const { sets } = related;
  if (sets !== undefined) out.field(0, 'OldReplicaSets', sets.oldSets).field(0, 'NewReplicaSet', sets.newSet);
  return out;
}

function deploymentFields(out: Description, object: JsonObject, wanted: number): void {
  const count = (field: string): number => digNumber(object, ['status', field]);
  out.field(
    0,
    'Replicas',
    `${wanted} desired | ${count('updatedReplicas')} updated | ${count('replicas')} total | ${count('availableReplicas')} available | ${count('unavailableReplicas')} unavailable`,
  );
  out.field(0, 'StrategyType', digText(object, 'spec', 'strategy', 'type'));
  out.field(0, 'MinReadySeconds', digText(object, 'spec', 'minReadySeconds') || '0');
  const rolling = digMap(object, 'spec', 'strategy', 'rollingUpdate');
  if (Object.keys(rolling).length === 0) return;
  const limits = `${digText(rolling, 'maxUnavailable')} max unavailable, ${digText(rolling, 'maxSurge')} max surge`;
  out.field(0, 'RollingUpdateStrategy', limits);
}

/** The conditions of an object as a table. */
export function conditionsTable(out: Description, object: JsonObject, columns: readonly string[]): void {
  const conditions = digList(object, 'status', 'conditions');
  if (conditions.length === 0) return;
  const field = (column: string): string => `${column.charAt(0).toLowerCase()}${column.slice(1)}`;
  out.table(
    0,
    'Conditions',
    columns,
    conditions.map((condition) =>
      columns.map((column, index) => `${digText(condition, field(column))}${index === 0 ? ' ' : ''}`),
    ),
  );
}
