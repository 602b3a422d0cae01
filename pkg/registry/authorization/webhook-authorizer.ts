/**
 * Leaves decisions to a server of somebody else's, which is asked by a SubjectAccessReview. What it says counts for a time; when it cannot be asked it has no
 * opinion, or refuses, as configured. Does not list what it allows.
 * Source: apiserver `plugin/pkg/authorizer/webhook/webhook.go`.
 */

import { parseFieldSelector } from '#pkg/apimachinery/field-selector.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { AccessAttributes, AccessDecision, ResolvingAuthorizer } from '#pkg/apiserver/authz/authorizer.ts';
import { AnswerCache } from '../remote/answer-cache.ts';
import { askRemote, type RemoteDeps, type RemoteServer } from '../remote/remote-server.ts';
import type { AuthorizerWebhook } from './authorization-configuration.ts';
import { compileReviewCondition } from './review-conditions.ts';

/** A webhook that decides, and where it is. */
export interface AuthorizationWebhook {
  readonly type: 'Webhook';
  readonly config: AuthorizerWebhook;
  readonly server: RemoteServer;
}

/** Source: `apis/apiserver/v1/defaults.go`. */
const authorizedMs = 300_000;
const unauthorizedMs = 30_000;
const timeoutMs = 30_000;

/** Most characters of what a request names for its decision to be kept. Source: `maxControlledAttrCacheSize`. */
const keptCharactersMax = 10_000;

/** Asks the server of `webhook`. */
export function webhookAuthorizer({ config, server }: AuthorizationWebhook, deps: RemoteDeps): ResolvingAuthorizer {
  const cache = new AnswerCache<AccessDecision>(deps.clock);
  const conditions = (config.matchConditions ?? []).map(({ expression = '' }) => compileReviewCondition(expression));
  const failed: AccessDecision = { decision: config.failurePolicy === 'Deny' ? 'deny' : 'no opinion' };
  const seconds = (parseDurationMs(config.timeout ?? '') ?? timeoutMs) / 1_000;
  const apiVersion = `authorization.k8s.io/${config.subjectAccessReviewVersion ?? 'v1'}`;
  return {
    authorize(attributes) {
      const spec = specOf(attributes);
      const isAbout = matches(spec);
      if (isAbout !== true) return isAbout;
      const question = JSON.stringify(spec);
      return cache.get(question) ?? ask(spec, { question, keeps: sizeOf(attributes) < keptCharactersMax });
    },
    rulesFor: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: true,
      evaluationError: 'webhook authorizer does not support user rule resolution',
    }),
  };

  /** One condition that does not hold is enough, whatever becomes of the others. */
  function matches(spec: JsonObject): AccessDecision | true {
    let isFaulty = false;
    for (const condition of conditions) {
      try {
        if (!condition.holds(spec)) return { decision: 'no opinion' };
      } catch {
        isFaulty = true;
      }
    }
    return isFaulty ? failed : true;
  }

  async function ask(
    spec: JsonObject,
    { question, keeps }: { readonly question: string; readonly keeps: boolean },
  ): Promise<AccessDecision> {
    const { groups, ...rest } = spec;
    const sent = config.subjectAccessReviewVersion === 'v1beta1' ? { ...rest, group: groups } : spec;
    const review = {
      apiVersion,
      kind: 'SubjectAccessReview',
      metadata: { creationTimestamp: null },
      spec: sent,
      status: { allowed: false },
    };
    let status: JsonObject;
    try {
      const answer = await askRemote(server, review, { ...deps, seconds });
      status = isObject(answer.status) ? answer.status : {};
    } catch {
      return failed;
    }
    const decision = decisionOf(status);
    if (keeps) cache.keep(question, decision, status.allowed === true ? allowedMs() : refusedMs());
    return decision;
  }

  function allowedMs(): number {
    return config.cacheAuthorizedRequests === false ? 0 : (parseDurationMs(config.authorizedTTL ?? '') ?? authorizedMs);
  }

  function refusedMs(): number {
    if (config.cacheUnauthorizedRequests === false) return 0;
    return parseDurationMs(config.unauthorizedTTL ?? '') ?? unauthorizedMs;
  }
}

function decisionOf({ allowed, denied, reason }: JsonObject): AccessDecision {
  const decision = denied === true ? 'deny' : allowed === true ? 'allow' : 'no opinion';
  return typeof reason === 'string' && reason !== '' ? { decision, reason } : { decision };
}

function sizeOf({ namespace, verb, group, version, resource, subresource, name, path }: AccessAttributes): number {
  return [namespace, verb, group, version, resource, subresource, name, path].join('').length;
}

/** What is left out is empty. */
function specOf({ user, ...asked }: AccessAttributes): JsonObject {
  const { verb, group, version, resource, subresource, namespace, name, path, fieldSelector } = asked;
  const about =
    resource === ''
      ? { nonResourceAttributes: filled({ path, verb }) }
      : {
          resourceAttributes: {
            ...filled({ namespace, verb, group, version, resource, subresource, name }),
            ...selectorOf(fieldSelector),
          },
        };
  return {
    ...about,
    ...filled({ user: user.name }),
    ...(user.groups.length === 0 ? {} : { groups: user.groups }),
    ...(user.extra === undefined ? {} : { extra: user.extra }),
    ...filled({ uid: user.uid ?? '' }),
  };
}

function filled(fields: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

function selectorOf(text = ''): JsonObject {
  const parsed = parseFieldSelector(text);
  if (!parsed.ok || parsed.selector.terms.length === 0) return {};
  const requirements = parsed.selector.terms.map(({ field, operator, value }) => ({
    key: field,
    operator: operator === '=' ? 'In' : 'NotIn',
    values: [value],
  }));
  return { fieldSelector: { requirements } };
}
