/**
 * Nobody gives more than they have: who makes or changes a role needs every right in it, or the verb `escalate` for it; who binds a role needs every
 * right in that, or the verb `bind`. Upstream does this where the objects are stored; here it is an admission plugin, which has a name but no switch
 * of upstream's. Source: `pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased`, `escalation_check.go`.
 */
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '#pkg/api/types/rbac-v1.ts';
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '#pkg/api/types/refs.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, notFound } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import { type AdmissionAttributes, type AdmissionPlugin, about } from '#pkg/apiserver/strategy.ts';
import { mastersGroup, type UserInfo } from '#pkg/apiserver/user-info.ts';
import { without } from '../draft.ts';
import { describeRules, type PolicyRule, quotedList, rulesOf, uncoveredRules } from './policy-rule.ts';
import type { HeldRules } from './rbac-authorizer.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const roleResources: ReadonlySet<string> = new Set(['clusterroles', 'roles']);
const bindingResources: ReadonlySet<string> = new Set(['clusterrolebindings', 'rolebindings']);

type AboutRole = AdmissionAttributes<ClusterRole> | AdmissionAttributes<Role>;
type AboutBinding = AdmissionAttributes<ClusterRoleBinding> | AdmissionAttributes<RoleBinding>;

/** The right to everything, which aggregation can come to. */
const fullAuthority = rulesOf({
  rules: [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ],
});

/** What the plugin needs to know of roles and bindings. */
export interface HeldRights {
  heldRules(user: UserInfo, namespace: string): HeldRules;
  rulesOfRole(kind: string, name: string, namespace: string): readonly PolicyRule[] | undefined;
}

/** The plugin; members of `system:masters` pass it by, as upstream lets them. */
export function escalationPlugin(authorizer: Authorizer, rights: HeldRights): AdmissionPlugin {
  const may = async (
    user: UserInfo,
    { verb, resource, name, namespace }: { verb: string; resource: string; name: string; namespace: string },
  ): Promise<boolean> => {
    const asked = { user, verb, group: rbacGroup, version: '*', resource, subresource: '', namespace, name, path: '' };
    return (await authorizer.authorize(asked)).decision === 'allow';
  };
  const problemOf = (user: UserInfo, wanted: readonly PolicyRule[], namespace: string): string | undefined => {
    const { rules, errors } = rights.heldRules(user, namespace);
    const missing = uncoveredRules(rules, wanted);
    if (missing.length === 0) return undefined;
    const who = `user ${JSON.stringify(user.name)} (groups=${quotedList(user.groups)})`;
    const what = describeRules(missing).join('\n');
    const more = errors.length === 0 ? '' : `; resolution errors: [${errors.join(', ')}]`;
    return `${who} is attempting to grant RBAC permissions not currently held:\n${what}${more}`;
  };
  const checkRole = async (attributes: AboutRole, user: UserInfo): Promise<void> => {
    const { resource, namespace, name, draft, old } = attributes;
    if (draft === undefined || letsGoOnly(draft, old)) return;
    if (await may(user, { verb: 'escalate', resource, name, namespace })) return;
    const problem = problemOf(user, rulesOf(draft), namespace);
    if (problem !== undefined) throw refusal(attributes, problem);
    if (!(aggregates(draft) || aggregates(old))) return;
    if (problemOf(user, fullAuthority, namespace) !== undefined)
      throw refusal(attributes, 'must have cluster-admin privileges to use the aggregationRule');
  };
  const checkBinding = async (attributes: AboutBinding, user: UserInfo): Promise<void> => {
    const { namespace, draft, old } = attributes;
    if (draft === undefined || letsGoOnly(draft, old)) return;
    const { kind = '', name = '' } = draft.roleRef ?? {};
    // Another kind is refused by the rules of bindings.
    if (kind !== 'ClusterRole' && kind !== 'Role') return;
    const resource = `${kind.toLowerCase()}s`;
    if (await may(user, { verb: 'bind', resource, name, namespace })) return;
    const wanted = rights.rulesOfRole(kind, name, namespace);
    if (wanted === undefined) throw notFound({ group: rbacGroup, resource: kind.toLowerCase() }, name);
    const problem = problemOf(user, wanted, namespace);
    if (problem !== undefined) throw refusal(attributes, problem);
  };
  return {
    name: 'RBACEscalation',
    handles: ({ group, resource, operation, subresource }) =>
      group === rbacGroup &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      (roleResources.has(resource) || bindingResources.has(resource)),
    validate: async (attributes, { user }) => {
      if (user.groups.includes(mastersGroup)) return;
      const role = about(attributes, clusterRoles) ?? about(attributes, roles);
      if (role !== undefined) await checkRole(role, user);
      const binding = about(attributes, clusterRoleBindings) ?? about(attributes, roleBindings);
      if (binding !== undefined) await checkBinding(binding, user);
    },
  };
}

function refusal({ resource, name, draft }: AboutBinding | AboutRole, why: string): Error {
  return forbidden({ group: rbacGroup, resource }, name || (draft?.metadata?.name ?? ''), why);
}

/** Roles of a namespace do not. */
function aggregates(role: Given<ClusterRole> | Given<Role> | undefined): boolean {
  if (role === undefined || !('aggregationRule' in role)) return false;
  return (role.aggregationRule?.clusterRoleSelectors ?? []).length > 0;
}

/** Whether nothing changes but what the garbage collector needs for letting go of the object. Source: `helpers.go` `IsOnlyMutatingGCFields`. */
function letsGoOnly(draft: KubeObject, old: KubeObject | undefined): boolean {
  const changeable = fields('ownerReferences', 'finalizers', 'managedFields', 'resourceVersion', 'generation');
  const rest = (object: KubeObject): KubeObject => ({ ...object, metadata: without(object.metadata, changeable) });
  return old !== undefined && deepEqual(rest(draft), rest(old));
}
