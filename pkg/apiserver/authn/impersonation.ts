/**
 * A caller who acts as somebody else, by the `Impersonate-*` headers, if the authorizer lets them.
 * Source: apiserver `endpoints/filters/impersonation/impersonation.go`.
 */
import type { HttpHeaders } from '#pkg/apimachinery/http.ts';
import { badRequest, forbidden } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { UserInfo } from '../user-info.ts';
import { authenticated } from './authenticator.ts';

interface Wanted {
  readonly resource: 'groups' | 'serviceaccounts' | 'uids' | 'userextras' | 'users';
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

const extraPrefix = 'impersonate-extra-';

/** Whether a request asks for it at all: nearly none does. */
export function wantsImpersonation(headers: HttpHeaders): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true;
  return false;
}

/** The user to act as. Throws BadRequest for groups without a user, Forbidden for who may not. */
export async function impersonate(caller: UserInfo, headers: HttpHeaders, authorizer: Authorizer): Promise<UserInfo> {
  const name = headers['impersonate-user'] ?? '';
  const uid = headers['impersonate-uid'];
  const groups = split(headers['impersonate-group']);
  const extra = extraOf(headers);
  if (name === '') throw badRequest('requested impersonation without impersonating a user');
  const wanted: Wanted[] = [subjectOf(name), ...groups.map((group) => simple('groups', group))];
  if (uid !== undefined) wanted.push(simple('uids', uid));
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) wanted.push({ resource: 'userextras', subresource: key, namespace: '', name: value });
  }
  for (const one of wanted) await check(caller, one, authorizer);
  const user: UserInfo = {
    name,
    groups: groups.length > 0 ? groups : groupsOf(name),
    ...(uid === undefined ? {} : { uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
  return name === 'system:anonymous' ? user : authenticated(user);
}

function extraOf(headers: HttpHeaders): Readonly<Record<string, readonly string[]>> {
  const names = Object.keys(headers).filter((header) => header.startsWith(extraPrefix));
  return Object.fromEntries(names.map((name) => [unescaped(name.slice(extraPrefix.length)), split(headers[name])]));
}

/** A key that does not decode is taken as it is. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function split(header: string | undefined): readonly string[] {
  return header === undefined
    ? []
    : header
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
}

function simple(resource: 'groups' | 'uids' | 'users', name: string): Wanted {
  return { resource, subresource: '', namespace: '', name };
}

/** The namespace and name of a service account's user name. */
function serviceAccountOf(name: string): readonly [namespace: string, name: string] | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  return match === null ? undefined : [match[1]!, match[2]!];
}

function subjectOf(name: string): Wanted {
  const account = serviceAccountOf(name);
  if (account === undefined) return simple('users', name);
  return { resource: 'serviceaccounts', subresource: '', namespace: account[0], name: account[1] };
}

function groupsOf(name: string): readonly string[] {
  const account = serviceAccountOf(name);
  if (account !== undefined) return ['system:serviceaccounts', `system:serviceaccounts:${account[0]}`];
  return name === 'system:anonymous' ? ['system:unauthenticated'] : [];
}

async function check(user: UserInfo, wanted: Wanted, authorizer: Authorizer): Promise<void> {
  const { resource, subresource, namespace, name } = wanted;
  const group = resource === 'uids' || resource === 'userextras' ? 'authentication.k8s.io' : '';
  const attributes = {
    user,
    verb: 'impersonate',
    group,
    version: 'v1',
    resource,
    subresource,
    namespace,
    name,
    path: '',
  };
  const { decision } = await authorizer.authorize(attributes);
  if (decision === 'allow') return;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const why = `User ${JSON.stringify(user.name)} cannot impersonate resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}`;
  throw forbidden({ group, resource }, name, why);
}
