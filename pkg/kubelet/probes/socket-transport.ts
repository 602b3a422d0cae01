/** Probes over the network. Certificates are not checked and redirects count as success, as upstream does for local ones. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import type { HttpProbeRequest, ProbeAnswer, ProbeTransport, TcpProbeRequest } from './probe-transport.ts';

/** Probes by sockets of this machine. */
export function socketProbeTransport(deps: { readonly clock: Clock }): ProbeTransport {
  return {
    http: (request) => probeHttp(deps.clock, request),
    tcp: (request) => probeTcp(deps.clock, request),
  };
}

const aborted: ProbeAnswer = { ok: false, message: 'probe was cancelled' };

function probeHttp(clock: Clock, probe: HttpProbeRequest): Promise<ProbeAnswer> {
  const { scheme, host, port, path, headers } = probe;
  const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  return limited(clock, probe, timeoutMessage(url), (done) => {
    const send = scheme === 'https' ? httpsRequest : httpRequest;
    const request = send({ host, port, path, headers, agent: false, rejectUnauthorized: false }, (response) => {
      response.resume();
      const code = response.statusCode ?? 0;
      const ok = code >= 200 && code < 400;
      done({ ok, message: ok ? '' : `HTTP probe failed with statuscode: ${code}` });
    });
    request.on('error', (error) => done({ ok: false, message: `Get "${url}": ${networkError(error, host, port)}` }));
    request.end();
    return () => request.destroy();
  });
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
    const finish = (answer: ProbeAnswer): void => {
      timer.cancel();
      probe.signal.removeEventListener('abort', onAbort);
      resolve(answer);
      close();
    };
    const onAbort = (): void => finish(aborted);
    const timer = clock.setTimeout(() => finish({ ok: false, message: timeout }), probe.timeoutMs);
    probe.signal.addEventListener('abort', onAbort, { once: true });
    close = attempt(finish);
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
