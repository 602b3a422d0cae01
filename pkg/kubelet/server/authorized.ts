/**
 * Who may use the kubelet's own API: whom the API server lets use `nodes/<part>` of this node. It is asked by a review for each user, verb and part,
 * and its answer is remembered for a while.
 *
 * Invariant: without a certificate of the cluster nobody is asked about, and without an answer nobody is let in.
 * Upstream counterpart: kubelet `server/auth.go`; the times are those of `KubeletConfiguration`.
 */
import { subjectAccessReviews } from '#pkg/api/types/refs.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { text } from './pod-path.ts';

/** How long an answer holds. Source: `authorization.webhook.cacheAuthorizedTTL` and `cacheUnauthorizedTTL`. */
const allowedMs = 5 * 60_000;
const refusedMs = 30_000;

/** Answers that are remembered at most; then all are asked for again. */
const rememberedMax = 1_000;

/** Somebody, as the API server names them. */
interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

/** Whom to ask, and of which node. */
export interface AuthorizedOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly nodeName: string;
  /** Who asks; undefined for whoever shows nothing that is good. */
  userOf(request: ApiRequest): Promise<User | undefined> | User | undefined;
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Parts of a node by the first step of the path: one that may be used is enough. */
const parts: Readonly<Record<string, readonly string[]>> = {
  stats: ['stats'],
  metrics: ['metrics'],
  logs: ['log'],
  checkpoint: ['checkpoint'],
  healthz: ['healthz', 'proxy'],
  configz: ['configz', 'proxy'],
  pods: ['pods', 'proxy'],
  runningpods: ['pods', 'proxy'],
};

function partsOf(path: string): readonly string[] {
  const first = path.split('/')[1] ?? '';
  return Object.hasOwn(parts, first) ? parts[first]! : ['proxy'];
}

/** The handler for those who may, and 401 or 403 for others. */
export function authorized(handler: ApiHandler, options: AuthorizedOptions): ApiHandler {
  const reviews = new Reviews(options);
  return async (request) => {
    const user = await options.userOf(request);
    if (user === undefined) return refusal(401, 'Unauthorized');
    const { name, groups } = user;
    const verb = verbs[request.method] ?? 'get';
    const asked = partsOf(request.path);
    for (const part of asked) {
      const isAllowed = await reviews.isAllowed({ name, groups, verb, part }, request);
      if (isAllowed === undefined) return refusal(500, 'Internal Error');
      if (!isAllowed) continue;
      request.peer.identified?.(name);
      return handler(request);
    }
    return refusal(403, `Forbidden (user=${name}, verb=${verb}, resource=nodes, subresource(s)=[${asked.join(' ')}])`);
  };
}

interface Question extends User {
  readonly verb: string;
  readonly part: string;
}

class Reviews {
  readonly #options: AuthorizedOptions;
  readonly #answers = new Map<string, { readonly isAllowed: boolean; readonly untilMs: number }>();

  constructor(options: AuthorizedOptions) {
    this.#options = options;
  }

  /** Undefined when the API server gave no answer. */
  async isAllowed(question: Question, { signal }: ApiRequest): Promise<boolean | undefined> {
    const { client, clock, nodeName } = this.#options;
    const key = JSON.stringify(question);
    const known = this.#answers.get(key);
    if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.isAllowed;
    const { name, groups, verb, part } = question;
    const resourceAttributes = { version: 'v1', resource: 'nodes', name: nodeName, subresource: part, verb };
    try {
      const review = await client
        .resource(subjectAccessReviews)
        .create({ spec: { user: name, groups, resourceAttributes } }, { signal });
      const isAllowed = review.status?.allowed === true;
      if (this.#answers.size >= rememberedMax) this.#answers.clear();
      this.#answers.set(key, { isAllowed, untilMs: clock.monotonicMs() + (isAllowed ? allowedMs : refusedMs) });
      return isAllowed;
    } catch {
      return undefined;
    }
  }
}

function refusal(status: number, message: string): ApiResponse {
  return text(status, `${message}\n`);
}
