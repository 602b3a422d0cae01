/**
 * What a cluster has so that others can join: the ConfigMap `cluster-info`, which the bootstrap signer signs with each token, who may read it, and what a node of
 * another machine has to know of the network. Making them again changes what differs. Source: kubeadm `phases/bootstraptoken/clusterinfo`.
 */
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import type { PolicyRule, Subject } from '#pkg/api/types/rbac-v1.ts';
import { clusterRoleBindings, configMaps, roleBindings, roles, secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { BridgeSettings } from '../bridge-cluster.ts';

const rbac = 'rbac.authorization.k8s.io';
const configName = 'coxswain-join';
/** Of the account in whose name the proxies of joined machines watch, and of the Secret with its token: nodes may not ask for tokens that are no pod's. */
const proxyName = 'coxswain-joined-proxy';
const systemNamespace = 'kube-system';

const group = (name: string): Subject => ({ kind: 'Group', apiGroup: rbac, name });
const anonymous: Subject = { kind: 'User', apiGroup: rbac, name: 'system:anonymous' };
const nodes = group('system:nodes');
const joining = group('system:bootstrappers:kubeadm:default-node-token');

/** Makes them. `kubeconfig` names the server and the authority, and nobody's credentials. */
export async function ensureJoinObjects(
  client: Client,
  { kubeconfig, settings }: { readonly kubeconfig: string; readonly settings: BridgeSettings },
): Promise<void> {
  await keepData(client, 'kube-public', 'cluster-info', { kubeconfig });
  await keepData(client, systemNamespace, configName, { network: JSON.stringify(networkOf(settings)) });
  await allow(client, {
    namespace: 'kube-public',
    name: 'kubeadm:bootstrap-signer-clusterinfo',
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'], resourceNames: ['cluster-info'] }],
    subjects: [anonymous],
  });
  await allow(client, {
    namespace: systemNamespace,
    name: 'coxswain:join',
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'], resourceNames: [configName] }],
    subjects: [joining, nodes],
  });
  const [name, namespace] = [proxyName, systemNamespace];
  await unlessThere(client, serviceAccounts, { metadata: { name, namespace } });
  const annotations = { 'kubernetes.io/service-account.name': name };
  await unlessThere(client, secrets, {
    metadata: { name, namespace, annotations },
    type: 'kubernetes.io/service-account-token',
  });
  await allow(client, {
    namespace,
    name: 'coxswain:joined-proxy-token',
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: [name] }],
    subjects: [joining],
  });
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  for (const role of ['system:node-proxier', 'system:coxswain:kube-proxy'])
    await unlessThere(client, clusterRoleBindings, {
      metadata: { name: `coxswain:joined-proxy:${role}` },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
      subjects,
    });
}

/** What the network of the cluster is, as whoever joins may read it. Rejects with one line where it is damaged. */
export async function readJoinSettings(client: Client): Promise<BridgeSettings> {
  const { data } = await client.resource(configMaps).get(configName, { namespace: systemNamespace });
  const value: unknown = JSON.parse(data?.network ?? 'null');
  const text = (field: string): string => {
    const found = isObject(value) ? value[field] : undefined;
    if (typeof found === 'string') return found;
    throw new Error(`Cannot join as the ConfigMap kube-system/${configName} does not say ${field}`);
  };
  return {
    name: text('name'),
    podCidr: text('podCidr'),
    serviceCidr: text('serviceCidr'),
    nodeAddress: text('nodeAddress'),
  };
}

/** The token of the proxies' account; undefined while nobody has made it. */
export async function readProxyToken(client: Client): Promise<string | undefined> {
  const { data } = await client.resource(secrets).get(proxyName, { namespace: systemNamespace });
  return data?.token === undefined ? undefined : Buffer.from(data.token, 'base64').toString();
}

function networkOf({ name, podCidr, serviceCidr, nodeAddress }: BridgeSettings): BridgeSettings {
  return { name, podCidr, serviceCidr, nodeAddress };
}

async function keepData(
  client: Client,
  namespace: string,
  name: string,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const resource = client.resource(configMaps);
  if (await unlessThere(client, configMaps, { metadata: { name, namespace }, data })) return;
  const there: ConfigMap = await resource.get(name, { namespace });
  const differs = Object.entries(data).some(([key, value]) => there.data?.[key] !== value);
  if (differs) await resource.update({ ...there, data: { ...there.data, ...data } });
}

async function allow(
  client: Client,
  {
    namespace,
    name,
    rules,
    subjects,
  }: {
    readonly namespace: string;
    readonly name: string;
    readonly rules: PolicyRule[];
    readonly subjects: Subject[];
  },
): Promise<void> {
  const metadata = { name, namespace };
  await unlessThere(client, roles, { metadata, rules });
  await unlessThere(client, roleBindings, { metadata, roleRef: { apiGroup: rbac, kind: 'Role', name }, subjects });
}

/** Whether it was made. */
async function unlessThere<T extends KubeObject>(client: Client, ref: ResourceRef<T>, object: T): Promise<boolean> {
  try {
    await client.resource(ref).create(object);
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    throw error;
  }
}
