/**
 * The repositories over HTTP, as `git` speaks it: `git http-backend` answers, behind the cluster's own users and rights. It serves `/NAMESPACE/NAME.git`, what runs
 * made as `/NAMESPACE/RUN.artifacts.tar.gz`, and nothing else of the disk; a damaged push is refused by git, which looks every pack through before it takes anything of it.
 * Source: gitprotocol-http(5), git-http-backend(1), RFC 3875 (CGI).
 */
import { spawn } from 'node:child_process';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Places } from '../places.ts';
import { mayAccess, type Purpose } from './access.ts';
import { sendArtifacts } from './artifacts.ts';
import { gitEnvironment } from './git.ts';
import type { Repositories } from './repositories.ts';

/** Requests at the same time; more are told to come again. */
const requestsMax = 32;
/** Those of one namespace among them: who keeps its answers waiting keeps nobody else waiting. */
const requestsOfNamespaceMax = 8;
/** Longest push; what is longer is cut off, and git takes nothing of it. */
const bodyBytesMax = 1 << 30;
/** Headers of git's answer. */
const headerBytesMax = 16 << 10;
/** A request that takes longer is ended, whoever it waits for. */
const requestMs = 600_000;

/** What the server works with. */
export interface GitServerDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly places: Places;
  readonly repositories: Repositories;
  readonly log: Logger;
  /** Where programs are. */
  readonly path: string | undefined;
  /** A push has ended, whatever came of it. */
  onPush(namespace: string, repository: string): void;
}

const urlPattern =
  /^\/([a-z0-9][-a-z0-9]{0,62})\/([a-z0-9][-a-z0-9]{0,62})\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/;

/** What answers requests. */
export function gitServer(deps: GitServerDeps): RequestListener {
  let busy = 0;
  const busyOf = new Map<string, number>();
  return (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://git');
    if (url === null) return refuse(response, 400, 'the address is none');
    if (busy >= requestsMax) return refuse(response, 503, 'too many requests at the same time: try again');
    busy++;
    const end = deps.clock.setTimeout(() => response.destroy(), requestMs);
    answer(deps, { request, response, url, busyOf })
      .catch((error: unknown) => {
        // Who has gone wants no answer.
        if (errorCode(error) === 'ERR_STREAM_PREMATURE_CLOSE') return;
        deps.log.warn('Cannot answer a request for a repository', { error, path: url.pathname });
        refuse(response, 500, 'the server could not answer');
      })
      .finally(() => {
        end.cancel();
        busy--;
      });
  };
}

/** What is refused, in words. */
const deeds: Readonly<Record<Purpose, string>> = {
  artifacts: 'read artefacts of runs',
  push: 'push to repositories',
  read: 'read repositories',
};

const artifactsPattern = /^\/([a-z0-9][-a-z0-9]{0,62})\/([a-z0-9][-.a-z0-9]{0,252})\.artifacts\.tar\.gz$/;

/** A request, and how many there are of each namespace. */
interface Received {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly busyOf: Map<string, number>;
}

async function answer(deps: GitServerDeps, { request, response, url, busyOf }: Received): Promise<void> {
  const asked = { request, response, ...askedOf(request, url) };
  if (asked.purpose === undefined)
    return refuse(response, 404, 'there are /NAMESPACE/NAME.git and /NAMESPACE/RUN.artifacts.tar.gz only');
  const { namespace, purpose } = asked;
  if (!(await isAllowed(deps, { ...asked, purpose }))) return;
  const busy = busyOf.get(namespace) ?? 0;
  if (busy >= requestsOfNamespaceMax)
    return refuse(response, 503, `too many requests for the namespace ${namespace} at the same time: try again`);
  busyOf.set(namespace, busy + 1);
  try {
    await (purpose === 'artifacts' ? giveArtifacts(deps, asked) : giveRepository(deps, asked, url));
  } finally {
    const left = (busyOf.get(namespace) ?? 1) - 1;
    if (left > 0) busyOf.set(namespace, left);
    else busyOf.delete(namespace);
  }
}

/** What a request is for; without a purpose where there is no such thing. */
function askedOf({ method }: IncomingMessage, { pathname, searchParams }: URL) {
  const [, owner = '', run = ''] = artifactsPattern.exec(pathname) ?? [];
  if (run !== '' && (method === 'GET' || method === 'HEAD'))
    return { namespace: owner, name: run, service: '', purpose: 'artifacts' } as const;
  const [, namespace = '', name = '', service = ''] = urlPattern.exec(pathname) ?? [];
  if (service === '') return { namespace, name, service, purpose: undefined };
  const isPush = service === 'git-receive-pack' || searchParams.getAll('service').includes('git-receive-pack');
  return { namespace, name, service, purpose: isPush ? 'push' : 'read' } as const;
}

interface Wanted {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly namespace: string;
  /** Of the run or the repository. */
  readonly name: string;
  /** Of git. */
  readonly service: string;
}

async function giveArtifacts(deps: GitServerDeps, { request, response, namespace, name }: Wanted): Promise<void> {
  const folder = deps.places.artifacts(namespace, name);
  if (await sendArtifacts({ folder, name, request, response })) return;
  refuse(response, 404, `the run ${name} of the namespace ${namespace} has no artefacts`);
}

async function giveRepository(
  deps: GitServerDeps,
  { request, response, namespace, name, service }: Wanted,
  { search }: URL,
): Promise<void> {
  if (!(await deps.repositories.has(namespace, name)))
    return refuse(response, 404, `no pipeline of the namespace ${namespace} names the repository ${name}`);
  // Git compresses what it pushes itself: compressed once more, it would have no limit.
  if (service === 'git-receive-pack' && request.headers['content-encoding'] !== undefined)
    return refuse(response, 415, 'a push is not taken compressed');
  await serve(deps, { request, response, search, path: `/${namespace}/${name}.git/${service}` });
  if (service === 'git-receive-pack') deps.onPush(namespace, name);
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly namespace: string;
  readonly name: string;
  readonly purpose: Purpose;
}

/** Answers who may not. */
async function isAllowed(deps: GitServerDeps, asked: Asked): Promise<boolean> {
  const { request, response, namespace, name, purpose } = asked;
  const { authorization } = request.headers;
  const access = await mayAccess(deps.client, { authorization, namespace, name, purpose });
  if (access === 'yes') return true;
  if (access === 'unknown') {
    response.setHeader('www-authenticate', 'Basic realm="coxswain", charset="UTF-8"');
    refuse(response, 401, 'give a token of the cluster as the password');
  } else refuse(response, 403, `you may not ${deeds[purpose]} of the namespace ${namespace}`);
  return false;
}

function refuse(response: ServerResponse, code: number, why: string): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${why}\n`);
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly search: string;
  readonly path: string;
}

function environmentOf(deps: GitServerDeps, { request, search, path }: Exchange): Record<string, string> {
  const { headers, method = 'GET' } = request;
  const given = {
    CONTENT_TYPE: headers['content-type'],
    CONTENT_LENGTH: headers['content-length'],
    HTTP_CONTENT_ENCODING: headers['content-encoding'],
  };
  const protocol = headers['git-protocol'];
  return {
    ...gitEnvironment(deps.path),
    ...Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined)),
    ...(typeof protocol === 'string' ? { GIT_PROTOCOL: protocol } : {}),
    GIT_PROJECT_ROOT: deps.places.repositories,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: method,
    QUERY_STRING: search.slice(1),
    PATH_INFO: path,
    REMOTE_USER: 'cluster',
    REMOTE_ADDR: request.socket.remoteAddress ?? '',
  };
}

/** Resolves when git has ended and its answer is on its way. */
function serve(deps: GitServerDeps, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['http-backend'], {
      env: environmentOf(deps, exchange),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let bytes = 0;
    request.on('data', (part: Uint8Array) => {
      bytes += part.length;
      if (bytes <= bodyBytesMax) return;
      refuse(response, 413, `a request has at most ${bodyBytesMax} bytes`);
      child.kill();
    });
    // Who goes away takes nothing with them: git ends without its input, and takes a push only when it is whole.
    response.on('close', () => {
      child.kill();
      child.stdout.resume();
    });
    child.stdin.on('error', () => {});
    request.pipe(child.stdin);
    let head = Buffer.alloc(0);
    child.stdout.on('data', (part: Buffer) => {
      // Nobody hears it, so nothing is waited for.
      if (response.destroyed || response.writableEnded) return;
      if (response.headersSent) {
        if (!response.write(part)) {
          child.stdout.pause();
          response.once('drain', () => child.stdout.resume());
        }
        return;
      }
      head = Buffer.concat([head, part]);
      const end = head.indexOf('\r\n\r\n');
      if (end >= 0) begin(response, head.subarray(0, end).toString('latin1'), head.subarray(end + 4));
      else if (head.length > headerBytesMax) child.kill();
    });
    child.on('error', reject);
    child.on('close', () => {
      if (response.headersSent) response.end();
      else refuse(response, 500, 'git could not answer');
      resolve();
    });
  });
}

function begin(response: ServerResponse, head: string, rest: Buffer): void {
  let code = 200;
  for (const line of head.split('\r\n')) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase();
    const value = line.slice(at + 1).trim();
    if (name === 'status') code = Number.parseInt(value, 10);
    else if (at > 0) response.setHeader(name, value);
  }
  response.writeHead(code);
  response.write(rest);
}
