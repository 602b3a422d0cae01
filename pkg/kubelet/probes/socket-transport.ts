/**
 * Probes over the network. Certificates are not checked; redirects are followed as long as they stay on the host, and one that leads away
 * is a success with a warning. Source: kubelet `pkg/probe/{http,tcp}`.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { request as httpRequest } from '#pkg/serving/node-http.ts';
import type {
  GrpcProbeRequest,
  HttpProbeRequest,
  ProbeAnswer,
  ProbeTransport,
  TcpProbeRequest,
} from '../runtime/probe-transport.ts';
import { askGrpcHealth, grpcTimeoutMessage } from './grpc-health.ts';

/** Probes by sockets of this machine. */
export function socketProbeTransport(deps: { readonly clock: Clock }): ProbeTransport {
  return {
    http: (request) => probeHttp(deps.clock, request),
    tcp: (request) => probeTcp(deps.clock, request),
    grpc: (request) => probeGrpc(deps.clock, request),
  };
}

const aborted: ProbeAnswer = { ok: false, message: 'probe was cancelled' };

/** Redirects that are followed. Source: Go `net/http` `defaultCheckRedirect`. */
const redirectsMax = 10;
/** What is shown of the body of an answer that leads away. Source: kubelet `probe/http` `maxRespBodyLength`. */
const bodyCharactersMax = 10 * 1024;

function probeHttp(clock: Clock, probe: HttpProbeRequest): Promise<ProbeAnswer> {
  const { scheme, host, port, path } = probe;
  const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  return limited(clock, probe, timeoutMessage(url), (done) => {
    const hop: Hop = { url, redirects: 0, headers: probe.headers, current: undefined };
    follow(hop, done);
    return () => hop.current?.destroy();
  });
}

/** Where an HTTP probe has got to. */
interface Hop {
  url: string;
  redirects: number;
  readonly headers: HttpProbeRequest['headers'];
  current: ClientRequest | undefined;
}

/** Asks at the hop's address, and on from there while redirects stay on the host. Never throws: where a redirect leads is the container's to say. */
function follow(hop: Hop, done: (answer: ProbeAnswer) => void): void {
  const fail = (why: string): void => done({ ok: false, message: `Get "${hop.url}": ${why}` });
  const target = URL.parse(hop.url);
  const scheme = target?.protocol.slice(0, -1);
  if (target === null) done({ ok: false, errored: true, message: `parse ${JSON.stringify(hop.url)}: invalid address` });
  else if (hop.redirects >= redirectsMax) fail(`stopped after ${redirectsMax} redirects`);
  else if (scheme === 'http' || scheme === 'https') ask(hop, { target, done, fail });
  else fail(`unsupported protocol scheme "${scheme}"`);
}

interface Asking {
  readonly target: URL;
  readonly done: (answer: ProbeAnswer) => void;
  readonly fail: (why: string) => void;
}

function ask(hop: Hop, { target, done, fail }: Asking): void {
  const isSecure = target.protocol === 'https:';
  const port = target.port || (isSecure ? '443' : '80');
  const send = isSecure ? httpsRequest : httpRequest;
  const options = { headers: hop.headers, agent: false, rejectUnauthorized: false } as const;
  let sent: ClientRequest | undefined;
  try {
    sent = send(target, options, (response) => {
      const next = redirectOf(response, target);
      if (next === undefined || next.hostname !== target.hostname) {
        answer(response, next, done);
        return;
      }
      // What else it says is not waited for: it may say it for ever.
      sent?.destroy();
      hop.url = next.href;
      hop.redirects++;
      follow(hop, done);
    });
    hop.current = sent;
    sent.on('error', (error) => {
      if (hop.current === sent) fail(networkError(error, target.hostname, Number(port)));
    });
    sent.end();
  } catch (error) {
    // A header that is none.
    sent?.destroy();
    fail(errorText(error));
  }
}

/** Where an answer leads, if anywhere. */
function redirectOf({ statusCode, headers }: IncomingMessage, from: URL): URL | undefined {
  const leads = [301, 302, 303, 307, 308].includes(statusCode ?? 0) && headers.location !== undefined;
  return leads && URL.canParse(headers.location!, from) ? new URL(headers.location!, from) : undefined;
}

function answer(response: IncomingMessage, leadsTo: URL | undefined, done: (answer: ProbeAnswer) => void): void {
  const statusCode = response.statusCode ?? 0;
  if (leadsTo === undefined) {
    response.resume();
    const ok = statusCode >= 200 && statusCode < 400;
    done({ ok, statusCode, message: ok ? '' : `HTTP probe failed with statuscode: ${statusCode}` });
    return;
  }
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    body = (body + text).slice(0, bodyCharactersMax);
  });
  response.on('end', () => {
    done({ ok: true, statusCode, message: '', warning: `Probe terminated redirects, Response body: ${body}` });
  });
}

function probeGrpc(clock: Clock, probe: GrpcProbeRequest): Promise<ProbeAnswer> {
  return limited(clock, probe, grpcTimeoutMessage(probe), (done) => askGrpcHealth(probe, done));
}

function probeTcp(clock: Clock, probe: TcpProbeRequest): Promise<ProbeAnswer> {
  const { host, port } = probe;
  return limited(clock, probe, `dial tcp ${host}:${port}: i/o timeout`, (done) => {
    const socket = connect({ host, port });
    socket.on('connect', () => done({ ok: true, message: '' }));
    socket.on('error', (error) => done({ ok: false, message: networkError(error, host, port) }));
    return () => socket.destroy();
  });
}

/** Runs one attempt; ends it at the timeout, when aborted and when it is done. */
function limited(
  clock: Clock,
  probe: { readonly timeoutMs: number; readonly signal: AbortSignal },
  timeout: string,
  attempt: (done: (answer: ProbeAnswer) => void) => () => void,
): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    if (probe.signal.aborted) return resolve(aborted);
    let close = (): void => {};
    let isDone = false;
    const finish = (answer: ProbeAnswer): void => {
      if (isDone) return;
      isDone = true;
      timer.cancel();
      probe.signal.removeEventListener('abort', onAbort);
      resolve(answer);
      close();
    };
    const onAbort = (): void => finish(aborted);
    const timer = clock.setTimeout(() => finish({ ok: false, message: timeout }), probe.timeoutMs);
    probe.signal.addEventListener('abort', onAbort, { once: true });
    close = attempt(finish);
    if (isDone) close();
  });
}

function timeoutMessage(url: string): string {
  return `Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
}

function networkError(error: Error & { readonly code?: string }, host: string, port: number): string {
  if (error.code === 'ECONNREFUSED') return `dial tcp ${host}:${port}: connect: connection refused`;
  if (error.code === 'ECONNRESET') return `read tcp ${host}:${port}: connection reset by peer`;
  return error.message;
}
