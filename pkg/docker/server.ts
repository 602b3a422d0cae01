/** Docker's API on a Unix socket: finds the route of each request, and says in Docker's form why one is refused. What is below knows no sockets but those it is given. */
import { chmod, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Logger } from '#pkg/base/logger.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { createServer, ServerResponse as NodeResponse } from '#pkg/serving/node-http.ts';
import { Call, type Upgrade } from './call.ts';
import { asDockerError, DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import { findRoute } from './routes.ts';
import { apiVersion, apiVersionMin } from './versions.ts';

/** So much of what comes with a request that is refused is awaited: its client, which sends it first, would find the connection closed instead of the answer. */
const restBytesMax = 64 << 10;

/** A socket that answers. */
export interface DockerServer {
  /** Resolves when no connection is left. */
  close(): Promise<void>;
}

/** Listens at a path, which nobody but its owner may open. Rejects with `UserError` where another process answers there. */
export async function serveDocker(
  path: string,
  { engine, log }: { readonly engine: Engine; readonly log: Logger },
): Promise<DockerServer> {
  if (await answers(path)) throw new UserError(`Cannot listen at ${path} as another process does`);
  await rm(path, { force: true });
  const server = createServer((request, response) => void answer({ request, response }, engine, log));
  // Attached terminals, builds and pulls take as long as they take.
  server.requestTimeout = 0;
  server.timeout = 0;
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', () => socket.destroy());
    const response = new NodeResponse(request);
    response.shouldKeepAlive = false;
    // Answers other than the connection itself go the usual way.
    Reflect.apply(response.assignSocket, response, [socket]);
    response.once('finish', () => socket.end());
    void answer({ request, response, upgrade: { socket, head } }, engine, log);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(path, done);
  });
  await chmod(path, 0o600);
  return {
    close: async () => {
      for (const socket of upgraded) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((done) => void server.close(() => done()));
      await rm(path, { force: true });
    },
  };
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upgrade?: Upgrade;
}

/** Answers a request; never rejects. */
async function answer({ request, response, upgrade }: Asked, engine: Engine, log: Logger): Promise<void> {
  for (const [name, value] of engine.headers) response.setHeader(name, value);
  try {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://docker');
    const { route, names } = findRoute(request.method ?? 'GET', unversioned(pathname));
    await route.handle(new Call({ request, response, query, names, upgrade }), engine);
  } catch (error) {
    const refusal = asDockerError(error);
    // What was foreseen is the client's to know.
    if (refusal.status === 500 && refusal !== error && !request.destroyed)
      log.error('Request failed', { path: request.url, error });
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    if (Number(request.headers['content-length'] ?? Number.NaN) <= restBytesMax)
      await finished(request.resume()).catch(() => {});
    // What else the client still sends is not read.
    if (!request.complete) response.setHeader('connection', 'close');
    response.writeHead(refusal.status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ message: refusal.message })}\n`);
  }
}

/** The path without its version. Throws 400 in Docker's words for one that is not spoken. */
function unversioned(path: string): string {
  const [whole = '', said = ''] = /^\/v(\d+\.\d+)(?=\/)/.exec(path) ?? [];
  if (whole === '') return path;
  const minor = (version: string): number => Number(version.split('.')[1]);
  if (!said.startsWith('1.') || minor(said) > minor(apiVersion))
    throw new DockerError(400, `client version ${said} is too new. Maximum supported API version is ${apiVersion}`);
  if (minor(said) < minor(apiVersionMin))
    throw new DockerError(
      400,
      `client version ${said} is too old. Minimum supported API version is ${apiVersionMin}, please upgrade your client to a newer version`,
    );
  return path.slice(whole.length);
}

/** Whether somebody listens at a path. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
