/** `proxy`: the API of the server on a port of this machine, in the person's name. Source: kubectl `cmd/proxy/proxy.go`, `pkg/proxy/proxy_server.go`. */
import { readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, normalize } from 'node:path';
import { aborted } from '#pkg/base/async.ts';
import { duration, type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { createServer } from '#pkg/serving/node-http.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';
import type { KubectlContext } from './context.ts';

/** The flags of the command. */
export const proxyFlags = {
  'accept-hosts': text({ help: 'Hosts that are answered.', fallback: '^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$' }),
  'accept-paths': text({ help: 'Paths that are answered.', fallback: '^.*' }),
  address: text({ help: 'Address to listen on.', fallback: '127.0.0.1', placeholder: 'address' }),
  'api-prefix': text({ help: 'What paths of the API begin with.', fallback: '/', placeholder: 'path' }),
  'append-server-path': toggle({ help: 'Taken and not used.' }),
  'disable-filter': toggle({ help: 'Answer every request.' }),
  keepalive: duration({ help: 'Taken and not used.', fallback: 0 }),
  port: integer({ help: 'Port to listen on; 0 for any.', short: 'p', fallback: 8001, max: 65_535 }),
  'reject-methods': text({ help: 'Methods that are refused.', fallback: '^$' }),
  'reject-paths': text({ help: 'Paths that are refused.', fallback: '^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach' }),
  'unix-socket': text({ help: 'Socket to listen on in place of a port.', short: 'u', placeholder: 'path' }),
  www: text({ help: 'Folder whose files are served too.', short: 'w', placeholder: 'folder' }),
  'www-prefix': text({ help: 'What their paths begin with.', short: 'P', fallback: '/static/', placeholder: 'path' }),
} satisfies FlagTable;

type Values = FlagValues<typeof proxyFlags>;

/** Runs until its signal; resolves to the exit code. */
export async function proxy(context: KubectlContext, values: Values): Promise<number> {
  if (context.api.forward === undefined) throw new UserError('error: this connection cannot be proxied');
  const { forward } = context.api;
  const filter = new Filter(values);
  const prefix = values['api-prefix'].replace(/\/*$/, '/');
  const server = createServer((request, response) => {
    const { path: written, query } = parseTarget(request.url);
    const path = decoded(written);
    if (path === undefined) {
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' }).end('400 Bad Request\n');
    } else if (values.www !== '' && path.startsWith(values['www-prefix'])) {
      serveFile(response, join(values.www, normalize(`/${path.slice(values['www-prefix'].length)}`)));
    } else if (!filter.allows(request, path)) {
      response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end('Forbidden\n');
    } else if (!path.startsWith(prefix)) {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
    } else {
      const rest = written.slice(prefix.length - 1);
      forward(request, response, query === '' ? rest : `${rest}?${query}`);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new UserError(`error: ${error.message}`, error)));
    if (values['unix-socket'] === '') server.listen(values.port, values.address, resolve);
    else server.listen(values['unix-socket'], resolve);
  });
  const bound = server.address();
  const place = typeof bound === 'object' && bound !== null ? `${bound.address}:${bound.port}` : values['unix-socket'];
  context.print(`Starting to serve on ${place}\n`);
  try {
    await aborted(context.signal);
    return 0;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Who is answered, by patterns that stand between commas. */
class Filter {
  readonly #isOff: boolean;
  readonly #hosts: readonly RegExp[];
  readonly #paths: readonly RegExp[];
  readonly #notPaths: readonly RegExp[];
  readonly #notMethods: readonly RegExp[];

  constructor(values: Values) {
    const patterns = (text: string): readonly RegExp[] =>
      text
        .split(',')
        .filter((one) => one !== '')
        .map((one) => new RegExp(one));
    this.#isOff = values['disable-filter'];
    this.#hosts = patterns(values['accept-hosts']);
    this.#paths = patterns(values['accept-paths']);
    this.#notPaths = patterns(values['reject-paths']);
    this.#notMethods = patterns(values['reject-methods']);
  }

  allows(request: IncomingMessage, path: string): boolean {
    if (this.#isOff) return true;
    const any = (patterns: readonly RegExp[], text: string): boolean => patterns.some((one) => one.test(text));
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    if (any(this.#notPaths, path) || any(this.#notMethods, request.method ?? '')) return false;
    return any(this.#paths, path) && any(this.#hosts, host);
  }
}

/** The path that patterns are about; undefined where it is none. */
function decoded(path: string): string | undefined {
  try {
    const text = decodeURIComponent(path);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

function serveFile(response: ServerResponse, file: string): void {
  const bytes = readIfFile(file);
  if (bytes !== undefined) response.writeHead(200).end(bytes);
  else response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
}

/** What a file has; undefined where there is none that can be read, or its name is none. */
function readIfFile(file: string): Buffer | undefined {
  try {
    return statSync(file).isFile() ? readFileSync(file) : undefined;
  } catch {
    return undefined;
  }
}
