/** A connection to the API server that a kubeconfig names, with the credentials that are found in it. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, type RequestOptions, request as requestHttps } from 'node:https';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { trusting } from '#pkg/pki/trust.ts';
import { request as requestHttp } from '#pkg/serving/node-http.ts';
import { type ApiCall, createKubeApi, errorOf, type Forward, type KubeApi, type RawAnswer } from './api.ts';
import { ClientSocket } from './client-socket.ts';
import type { ConnectionValues } from './context.ts';
import { type Connection, type KubeconfigPlace, readPlainKubeconfig } from './plain-kubeconfig.ts';

/** What the flags of the connection say. */
export interface ConnectOptions extends KubeconfigPlace {
  readonly namespace?: string;
  /** Address of the server, in place of that of the kubeconfig. */
  readonly server?: string;
  /** Longest wait for an answer to begin; 0 for no limit. */
  readonly requestTimeoutMs: number;
  readonly onWarning: (text: string) => void;
  /** Whom the server is asked by, in place of the user of the kubeconfig, of whose credentials nothing is used then. */
  readonly token?: string;
  /** What the command line has in place of what the kubeconfig says. */
  readonly overrides?: Partial<ConnectionValues>;
}

/** Opens the connection. Throws `UserError` where no kubeconfig names a server. */
export async function connect(options: ConnectOptions): Promise<KubeApi & { close(): void }> {
  const found = readPlainKubeconfig(options) ?? withoutKubeconfig(options) ?? (await readWithLibrary(options));
  const { server } = found;
  const user = options.token === undefined ? found.credentials : withToken(found.credentials, options.token);
  const credentials = withOverrides(user, options.overrides ?? {});
  const namespace = options.namespace ?? found.namespace ?? 'default';
  const agent = new Agent({ keepAlive: true });
  const base = serverUrl(options.server ?? server);
  const timeout = options.requestTimeoutMs === 0 ? {} : { timeout: options.requestTimeoutMs };
  const send = (call: ApiCall): Promise<RawAnswer> => sendCall(base, { ...credentials, ...timeout, agent }, call);
  const openSocket = (call: ApiCall, protocols: readonly string[]): Promise<ClientSocket> =>
    openUpgraded(base, { ...credentials, agent: false }, { call, protocols });
  const forward: Forward = (request, response, path) =>
    forwardTo(base, { ...credentials, agent }, { request, response, path });
  const address = base.href.replace(/\/$/, '');
  const api = createKubeApi({ send, namespace, onWarning: options.onWarning, server: address, openSocket, forward });
  return { ...api, close: () => agent.destroy() };
}

async function readWithLibrary(options: ConnectOptions): Promise<Connection> {
  return (await import('./library-kubeconfig.ts')).readLibraryKubeconfig(options);
}

/** Where the flags name the server, files that the environment names need not be there, as with kubectl. */
function withoutKubeconfig({ server, kubeconfig, kubeconfigVariable = '' }: ConnectOptions): Connection | undefined {
  if (server === undefined || kubeconfig !== undefined || kubeconfigVariable === '') return undefined;
  if (kubeconfigVariable.split(':').some((path) => existsSync(path))) return undefined;
  return { server, namespace: undefined, credentials: {} };
}

function serverUrl(text: string): URL {
  try {
    return new URL(text.includes('://') ? text : `http://${text}`);
  } catch (error) {
    throw new UserError(`error: the server's address is no URL: ${text}`, error);
  }
}

/** How the server is known, and nothing of how the kubeconfig's user is. */
function withToken({ ca, rejectUnauthorized, servername }: RequestOptions, token: string): RequestOptions {
  return {
    headers: { Authorization: `Bearer ${token}` },
    ...trusting(ca),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** The credentials of the kubeconfig with what the flags say. */
function withOverrides(credentials: RequestOptions, flags: Partial<ConnectionValues>): RequestOptions {
  const { headers = {} } = credentials;
  const file = (path: string | undefined): Buffer | undefined => (path === undefined ? undefined : readFileSync(path));
  const [ca, cert, key] = [
    file(flags['certificate-authority']),
    file(flags['client-certificate']),
    file(flags['client-key']),
  ];
  const groups = flags['as-group'] ?? [];
  return {
    ...credentials,
    ...trusting(ca),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(flags['tls-server-name'] === undefined ? {} : { servername: flags['tls-server-name'] }),
    ...(flags['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false } : {}),
    headers: {
      ...(Array.isArray(headers) ? {} : headers),
      ...(flags.token === undefined ? {} : { Authorization: `Bearer ${flags.token}` }),
      ...(flags.as === undefined ? {} : { 'Impersonate-User': flags.as }),
      ...(groups.length === 0 ? {} : { 'Impersonate-Group': [...groups] }),
      ...(flags['as-uid'] === undefined ? {} : { 'Impersonate-Uid': flags['as-uid'] }),
    },
  };
}

function pathOfCall(base: URL, call: ApiCall): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) query.append(key, one);
  }
  return `${base.pathname.replace(/\/$/, '')}${call.path}${query.size === 0 ? '' : `?${query}`}`;
}

/** Where requests go, as Node wants it. */
function placeOf(base: URL): RequestOptions {
  const secure = base.protocol === 'https:';
  return {
    protocol: base.protocol,
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port === '' ? (secure ? 443 : 80) : base.port,
  };
}

/** Asks for a WebSocket; rejects with the server's own error where it refuses. */
function openUpgraded(
  base: URL,
  credentials: RequestOptions,
  { call, protocols }: { readonly call: ApiCall; readonly protocols: readonly string[] },
): Promise<ClientSocket> {
  const headers = {
    ...(Array.isArray(credentials.headers) ? {} : credentials.headers),
    connection: 'Upgrade',
    upgrade: 'websocket',
    'user-agent': 'coxswain-kubectl',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': protocols.join(', '),
  };
  return new Promise((resolve, reject) => {
    const ask = base.protocol === 'https:' ? requestHttps : requestHttp;
    const request = ask({ ...credentials, ...placeOf(base), method: 'GET', path: pathOfCall(base, call), headers });
    request.on('upgrade', (response, connection, head) => {
      const { 'sec-websocket-protocol': protocol = '' } = response.headers;
      resolve(new ClientSocket({ connection, head, protocol }));
    });
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => reject(errorOf(response.statusCode ?? 0, text)));
    });
    request.on('error', (error) => reject(unreachable(base, error)));
    request.end();
  });
}

interface Forwarded {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
}

/** What is about one connection, or about who asks, and so is not passed on. Source: RFC 9110, 7.6.1; Go `net/http/httputil` `hopHeaders`. */
const ownHeaders = ['host', 'authorization', 'connection', 'keep-alive', 'te', 'trailer', 'upgrade', 'expect'] as const;

/** Passes a request on with these credentials in the place of its own, and the answer back. */
function forwardTo(base: URL, credentials: RequestOptions, { request, response, path }: Forwarded): void {
  const headers: IncomingHttpHeaders = { ...request.headers };
  for (const name of ownHeaders) delete headers[name];
  const ask = base.protocol === 'https:' ? requestHttps : requestHttp;
  const secure = base.protocol === 'https:';
  const passed = ask(
    {
      ...credentials,
      ...(secure ? {} : { agent: undefined }),
      ...placeOf(base),
      method: request.method,
      path: `${base.pathname.replace(/\/$/, '')}${path}`,
      headers: { ...headers, ...(Array.isArray(credentials.headers) ? {} : credentials.headers) },
    },
    (answer) => {
      const { connection: _, 'keep-alive': _alive, ...theirs } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, theirs);
      answer.pipe(response);
      // Half an answer must not look like a whole one.
      answer.on('close', () => answer.complete || response.destroy());
    },
  );
  passed.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502, { 'content-type': 'text/plain; charset=utf-8' }).end(`${error.message}\n`);
  });
  response.on('close', () => passed.destroy());
  request.pipe(passed);
}

function sendCall(base: URL, credentials: RequestOptions, call: ApiCall): Promise<RawAnswer> {
  const body = call.body === undefined ? undefined : Buffer.from(jsonText(call.body));
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
      ...placeOf(base),
      method: call.method,
      path: pathOfCall(base, call),
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
