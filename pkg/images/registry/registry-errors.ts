/** Refusals of a registry, in the words of the specification. Source: OCI distribution-spec "Error Codes". */

const codes = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [416, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [404, 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  SIZE_INVALID: [413, 'provided length is more than is taken'],
  TOOMANYREQUESTS: [429, 'too many uploads at the same time'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
} as const;

/** The code of a refusal. */
export type RegistryErrorCode = keyof typeof codes;

/** A request that is refused. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly detail: string;

  constructor(code: RegistryErrorCode, detail = '') {
    super(`${code}: ${detail}`);
    this.name = 'RegistryError';
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return codes[this.code][0];
  }

  /** What clients are told. */
  get body(): string {
    const [, message] = codes[this.code];
    return JSON.stringify({ errors: [{ code: this.code, message, detail: this.detail }] });
  }
}
