/** `create role`, `clusterrole` and their bindings. Source: kubectl `cmd/create/create_role.go`, `create_clusterrole.go`, `create_rolebinding.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, list, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { generatorCommand, type Wish } from './generator.ts';
import { pairsOf } from './pairs.ts';
import type { Commands } from './subcommand.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

const ruleFlags = {
  verb: list({ help: 'What may be done.', placeholder: 'verb,verb' }),
  resource: list({ help: 'To what, as resource.group/subresource.', placeholder: 'resource,…' }),
  'resource-name': list({ help: 'Only to objects of these names.', placeholder: 'name,name' }),
} satisfies FlagTable;

const clusterRuleFlags = {
  ...ruleFlags,
  'non-resource-url': list({ help: 'Paths that are no resources.', placeholder: 'path,path' }),
  'aggregation-rule': list({ help: 'Labels of the roles that this one is made of.', placeholder: 'key=value,…' }),
} satisfies FlagTable;

type RuleValues = FlagValues<typeof ruleFlags>;
type ClusterRuleValues = FlagValues<typeof clusterRuleFlags>;

const bindingFlags = {
  clusterrole: text({ help: 'Cluster role to bind.', placeholder: 'name' }),
  role: text({ help: 'Role to bind.', placeholder: 'name' }),
  user: list({ help: 'Users to bind it to.', placeholder: 'name' }),
  group: list({ help: 'Groups to bind it to.', placeholder: 'name' }),
  serviceaccount: list({ help: 'Service accounts to bind it to, as namespace:name.', placeholder: 'namespace:name' }),
} satisfies FlagTable;

type BindingValues = FlagValues<typeof bindingFlags>;

/** The generators of roles and bindings. */
export const roleGenerators: Commands = {
  clusterrole: generatorCommand<ClusterRuleValues>({
    summary: 'Create a cluster role.',
    usage: 'clusterrole NAME --verb=VERB --resource=RESOURCE',
    resource: `clusterroles.${rbacGroup}`,
    flags: clusterRuleFlags,
    build: buildClusterRole,
  }),
  clusterrolebinding: generatorCommand<BindingValues>({
    summary: 'Create a binding of a cluster role.',
    usage: 'clusterrolebinding NAME --clusterrole=NAME --user=USER',
    resource: `clusterrolebindings.${rbacGroup}`,
    failure: 'clusterrolebinding:',
    flags: bindingFlags,
    build: (values, { name }) => {
      if (values.clusterrole === '') throw new UserError('error: exactly one of clusterrole or role must be specified');
      return binding('ClusterRoleBinding', name, values);
    },
  }),
  role: generatorCommand<RuleValues>({
    summary: 'Create a role with a single rule.',
    usage: 'role NAME --verb=VERB --resource=RESOURCE',
    resource: `roles.${rbacGroup}`,
    flags: ruleFlags,
    build: async (values, { name, context }) => {
      checkRule(values);
      return { ...typed('Role', name), rules: await resourceRules(context, values) };
    },
  }),
  rolebinding: generatorCommand<BindingValues>({
    summary: 'Create a binding of a role.',
    usage: 'rolebinding NAME --role=NAME --user=USER',
    resource: `rolebindings.${rbacGroup}`,
    failure: 'rolebinding:',
    flags: bindingFlags,
    build: (values, { name }) => {
      if ((values.clusterrole === '') === (values.role === ''))
        throw new UserError('error: exactly one of clusterrole or role must be specified');
      return binding('RoleBinding', name, values);
    },
  }),
};

function typed(kind: string, name: string): JsonObject {
  return { apiVersion: `${rbacGroup}/v1`, kind, metadata: { name } };
}

function checkRule(values: RuleValues): void {
  if (values.verb.length === 0) throw new UserError('error: at least one verb must be specified');
  if (values.resource.length === 0) throw new UserError('error: at least one resource must be specified');
}

async function buildClusterRole(values: ClusterRuleValues, { name, context }: Wish): Promise<JsonObject> {
  const base = typed('ClusterRole', name);
  const aggregated = values['aggregation-rule'];
  if (aggregated.length > 0) {
    if (values.verb.length + values.resource.length + values['non-resource-url'].length > 0)
      throw new UserError(
        'error: aggregation rule must be specified without nonResourceURLs, resources or resource names',
      );
    return {
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: Object.fromEntries(pairsOf(aggregated)) }] },
      ...base,
      rules: null,
    };
  }
  if (values.verb.length === 0) throw new UserError('error: at least one verb must be specified');
  const urls = values['non-resource-url'];
  if (values.resource.length === 0 && urls.length === 0)
    throw new UserError('error: one of resource or nonResourceURL must be specified');
  const rules = values.resource.length === 0 ? [] : await resourceRules(context, values);
  return {
    ...base,
    rules: urls.length === 0 ? rules : [...rules, { nonResourceURLs: urls, verbs: values.verb }],
  };
}

/** One rule for each group. */
async function resourceRules(context: KubectlContext, values: RuleValues): Promise<readonly JsonObject[]> {
  const groups = new Map<string, string[]>();
  for (const word of values.resource) {
    const [resource = '', subresource] = word.split('/');
    const found = resource === '*' ? { group: '', resource: '*' } : (await context.discovery.resolve(resource))[0];
    const names = groups.get(found.group) ?? [];
    names.push(subresource === undefined ? found.resource : `${found.resource}/${subresource}`);
    groups.set(found.group, names);
  }
  const names = values['resource-name'];
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([apiGroup, resources]) => ({
      apiGroups: [apiGroup],
      ...(names.length === 0 ? {} : { resourceNames: names }),
      resources,
      verbs: values.verb.includes('*') ? ['*'] : [...new Set(values.verb)],
    }));
}

function binding(kind: string, name: string, values: BindingValues): JsonObject {
  const isCluster = values.clusterrole !== '';
  const accounts = values.serviceaccount.map((text) => {
    const [namespace = '', account = '', ...more] = text.split(':');
    if (namespace === '' || account === '' || more.length > 0)
      throw new UserError('error: serviceaccount must be <namespace>:<name>');
    return { kind: 'ServiceAccount', name: account, namespace };
  });
  const others = (subject: string, names: readonly string[]): readonly JsonObject[] =>
    names.map((one) => ({ apiGroup: rbacGroup, kind: subject, name: one }));
  return {
    ...typed(kind, name),
    roleRef: {
      apiGroup: rbacGroup,
      kind: isCluster ? 'ClusterRole' : 'Role',
      name: isCluster ? values.clusterrole : values.role,
    },
    subjects: [...others('User', values.user), ...others('Group', values.group), ...accounts],
  };
}
