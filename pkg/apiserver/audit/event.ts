/**
 * One audit event as text: what `audit.k8s.io/v1` `Event` looks like, field by field in the order in which Go writes them. Put together by hand, as it is done twice
 * for each request. Invariant: a line of JSON without line breaks, whatever clients send.
 * Source: apiserver `apis/audit/v1/types.go`.
 */
import { goJson, inKeyOrder } from '#pkg/apimachinery/json.ts';
import { RecentTexts } from '../recent-texts.ts';
import type { UserInfo } from '../user-info.ts';
import type { AuditLevel, AuditStage } from './policy.ts';

/** What a request is about, as the request line and the object that was sent say. */
export interface AuditedObject {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly group: string;
  readonly version: string;
  readonly resourceVersion: string;
  readonly subresource: string;
}

/** What is known of the answer. */
export interface AuditedStatus {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: unknown;
  readonly code: number;
}

/** What is the same in all events of a request. */
export interface AuditedRequest {
  readonly level: AuditLevel;
  readonly auditId: string;
  readonly uri: string;
  readonly verb: string;
  readonly user: UserInfo | undefined;
  readonly impersonated: UserInfo | undefined;
  readonly sourceIps: readonly string[];
  readonly userAgent: string;
}

/** The text of what is the same: what stands before the stage, and what stands after it. */
export interface RequestText {
  readonly level: AuditLevel;
  readonly before: string;
  readonly after: string;
}

/** What an event says beside that. Objects are JSON already. */
export interface AuditFacts {
  readonly request: RequestText;
  readonly stage: AuditStage;
  readonly object: AuditedObject | undefined;
  readonly status: AuditedStatus | undefined;
  readonly requestObject: string | undefined;
  readonly responseObject: string | undefined;
  /** RFC 3339 with microseconds. */
  readonly receivedAt: string;
  readonly stageAt: string;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly isHeld: boolean;
}

/** One event for whoever keeps or sends them. */
export interface AuditEvent {
  /** Another event of the request follows before its answer leaves. */
  readonly isFirst: boolean;
  /** The answer leaves after `AuditSink.settle` was called. */
  readonly isHeld: boolean;
  /** A JSON object without a line break. */
  readonly json: string;
  /** The same without the objects of request and answer, and marked so; undefined where it has none of them by its level. */
  truncated(): string | undefined;
}

const truncatedKey = 'audit.k8s.io/truncated';

/** Made once for a request; again where it turns out to be another's. */
export function requestText(request: AuditedRequest): RequestText {
  const { level, auditId, uri, verb, user, impersonated, sourceIps, userAgent } = request;
  let after = `,"requestURI":${quote(uri)},"verb":${quote(verb)},"user":${userJson(user)}`;
  if (impersonated !== undefined) after += `,"impersonatedUser":${userJson(impersonated)}`;
  if (sourceIps.length > 0) after += `,"sourceIPs":[${sourceIps.map(quote).join(',')}]`;
  if (userAgent !== '') after += `,"userAgent":${quote(userAgent)}`;
  const before = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${level}","auditID":${quote(auditId)},"stage":"`;
  return { level, before, after };
}

/** The event that says these things. */
export function auditEvent(facts: AuditFacts): AuditEvent {
  return new EncodedEvent(facts);
}

class EncodedEvent implements AuditEvent {
  readonly json: string;
  readonly isFirst: boolean;
  readonly isHeld: boolean;
  readonly #facts: AuditFacts;

  constructor(facts: AuditFacts) {
    this.json = encode(facts);
    this.isFirst = facts.stage === 'RequestReceived';
    this.isHeld = facts.isHeld;
    this.#facts = facts;
  }

  truncated(): string | undefined {
    if (this.#facts.request.level === 'Metadata') return undefined;
    const annotations = { ...this.#facts.annotations, [truncatedKey]: 'true' };
    return encode({ ...this.#facts, requestObject: undefined, responseObject: undefined, annotations });
  }
}

function encode({ request, stage, object, status, requestObject, responseObject, ...facts }: AuditFacts): string {
  let text = `${request.before}${stage}"${request.after}`;
  if (object !== undefined) text += `,"objectRef":${objectJson(object)}`;
  if (status !== undefined) text += `,"responseStatus":${statusJson(status)}`;
  if (requestObject !== undefined) text += `,"requestObject":${requestObject}`;
  if (responseObject !== undefined) text += `,"responseObject":${responseObject}`;
  text += `,"requestReceivedTimestamp":"${facts.receivedAt}","stageTimestamp":"${facts.stageAt}"`;
  if (facts.annotations !== undefined) text += `,"annotations":${annotationsJson(facts.annotations)}`;
  return `${text}}`;
}

function annotationsJson(annotations: Readonly<Record<string, string>>): string {
  let text = '';
  const inOrder = inKeyOrder(annotations);
  for (const key in inOrder) text += `${text === '' ? '{' : ','}${quote(key)}:${quoteAnnotation(inOrder[key] ?? '')}`;
  return text === '' ? '{}' : `${text}}`;
}

/** What stands in JSON as it is, in Go's too. */
const plain = /^[ !#-%'-;=?-[\]-~]*$/;

/** Texts of annotations as JSON: why somebody may do something is said of each of their requests. */
const annotationTexts = new RecentTexts<string>();

function quoteAnnotation(text: string): string {
  const known = annotationTexts.get(text);
  if (known !== undefined) return known;
  const quoted = quote(text);
  annotationTexts.set(text, quoted);
  return quoted;
}

/** Most texts need no more than quotes. */
function quote(text: string): string {
  return plain.test(text) ? `"${text}"` : goJson(text);
}

const userTexts = new WeakMap<UserInfo, string>();

/** Made once for a user: who is known by a certificate is the same object with each request of a connection. */
function userJson(user: UserInfo | undefined): string {
  if (user === undefined) return '{}';
  let text = userTexts.get(user);
  if (text === undefined) {
    text = userText(user);
    userTexts.set(user, text);
  }
  return text;
}

function userText(user: UserInfo): string {
  const { name, uid = '', groups, extra } = user;
  let text = name === '' ? '' : `,"username":${quote(name)}`;
  if (uid !== '') text += `,"uid":${quote(uid)}`;
  if (groups.length > 0) text += `,"groups":[${groups.map(quote).join(',')}]`;
  if (extra !== undefined && Object.keys(extra).length > 0) text += `,"extra":${goJson(inKeyOrder({ ...extra }))}`;
  return `{${text.slice(1)}}`;
}

function objectJson(object: AuditedObject): string {
  const { resource, namespace, name, uid, group, version, resourceVersion, subresource } = object;
  let text = `{"resource":${quote(resource)}`;
  if (namespace !== '') text += `,"namespace":${quote(namespace)}`;
  if (name !== '') text += `,"name":${quote(name)}`;
  if (uid !== '') text += `,"uid":${quote(uid)}`;
  if (group !== '') text += `,"apiGroup":${quote(group)}`;
  if (version !== '') text += `,"apiVersion":${quote(version)}`;
  if (resourceVersion !== '') text += `,"resourceVersion":${quote(resourceVersion)}`;
  if (subresource !== '') text += `,"subresource":${quote(subresource)}`;
  return `${text}}`;
}

function statusJson({ code, status, message, reason, details }: AuditedStatus): string {
  if (status === undefined && message === undefined) return `{"metadata":{},"code":${code}}`;
  return goJson({
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details === undefined ? {} : { details }),
    code,
  });
}
