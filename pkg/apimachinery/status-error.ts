/**
 * API errors. A `StatusError` is what the API server answers and what a client throws: a `Status` object with Kubernetes' own
 * code, reason and wording. Callers test by reason (`isNotFound`, …), never by text.
 * Source: apimachinery `pkg/api/errors`, `meta/v1` `StatusReason`.
 */
import { errorText } from '#pkg/base/error-text.ts';

/** Why a request failed, in one word. Source: apimachinery `meta/v1` `StatusReason`. */
export type StatusReason =
  | ''
  | 'AlreadyExists'
  | 'BadRequest'
  | 'Conflict'
  | 'Expired'
  | 'Forbidden'
  | 'Gone'
  | 'InternalError'
  | 'Invalid'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'NotFound'
  | 'RequestEntityTooLarge'
  | 'ServerTimeout'
  | 'ServiceUnavailable'
  | 'StoreReadError'
  | 'Timeout'
  | 'TooManyRequests'
  | 'Unauthorized'
  | 'UnsupportedMediaType';

/** Why one field was refused, or another cause of the API's own. Source: apimachinery `util/validation/field` `ErrorType`. */
export type CauseReason =
  | 'DisruptionBudget'
  | 'FieldManagerConflict'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueInvalid'
  | 'FieldValueNotFound'
  | 'FieldValueNotSupported'
  | 'FieldValueRequired'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError'
  | 'NamespaceTerminating'
  | 'UnexpectedServerResponse'
  | 'ResourceVersionTooLarge';

/** One of several things that are wrong. */
export interface StatusCause {
  readonly reason?: CauseReason;
  readonly message?: string;
  /** Path of the field, such as `spec.containers[0].image`. */
  readonly field?: string;
}

/** What a status is about; `retryAfterSeconds` says when to try again. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The object that the API answers instead of what was asked for. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: StatusReason;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** Which kind of thing an error speaks of: `resource` is the plural name, such as `pods`. */
export interface ErrorSubject {
  readonly group: string;
  readonly resource: string;
}

/** The parts of a status that failed. */
export interface StatusErrorOptions {
  readonly code: number;
  readonly reason: StatusReason;
  readonly message: string;
  readonly details?: StatusDetails;
  readonly continue?: string;
  readonly cause?: unknown;
}

/** Makes an error without a trace, where it is an answer that anybody may ask for a thousand times a second: to take one costs more than the rest of it. */
export function untraced<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** An error with the `Status` that is answered for it; `message` is that of the status. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(options: StatusErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: options.continue === undefined ? {} : { continue: options.continue },
      status: 'Failure',
      message: options.message,
      reason: options.reason,
      ...(options.details === undefined ? {} : { details: options.details }),
      code: options.code,
    };
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): StatusReason {
    return this.status.reason ?? '';
  }

  /** The error that a `Status` read from an answer stands for. */
  static from(status: Status): StatusError {
    return new StatusError({
      code: status.code,
      reason: status.reason ?? '',
      message: status.message ?? `the server answered ${status.code}`,
      ...(status.details === undefined ? {} : { details: status.details }),
      ...(status.metadata?.continue === undefined ? {} : { continue: status.metadata.continue }),
    });
  }
}

/** `pods`, or `deployments.apps` for a resource of a named group. */
function qualified(subject: ErrorSubject): string {
  return subject.group === '' ? subject.resource : `${subject.resource}.${subject.group}`;
}

function detailsOf(subject: ErrorSubject, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(subject.group === '' ? {} : { group: subject.group }),
    kind: subject.resource,
  };
}

/** 404: there is no object of that name. */
export function notFound(subject: ErrorSubject, name: string): StatusError {
  const message = `${qualified(subject)} "${name}" not found`;
  return new StatusError({ code: 404, reason: 'NotFound', message, details: detailsOf(subject, name) });
}

/** 409: an object of that name is there already. */
export function alreadyExists(subject: ErrorSubject, name: string): StatusError {
  const message = `${qualified(subject)} "${name}" already exists`;
  return new StatusError({ code: 409, reason: 'AlreadyExists', message, details: detailsOf(subject, name) });
}

/** 409: the object is another by now, or is in the way; `why` says which. */
export function conflict(subject: ErrorSubject, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`;
  return new StatusError({ code: 409, reason: 'Conflict', message, details: detailsOf(subject, name) });
}

/** The refusal of a write whose resourceVersion is not the current one. */
export function staleVersion(subject: ErrorSubject, name: string): StatusError {
  const why = 'the object has been modified; please apply your changes to the latest version and try again';
  return conflict(subject, name, why);
}

/** 403: the caller may not, or a rule forbids it; `name` is `''` for a whole collection. */
export function forbidden(subject: ErrorSubject, name: string, why: string): StatusError {
  const named = name === '' ? qualified(subject) : `${qualified(subject)} "${name}"`;
  const message = `${named} is forbidden: ${why}`;
  return new StatusError({ code: 403, reason: 'Forbidden', message, details: detailsOf(subject, name) });
}

/** 400: the request makes no sense; `message` says why. */
export function badRequest(message: string, cause?: unknown): StatusError {
  return new StatusError({ code: 400, reason: 'BadRequest', message, ...(cause === undefined ? {} : { cause }) });
}

/** 401: the credentials are no good. */
export function unauthorized(): StatusError {
  return new StatusError({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
}

/** A resourceVersion that was compacted away; the client must list again. */
export function expired(message: string, continueToken?: string): StatusError {
  return new StatusError({
    code: 410,
    reason: 'Expired',
    message,
    ...(continueToken === undefined ? {} : { continue: continueToken }),
  });
}

/** A resourceVersion from the future that the server did not reach in time. */
export function resourceVersionTooLarge(wanted: number, current: number): StatusError {
  return new StatusError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
}

/** 413: the body is longer than what is read, or the object than what is stored. */
export function tooLarge(message: string): StatusError {
  return new StatusError({ code: 413, reason: 'RequestEntityTooLarge', message });
}

/** 415: the body is in a form that is not read. */
export function unsupportedMediaType(message: string): StatusError {
  return new StatusError({ code: 415, reason: 'UnsupportedMediaType', message });
}

/** 406: the answer cannot be given in any of the forms that were asked for. */
export function notAcceptable(message: string): StatusError {
  return new StatusError({ code: 406, reason: 'NotAcceptable', message });
}

/** 429: not now; after `retryAfterSeconds` again. */
export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return new StatusError({ code: 429, reason: 'TooManyRequests', message, details: { retryAfterSeconds } });
}

/** 503: what is needed for an answer does not answer itself. */
export function serviceUnavailable(message: string, cause?: unknown): StatusError {
  const because = cause === undefined ? {} : { cause };
  return new StatusError({ code: 503, reason: 'ServiceUnavailable', message, ...because });
}

/** 500: something that should not happen; `cause` is shown by its message. */
export function internalError(cause: unknown): StatusError {
  const text = errorText(cause);
  return new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${text}`,
    details: { causes: [{ message: text }] },
    cause,
  });
}

/** The reason of a `StatusError`; undefined for any other error. */
export function reasonOf(error: unknown): StatusReason | undefined {
  return error instanceof StatusError ? error.reason : undefined;
}

/** Whether the error is a `NotFound` of the API. */
export const isNotFound = (error: unknown): boolean => reasonOf(error) === 'NotFound';
/** Whether the error is an `AlreadyExists` of the API. */
export const isAlreadyExists = (error: unknown): boolean => reasonOf(error) === 'AlreadyExists';
/** Whether the error is a `Conflict` of the API. */
export const isConflict = (error: unknown): boolean => reasonOf(error) === 'Conflict';
/** Whether the error is an `Invalid` of the API. */
export const isInvalid = (error: unknown): boolean => reasonOf(error) === 'Invalid';
/** Whether the error is a `Forbidden` of the API. */
export const isForbidden = (error: unknown): boolean => reasonOf(error) === 'Forbidden';
/** The list or watch must be started anew, from a fresh list. */
export const isExpired = (error: unknown): boolean => reasonOf(error) === 'Expired' || reasonOf(error) === 'Gone';

/** What a request for an object gives; undefined where the object is not there. Rejects with any other error. */
export async function unlessGone<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
