/** A connection to the API server that a kubeconfig names, with the credentials that are found in it. */

import { Agent, type RequestOptions, request as requestHttps } from 'node:https';
import { UserError } from '#pkg/component/user-error.ts';
import { request as requestHttp } from '#pkg/serving/node-http.ts';
import { type ApiCall, createKubeApi, type KubeApi, type RawAnswer } from './api.ts';
import { type KubeconfigPlace, readPlainKubeconfig } from './plain-kubeconfig.ts';

/** What the flags of the connection say. */
export interface ConnectOptions extends KubeconfigPlace {
  readonly namespace?: string;
  /** Address of the server, in place of that of the kubeconfig. */
  readonly server?: string;
  /** Longest wait for an answer to begin; 0 for no limit. */
  readonly requestTimeoutMs: number;
  readonly onWarning: (text: string) => void;
}

/** Opens the connection. Throws `UserError` where no kubeconfig names a server. */
export async function connect(options: ConnectOptions): Promise<KubeApi & { close(): void }> {
  const found =
    readPlainKubeconfig(options) ?? (await (await import('./library-kubeconfig.ts')).readLibraryKubeconfig(options));
  const { server, credentials } = found;
  const namespace = options.namespace ?? found.namespace ?? 'default';
  const agent = new Agent({ keepAlive: true });
  const base = serverUrl(options.server ?? server);
  const timeout = options.requestTimeoutMs === 0 ? {} : { timeout: options.requestTimeoutMs };
  const send = (call: ApiCall): Promise<RawAnswer> => sendCall(base, { ...credentials, ...timeout, agent }, call);
  const api = createKubeApi({ send, namespace, onWarning: options.onWarning });
  return { ...api, close: () => agent.destroy() };
}

function serverUrl(text: string): URL {
  try {
    return new URL(text.includes('://') ? text : `http://${text}`);
  } catch (error) {
    throw new UserError(`error: the server's address is no URL: ${text}`, error);
  }
}

function sendCall(base: URL, credentials: RequestOptions, call: ApiCall): Promise<RawAnswer> {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) query.set(key, value);
  const path = `${base.pathname.replace(/\/$/, '')}${call.path}${query.size === 0 ? '' : `?${query}`}`;
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
  const headers: Record<string, number | string> = {
    ...(credentials.headers as Record<string, string> | undefined),
    accept: call.accept ?? 'application/json',
    'user-agent': 'coxswain-kubectl',
  };
  if (body !== undefined) {
    headers['content-type'] = call.contentType ?? 'application/json';
    headers['content-length'] = body.length;
  }
  return new Promise((resolve, reject) => {
    const secure = base.protocol === 'https:';
    const options: RequestOptions = {
      ...credentials,
      ...(secure ? {} : { agent: undefined }),
      method: call.method,
      protocol: base.protocol,
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port === '' ? (secure ? 443 : 80) : base.port,
      path,
      headers,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    };
    const request = (secure ? requestHttps : requestHttp)(options, (response) => {
      const warning = response.headersDistinct.warning ?? [];
      resolve({ status: response.statusCode ?? 0, warnings: warning, chunks: response });
    });
    request.on('timeout', () => request.destroy(new Error('context deadline exceeded')));
    request.on('error', (error) => reject(call.signal?.aborted ? error : unreachable(base, error)));
    request.end(body);
  });
}

/** As kubectl words it. */
function unreachable(base: URL, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ECONNREFUSED') {
    return new UserError(
      `The connection to the server ${base.host} was refused - did you specify the right host or port?`,
      error,
    );
  }
  return new UserError(`Unable to connect to the server: ${error.message}`, error);
}
