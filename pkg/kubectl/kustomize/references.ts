/** Names by which objects refer to others, brought up to date once all names are known. Source: kustomize `api/filters/nameref`. */

import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from '../api.ts';
import { changeAt } from './field-paths.ts';
import { type FieldSpec, nameReferences } from './field-specs.ts';
import {
  effectiveNamespace,
  type Id,
  idOf,
  idText,
  isClusterScoped,
  isOfKind,
  type KindPattern,
  type Resource,
} from './resource.ts';

/** Puts the new names of objects in the place of those by which others know them. */
export function fixReferences(resources: readonly Resource[]): void {
  for (const { target, fields } of nameReferences) {
    const targets = resources.filter(({ previous }) => previous.some((id) => isOfKind(id, target)));
    if (targets.length === 0) continue;
    for (const field of fields) {
      for (const referrer of resources) {
        const [first = idOf(referrer.object)] = referrer.previous;
        if (isOfKind(first, field)) fixField(referrer, field, { target, targets: reachable(referrer, targets) });
      }
    }
  }
}

interface Targets {
  readonly target: KindPattern;
  readonly targets: readonly Resource[];
}

/** Those that an object may name: of its namespace, of the cluster, or of a namespace that it names. */
function reachable({ object }: Resource, targets: readonly Resource[]): readonly Resource[] {
  const own = idOf(object);
  if (isClusterScoped(own)) return targets;
  const subjects = Array.isArray(object.subjects) ? object.subjects : [];
  const named = new Set(subjects.map((subject) => digText(subject, 'namespace')));
  return targets.filter((other) => {
    const id = idOf(other.object);
    return isClusterScoped(id) || effectiveNamespace(id) === effectiveNamespace(own) || named.has(id.namespace);
  });
}

function fixField(referrer: Resource, { path }: FieldSpec, { target, targets }: Targets): void {
  const find = (name: string, among: readonly Resource[], isWhole: boolean) =>
    referralOf(referrer, { path, target, name, among, isWhole });
  const changeOne = (value: unknown): unknown => {
    if (typeof value === 'string') return find(value, targets, false)?.name ?? value;
    if (!isObject(value) || typeof value.name !== 'string') return value;
    const referral = find(value.name, ofNamespace(value, targets), true);
    if (referral === undefined) return value;
    const { namespace } = referral;
    return { ...value, name: referral.name, ...(namespace === '' ? {} : { namespace }) };
  };
  changeAt(referrer.object, path, { creates: false }, (value) =>
    Array.isArray(value) ? value.map(changeOne) : changeOne(value),
  );
}

/** Where a reference names a namespace: what was there, else what is. */
function ofNamespace(value: JsonObject, targets: readonly Resource[]): readonly Resource[] {
  const { namespace } = value;
  if (typeof namespace !== 'string') return targets;
  const before = targets.filter(
    ({ previous: [first] }) => first !== undefined && effectiveNamespace(first) === namespace,
  );
  return before.length > 0 ? before : targets.filter(({ object }) => idOf(object).namespace === namespace);
}

interface Search {
  readonly path: string;
  readonly target: KindPattern;
  readonly name: string;
  readonly among: readonly Resource[];
  /** The namespace counts too. */
  readonly isWhole: boolean;
}

function referralOf(referrer: Resource, { path, target, name, among, isWhole }: Search): Id | undefined {
  const own = idOf(referrer.object);
  let found = among.filter(
    ({ previous }) => previous.some((id) => id.name === name) && previous.some((id) => isOfKind(id, target)),
  );
  if (path.endsWith('roleRef/name')) {
    const role = {
      group: digText(referrer.object, 'roleRef', 'apiGroup'),
      kind: digText(referrer.object, 'roleRef', 'kind'),
    };
    if (role.group !== '' && role.kind !== '')
      found = found.filter(({ previous }) => previous.some((id) => isOfKind(id, role)));
  }
  if (!isClusterScoped(own)) {
    found = found.filter(({ object }) => {
      const id = idOf(object);
      return isClusterScoped(id) || id.kind === 'ServiceAccount' || effectiveNamespace(id) === effectiveNamespace(own);
    });
  }
  if (found.length > 1) {
    const alike = found.filter(({ affixes }) => affixes.join('\0') === referrer.affixes.join('\0'));
    if (alike.length === 0) return undefined;
    found = alike;
  }
  const ids = found.map(({ object }) => idOf(object));
  const [first] = ids;
  if (first === undefined) return undefined;
  if (ids.every((id) => id.name === first.name && (!isWhole || id.namespace === first.namespace))) return first;
  throw new UserError(`error: found multiple possible referrals: ${ids.map(idText).join(', ')}`);
}
