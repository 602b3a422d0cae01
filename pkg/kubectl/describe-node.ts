/** `describe` of nodes: where they are, what they offer, and what the pods on them take of it. Source: the form of kubectl's own describer. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import {
  addQuantity,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityMilliValue,
  quantityOf,
} from '#pkg/apimachinery/quantity.ts';
import { dig, digList, digMap, digText, digTexts } from './api.ts';
import type { KubectlContext } from './context.ts';
import { Description, longTime } from './describe-text.ts';
import { humanDuration } from './tables.ts';
import { getObject, listObjects } from './targets.ts';

/** Fields of `status.nodeInfo`, and what they are called. */
const systemInfo = [
  ['machineID', 'Machine ID'],
  ['systemUUID', 'System UUID'],
  ['bootID', 'Boot ID'],
  ['kernelVersion', 'Kernel Version'],
  ['osImage', 'OS Image'],
  ['operatingSystem', 'Operating System'],
  ['architecture', 'Architecture'],
  ['containerRuntimeVersion', 'Container Runtime Version'],
  ['kubeletVersion', 'Kubelet Version'],
  ['kubeProxyVersion', 'Kube-Proxy Version'],
] as const;

/** What pods ask for and may take at most, by resource. */
interface Amounts {
  readonly requests: ReadonlyMap<string, Quantity>;
  readonly limits: ReadonlyMap<string, Quantity>;
}

const shownResources = ['cpu', 'memory', 'ephemeral-storage'] as const;

/** What is said of a node, with the pods on it. */
export async function describeNode(context: KubectlContext, object: JsonObject): Promise<Description> {
  const out = new Description();
  const name = digText(object, 'metadata', 'name');
  out.field(0, 'Name', name);
  const roles = Object.keys(digMap(object, 'metadata', 'labels'))
    .filter((key) => key.startsWith('node-role.kubernetes.io/'))
    .map((key) => key.split('/')[1]);
  out.field(0, 'Roles', roles.join(',') || '<none>');
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
  out.field(0, 'CreationTimestamp', longTime(digText(object, 'metadata', 'creationTimestamp')));
  taints(out, object);
  out.field(0, 'Unschedulable', String(dig(object, 'spec', 'unschedulable') === true));
  await lease(context, out, name);
  conditions(out, object);
  out.heading(0, 'Addresses');
  for (const address of digList(object, 'status', 'addresses'))
    out.field(1, digText(address, 'type'), digText(address, 'address'));
  for (const kind of ['capacity', 'allocatable']) {
    out.heading(0, `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`);
    for (const [key, value] of Object.entries(digMap(object, 'status', kind)).sort(([a], [b]) => (a < b ? -1 : 1)))
      out.field(1, key, String(value));
  }
  out.heading(0, 'System Info');
  for (const [field, label] of systemInfo) out.field(1, label, digText(object, 'status', 'nodeInfo', field));
  const cidrs = digTexts(object, 'spec', 'podCIDRs');
  if (digText(object, 'spec', 'podCIDR') !== '') out.field(0, 'PodCIDR', digText(object, 'spec', 'podCIDR'));
  if (cidrs.length > 0) out.field(0, 'PodCIDRs', cidrs.join(','));
  await pods(context, out, object);
  return out;
}

function taints(out: Description, object: JsonObject): void {
  const texts = digList(object, 'spec', 'taints').map((taint) => {
    const value = digText(taint, 'value');
    return `${digText(taint, 'key')}${value === '' ? '' : `=${value}`}:${digText(taint, 'effect')}`;
  });
  out.list(0, 'Taints', texts);
}

const conditionHeaders = ['Type', 'Status', 'LastHeartbeatTime', 'LastTransitionTime', 'Reason', 'Message'];

function conditions(out: Description, object: JsonObject): void {
  const rows = digList(object, 'status', 'conditions').map((condition) =>
    [
      digText(condition, 'type'),
      digText(condition, 'status'),
      longTime(digText(condition, 'lastHeartbeatTime')),
      longTime(digText(condition, 'lastTransitionTime')),
      digText(condition, 'reason'),
      digText(condition, 'message'),
    ].map((cell, index, cells) => (index === cells.length - 1 ? cell : `${cell} `)),
  );
  if (rows.length > 0) out.table(0, 'Conditions', conditionHeaders, rows);
}

async function lease(context: KubectlContext, out: Description, name: string): Promise<void> {
  const [mapping] = await context.discovery.resolve('leases.coordination.k8s.io');
  const found = await getObject(context, { mapping: mapping, name, namespace: 'kube-node-lease' }).catch(() => ({}));
  out.heading(0, 'Lease');
  const time = (field: string): string => longTime(digText(found, 'spec', field)) || '<unset>';
  out.field(1, 'HolderIdentity', digText(found, 'spec', 'holderIdentity') || '<unset>');
  out.field(1, 'AcquireTime', time('acquireTime'));
  out.field(1, 'RenewTime', time('renewTime'));
}

async function pods(context: KubectlContext, out: Description, node: JsonObject): Promise<void> {
  const [mapping] = await context.discovery.resolve('pods');
  const fieldSelector = `spec.nodeName=${digText(node, 'metadata', 'name')}`;
  const all = await listObjects(context, { mapping: mapping }, { fieldSelector, allNamespaces: true });
  const live = all.filter((pod) => !['Failed', 'Succeeded'].includes(digText(pod, 'status', 'phase')));
  const room = { ...digMap(node, 'status', 'capacity'), ...digMap(node, 'status', 'allocatable') };
  const cell = (amounts: ReadonlyMap<string, Quantity>, resource: string): string => {
    const amount = amounts.get(resource) ?? quantityOf(0);
    const whole = quantityMilliValue(parseQuantity(String(room[resource] ?? '0')) ?? quantityOf(0));
    const share = whole === 0 ? 0 : Math.trunc((quantityMilliValue(amount) * 100) / whole);
    return `${formatQuantity(amount)} (${share}%)`;
  };
  const rows = live.map((pod) => {
    const { requests, limits } = amountsOf([pod]);
    return [
      digText(pod, 'metadata', 'namespace'),
      digText(pod, 'metadata', 'name'),
      '',
      cell(requests, 'cpu'),
      cell(limits, 'cpu'),
      cell(requests, 'memory'),
      cell(limits, 'memory'),
      humanDuration(context.clock.nowMs() - Date.parse(digText(pod, 'metadata', 'creationTimestamp'))),
    ];
  });
  out.field(0, 'Non-terminated Pods', `(${live.length} in total)`);
  // The third column is empty, as in kubectl.
  const headers = ['Namespace', 'Name', '', 'CPU Requests', 'CPU Limits', 'Memory Requests', 'Memory Limits', 'Age'];
  out.rows(1, headers, rows);
  const { requests, limits } = amountsOf(live);
  out.heading(0, 'Allocated resources');
  out.line(1, '(Total limits may be over 100 percent, i.e., overcommitted.)');
  const total = shownResources.map((resource) => [resource, cell(requests, resource), cell(limits, resource)]);
  out.rows(1, ['Resource', 'Requests', 'Limits'], total);
}

/** What the containers of pods ask for together; an init container counts where it asks for more than all that run after it. */
function amountsOf(all: readonly JsonObject[]): Amounts {
  const sumOf = (kind: 'limits' | 'requests'): ReadonlyMap<string, Quantity> => {
    const sum = new Map<string, Quantity>();
    for (const pod of all) {
      for (const [resource, amount] of podAmounts(pod, kind)) {
        const before = sum.get(resource);
        sum.set(resource, before === undefined ? amount : addQuantity(before, amount));
      }
    }
    return sum;
  };
  return { requests: sumOf('requests'), limits: sumOf('limits') };
}

function podAmounts(pod: JsonObject, kind: 'limits' | 'requests'): ReadonlyMap<string, Quantity> {
  const sum = new Map<string, Quantity>();
  const each = (field: string, take: (resource: string, amount: Quantity) => void): void => {
    for (const container of digList(pod, 'spec', field)) {
      for (const [resource, text] of Object.entries(digMap(container, 'resources', kind))) {
        const amount = parseQuantity(String(text));
        if (amount !== undefined) take(resource, amount);
      }
    }
  };
  each('containers', (resource, amount) => {
    const before = sum.get(resource);
    sum.set(resource, before === undefined ? amount : addQuantity(before, amount));
  });
  each('initContainers', (resource, amount) => {
    const before = sum.get(resource);
    if (before === undefined || quantityMilliValue(amount) > quantityMilliValue(before)) sum.set(resource, amount);
  });
  return sum;
}
