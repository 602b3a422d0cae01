/**
 * Who may do what by roles and bindings: an index of them in memory, by subject, so that a decision neither waits nor looks at bindings of others. It
 * is told of every role and binding as it changes (`sinks`), and is as new as what tells it.
 *
 * Invariants: a grant holds the name of its role, so that a role may come after its bindings; namespaces, users and groups without grants have no entry.
 * Upstream counterpart: `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation/rule.go`.
 */

import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from '#pkg/api/types/rbac-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type {
  AccessAttributes,
  AccessDecision,
  Authorizer,
  RuleList,
  RuleResolver,
} from '#pkg/apiserver/authz/authorizer.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { type PolicyRule, ruleAllows, rulesOf } from './policy-rule.ts';

type AnyBinding = ClusterRoleBinding | RoleBinding;

/** One subject of one binding. */
interface Grant {
  readonly binding: string;
  /** `<namespace>/<name>` of a role, `/<name>` of a cluster role. */
  readonly role: string;
  readonly roleKind: string;
  /** Why: said of what it allows. */
  readonly allowed: AccessDecision;
}

/** Grants by user and by group; a service account is a user. */
interface Scope {
  readonly users: Map<string, Grant[]>;
  readonly groups: Map<string, Grant[]>;
}

/** What a user may do at a place, and what of it could not be found out. */
export interface HeldRules {
  readonly rules: readonly PolicyRule[];
  readonly errors: readonly string[];
}

const noOpinion: AccessDecision = { decision: 'no opinion' };

interface RbacSinks {
  readonly clusterroles: FollowSink<ClusterRole>;
  readonly roles: FollowSink<Role>;
  readonly clusterrolebindings: FollowSink<ClusterRoleBinding>;
  readonly rolebindings: FollowSink<RoleBinding>;
}

/** The index and the decisions; it allows nothing before its sinks were told. */
export class RbacAuthorizer implements Authorizer, RuleResolver {
  /** By `<namespace>/<name>`, `/<name>` of cluster roles. */
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  /** By namespace; `''` is the cluster. */
  readonly #scopes = new Map<string, Scope>();
  /** What a binding has in the scopes, by `<namespace>/<name>`: who is to be looked up to take it out again. */
  readonly #subjects = new Map<string, readonly KnownSubject[]>();

  /** What tells it of the objects of each resource. */
  readonly sinks: RbacSinks = {
    clusterroles: this.#roleSink(),
    roles: this.#roleSink(),
    clusterrolebindings: this.#bindingSink(),
    rolebindings: this.#bindingSink(),
  };

  authorize(asked: AccessAttributes): AccessDecision {
    const { user, namespace } = asked;
    let errors: string[] | undefined;
    const decide = (grants: readonly Grant[] | undefined): AccessDecision | undefined => {
      if (grants === undefined) return undefined;
      for (const grant of grants) {
        const rules = this.#roles.get(grant.role);
        if (rules === undefined) {
          errors ??= [];
          errors.push(notFound(grant));
          continue;
        }
        for (const rule of rules) if (ruleAllows(rule, asked)) return grant.allowed;
      }
      return undefined;
    };
    for (const scope of this.#scopesOf(namespace)) {
      let decision = decide(scope.users.get(user.name));
      if (decision !== undefined) return decision;
      for (const group of user.groups) {
        decision = decide(scope.groups.get(group));
        if (decision !== undefined) return decision;
      }
    }
    return errors === undefined ? noOpinion : { decision: 'no opinion', reason: `RBAC: ${together(errors)}` };
  }

  /** Everything that bindings of the cluster and of a namespace give a user. */
  heldRules(user: UserInfo, namespace: string): HeldRules {
    const rules: PolicyRule[] = [];
    const errors = new Set<string>();
    for (const scope of this.#scopesOf(namespace)) {
      const grants = [scope.users.get(user.name), ...user.groups.map((group) => scope.groups.get(group))];
      const seen = new Set<string>();
      for (const grant of grants.flatMap((one) => one ?? [])) {
        // A binding counts once, whichever of its subjects the user is.
        if (seen.has(grant.binding)) continue;
        seen.add(grant.binding);
        const held = this.#roles.get(grant.role);
        if (held === undefined) errors.add(notFound(grant));
        else rules.push(...held);
      }
    }
    return { rules, errors: [...errors] };
  }

  /** The rules of the role that a binding in `namespace` names; undefined when there is none. */
  rulesOfRole(kind: string, name: string, namespace: string): readonly PolicyRule[] | undefined {
    return this.#roles.get(kind === 'ClusterRole' ? `/${name}` : `${namespace}/${name}`);
  }

  rulesFor(user: UserInfo, namespace: string): RuleList {
    const { rules, errors } = this.heldRules(user, namespace);
    return {
      resourceRules: rules
        .filter(({ resources }) => resources.length > 0)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({
          verbs,
          apiGroups,
          resources,
          ...(resourceNames.length === 0 ? {} : { resourceNames }),
        })),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs.length > 0)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
      ...(errors.length === 0 ? {} : { evaluationError: together(errors) }),
    };
  }

  #scopesOf(namespace: string): readonly Scope[] {
    const cluster = this.#scopes.get('');
    const own = namespace === '' ? undefined : this.#scopes.get(namespace);
    if (cluster === undefined) return own === undefined ? [] : [own];
    return own === undefined ? [cluster] : [cluster, own];
  }

  #roleSink(): FollowSink<ClusterRole | Role> {
    return {
      set: (role) => void this.#roles.set(keyOf(role), rulesOf(role)),
      remove: (role) => void this.#roles.delete(keyOf(role)),
    };
  }

  #bindingSink(): FollowSink<AnyBinding> {
    return {
      set: (binding) => {
        this.#takeOut(binding);
        this.#putIn(binding);
      },
      remove: (binding) => this.#takeOut(binding),
    };
  }

  #putIn(binding: AnyBinding): void {
    const namespace = binding.metadata?.namespace ?? '';
    const key = keyOf(binding);
    const subjects = (binding.subjects ?? []).flatMap((subject) => knownSubject(subject, namespace));
    if (subjects.length === 0) return;
    this.#subjects.set(key, subjects);
    const { kind: roleKind = '', name: role = '' } = binding.roleRef ?? {};
    const scope = this.#scopes.get(namespace) ?? { users: new Map(), groups: new Map() };
    this.#scopes.set(namespace, scope);
    const name = binding.metadata?.name ?? '';
    const title =
      namespace === '' ? `ClusterRoleBinding ${quoted(name)}` : `RoleBinding ${quoted(`${name}/${namespace}`)}`;
    for (const { sort, id, text } of subjects) {
      const reason = `RBAC: allowed by ${title} of ${roleKind} ${quoted(role)} to ${text}`;
      const grant: Grant = {
        binding: key,
        role: roleKind === 'ClusterRole' ? `/${role}` : `${namespace}/${role}`,
        roleKind,
        allowed: { decision: 'allow', reason },
      };
      const grants = scope[sort].get(id);
      if (grants === undefined) scope[sort].set(id, [grant]);
      else grants.push(grant);
    }
  }

  #takeOut(binding: KubeObject): void {
    const key = keyOf(binding);
    const namespace = binding.metadata?.namespace ?? '';
    const scope = this.#scopes.get(namespace);
    if (scope === undefined) return;
    for (const { sort, id } of this.#subjects.get(key) ?? []) {
      const left = (scope[sort].get(id) ?? []).filter((grant) => grant.binding !== key);
      if (left.length === 0) scope[sort].delete(id);
      else scope[sort].set(id, left);
    }
    this.#subjects.delete(key);
    if (scope.users.size === 0 && scope.groups.size === 0) this.#scopes.delete(namespace);
  }
}

interface KnownSubject {
  readonly sort: 'groups' | 'users';
  readonly id: string;
  readonly text: string;
}

/** Whom a subject means, or nobody. */
function knownSubject(subject: Given<Subject>, bindingNamespace: string): readonly KnownSubject[] {
  const { kind = '', name = '' } = subject;
  if (kind === 'User') return [{ sort: 'users', id: name, text: `User ${quoted(name)}` }];
  if (kind === 'Group') return [{ sort: 'groups', id: name, text: `Group ${quoted(name)}` }];
  const namespace = subject.namespace || bindingNamespace;
  if (kind !== 'ServiceAccount' || namespace === '') return [];
  const text = `ServiceAccount ${quoted(`${name}/${namespace}`)}`;
  return [{ sort: 'users', id: `system:serviceaccount:${namespace}:${name}`, text }];
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

function notFound({ role, roleKind }: Grant): string {
  const name = role.slice(role.indexOf('/') + 1);
  return `${roleKind.toLowerCase()}.rbac.authorization.k8s.io ${quoted(name)} not found`;
}

/** Several errors as Go joins them. Source: apimachinery `util/errors.Aggregate`. */
function together(errors: readonly string[]): string {
  const different = [...new Set(errors)];
  return different.length === 1 ? different.join() : `[${different.join(', ')}]`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
