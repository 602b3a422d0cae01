/**
 * One audit event as text: what `audit.k8s.io/v1` `Event` looks like, field by field in the order in which Go writes them. Put together by hand, as it is done twice
 * for each request. Invariant: a line of JSON without line breaks, whatever clients send.
 * Source: apiserver `apis/audit/v1/types.go`.
 */
import { goJson, inKeyOrder } from '#pkg/apimachinery/json.ts';
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

/** Everything that an event says. Objects are JSON already. */
export interface AuditFacts {
  readonly level: AuditLevel;
  readonly auditId: string;
  readonly stage: AuditStage;
  readonly uri: string;
  readonly verb: string;
  readonly user: UserInfo | undefined;
  readonly impersonated: UserInfo | undefined;
  readonly sourceIps: readonly string[];
  readonly userAgent: string;
  readonly object: AuditedObject | undefined;
  readonly status: AuditedStatus | undefined;
  readonly requestObject: string | undefined;
  readonly responseObject: string | undefined;
  /** RFC 3339 with microseconds. */
  readonly receivedAt: string;
  readonly stageAt: string;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** One event for whoever keeps or sends them. */
export interface AuditEvent {
  /** A JSON object without a line break. */
  readonly json: string;
  /** The same without the objects of request and answer, and marked so; undefined where it has none of them by its level. */
  truncated(): string | undefined;
}

const truncatedKey = 'audit.k8s.io/truncated';

/** The event that says these things. */
export function auditEvent(facts: AuditFacts): AuditEvent {
  return {
    json: encode(facts),
    truncated: () =>
      facts.level === 'Metadata'
        ? undefined
        : encode({
            ...facts,
            requestObject: undefined,
            responseObject: undefined,
            annotations: { ...facts.annotations, [truncatedKey]: 'true' },
          }),
  };
}

function encode(facts: AuditFacts): string {
  const { level, auditId, stage, uri, verb, user, impersonated, sourceIps, userAgent, object, status } = facts;
  let text = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${level}","auditID":${goJson(auditId)},"stage":"${stage}","requestURI":${goJson(uri)},"verb":${goJson(verb)},"user":${userJson(user)}`;
  if (impersonated !== undefined) text += `,"impersonatedUser":${userJson(impersonated)}`;
  if (sourceIps.length > 0) text += `,"sourceIPs":${JSON.stringify(sourceIps)}`;
  if (userAgent !== '') text += `,"userAgent":${goJson(userAgent)}`;
  if (object !== undefined) text += `,"objectRef":${objectJson(object)}`;
  if (status !== undefined) text += `,"responseStatus":${statusJson(status)}`;
  if (facts.requestObject !== undefined) text += `,"requestObject":${facts.requestObject}`;
  if (facts.responseObject !== undefined) text += `,"responseObject":${facts.responseObject}`;
  text += `,"requestReceivedTimestamp":"${facts.receivedAt}","stageTimestamp":"${facts.stageAt}"`;
  if (facts.annotations !== undefined) text += `,"annotations":${goJson(inKeyOrder({ ...facts.annotations }))}`;
  return `${text}}`;
}

/** Users last as long as their connections, or longer. */
const userTexts = new WeakMap<UserInfo, string>();

function userJson(user: UserInfo | undefined): string {
  if (user === undefined) return '{}';
  let text = userTexts.get(user);
  if (text === undefined) {
    const { name, uid = '', groups, extra = {} } = user;
    text = goJson({
      ...(name === '' ? {} : { username: name }),
      ...(uid === '' ? {} : { uid }),
      ...(groups.length === 0 ? {} : { groups }),
      ...(Object.keys(extra).length === 0 ? {} : { extra: inKeyOrder({ ...extra }) }),
    });
    userTexts.set(user, text);
  }
  return text;
}

function objectJson(object: AuditedObject): string {
  const { resource, namespace, name, uid, group, version, resourceVersion, subresource } = object;
  const fields: Record<string, string> = {};
  if (resource !== '') fields.resource = resource;
  if (namespace !== '') fields.namespace = namespace;
  if (name !== '') fields.name = name;
  if (uid !== '') fields.uid = uid;
  if (group !== '') fields.apiGroup = group;
  if (version !== '') fields.apiVersion = version;
  if (resourceVersion !== '') fields.resourceVersion = resourceVersion;
  if (subresource !== '') fields.subresource = subresource;
  return goJson(fields);
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
