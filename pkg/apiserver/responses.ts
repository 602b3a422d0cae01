/** Answers, made of objects, bytes and errors. */
import { Buffer } from 'node:buffer';
import type { ApiResponse, HttpHeaders } from '#pkg/apimachinery/http.ts';
import { goJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Status, StatusError } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';

/** The media type of JSON. */
export const jsonType = 'application/json';
const jsonHeaders: HttpHeaders = { 'content-type': jsonType };
const textHeaders: HttpHeaders = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** The body of one object, encoded when and if it goes over a wire. Ends with a newline, as documents of Go's encoder do. */
export class ObjectBody {
  readonly kind = 'object';
  readonly object: unknown;
  #bytes: Uint8Array | undefined;

  constructor(object: unknown) {
    this.object = object;
  }

  bytes(): Uint8Array {
    this.#bytes ??= Buffer.from(`${goJson(this.object)}\n`);
    return this.#bytes;
  }
}

/** One object as JSON. */
export function objectResponse(status: number, object: unknown, headers: HttpHeaders = jsonHeaders): ApiResponse {
  return { status, headers, body: new ObjectBody(object) };
}

/** A draft that is answered without being stored, with its type first as everywhere. */
export function draftResponse(status: number, { kind, apiVersion, metadata, ...rest }: JsonObject): ApiResponse {
  return objectResponse(status, { kind, apiVersion, metadata, ...rest });
}

/** A plain text as an answer. */
export function textResponse(status: number, text: string): ApiResponse {
  return { status, headers: textHeaders, body: { kind: 'bytes', bytes: Buffer.from(text) } };
}

/** What a path that nothing serves gets. */
export function pageNotFound(): ApiResponse {
  return textResponse(404, '404 page not found\n');
}

/** The answer that says what went wrong. Anything but a StatusError is a bug and says no more than that it happened. */
export function errorResponse(error: unknown): ApiResponse {
  const { status } = toStatusError(error);
  const retryAfter = status.details?.retryAfterSeconds;
  const headers =
    retryAfter === undefined ? jsonHeaders : { 'content-type': jsonType, 'retry-after': String(retryAfter) };
  return objectResponse(status.code, status, headers);
}

/** The error as a `Status`: its own, or 500 for what should not happen. */
export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  const text = errorText(error);
  return new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${text}`,
    details: { causes: [{ message: text }] },
    cause: error,
  });
}

/** The error of a resource, or of a method on it, that a served group and version does not have. */
export function noSuchResource(): StatusError {
  const message = 'the server could not find the requested resource';
  return new StatusError({ code: 404, reason: 'NotFound', message, details: {} });
}

/** 405: the resource has no such verb. */
export function noSuchMethod(): StatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new StatusError({ code: 405, reason: 'MethodNotAllowed', message, details: {} });
}

/** The `Status` of a success, as deletions answer. */
export function successStatus(details?: Status['details']): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    ...(details === undefined ? {} : { details }),
    code: 200,
  };
}
