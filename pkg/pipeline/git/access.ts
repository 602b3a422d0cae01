/** Who may read and push: users of the cluster, by a token of theirs. Whoever may get pipelines in a namespace may read its repositories, and whoever may create runs may push. */
import { subjectAccessReviews, tokenReviews } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import { pipelineRuns, pipelines } from '../model/types.ts';

/** What is asked for. */
export interface AccessQuestion {
  /** The header `authorization`. */
  readonly authorization: string | undefined;
  readonly namespace: string;
  readonly isPush: boolean;
}

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
  const { group, resource } = question.isPush ? pipelineRuns : pipelines;
  const verb = question.isPush ? 'create' : 'get';
  const answer = await client.resource(subjectAccessReviews).create({
    spec: {
      user: user.username,
      ...(user.groups === undefined || user.groups === null ? {} : { groups: [...user.groups] }),
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      resourceAttributes: { group, resource, verb, namespace: question.namespace },
    },
  });
  return answer.status?.allowed === true ? 'yes' : 'no';
}
