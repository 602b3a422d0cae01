/** One row of the table of bad input: a request and the whole Status that answers it. */
export const maps = '/api/v1/namespaces/default/configmaps';
export const pods = '/api/v1/namespaces/default/pods';
export const services = '/api/v1/namespaces/default/services';
export const secrets = '/api/v1/namespaces/default/secrets';
export const claims = '/api/v1/namespaces/default/persistentvolumeclaims';
export const deployments = '/apis/apps/v1/namespaces/default/deployments';

export interface Row {
  readonly name: string;
  /** Method and target. */
  readonly send: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly code: number;
  readonly reason: string;
  readonly message: string | RegExp;
  readonly details?: unknown;
}

export const invalidCause = (field: string, message: string): unknown => ({
  reason: 'FieldValueInvalid',
  message,
  field,
});

export function options(kind: string, reason: string, field: string, message: string): Partial<Row> {
  return {
    code: 422,
    reason: 'Invalid',
    message: `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`,
    details: { group: 'meta.k8s.io', kind, causes: [{ reason, message, field }] },
  };
}

export function bad(name: string, send: string, message: string | RegExp, more: Partial<Row> = {}): Row {
  return { name, send, code: 400, reason: 'BadRequest', message, ...more };
}

export function fieldFault(kind: string, name: string, field: string, message: string): Partial<Row> {
  const [short = '', group = ''] = kind.split('.');
  return {
    code: 422,
    reason: 'Invalid',
    message: `${kind} "${name}" is invalid: ${field}: ${message}`,
    details: {
      name,
      ...(group === '' ? {} : { group }),
      kind: short,
      causes: [
        { reason: message.startsWith('Forbidden') ? 'FieldValueForbidden' : 'FieldValueInvalid', message, field },
      ],
    },
  };
}
