/** Answers questions that expressions ask the authorizer. Source: apiserver `pkg/cel/library/authz.go`. */
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { AskAccess } from '#pkg/cel/library/authorizer.ts';

/** Asks in the name of the user, or of a service account. An authorizer that has to wait is an error: evaluations do not wait. */
export function askerOf(authorizer: Authorizer, user: UserInfo): AskAccess {
  return ({ serviceAccount, verb, path = '', ...about }) => {
    const decision = authorizer.authorize({
      user: serviceAccount === undefined ? user : accountUser(serviceAccount),
      verb,
      group: about.group ?? '',
      version: '*',
      resource: about.resource ?? '',
      subresource: about.subresource ?? '',
      namespace: about.namespace ?? '',
      name: about.name ?? '',
      path,
      ...(about.fieldSelector === undefined ? {} : { fieldSelector: about.fieldSelector }),
    });
    if (decision instanceof Promise) {
      return { allowed: false, reason: '', error: 'the authorizer does not answer at once' };
    }
    return { allowed: decision.decision === 'allow', reason: decision.reason ?? '' };
  };
}

function accountUser({ namespace, name }: { readonly namespace: string; readonly name: string }): UserInfo {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return { name: `system:serviceaccount:${namespace}:${name}`, groups };
}
