/**
 * The `continue` token of a list: where the next page starts and at which revision. Opaque to clients, and upstream's form, so that
 * tools that read it still can. Source: apiserver `storage/continue.go`.
 */
import { Buffer } from 'node:buffer';
import { decodeJson } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';

/** Where a list goes on. */
export interface ContinuePosition {
  /** First key of the next page, relative to the prefix of the list. */
  readonly start: string;
  /** The revision of the whole list; below 0 for the newest state, which gives an inconsistent list. */
  readonly revision: number;
  /**
   * How many items are left, where counting them on each page would cost as much as reading them all. Not upstream's, whose decoder passes
   * over it.
   */
  readonly left?: number;
}

/** The token of a position. */
export function encodeContinue({ start, revision, left }: ContinuePosition): string {
  const token = JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start, left });
  return Buffer.from(token).toString('base64url');
}

/** Throws BadRequest for what `encodeContinue` has not made. */
export function decodeContinue(token: string): ContinuePosition {
  const { v = '', rv = 0, start = '', left } = parseToken(token);
  if (v !== 'meta.k8s.io/v1') throw invalidToken(`server does not recognize this encoded version ${v}`);
  if (rv === 0) throw invalidToken('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (start === '') throw invalidToken('encoded start key empty (version meta.k8s.io/v1)');
  // A key that is not in its shortest form could lead out of the list.
  if (`/${start.replace(/^\//, '')}`.split('/').some((part, index) => index > 0 && ['', '.', '..'].includes(part))) {
    throw invalidToken(start);
  }
  return { start: start.replace(/^\//, ''), revision: rv, ...(left !== undefined && { left }) };
}

interface TokenFields {
  readonly v?: string | undefined;
  readonly rv?: number | undefined;
  readonly start?: string | undefined;
  readonly left?: number | undefined;
}

function parseToken(token: string): TokenFields {
  const odd = token.search(/[^A-Za-z0-9_-]/);
  if (odd >= 0 || token.length % 4 === 1) {
    throw invalidToken(`illegal base64 data at input byte ${odd >= 0 ? odd : token.length - 1}`);
  }
  const decoded = decodeJson(Buffer.from(token, 'base64url'));
  if (!decoded.ok) throw invalidToken(decoded.error);
  const value = decoded.value ?? {};
  if (!isObject(value))
    throw invalidToken('json: cannot unmarshal the value into Go value of type storage.continueToken');
  const { v, rv, start, left } = value;
  const fits =
    (v === undefined || typeof v === 'string') &&
    (rv === undefined || Number.isSafeInteger(rv)) &&
    (start === undefined || typeof start === 'string') &&
    (left === undefined || (Number.isSafeInteger(left) && Number(left) >= 0));
  if (!fits) throw invalidToken('json: cannot unmarshal a field into Go value of type storage.continueToken');
  return { v, rv: rv as number | undefined, start, left: left as number | undefined };
}

function invalidToken(why: string): Error {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}
