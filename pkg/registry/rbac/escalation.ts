/**
 * Nobody gives more than they have: who makes or changes a role needs every right in it, or the verb `escalate` for it; who binds a role needs every
 * right in that, or the verb `bind`. Upstream does this where the objects are stored; here it is an admission plugin, which has a name but no switch
 * of upstream's. Source: `pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased`, `escalation_check.go`.
 */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, notFound } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { mastersGroup, type UserInfo } from '#pkg/apiserver/user-info.ts';
import { fieldsOf, listAt, stringAt } from '../draft.ts';
import { describeRules, type PolicyRule, quotedList, rulesOf, uncoveredRules } from './policy-rule.ts';
import type { HeldRules } from './rbac-authorizer.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const roleResources: ReadonlySet<string> = new Set(['clusterroles', 'roles']);
const bindingResources: ReadonlySet<string> = new Set(['clusterrolebindings', 'rolebindings']);

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
  const checkRole = async (attributes: AdmissionAttributes, user: UserInfo, role: JsonObject): Promise<void> => {
    const { resource, namespace, name, old } = attributes;
    if (await may(user, { verb: 'escalate', resource, name, namespace })) return;
    const problem = problemOf(user, rulesOf(role), namespace);
    if (problem !== undefined) throw refusal(attributes, role, problem);
    if (resource !== 'clusterroles' || !(aggregates(role) || aggregates(old && fieldsOf(old)))) return;
    if (problemOf(user, fullAuthority, namespace) !== undefined)
      throw refusal(attributes, role, 'must have cluster-admin privileges to use the aggregationRule');
  };
  const checkBinding = async (attributes: AdmissionAttributes, user: UserInfo, binding: JsonObject): Promise<void> => {
    const { namespace } = attributes;
    const [kind, name] = [stringAt(binding, 'roleRef', 'kind'), stringAt(binding, 'roleRef', 'name')];
    // Another kind is refused by the rules of bindings.
    if (kind !== 'ClusterRole' && kind !== 'Role') return;
    const resource = `${kind.toLowerCase()}s`;
    if (await may(user, { verb: 'bind', resource, name, namespace })) return;
    const wanted = rights.rulesOfRole(kind, name, namespace);
    if (wanted === undefined) throw notFound({ group: rbacGroup, resource: kind.toLowerCase() }, name);
    const problem = problemOf(user, wanted, namespace);
    if (problem !== undefined) throw refusal(attributes, binding, problem);
  };
  return {
    name: 'RBACEscalation',
    handles: ({ group, resource, operation, subresource }) =>
      group === rbacGroup &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      (roleResources.has(resource) || bindingResources.has(resource)),
    validate: async (attributes, { user }) => {
      const { draft, old, resource } = attributes;
      if (draft === undefined || user.groups.includes(mastersGroup)) return;
      if (old !== undefined && letsGoOnly(draft, old)) return;
      await (roleResources.has(resource) ? checkRole : checkBinding)(attributes, user, draft);
    },
  };
}

function refusal({ resource, name }: AdmissionAttributes, draft: JsonObject, why: string): Error {
  return forbidden({ group: rbacGroup, resource }, name || stringAt(draft, 'metadata', 'name'), why);
}

function aggregates(role: JsonObject | undefined): boolean {
  return listAt(role, 'aggregationRule', 'clusterRoleSelectors').length > 0;
}

/** Whether nothing changes but what the garbage collector needs for letting go of the object. Source: `helpers.go` `IsOnlyMutatingGCFields`. */
function letsGoOnly(draft: JsonObject, old: KubeObject): boolean {
  const rest = (object: JsonObject): JsonObject => {
    const metadata = { ...(object.metadata as JsonObject) };
    for (const field of ['ownerReferences', 'finalizers', 'managedFields', 'resourceVersion', 'generation'])
      delete metadata[field];
    return { ...object, metadata };
  };
  return deepEqual(rest(draft), rest(fieldsOf(old)));
}
