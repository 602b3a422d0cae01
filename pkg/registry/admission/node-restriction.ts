/**
 * What a kubelet may write, which authorization cannot tell without the body: its own node (without labels that are not a kubelet's, and no taints), the
 * status of its own pods, their eviction and their tokens, mirror pods of its own, its own lease and CSINode.
 * Source: upstream `plugin/pkg/admission/noderestriction/admission.go`, with its refusals word for word.
 */

import { podReferences } from '#pkg/api/core/pod-references.ts';
import { isMirrorPod } from '#pkg/api/core/static-pods.ts';
import type { TokenRequest } from '#pkg/api/types/authentication-v1.ts';
import type { Node, PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, persistentVolumeClaims, pods, resourceSlices } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { forbidden, notFound } from '#pkg/apimachinery/status-error.ts';
import {
  type AdmissionAttributes,
  type AdmissionPlugin,
  about,
  type RegistryReader,
  readOne,
} from '#pkg/apiserver/strategy.ts';
import { nodeOf } from '../authorization/node-identity.ts';
import { without } from '../draft.ts';
import { machineStatus, migrationStatus, snapshotStatus } from './machine-restriction.ts';
import { aboutPod } from './pods.ts';

/** What is posted to the subresource `token` of service accounts. */
const tokenRequests: ResourceRef<TokenRequest> = {
  group: '',
  version: 'v1',
  resource: 'serviceaccounts',
  kind: 'TokenRequest',
  namespaced: true,
};
const leaseNamespace = 'kube-node-lease';
const restrictedNamespace = 'node-restriction.kubernetes.io';

/** Labels of Kubernetes' own that a kubelet may set, and the groups of such. Source: `k8s.io/kubelet/pkg/apis/well_known_labels.go`. */
const kubeletLabels: ReadonlySet<string> = new Set([
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'kubernetes.io/arch',
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'node.kubernetes.io/instance-type',
  'node.kubernetes.io/windows-build',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const kubeletLabelNamespaces = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

type Check = (node: string, attributes: AdmissionAttributes, reader: RegistryReader) => Promise<void> | void;

interface Checks {
  readonly group: string;
  readonly bySubresource: ReadonlyMap<string, Check>;
}

/** By resource, no two of which have one name here. */
const checks: ReadonlyMap<string, Checks> = new Map([
  checksOf('pods', '', { '': pod, status: podStatus, eviction: podEviction }),
  checksOf('nodes', '', { '': ownNode, status: ownNode }),
  checksOf('persistentvolumeclaims', '', {
    '': (_node, attributes) => refuse(attributes, 'may only update PVC status'),
    status: claimStatus,
  }),
  checksOf('serviceaccounts', '', { token }),
  checksOf('leases', 'coordination.k8s.io', { '': lease }),
  checksOf('csinodes', 'storage.k8s.io', { '': csiNode }),
  checksOf('resourceslices', 'resource.k8s.io', { '': resourceSlice }),
  checksOf('virtualmachines', 'vm.coxswain.dev', { status: machineStatus }),
  checksOf('virtualmachinemigrations', 'vm.coxswain.dev', { status: migrationStatus }),
  checksOf('virtualmachinesnapshots', 'vm.coxswain.dev', { status: snapshotStatus }),
]);

function checksOf(resource: string, group: string, made: Readonly<Record<string, Check>>): [string, Checks] {
  return [resource, { group, bySubresource: new Map(Object.entries(made)) }];
}

function checkOf({ group, resource, subresource }: AdmissionAttributes): Check | undefined {
  const found = checks.get(resource);
  const check = found?.group === group ? found.bySubresource.get(subresource) : undefined;
  if (check !== undefined) return check;
  if (group !== '' || resource !== 'pods') return undefined;
  return (_node, attributes) =>
    refuse(
      attributes,
      `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`,
    );
}

/** Looks only at what nodes write. */
export const nodeRestrictionPlugin: AdmissionPlugin = {
  name: 'NodeRestriction',
  handles: (attributes, user) =>
    attributes.operation !== 'CONNECT' && nodeOf(user) !== undefined && checkOf(attributes) !== undefined,
  validate(attributes, { user }, reader) {
    const node = nodeOf(user) ?? '';
    if (node === '') refuse(attributes, `could not determine node from user ${JSON.stringify(user.name)}`);
    return checkOf(attributes)?.(node, attributes, reader);
  },
};

function refuse(attributes: AdmissionAttributes, why: string): never {
  throw refusal(attributes, why);
}

function refusal(attributes: AdmissionAttributes, why: string): Error {
  const { group, resource } = attributes;
  return forbidden({ group, resource }, nameOf(attributes), why);
}

function nameOf({ name, draft }: AdmissionAttributes): string {
  return name || nameIn(draft);
}

function nameIn(draft: KubeObject | undefined): string {
  return draft?.metadata?.name ?? '';
}

async function existingPod(
  key: { readonly namespace: string; readonly name: string },
  reader: RegistryReader,
): Promise<Pod> {
  const found = await readOne(reader, pods, key);
  if (found === undefined) throw notFound(pods, key.name);
  return found;
}

async function pod(node: string, attributes: AdmissionAttributes, reader: RegistryReader): Promise<void> {
  const who = `node ${JSON.stringify(node)}`;
  if (attributes.operation === 'CREATE') return createPod(node, attributes, reader);
  if (attributes.operation !== 'DELETE')
    refuse(
      attributes,
      `unexpected operation ${JSON.stringify(attributes.operation)}, ${who} can only create and delete mirror pods`,
    );
  const { spec } = aboutPod(attributes)?.old ?? (await existingPod(attributes, reader));
  if (spec?.nodeName !== node) refuse(attributes, `${who} can only delete pods with spec.nodeName set to itself`);
}

async function createPod(node: string, attributes: AdmissionAttributes, reader: RegistryReader): Promise<void> {
  const { draft = {} } = aboutPod(attributes) ?? {};
  const no = (why: string): never => refuse(attributes, why);
  const who = `node ${JSON.stringify(node)}`;
  if (!isMirrorPod(draft))
    no(`pod does not have "kubernetes.io/config.mirror" annotation, ${who} can only create mirror pods`);
  if (draft.spec?.nodeName !== node) no(`${who} can only create pods with spec.nodeName set to itself`);
  const owners = draft.metadata?.ownerReferences ?? [];
  const [owner] = owners;
  if (owners.length > 1) no(`${who} can only create pods with a single owner reference set to itself`);
  const isOwn = owner?.apiVersion === 'v1' && owner.kind === 'Node' && owner.name === node;
  if (owner === undefined || !isOwn) return no(`${who} can only create pods with an owner reference set to itself`);
  if (owner.controller !== true) no(`${who} can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion === true) no(`${who} must not set blockOwnerDeletion on an owner reference`);
  const object = await readOne(reader, nodes, { namespace: '', name: node });
  if (object === undefined) throw notFound(nodes, node);
  const uid = object.metadata?.uid ?? '';
  if (owner.uid !== uid) no(`node ${node} UID mismatch: expected ${String(owner.uid)} got ${uid}`);
  if (draft.spec?.serviceAccountName) no(`${who} can not create pods that reference a service account`);
  const { secrets, configMaps } = podReferences(draft, { withEphemeral: true });
  if (secrets.size > 0) no(`${who} can not create pods that reference secrets`);
  if (configMaps.size > 0) no(`${who} can not create pods that reference configmaps`);
  if (draft.spec?.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim))
    no(`${who} can not create pods that reference persistentvolumeclaims`);
}

function podStatus(node: string, attributes: AdmissionAttributes): void {
  const who = `node ${JSON.stringify(node)}`;
  const { old, draft } = about(attributes, pods, 'status') ?? {};
  if (attributes.operation !== 'UPDATE' || old === undefined)
    throw refusal(attributes, `unexpected operation ${JSON.stringify(attributes.operation)}`);
  if (old.spec?.nodeName !== node)
    refuse(attributes, `${who} can only update pod status for pods with spec.nodeName set to itself`);
  if (!deepEqual(draft?.metadata?.labels ?? {}, old.metadata?.labels ?? {}))
    refuse(attributes, `${who} cannot update labels through pod status`);
  const claims = (object: Given<Pod> | undefined): unknown => object?.status?.resourceClaimStatuses ?? [];
  if (!deepEqual(claims(draft), claims(old))) refuse(attributes, `${who} cannot update resource claim statues`);
}

async function podEviction(node: string, attributes: AdmissionAttributes, reader: RegistryReader): Promise<void> {
  const { spec } = await existingPod(attributes, reader);
  if (spec?.nodeName !== node) refuse(attributes, `node ${node} can only evict pods with spec.nodeName set to itself`);
}

function claimStatus(node: string, attributes: AdmissionAttributes): void {
  const { old, draft = {} } = about(attributes, persistentVolumeClaims, 'status') ?? {};
  if (old === undefined) throw refusal(attributes, `unexpected operation ${JSON.stringify(attributes.operation)}`);
  const rest = (object: Given<PersistentVolumeClaim>): Given<PersistentVolumeClaim> => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: '', managedFields: [] },
    status: without(object.status, ['capacity', 'conditions', 'allocatedResources', 'allocatedResourceStatuses']),
  });
  if (!deepEqual(rest(draft), rest(old)))
    refuse(
      attributes,
      `node ${JSON.stringify(node)} is not allowed to update fields other than status.capacity and status.conditions`,
    );
}

function ownNode(node: string, attributes: AdmissionAttributes): void {
  const name = nameOf(attributes);
  const who = `node ${JSON.stringify(node)}`;
  if (name !== node) refuse(attributes, `${who} is not allowed to modify node ${JSON.stringify(name)}`);
  const { operation } = attributes;
  const { draft, old } = about(attributes, nodes, attributes.subresource) ?? {};
  if (operation === 'CREATE') {
    if (draft?.spec?.configSource)
      refuse(attributes, `${who} is not allowed to create pods with a non-nil configSource`);
    const labels = forbiddenLabels(draft?.metadata?.labels, {});
    if (labels.length > 0)
      refuse(attributes, `${who} is not allowed to set the following labels: ${labels.join(', ')}`);
  }
  if (operation !== 'UPDATE') return;
  const config = draft?.spec?.configSource;
  if (config && !deepEqual(config, old?.spec?.configSource))
    refuse(attributes, `${who} is not allowed to update configSource to a new non-nil configSource`);
  if (!deepEqual(taintsOf(draft), taintsOf(old))) refuse(attributes, `${who} is not allowed to modify taints`);
  const labels = forbiddenLabels(draft?.metadata?.labels, old?.metadata?.labels);
  if (labels.length > 0) refuse(attributes, `is not allowed to modify labels: ${labels.join(', ')}`);
  const owners = (object: Given<Node> | undefined): unknown => object?.metadata?.ownerReferences ?? [];
  if (!deepEqual(owners(draft), owners(old))) refuse(attributes, `${who} is not allowed to modify ownerReferences`);
}

function taintsOf(node: Given<Node> | undefined): unknown {
  return node?.spec?.taints ?? [];
}

type Labels = Readonly<Record<string, string>>;

/** Changed labels that are not a kubelet's to change, in order. */
function forbiddenLabels(now: Labels = {}, before: Labels = {}): readonly string[] {
  const changed = new Set([...Object.keys(now), ...Object.keys(before)].filter((key) => now[key] !== before[key]));
  const isIn = (namespace: string, parent: string): boolean => namespace === parent || namespace.endsWith(`.${parent}`);
  const isForbidden = (label: string): boolean => {
    const slash = label.indexOf('/');
    const namespace = slash < 0 ? '' : label.slice(0, slash);
    if (isIn(namespace, restrictedNamespace)) return true;
    if (!isIn(namespace, 'kubernetes.io') && !isIn(namespace, 'k8s.io')) return false;
    return !kubeletLabels.has(label) && !kubeletLabelNamespaces.some((parent) => isIn(namespace, parent));
  };
  return [...changed].filter(isForbidden).sort();
}

async function token(node: string, attributes: AdmissionAttributes, reader: RegistryReader): Promise<void> {
  if (attributes.operation !== 'CREATE') return;
  const ref = about(attributes, tokenRequests, 'token')?.draft?.spec?.boundObjectRef;
  const { name = '', uid = '' } = ref ?? {};
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || name === '')
    refuse(attributes, 'node requested token not bound to a pod');
  if (uid === '') refuse(attributes, 'node requested token with a pod binding without a uid');
  const { metadata, spec } = await existingPod({ namespace: attributes.namespace, name }, reader);
  if (metadata?.uid !== uid)
    refuse(
      attributes,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (spec?.nodeName !== node) refuse(attributes, 'node requested token bound to a pod scheduled on a different node');
}

function lease(node: string, attributes: AdmissionAttributes): void {
  if (attributes.namespace !== leaseNamespace)
    refuse(attributes, `can only access leases in the ${JSON.stringify(leaseNamespace)} system namespace`);
  if (nameOf(attributes) !== node)
    refuse(attributes, 'can only access node lease with the same name as the requesting node');
}

function csiNode(node: string, attributes: AdmissionAttributes): void {
  if (nameOf(attributes) !== node)
    refuse(attributes, 'can only access CSINode with the same name as the requesting node');
}

function resourceSlice(node: string, attributes: AdmissionAttributes): void {
  const { draft, old } = about(attributes, resourceSlices) ?? {};
  const slice = attributes.operation === 'DELETE' ? old : draft;
  if (slice?.spec?.nodeName !== node)
    refuse(
      attributes,
      `can only ${attributes.operation === 'DELETE' ? 'delete' : 'create'} ResourceSlice with the same NodeName as the requesting node`,
    );
}
