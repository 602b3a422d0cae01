/** Roles and their bindings. Source: upstream `pkg/apis/rbac/v1/defaults.go`, `pkg/apis/rbac/validation`. */

import type { ClusterRole, PolicyRule, Role, RoleBinding, Subject } from '#pkg/api/types/rbac-v1.ts';
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, pathSegmentProblems } from '#pkg/apimachinery/names.ts';
import { type Rules, rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { semanticallySame, setDefault } from '../draft.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { labelSelectorErrors } from '../validation/selector.ts';
import { bindingConverter } from './converter.ts';
import {
  type DefaultPolicy,
  defaultPolicy,
  type Grant,
  reconciledBinding,
  reconciledRole,
} from './policy/default-policy.ts';
import { roleBindingTable } from './tables.ts';

const roleField = pathsOf<Role>();
const bindingField = pathsOf<RoleBinding>();

const rbacGroup = 'rbac.authorization.k8s.io';

/** Where a role or a binding counts. */
type Scope = 'Cluster' | 'Namespaced';

/** Where what is checked counts, and its field. */
interface Place<T> {
  readonly scope: Scope;
  readonly field: FieldPath<T>;
}

function ruleErrors(rule: Given<PolicyRule>, { scope, field }: Place<PolicyRule>): FieldError[] {
  const errors: FieldError[] = [];
  if ((rule.verbs ?? []).length === 0) {
    errors.push(required(child(field, 'verbs'), 'verbs must contain at least one value'));
  }
  const urls = rule.nonResourceURLs ?? [];
  const apiGroups = rule.apiGroups ?? [];
  const names = rule.resources ?? [];
  if (urls.length > 0) {
    const path = child(field, 'nonResourceURLs');
    if (scope === 'Namespaced') {
      errors.push(invalid(path, urls, 'namespaced rules cannot apply to non-resource URLs'));
    }
    if (apiGroups.length > 0 || names.length > 0 || (rule.resourceNames ?? []).length > 0) {
      errors.push(invalid(path, urls, 'rules cannot apply to both regular resources and non-resource URLs'));
    }
    return errors;
  }
  if (apiGroups.length === 0) {
    errors.push(required(child(field, 'apiGroups'), 'resource rules must supply at least one api group'));
  }
  if (names.length === 0) {
    errors.push(required(child(field, 'resources'), 'resource rules must supply at least one resource'));
  }
  return errors;
}

function ruleListErrors(draft: Given<Role | ClusterRole>, scope: Scope): FieldError[] {
  return (draft.rules ?? []).flatMap((rule, index) =>
    ruleErrors(rule, { scope, field: at(roleField('rules'), index) }),
  );
}

function validateClusterRole(draft: Given<ClusterRole>): readonly FieldError[] {
  const errors = ruleListErrors(draft, 'Cluster');
  const rule = draft.aggregationRule;
  if (rule === undefined) return errors;
  const selectors = rule.clusterRoleSelectors ?? [];
  const path = pathsOf<ClusterRole>()('aggregationRule.clusterRoleSelectors');
  if (selectors.length === 0) {
    errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
  }
  return [...errors, ...selectors.flatMap((selector, index) => labelSelectorErrors(selector, at(path, index)))];
}

function setBindingDefaults(draft: Draft<AnyBinding>): void {
  const roleRef = draft.roleRef;
  if (roleRef !== undefined) setDefault(roleRef, 'apiGroup', rbacGroup);
  for (const subject of draft.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') setDefault(subject, 'apiGroup', rbacGroup);
  }
}

function subjectErrors(subject: Given<Subject>, { scope, field }: Place<Subject>): FieldError[] {
  const errors: FieldError[] = [];
  const name = subject.name ?? '';
  if (name === '') errors.push(required(child(field, 'name')));
  const kind = subject.kind ?? '';
  const group = subject.apiGroup ?? '';
  if (kind === 'ServiceAccount') {
    if (name !== '')
      errors.push(...dns1123SubdomainProblems(name).map((why) => invalid(child(field, 'name'), name, why)));
    if (group !== '') errors.push(notSupported(child(field, 'apiGroup'), group, ['']));
    if (scope === 'Cluster' && (subject.namespace ?? '') === '') errors.push(required(child(field, 'namespace')));
    return errors;
  }
  if (kind !== 'User' && kind !== 'Group') {
    errors.push(notSupported(child(field, 'kind'), kind, ['ServiceAccount', 'User', 'Group']));
  } else if (group !== rbacGroup) {
    errors.push(notSupported(child(field, 'apiGroup'), group, [rbacGroup]));
  }
  return errors;
}

function bindingErrors(draft: Given<AnyBinding>, scope: Scope): FieldError[] {
  const errors: FieldError[] = [];
  const kinds = scope === 'Namespaced' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const roleRef = draft.roleRef;
  const group = roleRef?.apiGroup ?? '';
  if (group !== rbacGroup) errors.push(notSupported(bindingField('roleRef.apiGroup'), group, [rbacGroup]));
  const kind = roleRef?.kind ?? '';
  if (!kinds.includes(kind)) errors.push(notSupported(bindingField('roleRef.kind'), kind, kinds));
  const role = roleRef?.name ?? '';
  if (role === '') errors.push(required(bindingField('roleRef.name')));
  errors.push(...pathSegmentProblems(role).map((why) => invalid(bindingField('roleRef.name'), role, why)));
  for (const [index, subject] of (draft.subjects ?? []).entries()) {
    errors.push(...subjectErrors(subject, { scope, field: at(bindingField('subjects'), index) }));
  }
  return errors;
}

/** The fields that bindings of both scopes have. */
type AnyBinding = Omit<RoleBinding, 'kind'>;

function bindingRules(scope: Scope): Rules<AnyBinding> {
  return {
    nameRule: 'pathSegment',
    createOnUpdate: true,
    setDefaults: setBindingDefaults,
    validate: (draft) => bindingErrors(draft, scope),
    validateUpdate: (draft, old) =>
      semanticallySame(draft.roleRef, old.roleRef)
        ? []
        : [invalid(bindingField('roleRef'), draft.roleRef, 'cannot change roleRef')],
    versions: { v1alpha1: { converter: bindingConverter, stored: `${rbacGroup}/v1` } },
    table: roleBindingTable,
  };
}

/** What roles of both scopes are. */
const roleRules = { nameRule: 'pathSegment', createOnUpdate: true, table: nameAndCreatedTable } as const;

/** Roles and bindings, of a namespace and of the cluster, and which of them there are from the start. */
function createRbacStrategies(policy: Partial<DefaultPolicy>): readonly Strategy[] {
  return [
    rulesOf(roles, {
      ...roleRules,
      validate: (draft) => ruleListErrors(draft, 'Namespaced'),
      bootstrap: policy.roles ?? [],
      reconcileBootstrap: reconciledRole,
    }),
    rulesOf(clusterRoles, {
      ...roleRules,
      validate: validateClusterRole,
      bootstrap: policy.clusterroles ?? [],
      reconcileBootstrap: reconciledRole,
    }),
    rulesOf(roleBindings, {
      ...bindingRules('Namespaced'),
      bootstrap: policy.rolebindings ?? [],
      reconcileBootstrap: reconciledBinding,
    }),
    rulesOf(clusterRoleBindings, {
      ...bindingRules('Cluster'),
      bootstrap: policy.clusterrolebindings ?? [],
      reconcileBootstrap: reconciledBinding,
    }),
  ];
}

/** Roles and bindings without any from the start. */
export const rbacStrategies: readonly Strategy[] = createRbacStrategies({});

/** The same with the roles and bindings that every cluster has, and those of `grants`. */
export function strategiesWithPolicy(grants: readonly Grant[]): readonly Strategy[] {
  return createRbacStrategies(defaultPolicy(grants));
}
