/**
 * The way of a request through the server, from parsing to the handler of its verb. See `server.ts` for the order.
 */
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { expired, forbidden, StatusError, unauthorized } from '#pkg/apimachinery/status-error.ts';
import { CompactedError, type Store } from '#pkg/storage/store.ts';
import { anonymousUser, bearerToken } from './authn/authenticator.ts';
import { showsBadCertificate } from './authn/client-certificate.ts';
import { impersonate, wantsImpersonation } from './authn/impersonation.ts';
import type { AccessAttributes, AccessDecision } from './authz/authorizer.ts';
import type { ServedResource } from './catalog.ts';
import { deadlineMs, withinDeadline } from './deadline.ts';
import type { DocumentProvider } from './documents.ts';
import { readBytes } from './endpoints/body.ts';
import { answersOtherKind, handlerOf } from './endpoints/handlers.ts';
import { isApply } from './endpoints/patch-value.ts';
import type { Scope, ServerCore } from './endpoints/scope.ts';
import { type ApiServerLimits, InFlight, type Lane } from './in-flight.ts';
import { ApiMetrics } from './metrics.ts';
import { type Negotiated, negotiate } from './negotiation.ts';
import { nonResourceHandler, type Page } from './non-resource.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';
import { errorResponse, noSuchMethod, noSuchResource, pageNotFound } from './responses.ts';
import { storeError } from './storage/resource-store.ts';
import type { Handler } from './strategy.ts';
import { formatAnswer, formatRefusal, includeOf, transformAnswer } from './transform.ts';
import type { UserInfo } from './user-info.ts';
import { warningHeader } from './warning-header.ts';

/** What the pipeline needs beside the core. */
export interface PipelineParts {
  readonly pages: Readonly<Record<string, Page>>;
  readonly documents: DocumentProvider | undefined;
  readonly limits: ApiServerLimits;
  readonly store: Store;
  isReady(): boolean;
}

/** Makes the function that answers requests. It never throws. */
export function createPipeline(core: ServerCore, parts: PipelineParts): ApiHandler {
  const inFlight = new InFlight(parts.limits);
  const metrics = new ApiMetrics(() => inFlight.counts());
  const answerNonResource = nonResourceHandler(core, { ...parts, metrics });
  const { clock } = core;
  const answer = async (request: ApiRequest, asked: Asked, lasts: boolean): Promise<ApiResponse> => {
    const { info } = asked;
    const caller = authenticate(core, request);
    let user = caller instanceof Promise ? await caller : caller;
    if (user !== anonymousUser) request.peer.identified?.(user.name);
    if (wantsImpersonation(request.headers)) user = await impersonate(user, request.headers, core.authorizer);
    const decided = authorize(core, user, info);
    const refused = decided instanceof Promise ? await decided : decided;
    if (refused !== undefined) throw refused;
    if (!info.isResource) return answerNonResource(request, info);
    const lane = lasts ? undefined : inFlight.laneOf(info);
    return await answerResource(core, { request, ...asked, user, lane });
  };
  return async (request) => {
    const startMs = clock.monotonicMs();
    let asked: Asked | undefined;
    let response: ApiResponse;
    try {
      const info = parseRequestInfo(request.method, request.path, request.query);
      asked = { info, served: info.isResource ? core.catalog.find(info) : undefined };
      const lasts = isLongRunning(asked);
      const ms = lasts ? undefined : deadlineMs(info);
      const answering = answer(request, asked, lasts);
      response = await (ms === undefined ? answering : withinDeadline(clock, ms, answering));
    } catch (error) {
      const known = knownError(error);
      response = formatRefusal(errorResponse(known), request);
      // That its client has gone is no fault of the server's, and could be told as often as clients like.
      if (!(known instanceof StatusError) && error !== request.signal.reason) {
        core.log.error('Request failed unexpectedly', { method: request.method, path: request.path, error });
      }
    }
    if (asked !== undefined) {
      metrics.count(asked.info, response.status, {
        seconds: (clock.monotonicMs() - startMs) / 1_000,
        isServed: asked.served !== undefined,
        isApply: asked.info.verb === 'patch' && isApply(request),
      });
    }
    return withAuditId(core, request, response);
  };
}

/**
 * Names the request, so that what a client reports and what the server knows can be brought together. Callers in the same process have
 * no use for it. Source: apiserver `endpoints/filters/audit_init.go`.
 */
function withAuditId({ random }: ServerCore, { headers, peer }: ApiRequest, response: ApiResponse): ApiResponse {
  if (peer.address === '') return response;
  const auditId = headers['audit-id'] || random.uuid();
  return { ...response, headers: { ...response.headers, 'audit-id': auditId } };
}

/** What the store says when it cannot do what a request needs, as an API error. */
function knownError(error: unknown): unknown {
  if (error instanceof CompactedError) return expired(`too old resource version (${error.compactedRevision})`);
  return storeError(error);
}

/** At once, unless an authenticator has to wait. */
function authenticate(core: ServerCore, request: ApiRequest, from = 0): Promise<UserInfo> | UserInfo {
  const { authenticators } = core;
  for (let i = from; i < authenticators.length; i++) {
    const found = authenticators[i]!.authenticate(request);
    if (found instanceof Promise) return found.then((user) => user ?? authenticate(core, request, i + 1));
    if (found !== undefined) return found;
  }
  // Who shows a token or a certificate wants to be somebody.
  if (!core.allowsAnonymous) throw unauthorized();
  if (bearerToken(request.headers) !== undefined || showsBadCertificate(request.peer, core.clock)) throw unauthorized();
  return anonymousUser;
}

type Refusal = StatusError | undefined;

function authorize(core: ServerCore, user: UserInfo, info: RequestInfo): Promise<Refusal> | Refusal {
  const asked = core.authorizer.authorize(attributesOf(user, info));
  const decide = ({ decision, reason = '' }: AccessDecision): Refusal =>
    decision === 'allow' ? undefined : refusal(user, info, reason);
  return asked instanceof Promise ? asked.then(decide) : decide(asked);
}

function attributesOf(user: UserInfo, info: RequestInfo): AccessAttributes {
  const { verb, group, version, resource, subresource, namespace, name, path, query } = info;
  const fieldSelector = query.size === 0 ? undefined : (query.get('fieldSelector') ?? undefined);
  return { user, verb, group, version, resource, subresource, namespace, name, path, fieldSelector };
}

/** Source: apiserver `endpoints/handlers/responsewriters/errors.go` `forbiddenMessage`. */
function refusal(user: UserInfo, info: RequestInfo, reason: string): StatusError {
  const why = reason === '' ? '' : `: ${reason}`;
  const who = `User ${JSON.stringify(user.name)} cannot`;
  if (!info.isResource) {
    const message = `forbidden: ${who} ${info.verb} path ${JSON.stringify(info.path)}${why}`;
    return new StatusError({ code: 403, reason: 'Forbidden', message, details: {} });
  }
  const { verb, group, resource, subresource, namespace, name } = info;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const text = `${who} ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}${why}`;
  return forbidden({ group, resource }, name, text);
}

/** A scope whose body is still to come. */
type Opening = Omit<Scope, 'body'> & { body: Scope['body'] };

/** What a request is for; `served` is undefined where there is no such resource. */
interface Asked {
  readonly info: RequestInfo;
  readonly served: ServedResource | undefined;
}

interface Caller extends Asked, Pick<Scope, 'request' | 'user'> {
  /** Where the request takes a place; undefined for one that lasts. */
  readonly lane: Lane | undefined;
}

const bodyVerbs: ReadonlySet<string> = new Set(['create', 'delete', 'deletecollection', 'patch', 'update']);

/** Whether a request is one that lasts: a watch, or a connection. */
function isLongRunning({ info, served }: Asked): boolean {
  if (info.verb === 'watch') return true;
  if (info.subresource === '') return false;
  return served?.subresources.get(info.subresource)?.connect !== undefined;
}

/** Methods of resources. HEAD is none: upstream's routes name each method that they answer. Those of proxies answer two more. */
const knownMethods: ReadonlySet<string> = new Set(['DELETE', 'GET', 'PATCH', 'POST', 'PUT']);
const proxiedMethods: ReadonlySet<string> = new Set(['HEAD', 'OPTIONS']);

function answerResource(
  core: ServerCore,
  { request, info, served, user, lane }: Caller,
): Promise<ApiResponse> | ApiResponse {
  if (served === undefined) {
    if (info.group !== '' && !core.catalog.hasGroup(info.group)) return pageNotFound();
    throw noSuchResource();
  }
  const { group, resource } = served.info;
  if (!knownMethods.has(request.method)) {
    const takesPath = served.subresources.get(info.subresource)?.connect?.takesPath === true;
    if (!takesPath || !proxiedMethods.has(request.method)) throw noSuchMethod();
  }
  const warnings = served.warning === undefined ? [] : [served.warning];
  const subject = { group, resource };
  const scope: Opening = { core, request, body: undefined, info, user, served, subject, warnings };
  return answerScope(scope, lane);
}

/**
 * The body is read before the request takes its place in flight, so that nobody holds one who is slow to say what they want. Those of other verbs
 * nobody reads, or the connection that they ask for does.
 */
async function answerScope(scope: Opening, lane: Lane | undefined): Promise<ApiResponse> {
  const { core, request, info, warnings } = scope;
  try {
    const { handler, wanted } = chooseHandler(scope);
    if (lane !== undefined && bodyVerbs.has(info.verb)) {
      const { body } = request;
      scope.body = body?.kind === 'unread' ? { kind: 'bytes', bytes: await readBytes(body) } : body;
    }
    const turn = lane?.enter();
    if (turn !== undefined) await turn;
    try {
      const answer = await handler(scope);
      const formed = wanted.as === '' ? answer : transformAnswer(scope, answer, wanted);
      const formatted = formatAnswer(formed, wanted);
      const sent =
        info.verb === 'watch' && request.upgrade === 'websocket'
          ? await asWebSocket(request, formatted, core)
          : formatted;
      return withWarnings(warnings, sent);
    } finally {
      lane?.leave();
    }
  } catch (error) {
    const known = knownError(error);
    if (warnings.length === 0 || !(known instanceof StatusError)) throw error;
    return withWarnings(warnings, formatRefusal(errorResponse(known), request));
  }
}

const asItIs: Negotiated = { format: 'json', as: '', version: '', pretty: false };

function isProxied({ info, served }: Scope): boolean {
  return info.subresource !== '' && served.subresources.get(info.subresource)?.connect?.takesPath === true;
}

/** The handler, and the form of its answer. Throws what either refuses. */
function chooseHandler(scope: Scope): { readonly handler: Handler; readonly wanted: Negotiated } {
  const { info, request } = scope;
  const handler = handlerOf(scope);
  // What a target answers is in no form of the server's.
  if (isProxied(scope)) return { handler, wanted: asItIs };
  const wanted = negotiate(request, {
    query: info.query,
    isWatch: info.verb === 'watch',
    hasTable: !answersOtherKind(scope),
  });
  // Before anything is changed.
  if (wanted.as === 'Table') includeOf(info.query);
  return { handler, wanted };
}

/** Loaded when somebody first asks for one. */
async function asWebSocket(request: ApiRequest, answer: ApiResponse, { clock }: ServerCore): Promise<ApiResponse> {
  const { watchOverWebSocket } = await import('./websocket-answer.ts');
  return watchOverWebSocket(request, answer, clock);
}

function withWarnings(warnings: readonly string[], response: ApiResponse): ApiResponse {
  if (warnings.length === 0) return response;
  return { ...response, headers: { ...response.headers, warning: warningHeader(warnings) } };
}
