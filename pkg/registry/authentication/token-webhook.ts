/**
 * Users by tokens that a server of somebody else's knows: it is asked by a TokenReview, and what it says counts for a time.
 * Source: apiserver `plugin/pkg/authenticator/token/webhook/webhook.go`, `pkg/authentication/token/cache`.
 */
import { createHash } from 'node:crypto';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { TokenAuthenticator, TokenUser } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { AnswerCache } from '../remote/answer-cache.ts';
import { askRemote, type RemoteDeps, type RemoteServer } from '../remote/remote-server.ts';

/** Where it is, and how long its answers count. */
export interface TokenWebhookOptions extends RemoteDeps {
  readonly server: RemoteServer;
  readonly ttlMs: number;
  /** Of the reviews. */
  readonly version: 'v1' | 'v1beta1';
  /** Names by which this server goes. */
  readonly audiences: readonly string[];
}

/** Source: upstream's clients of webhooks without a time of their own. */
const seconds = 30;

/** What was answered: a user, an error, or that the token is nobody's. */
type Answer = TokenUser | string | undefined;

/** Knows the tokens that the server at `server` knows. */
export function tokenWebhook(options: TokenWebhookOptions): TokenAuthenticator {
  const { server, ttlMs, clock, audiences: own } = options;
  const cache = new AnswerCache<{ readonly answer: Answer }>(clock);
  return {
    async authenticateToken(token, wanted) {
      const question = createHash('sha256')
        .update(JSON.stringify([token, wanted]))
        .digest('base64');
      const known = cache.get(question);
      if (known !== undefined) return known.answer;
      const isOwn = wanted.length === own.length && wanted.every((audience) => own.includes(audience));
      const review = {
        apiVersion: `authentication.k8s.io/${options.version}`,
        kind: 'TokenReview',
        metadata: { creationTimestamp: null },
        spec: { token, audiences: wanted },
        status: { user: {} },
      };
      let answer: Answer;
      try {
        const { status } = await askRemote(server, review, { ...options, seconds });
        answer = answerOf(isObject(status) ? status : {}, { wanted, isOwn });
      } catch (error) {
        // It may know the next time.
        return errorText(error);
      }
      cache.keep(question, { answer }, ttlMs);
      return answer;
    },
  };
}

function answerOf(
  status: JsonObject,
  { wanted, isOwn }: { readonly wanted: readonly string[]; readonly isOwn: boolean },
): Answer {
  const { authenticated, user, error, audiences } = status;
  if (authenticated !== true) return typeof error === 'string' && error !== '' ? error : undefined;
  if (!isObject(user)) return undefined;
  const counted = Array.isArray(audiences) ? wanted.filter((audience) => audiences.includes(audience)) : [];
  // One that knows nothing of audiences speaks of those of the API.
  const unaware = !Array.isArray(audiences) || audiences.length === 0;
  if (counted.length === 0 && !(unaware && isOwn)) return undefined;
  const { username, uid, groups, extra } = user;
  return {
    user: {
      name: typeof username === 'string' ? username : '',
      groups: textsOf(groups),
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(isObject(extra)
        ? { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, textsOf(values)])) }
        : {}),
    },
    audiences: unaware ? wanted : counted,
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
