/**
 * The `continue` token of a list: where the next page starts and at which revision. Opaque to clients, and upstream's form, so that
 * tools that read it still can. Source: apiserver `storage/continue.go`.
 */
import { Buffer } from 'node:buffer';
import { badRequest } from '#pkg/apimachinery/status-error.ts';

export interface ContinuePosition {
  /** First key of the next page, relative to the prefix of the list. */
  readonly start: string;
  /** The revision of the whole list; below 0 for the newest state, which gives an inconsistent list. */
  readonly revision: number;
}

export function encodeContinue({ start, revision }: ContinuePosition): string {
  const token = JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start });
  return Buffer.from(token).toString('base64url');
}

/** Throws BadRequest for what `encodeContinue` has not made. */
export function decodeContinue(token: string): ContinuePosition {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    throw badRequest('continue key is not valid: it does not decode', error);
  }
  const { v, rv, start } = (parsed ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1') {
    throw badRequest(
      `continue key is not valid: server does not recognize this encoded version ${JSON.stringify(v ?? '')}`,
    );
  }
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0) {
    throw badRequest('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') {
    throw badRequest('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  }
  if (start.split('/').some((part) => part === '..' || part === '.')) {
    throw badRequest('continue key is not valid: start key must not contain a relative path');
  }
  return { start, revision: rv };
}
