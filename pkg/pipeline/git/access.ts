/** Who may read and push: users of the cluster, by a token of theirs. Whoever may get pipelines in a namespace may read its repositories, whoever may create runs may push, and whoever may get runs may have what they made. */
import { subjectAccessReviews, tokenReviews } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import { pipelineRuns, pipelines } from '../model/types.ts';

/** What is asked for. */
export interface AccessQuestion {
  /** The header `authorization`. */
  readonly authorization: string | undefined;
  readonly namespace: string;
  /** Of the run or the repository. */
  readonly name: string;
  readonly purpose: Purpose;
}

/** What somebody wants with a repository, or with what a run of it made. */
export type Purpose = 'artifacts' | 'push' | 'read';

const rights = {
  artifacts: { resource: pipelineRuns, verb: 'get' },
  push: { resource: pipelineRuns, verb: 'create' },
  read: { resource: pipelines, verb: 'get' },
} as const satisfies Readonly<Record<Purpose, object>>;

/** The token of a header: of `Bearer`, or the password of `Basic`, which is what git sends. */
export function tokenOf(authorization: string | undefined): string | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ');
  if (value === '') return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(value, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1) || undefined;
}

/** Asks the server; `unknown` for who has no token, or one that is none. */
export async function mayAccess(client: Client, question: AccessQuestion): Promise<'no' | 'unknown' | 'yes'> {
  const token = tokenOf(question.authorization);
  if (token === undefined) return 'unknown';
  const review = await client.resource(tokenReviews).create({ spec: { token } });
  const { authenticated, user } = review.status ?? {};
  if (authenticated !== true || user?.username === undefined) return 'unknown';
  const { resource: wanted, verb } = rights[question.purpose];
  const { group, resource } = wanted;
  const answer = await client.resource(subjectAccessReviews).create({
    spec: {
      user: user.username,
      ...(user.groups === undefined || user.groups === null ? {} : { groups: [...user.groups] }),
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
      resourceAttributes: {
        group,
        resource,
        verb,
        namespace: question.namespace,
        // Some may have what one run made, and no other.
        ...(question.purpose === 'artifacts' ? { name: question.name } : {}),
      },
    },
  });
  return answer.status?.allowed === true ? 'yes' : 'no';
}
