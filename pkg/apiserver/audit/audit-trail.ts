/**
 * What is found out about one request on its way, and the events that are made of it. Invariants: an event is given away for each stage at most once;
 * nothing is encoded for a request that the policy leaves out; objects are made into text when they are told of, as drafts change afterwards.
 * Upstream counterpart: apiserver `audit/context.go`, `audit/request.go`, `endpoints/filters/audit.go`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { goJson, isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { RequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';
import type { AuditNotes } from './audit-notes.ts';
import {
  type AuditEvent,
  type AuditedObject,
  type AuditedStatus,
  auditEvent,
  type RequestText,
  requestText,
} from './event.ts';
import type { AuditDecision, AuditLevel, AuditStage } from './policy.ts';
import { sourceIps } from './source-ips.ts';
import { whenOver } from './when-over.ts';
import { withoutManagedFields } from './without-managed-fields.ts';

/** What a trail needs of its server. */
export interface TrailHost {
  nowMs(): number;
  decide(info: RequestInfo, user: UserInfo | undefined): AuditDecision;
  /** False where the event is lost and the request must not go on. */
  record(event: AuditEvent): boolean;
  /** Told of a request that does not go on. */
  rejected(): void;
}

/** Longest user agent that is told whole. Source: apiserver `audit/request.go` `maxUserAgentLength`. */
const userAgentMax = 1_024;

/** Annotations of one request, at most: policies and webhooks of users write them. Further ones are left out. */
const annotationsMax = 512;

/** Verbs whose answers may be a Status although they succeed. */
const statusVerbs: ReadonlySet<string> = new Set(['create', 'delete', 'deletecollection']);

/** The audit of one request. Its methods are called in the order in which they stand here, some of them never. */
export class AuditTrail implements AuditNotes {
  readonly auditId: string;
  readonly #host: TrailHost;
  readonly #request: ApiRequest;
  readonly #receivedMs: number;
  #receivedAt: string | undefined;
  #decision: AuditDecision | undefined;
  #info: RequestInfo | undefined;
  #user: UserInfo | undefined;
  #impersonated: UserInfo | undefined;
  /** What is the same in all events, once there is one. */
  #text: RequestText | undefined;
  #object: AuditedObject | undefined;
  #requestObject: string | undefined;
  #responseObject: string | undefined;
  #status: AuditedStatus | undefined;
  #annotations: Record<string, string> | undefined;
  #annotationCount = 0;

  constructor(host: TrailHost, request: ApiRequest, auditId: string) {
    this.#host = host;
    this.#request = request;
    this.#receivedMs = host.nowMs();
    this.auditId = auditId;
  }

  annotate(key: string, value: string): void {
    if (this.#decision?.level === 'None') return;
    this.#annotations ??= {};
    if (Object.hasOwn(this.#annotations, key) || this.#annotationCount >= annotationsMax) return;
    this.#annotationCount++;
    setOwn(this.#annotations, key, value);
  }

  /** Whether there is anything to tell of the request: before it is known, and where the policy says so. */
  get isAudited(): boolean {
    return this.#decision?.level !== 'None';
  }

  /** The request came from `user`. Throws the 500 for a request whose event cannot be kept where that is a condition. */
  identified(info: RequestInfo, user: UserInfo): void {
    this.#decide(info, user);
    if (this.#emit('RequestReceived', this.#receivedMs)) return;
    this.#host.rejected();
    this.#decision = undefined;
    throw internalError('failed to store audit event');
  }

  /** It acts as somebody else. */
  impersonating(user: UserInfo): void {
    this.#impersonated = user;
    this.#text = undefined;
  }

  /** What authorization says, of whoever it acts as. Source: apiserver `endpoints/filters/authorization.go`. */
  authorized(isAllowed: boolean, reason: string): void {
    this.annotate('authorization.k8s.io/decision', isAllowed ? 'allow' : 'forbid');
    this.annotate('authorization.k8s.io/reason', reason);
  }

  /** Whether the objects of the request are told. */
  get tellsObjects(): boolean {
    const { level } = this.#decision ?? nothing;
    return level === 'Request' || level === 'RequestResponse';
  }

  /** The object that was sent, decoded and with its defaults. */
  sent(object: Readonly<JsonObject>): void {
    const { level, omitManagedFields } = this.#decision ?? nothing;
    if (level === 'None') return;
    const known = this.#object;
    const metadata = isObject(object.metadata) ? object.metadata : {};
    if (known !== undefined) {
      const { namespace, name, uid, resourceVersion } = known;
      this.#object = {
        ...known,
        namespace: namespace || textOf(metadata.namespace),
        name: name || textOf(metadata.name),
        uid: uid || textOf(metadata.uid),
        resourceVersion: resourceVersion || textOf(metadata.resourceVersion),
      };
    }
    if (this.tellsObjects) this.#requestObject = goJson(omitManagedFields ? withoutManagedFields(object) : object);
  }

  /** A patch that was sent, as it is. */
  patched(patch: unknown): void {
    if (this.tellsObjects) this.#requestObject = goJson(patch);
  }

  /**
   * The answer, before it is sent: for the caller to send, as the end of one that lasts is seen by its body. `error` is what it was made of where that
   * should not have happened.
   */
  answered(info: RequestInfo | undefined, response: ApiResponse, error: unknown): ApiResponse {
    if (this.#decision === undefined) return this.#unidentified(info, response);
    if (this.#decision.level === 'None') return response;
    if (error !== undefined) {
      const message = `APIServer panic'd: ${errorText(error)}`;
      this.#status = { status: 'Failure', reason: 'InternalError', message, code: 500 };
      this.#emit('Panic');
      return response;
    }
    this.#tellAnswer(response);
    const { kind } = response.body;
    if (kind !== 'watch' && kind !== 'stream' && kind !== 'upgrade') {
      this.#emit('ResponseComplete');
      return response;
    }
    this.#emit('ResponseStarted');
    return whenOver(response, this.#request.signal, () => void this.#emit('ResponseComplete'));
  }

  /** Who is nobody is told so: one event, as upstream makes of a failed authentication. */
  #unidentified(info: RequestInfo | undefined, response: ApiResponse): ApiResponse {
    if (info === undefined || response.status !== 401) return response;
    this.#decide(info, undefined);
    if (!this.isAudited) return response;
    this.#tellAnswer(response);
    this.#emit('ResponseStarted');
    return response;
  }

  #decide(info: RequestInfo, user: UserInfo | undefined): void {
    this.#info = info;
    this.#user = user;
    this.#decision = this.#host.decide(info, user);
    if (this.#decision.level === 'None') this.#annotations = undefined;
    else if (info.isResource) this.#object = objectOf(info);
  }

  #tellAnswer({ status, body }: ApiResponse): void {
    const { verb, subresource } = this.#info ?? { verb: '', subresource: '' };
    this.#status = { code: status };
    if (body.kind !== 'object') return;
    const { level, omitManagedFields } = this.#decision ?? nothing;
    const isTold = level === 'RequestResponse';
    // Most objects need not be looked at, and some would have to be made for that.
    const isPlainCreate = verb === 'create' && subresource === '';
    if (!isTold && status < 400 && (!statusVerbs.has(verb) || isPlainCreate)) return;
    const { object } = body;
    const isStatus = isObject(object) && object.kind === 'Status' && object.apiVersion === 'v1';
    if (isStatus) this.#status = { ...statusOf(object), code: status };
    if (isTold && (isStatus || this.#info?.isResource === true))
      this.#responseObject = goJson(omitManagedFields ? withoutManagedFields(object) : object);
  }

  /** False where the event was lost and that matters. */
  #emit(stage: AuditStage, atMs = this.#host.nowMs()): boolean {
    const { level, omitStages } = this.#decision ?? nothing;
    if (level === 'None' || omitStages.has(stage)) return true;
    this.#text ??= this.#requestText(level);
    this.#receivedAt ??= microTime(this.#receivedMs);
    const receivedAt = this.#receivedAt;
    return this.#host.record(
      auditEvent({
        request: this.#text,
        stage,
        object: this.#object,
        status: this.#status,
        requestObject: this.#requestObject,
        responseObject: this.#responseObject,
        receivedAt,
        stageAt: atMs === this.#receivedMs ? receivedAt : microTime(atMs),
        annotations: this.#annotations,
        isHeld: this.#request.isHeld === true,
      }),
    );
  }

  #requestText(level: AuditLevel): RequestText {
    const { path, query, headers } = this.#request;
    const agent = headers['user-agent'] ?? '';
    return requestText({
      level,
      auditId: this.auditId,
      uri: query === '' ? path : `${path}?${query}`,
      verb: this.#info?.verb ?? '',
      user: this.#user,
      impersonated: this.#impersonated,
      sourceIps: sourceIps(this.#request),
      userAgent: agent.length > userAgentMax ? `${agent.slice(0, userAgentMax)}...TRUNCATED` : agent,
    });
  }
}

const nothing: AuditDecision = { level: 'None', omitStages: new Set(), omitManagedFields: false };

function objectOf({ resource, namespace, name, group, version, subresource }: RequestInfo): AuditedObject {
  return { resource, namespace, name, uid: '', group, version, resourceVersion: '', subresource };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function statusOf(object: Record<string, unknown>): Omit<AuditedStatus, 'code'> {
  const { status, message, reason, details } = object;
  return {
    status: textOf(status),
    message: textOf(message),
    reason: textOf(reason),
    ...(details === undefined ? {} : { details }),
  };
}

function internalError(why: string): StatusError {
  const message = `Internal error occurred: ${why}`;
  return new StatusError({ code: 500, reason: 'InternalError', message, details: { causes: [{ message: why }] } });
}

/** RFC 3339 with microseconds of a time with a fraction. */
function microTime(epochMs: number): string {
  const micros = Math.floor((epochMs - Math.floor(epochMs / 1_000) * 1_000) * 1_000);
  return `${formatTimestamp(epochMs).slice(0, 19)}.${String(micros).padStart(6, '0')}Z`;
}
