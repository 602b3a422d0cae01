/**
 * The way of a request through the server, from parsing to the handler of its verb. See `server.ts` for the order.
 */
import type { ApiHandler, ApiRequest, ApiResponse, UnreadBody } from '#pkg/apimachinery/http.ts';
import { expired, forbidden, StatusError, unauthorized, untraced } from '#pkg/apimachinery/status-error.ts';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import type { AboutComponent } from '#pkg/component/zpages.ts';
import { CompactedError, type Store } from '#pkg/storage/store.ts';
import type { Aggregation } from './aggregation.ts';
import { type Asked, AskedReader } from './asked.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { Auditor } from './audit/auditor.ts';
import { anonymousUser, bearerToken } from './authn/authenticator.ts';
import { showsBadCertificate } from './authn/client-certificate.ts';
import { impersonate, wantsImpersonation } from './authn/impersonation.ts';
import type { AccessAttributes, AccessDecision } from './authz/authorizer.ts';
import { deadlineMs, withinDeadline } from './deadline.ts';
import type { DocumentProvider } from './documents.ts';
import { readBytes } from './endpoints/body.ts';
import { answersOtherKind, handlerOf } from './endpoints/handlers.ts';
import { isApply } from './endpoints/patch-value.ts';
import type { Scope, ServerCore } from './endpoints/scope.ts';
import { answerFaults, isFaultsPath } from './fault-point.ts';
import type { Flow, FlowControl } from './flow/flow-control.ts';
import { inTurn } from './flow/in-turn.ts';
import { ApiMetrics } from './metrics.ts';
import { type Negotiated, negotiate } from './negotiation.ts';
import { nonResourceHandler, type Page, type TextPage } from './non-resource.ts';
import type { RequestInfo } from './request-info.ts';
import { errorResponse, noSuchMethod, noSuchResource, pageNotFound } from './responses.ts';
import { storeError } from './storage/resource-store.ts';
import type { Handler } from './strategy.ts';
import { formatAnswer, formatRefusal, includeOf, transformAnswer } from './transform.ts';
import type { UserInfo } from './user-info.ts';
import { warningHeader } from './warning-header.ts';
import { withIds } from './with-ids.ts';

/** What the pipeline needs beside the core. */
export interface PipelineParts {
  readonly pages: Readonly<Record<string, Page>>;
  readonly texts: Readonly<Record<string, TextPage>>;
  readonly documents: DocumentProvider | undefined;
  readonly flowControl: FlowControl;
  readonly store: Store;
  isReady(): boolean;
  processMetrics(): readonly MetricFamily[];
  readonly about: AboutComponent;
  /** Absent where nothing is audited. */
  readonly auditor: Auditor | undefined;
}

/** Makes the function that answers requests. It never throws. */
export function createPipeline(core: ServerCore, parts: PipelineParts): ApiHandler {
  const { flowControl } = parts;
  const { counts, catalog } = core;
  const metrics = new ApiMetrics({
    inFlight: () => flowControl.underWay(),
    counts: counts.metrics,
    catalog,
    process: parts.processMetrics,
  });
  const answerNonResource = nonResourceHandler(core, { ...parts, metrics });
  const { networkClock: clock } = core;
  const reader = new AskedReader(core.catalog);
  const answer = answererOf(core, flowControl, answerNonResource);
  return async (request) => {
    const startMs = clock.monotonicMs();
    const trail = parts.auditor?.begin(request);
    let asked: Asked | undefined;
    let coming: Coming | undefined;
    let response: ApiResponse;
    let fault: unknown;
    try {
      asked = reader.read(request);
      const ms = asked.lasts ? undefined : deadlineMs(asked.info);
      coming = {
        request,
        asked,
        trail,
        untilMs: startMs + (ms ?? requestMs) / 4,
        user: anonymousUser,
        flow: undefined,
      };
      const answering = answer(coming);
      if (!(answering instanceof Promise)) response = answering;
      else response = await (ms === undefined ? answering : withinDeadline(clock, ms, answering));
    } catch (error) {
      const known = knownError(error);
      response = formatRefusal(errorResponse(known), request);
      // That its client has gone is no fault of the server's, and could be told as often as clients like.
      if (!(known instanceof StatusError) && error !== request.signal.reason) {
        fault = error;
        core.log.error('Request failed unexpectedly', { method: request.method, path: request.path, error });
      }
    }
    if (trail !== undefined) response = trail.answered(asked?.info, response, fault);
    let sizes: ApiResponse['sizes'];
    if (asked !== undefined) {
      sizes = metrics.count(asked.info, response.status, {
        seconds: (clock.monotonicMs() - startMs) / 1_000,
        isServed: asked.served !== undefined,
        isApply: asked.info.verb === 'patch' && isApply(request),
      });
    }
    // Callers in the same process have no use for names of their requests.
    return request.peer.address === ''
      ? response
      : withIds(core, request, { response, sizes, trail, flow: coming?.flow });
  };
}

/** The way of a request from who asks to the handler. It waits for nothing, not even for a turn of the event loop, unless a step has to. */
function answererOf(
  core: ServerCore,
  flowControl: FlowControl,
  answerNonResource: ReturnType<typeof nonResourceHandler>,
): (coming: Coming) => Answering {
  const answerUser = (coming: Coming, user: UserInfo): Answering => {
    const { info, lasts } = coming.asked;
    coming.user = user;
    if (!lasts || info.verb === 'watch') coming.flow = flowControl.flowOf(user, info);
    const decided = authorize(core, user, coming);
    if (decided instanceof Promise) return decided.then((refused) => answerUnlessRefused(coming, user, refused));
    return answerUnlessRefused(coming, user, decided);
  };
  const answerUnlessRefused = (coming: Coming, user: UserInfo, refused: Refusal): Answering => {
    if (refused !== undefined) throw refused;
    const { faults, ownPages } = core;
    const { request } = coming;
    const { info } = coming.asked;
    if (ownPages?.has(info.path) === true) return ownPages.answer(request, info.path);
    if (faults === undefined) return answerAllowed(coming, user, request);
    if (isFaultsPath(info.path)) return answerFaults(faults, request, info.path);
    if (!info.isResource) return answerAllowed(coming, user, request);
    const { group, resource, subresource, namespace, name, verb, query } = info;
    const subject = { user: user.name, group, resource, subresource, namespace, name, verb, query };
    return faults.answer(subject, request, (asked) => answerAllowed(coming, user, asked));
  };
  const answerAllowed = (coming: Coming, user: UserInfo, request: ApiRequest): Answering => {
    const { trail } = coming;
    const { info, served } = coming.asked;
    if (core.aggregation?.isEmpty === false) {
      const remote = remoteOf(core.aggregation, info);
      if (remote !== undefined) return passOn(core.aggregation, remote, coming);
    }
    if (!info.isResource) return inTurn({ coming, flowControl }, () => answerNonResource(request, info));
    const audit = trail?.isAudited === true ? trail : undefined;
    return answerResource(core, { request, info, served, user, coming, flowControl, audit });
  };
  const passOn = (aggregation: Aggregation, remote: RemoteGroup, coming: Coming): Answering => {
    const { request, user, asked } = coming;
    const lasts = asked.lasts || lastingSubresources.has(asked.info.subresource);
    const pass = (): Promise<ApiResponse> => aggregation.pass(request, { ...remote, lasts, user });
    return lasts ? pass() : inTurn({ coming, flowControl }, pass);
  };
  const answerKnown = (coming: Coming, user: UserInfo): Answering => {
    const { request, asked, trail } = coming;
    if (user !== anonymousUser) request.peer.identified?.(user.name);
    trail?.identified(asked.info, user);
    if (!wantsImpersonation(request.headers)) return answerUser(coming, user);
    return impersonate(user, request.headers, core.authorizer).then((other) => {
      trail?.impersonating(other);
      return answerUser(coming, other);
    });
  };
  return (coming) => {
    const caller = authenticate(core, coming);
    return caller instanceof Promise ? caller.then((user) => answerKnown(coming, user)) : answerKnown(coming, caller);
  };
}

/** What the store says when it cannot do what a request needs, as an API error. */
function knownError(error: unknown): unknown {
  if (error instanceof CompactedError) return expired(`too old resource version (${error.compactedRevision})`);
  return storeError(error);
}

/** A request on its way. */
interface Coming {
  readonly request: ApiRequest;
  readonly asked: Asked;
  /** Undefined where nothing is audited. */
  readonly trail: AuditTrail | undefined;
  readonly untilMs: number;
  user: UserInfo;
  /** Undefined before it is known who asks, and for what lasts and is no watch. */
  flow: Flow | undefined;
}

/** What a request has that asks for nothing else. Source: kube-apiserver `--request-timeout`; a quarter of it may be spent in line. */
const requestMs = 60_000;

/** At once, unless an authenticator has to wait. */
function authenticate(core: ServerCore, coming: Coming, from = 0): Promise<UserInfo> | UserInfo {
  const { authenticators } = core;
  const { request, trail } = coming;
  for (let i = from; i < authenticators.length; i++) {
    const found = authenticators[i]!.authenticate(request, trail);
    if (found instanceof Promise) return found.then((user) => user ?? authenticate(core, coming, i + 1));
    if (found !== undefined) return found;
  }
  // Who shows a token or a certificate wants to be somebody.
  if (!core.allowsAnonymous) throw unauthorized();
  if (bearerToken(request.headers) !== undefined || showsBadCertificate(request.peer, core.networkClock))
    throw unauthorized();
  return anonymousUser;
}

/** Those of other servers, whose resources are not known here. Source: kube-apiserver `BasicLongRunningRequestCheck`. */
const lastingSubresources: ReadonlySet<string> = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

/** A group and version that another server answers for. */
interface RemoteGroup {
  readonly group: string;
  readonly version: string;
}

/** The group and version of a path, where another server answers for it. */
function remoteOf(
  aggregation: Aggregation,
  { isResource, group, version, parts }: RequestInfo,
): RemoteGroup | undefined {
  if (isResource) return aggregation.has(group, version) ? { group, version } : undefined;
  const [root, first = '', second = ''] = parts;
  // `/apis/<group>/<version>`, and what its server publishes of it: `/openapi/v3/apis/<group>/<version>`.
  const at = root === 'openapi' && first === 'v3' && second === 'apis' ? 3 : root === 'apis' ? 1 : -1;
  if (at < 0 || parts.length !== at + 2) return undefined;
  const remote = { group: parts[at] ?? '', version: parts[at + 1] ?? '' };
  return aggregation.has(remote.group, remote.version) ? remote : undefined;
}

type Refusal = StatusError | undefined;

/** At once where nothing had to be waited for. */
type Answering = Promise<ApiResponse> | ApiResponse;

function authorize(core: ServerCore, user: UserInfo, { asked: { info }, trail }: Coming): Promise<Refusal> | Refusal {
  const asked = core.authorizer.authorize(attributesOf(user, info));
  const decide = ({ decision, reason = '' }: AccessDecision): Refusal => {
    trail?.authorized(decision === 'allow', reason);
    return decision === 'allow' ? undefined : untraced(() => refusal(user, info, reason));
  };
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

interface Caller extends Omit<Asked, 'lasts'>, Pick<Scope, 'audit' | 'request' | 'user'> {
  readonly coming: Coming;
  /** Where the request takes a place, unless it has no flow. */
  readonly flowControl: FlowControl;
}

const bodyVerbs: ReadonlySet<string> = new Set(['create', 'delete', 'deletecollection', 'patch', 'update']);

/** Methods of resources. HEAD is none: upstream's routes name each method that they answer. Those of proxies answer two more. */
const knownMethods: ReadonlySet<string> = new Set(['DELETE', 'GET', 'PATCH', 'POST', 'PUT']);
const proxiedMethods: ReadonlySet<string> = new Set(['HEAD', 'OPTIONS']);

function answerResource(core: ServerCore, caller: Caller): Answering {
  const { request, info, served, user, audit } = caller;
  if (served === undefined) {
    if (info.group !== '' && !core.catalog.hasGroup(info.group)) return pageNotFound();
    throw noSuchResource();
  }
  const { group, resource } = served.info;
  if (!knownMethods.has(request.method)) {
    const takesPath = served.subresources.get(info.subresource)?.connect?.takesPath === true;
    if (!takesPath || !proxiedMethods.has(request.method)) throw noSuchMethod();
  }
  const warnings = user.warning === undefined ? [] : [user.warning];
  if (served.warning !== undefined) warnings.push(served.warning);
  if (served.warning !== undefined) core.counts.deprecated(info);
  const subject = { group, resource };
  const scope: Opening = { core, request, body: undefined, info, user, served, subject, audit, warnings };
  return answerScope(scope, caller);
}

/**
 * The body is read before the request takes its place in flight, so that nobody holds one who is slow to say what they want. Those of other verbs
 * nobody reads, or the connection that they ask for does.
 */
function answerScope(scope: Opening, caller: Caller): Answering {
  try {
    const chosen = chooseHandler(scope);
    const { body } = scope.request;
    if (caller.coming.flow !== undefined && bodyVerbs.has(scope.info.verb)) {
      if (body?.kind === 'unread') return answerOnceRead(scope, { chosen, caller, body });
      scope.body = body;
    }
    const answering = inTurn(caller, () => answerNow(scope, chosen));
    return answering instanceof Promise ? answering.catch((error: unknown) => refuse(scope, error)) : answering;
  } catch (error) {
    return refuse(scope, error);
  }
}

/** One promise for all that has to be waited for: a `catch` and a `finally` of their own are several each. */
async function answerOnceRead(
  scope: Opening,
  { chosen, caller, body }: { readonly chosen: Chosen; readonly caller: Caller; readonly body: UnreadBody },
): Promise<ApiResponse> {
  try {
    scope.body = { kind: 'bytes', bytes: await readBytes(body) };
    const answering = inTurn(caller, () => answerNow(scope, chosen));
    return answering instanceof Promise ? await answering : answering;
  } catch (error) {
    return refuse(scope, error);
  }
}

/** A refusal with its warnings; throws again what has none. */
function refuse({ warnings, request }: Scope, error: unknown): ApiResponse {
  const known = knownError(error);
  if (warnings.length === 0 || !(known instanceof StatusError)) throw error;
  return withWarnings(warnings, formatRefusal(errorResponse(known), request));
}

function answerNow(scope: Scope, { handler, wanted }: Chosen): Answering {
  const answer = handler(scope);
  return answer instanceof Promise
    ? answer.then((one) => formAnswer(scope, one, wanted))
    : formAnswer(scope, answer, wanted);
}

function formAnswer(scope: Scope, answer: ApiResponse, wanted: Negotiated): Answering {
  const { core, request, info, warnings } = scope;
  const formed = wanted.as === '' ? answer : transformAnswer(scope, answer, wanted);
  const formatted = formatAnswer(formed, wanted);
  if (info.verb !== 'watch' || request.upgrade !== 'websocket') return withWarnings(warnings, formatted);
  return asWebSocket(request, formatted, core).then((sent) => withWarnings(warnings, sent));
}

const asItIs: Negotiated = { format: 'json', as: '', version: '', pretty: false };

function isProxied({ info, served }: Scope): boolean {
  return info.subresource !== '' && served.subresources.get(info.subresource)?.connect?.takesPath === true;
}

interface Chosen {
  readonly handler: Handler;
  readonly wanted: Negotiated;
}

/** The handler, and the form of its answer. Throws what either refuses. */
function chooseHandler(scope: Scope): Chosen {
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
async function asWebSocket(request: ApiRequest, answer: ApiResponse, core: ServerCore): Promise<ApiResponse> {
  const { watchOverWebSocket } = await import('./websocket-answer.ts');
  return watchOverWebSocket(request, answer, core.networkClock);
}

function withWarnings(warnings: readonly string[], response: ApiResponse): ApiResponse {
  if (warnings.length === 0) return response;
  return { ...response, headers: { ...response.headers, warning: warningHeader(warnings) } };
}
