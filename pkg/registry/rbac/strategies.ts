/** Roles and their bindings. Source: upstream `pkg/apis/rbac/v1/defaults.go`, `pkg/apis/rbac/validation`. */

import { at, child, type FieldError, invalid, notSupported, required } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123SubdomainProblems, pathSegmentProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, listAt, objectAt, objectsAt, semanticallySame, setDefault, stringAt } from '../draft.ts';
import { nameAndCreatedTable } from '../printing/simple.ts';
import { labelSelectorErrors } from '../validation/selector.ts';
import { bindingConverter } from './converter.ts';
import { defaultPolicy, type Grant, reconciled } from './policy/default-policy.ts';
import { roleBindingTable } from './tables.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

/** Where a role or a binding counts. */
type Scope = 'Cluster' | 'Namespaced';

/** Where what is checked counts, and its field. */
interface Place {
  readonly scope: Scope;
  readonly field: string;
}

function ruleErrors(rule: JsonObject, { scope, field }: Place): FieldError[] {
  const errors: FieldError[] = [];
  if (listAt(rule, 'verbs').length === 0) {
    errors.push(required(child(field, 'verbs'), 'verbs must contain at least one value'));
  }
  const urls = listAt(rule, 'nonResourceURLs');
  const apiGroups = listAt(rule, 'apiGroups');
  const names = listAt(rule, 'resources');
  if (urls.length > 0) {
    const path = child(field, 'nonResourceURLs');
    if (scope === 'Namespaced') {
      errors.push(invalid(path, urls, 'namespaced rules cannot apply to non-resource URLs'));
    }
    if (apiGroups.length > 0 || names.length > 0 || listAt(rule, 'resourceNames').length > 0) {
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

function ruleListErrors(draft: JsonObject, scope: Scope): FieldError[] {
  return objectsAt(draft, 'rules').flatMap((rule, index) => ruleErrors(rule, { scope, field: at('rules', index) }));
}

function validateClusterRole(draft: JsonObject): readonly FieldError[] {
  const errors = ruleListErrors(draft, 'Cluster');
  const rule = objectAt(draft, 'aggregationRule');
  if (rule === undefined) return errors;
  const selectors = objectsAt(rule, 'clusterRoleSelectors');
  const path = 'aggregationRule.clusterRoleSelectors';
  if (selectors.length === 0) {
    errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
  }
  return [...errors, ...selectors.flatMap((selector, index) => labelSelectorErrors(selector, at(path, index)))];
}

function setBindingDefaults(draft: JsonObject): void {
  const roleRef = objectAt(draft, 'roleRef');
  if (roleRef !== undefined) setDefault(roleRef, 'apiGroup', rbacGroup);
  for (const subject of objectsAt(draft, 'subjects')) {
    if (subject.kind === 'User' || subject.kind === 'Group') setDefault(subject, 'apiGroup', rbacGroup);
  }
}

function subjectErrors(subject: JsonObject, { scope, field }: Place): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringAt(subject, 'name');
  if (name === '') errors.push(required(child(field, 'name')));
  const kind = stringAt(subject, 'kind');
  const group = stringAt(subject, 'apiGroup');
  if (kind === 'ServiceAccount') {
    if (name !== '')
      errors.push(...dns1123SubdomainProblems(name).map((why) => invalid(child(field, 'name'), name, why)));
    if (group !== '') errors.push(notSupported(child(field, 'apiGroup'), group, ['']));
    if (scope === 'Cluster' && stringAt(subject, 'namespace') === '') errors.push(required(child(field, 'namespace')));
    return errors;
  }
  if (kind !== 'User' && kind !== 'Group') {
    errors.push(notSupported(child(field, 'kind'), kind, ['ServiceAccount', 'User', 'Group']));
  } else if (group !== rbacGroup) {
    errors.push(notSupported(child(field, 'apiGroup'), group, [rbacGroup]));
  }
  return errors;
}

function bindingErrors(draft: JsonObject, scope: Scope): FieldError[] {
  const errors: FieldError[] = [];
  const kinds = scope === 'Namespaced' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const roleRef = objectAt(draft, 'roleRef');
  const group = stringAt(roleRef, 'apiGroup');
  if (group !== rbacGroup) errors.push(notSupported('roleRef.apiGroup', group, [rbacGroup]));
  const kind = stringAt(roleRef, 'kind');
  if (!kinds.includes(kind)) errors.push(notSupported('roleRef.kind', kind, kinds));
  const role = stringAt(roleRef, 'name');
  if (role === '') errors.push(required('roleRef.name'));
  errors.push(...pathSegmentProblems(role).map((why) => invalid('roleRef.name', role, why)));
  for (const [index, subject] of listAt(draft, 'subjects').entries()) {
    if (isObject(subject)) errors.push(...subjectErrors(subject, { scope, field: at('subjects', index) }));
  }
  return errors;
}

function bindingStrategy(resource: string, scope: Scope): Strategy {
  return {
    group: rbacGroup,
    resource,
    nameRule: 'pathSegment',
    createOnUpdate: true,
    setDefaults: setBindingDefaults,
    validate: (draft) => bindingErrors(draft, scope),
    validateUpdate: (draft, old) =>
      semanticallySame(draft.roleRef, fieldsOf(old).roleRef)
        ? []
        : [invalid('roleRef', draft.roleRef, 'cannot change roleRef')],
    versions: { v1alpha1: { converter: bindingConverter, stored: `${rbacGroup}/v1` } },
    table: roleBindingTable,
  };
}

function roleStrategy(resource: string, validate: NonNullable<Strategy['validate']>): Strategy {
  return {
    group: rbacGroup,
    resource,
    nameRule: 'pathSegment',
    createOnUpdate: true,
    validate,
    table: nameAndCreatedTable,
  };
}

/** Roles and bindings, of a namespace and of the cluster. */
export const rbacStrategies: readonly Strategy[] = [
  roleStrategy('roles', (draft) => ruleListErrors(draft, 'Namespaced')),
  roleStrategy('clusterroles', validateClusterRole),
  bindingStrategy('rolebindings', 'Namespaced'),
  bindingStrategy('clusterrolebindings', 'Cluster'),
];

/** The same with the roles and bindings that every cluster has, and those of `grants`. */
export function strategiesWithPolicy(grants: readonly Grant[]): readonly Strategy[] {
  const policy = new Map<string, readonly JsonObject[]>(Object.entries(defaultPolicy(grants)));
  return rbacStrategies.map((strategy) => {
    const bootstrap = policy.get(strategy.resource);
    return bootstrap === undefined ? strategy : { ...strategy, bootstrap, reconcileBootstrap: reconciled };
  });
}
