/**
 * What a kubelet may do: what every node may (`nodeRules`), and of Secrets, ConfigMaps, claims, volumes and tokens what the pods that are bound to it
 * refer to. Pods are followed from the first such question on, so that a server without kubelets pays nothing for it.
 * Source: upstream `plugin/pkg/auth/authorizer/node/node_authorizer.go` at 1.36, with its refusals word for word.
 */

import type { PersistentVolume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumes, pods, resourceSlices, volumeAttachments } from '#pkg/api/types/refs.ts';
import type { ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { VolumeAttachment } from '#pkg/api/types/storage-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type {
  AccessAttributes,
  AccessDecision,
  ResolvingAuthorizer,
  RuleList,
} from '#pkg/apiserver/authz/authorizer.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import { type RegistryReader, readAll, readOne } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { nodeRules } from '../rbac/policy/cluster-roles.ts';
import { ruleFromText } from '../rbac/policy/rule-text.ts';
import { ruleAllows, rulesOf } from '../rbac/policy-rule.ts';
import { NodeGraph } from './node-graph.ts';
import { nodeOf } from './node-identity.ts';

/** What of the server it looks at. */
export interface NodeAuthorizerSource {
  readonly reader: RegistryReader;
  follow<T extends KubeObject>(resource: ResourceRef<T>, sink: FollowSink<T>): Promise<void>;
}

type Answer = Promise<AccessDecision> | AccessDecision;

const allow: AccessDecision = { decision: 'allow' };
const noOpinion: AccessDecision = { decision: 'no opinion' };
const leaseNamespace = 'kube-node-lease';
/** Of which nodes ask for most. */
const leaseGroup = 'coordination.k8s.io';
const readVerbs: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const ownVerbs: ReadonlySet<string> = new Set(['create', 'delete', 'get', 'patch', 'update']);
const rules = rulesOf({ rules: nodeRules.map(ruleFromText) });

function refuse(reason: string): AccessDecision {
  return { decision: 'no opinion', reason };
}

/** Decides for users that are nodes, and has no opinion of others. */
export class NodeAuthorizer implements ResolvingAuthorizer {
  readonly #graph = new NodeGraph();
  #source: NodeAuthorizerSource | undefined;
  #following: Promise<void> | undefined;
  #isFollowing = false;

  /** To be called before the first question. */
  connect(source: NodeAuthorizerSource): void {
    this.#source = source;
  }

  rulesFor(user: UserInfo): RuleList {
    const nothing = { resourceRules: [], nonResourceRules: [], incomplete: false };
    if (nodeOf(user) === undefined) return nothing;
    return { ...nothing, incomplete: true, evaluationError: 'node authorizer does not support user rule resolution' };
  }

  authorize(asked: AccessAttributes): Answer {
    const node = nodeOf(asked.user);
    if (node === undefined) return noOpinion;
    if (node === '') return refuse(`unknown node for user ${JSON.stringify(asked.user.name)}`);
    const divided = asked.resource === '' ? undefined : this.#divided(node, asked);
    if (divided !== undefined) return divided;
    return rules.some((rule) => ruleAllows(rule, asked)) ? allow : noOpinion;
  }

  /** The answer about a resource that nodes do not all have the same rights to; undefined for another one. */
  #divided(node: string, asked: AccessAttributes): Answer | undefined {
    if (asked.group === leaseGroup && asked.resource === 'leases') return lease(node, asked);
    switch (asked.group === '' ? asked.resource : `${asked.resource}.${asked.group}`) {
      case 'secrets':
      case 'configmaps':
        return this.#readNamespaced(node, asked);
      case 'persistentvolumeclaims':
        return asked.subresource === 'status' ? this.#claimStatus(node, asked) : this.#get(node, asked);
      case 'persistentvolumes':
      case 'resourceclaims.resource.k8s.io':
      case 'volumeattachments.storage.k8s.io':
        return this.#get(node, asked);
      case 'serviceaccounts':
        return this.#createToken(node, asked);
      case 'csinodes.storage.k8s.io':
        return csiNode(node, asked);
      case 'resourceslices.resource.k8s.io':
        return this.#resourceSlice(node, asked);
      case 'nodes':
        return ownNode(node, asked);
      case 'pods':
        return this.#pod(node, asked);
      default:
        return undefined;
    }
  }

  #readNamespaced(node: string, asked: AccessAttributes): Answer {
    if (!readVerbs.has(asked.verb)) return refuse('can only read resources of this type');
    if (asked.subresource !== '') return refuse('cannot read subresource');
    if (asked.namespace === '') return refuse('can only read namespaced object of this type');
    return this.#related(node, asked);
  }

  #get(node: string, asked: AccessAttributes): Answer {
    if (asked.verb !== 'get') return refuse('can only get individual resources of this type');
    if (asked.subresource !== '') return refuse('cannot get subresource');
    return this.#related(node, asked);
  }

  #claimStatus(node: string, asked: AccessAttributes): Answer {
    if (asked.verb !== 'update' && asked.verb !== 'patch') return refuse('can only get/update/patch this type');
    return this.#related(node, asked);
  }

  #createToken(node: string, asked: AccessAttributes): Answer {
    if (asked.verb !== 'create' || asked.name === '')
      return refuse('can only create tokens for individual service accounts');
    if (asked.subresource !== 'token') return refuse('can only create token subresource of serviceaccount');
    return this.#related(node, asked);
  }

  #resourceSlice(node: string, asked: AccessAttributes): Answer {
    if (asked.subresource !== '') return refuse('cannot authorize ResourceSlice subresources');
    switch (asked.verb) {
      case 'create':
        return allow;
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#related(node, asked);
      case 'watch':
      case 'list':
      case 'deletecollection':
        if (selects(asked, 'spec.nodeName', node)) return allow;
        return refuse('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return refuse(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  }

  #pod(node: string, asked: AccessAttributes): Answer {
    const { verb, subresource } = asked;
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow : noOpinion;
    if (subresource === 'eviction') return verb === 'create' ? allow : noOpinion;
    if (subresource !== '') return noOpinion;
    if (verb === 'create' || verb === 'delete') return allow;
    if (verb === 'get') return this.#get(node, asked);
    if (verb !== 'list' && verb !== 'watch') return noOpinion;
    if (selects(asked, 'spec.nodeName', node)) return allow;
    if (asked.name !== '') return this.#related(node, asked);
    return refuse('can only list/watch pods with spec.nodeName field selector');
  }

  /** Whether an object has to do with the node. */
  #related(node: string, asked: AccessAttributes): Answer {
    if (asked.name === '') return refuse('No Object name found');
    const decide = (isRelated: boolean): AccessDecision =>
      isRelated ? allow : refuse(`no relationship found between node '${node}' and this object`);
    if (!this.#isFollowing) return this.#follow().then(async () => decide(await this.#isRelated(node, asked)));
    const found = this.#isRelated(node, asked);
    return found instanceof Promise ? found.then(decide) : decide(found);
  }

  /** Follows pods from now on. What it cannot read yet it tries again at the next question. */
  #follow(): Promise<void> {
    const source = this.#source;
    if (source === undefined) return Promise.resolve();
    this.#following ??= source.follow(pods, this.#graph.sink).then(
      () => {
        this.#isFollowing = true;
      },
      () => {
        this.#following = undefined;
      },
    );
    return this.#following;
  }

  #isRelated(node: string, { resource, namespace, name }: AccessAttributes): Promise<boolean> | boolean {
    const graph = this.#graph;
    switch (resource) {
      case 'pods':
        return graph.hasPod(node, namespace, name);
      case 'persistentvolumes':
        return this.#usesVolume(node, name);
      case 'secrets':
        return graph.refers(node, resource, { namespace, name }) || this.#usesSecretOfVolume(node, namespace, name);
      case 'volumeattachments':
        return this.#namesNode(node, volumeAttachments, name);
      case 'resourceslices':
        return this.#namesNode(node, resourceSlices, name);
      case 'resourceclaims':
        return graph.refers(node, resource, { namespace, name }) || this.#usesClaimByStatus(node, namespace, name);
      case 'configmaps':
      case 'persistentvolumeclaims':
      case 'serviceaccounts':
        return graph.refers(node, resource, { namespace, name });
      default:
        return false;
    }
  }

  #claims(node: string, volume: PersistentVolume): boolean {
    const { namespace = '', name = '' } = volume.spec?.claimRef ?? {};
    return this.#graph.refers(node, 'persistentvolumeclaims', { namespace, name });
  }

  async #usesVolume(node: string, name: string): Promise<boolean> {
    const source = this.#source;
    const volume = source && (await readOne(source.reader, persistentVolumes, { namespace: '', name }));
    // Other than upstream: that there is none is no secret, and how nodes learn that a folder of theirs is nobody's any more.
    return volume === undefined || this.#claims(node, volume);
  }

  async #usesSecretOfVolume(node: string, namespace: string, name: string): Promise<boolean> {
    const source = this.#source;
    const all = source === undefined ? [] : await readAll(source.reader, persistentVolumes);
    return all.some((volume) => refersToSecret(volume, namespace, name) && this.#claims(node, volume));
  }

  async #namesNode(node: string, ref: ResourceRef<ResourceSlice | VolumeAttachment>, name: string): Promise<boolean> {
    const source = this.#source;
    const object = source && (await readOne(source.reader, ref, { namespace: '', name }));
    return object?.spec.nodeName === node;
  }

  /** Claims that were made for a pod are named in its status. */
  async #usesClaimByStatus(node: string, namespace: string, name: string): Promise<boolean> {
    const source = this.#source;
    const all = source === undefined ? [] : await readAll(source.reader, pods, namespace);
    return all.some(
      (pod) =>
        pod.spec?.nodeName === node &&
        (pod.status?.extendedResourceClaimStatus?.resourceClaimName === name ||
          (pod.status?.resourceClaimStatuses ?? []).some(({ resourceClaimName }) => resourceClaimName === name)),
    );
  }
}

/** Whether a volume's source names a Secret, in the namespace it says or that of the claim. Source: `pkg/api/v1/persistentvolume/util.go`. */
function refersToSecret({ spec }: PersistentVolume, namespace: string, name: string): boolean {
  return Object.values(spec ?? {}).some(
    (source) =>
      isObject(source) &&
      Object.entries(source).some(([field, value]) => {
        if (field === 'secretName') {
          const where = source.secretNamespace || spec?.claimRef?.namespace;
          return value === name && where === namespace;
        }
        if (!/secretRef$/i.test(field) || !isObject(value)) return false;
        return value.name === name && (value.namespace || spec?.claimRef?.namespace) === namespace;
      }),
  );
}

/** Whether a field selector demands that a field has a value. */
function selects({ fieldSelector = '' }: AccessAttributes, field: string, value: string): boolean {
  return fieldSelector.split(',').some((term) => term === `${field}=${value}` || term === `${field}==${value}`);
}

function lease(node: string, { verb, namespace, name }: AccessAttributes): AccessDecision {
  if (!ownVerbs.has(verb)) return refuse('can only get, create, update, patch, or delete a node lease');
  if (namespace !== leaseNamespace)
    return refuse(`can only access leases in the ${JSON.stringify(leaseNamespace)} system namespace`);
  // Of a new one the name is not known here: admission looks at it.
  if (verb !== 'create' && name !== node)
    return refuse('can only access node lease with the same name as the requesting node');
  return allow;
}

function csiNode(node: string, { verb, subresource, name }: AccessAttributes): AccessDecision {
  if (!ownVerbs.has(verb)) return refuse('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return refuse('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return refuse('can only access CSINode with the same name as the requesting node');
  return allow;
}

function ownNode(node: string, { verb, subresource, name }: AccessAttributes): AccessDecision {
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow : noOpinion;
  if (subresource !== '') return noOpinion;
  if (verb === 'create' || verb === 'update' || verb === 'patch') return allow;
  if (!readVerbs.has(verb)) return noOpinion;
  if (name === node) return allow;
  if (name === '') return refuse(`node '${node}' cannot read all nodes, only its own Node object`);
  return refuse(`node '${node}' cannot read '${name}', only its own Node object`);
}
