/** What the built-in servers share: listening on the pod's address until SIGTERM, and query parameters. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { errorText } from '#pkg/base/error-text.ts';
import { createServer } from '#pkg/serving/node-http.ts';
import type { ProgramContext } from '../program.ts';

/** Serves HTTP on the pod's address until the program is asked to end; resolves with exit code 0. */
export async function serveHttp(context: ProgramContext, port: number, listener: RequestListener): Promise<number> {
  const server = createServer((request, response) => {
    try {
      listener(request, response);
    } catch (error) {
      reply(response, 500, errorText(error));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, context.ip, resolve);
  });
  context.log(`listening on ${context.ip}:${port}`);
  await new Promise<void>((resolve) => {
    const close = (): void => {
      server.close(() => resolve());
      server.closeIdleConnections();
    };
    if (context.signal.aborted) close();
    else context.signal.addEventListener('abort', close, { once: true });
  });
  context.log('shutting down');
  return 0;
}

/** Answers with plain text. */
export function reply(response: ServerResponse, status: number, text: string, contentType = 'text/plain'): void {
  response.writeHead(status, { 'content-type': `${contentType}; charset=utf-8` }).end(text);
}

/** The path and query of a request; the root for a target that is none. Never throws. */
export function urlOf({ url = '/' }: IncomingMessage): URL {
  return URL.parse(url.startsWith('/') ? `http://pod${url}` : url) ?? new URL('http://pod/');
}

/** A port from an environment variable. Throws for one that is none. */
export function portOf(context: ProgramContext, name: string, fallback: number): number {
  const text = context.env[name];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`Cannot use ${name}=${text} as it is not a port number`);
}
