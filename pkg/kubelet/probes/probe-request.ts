/** Where a probe goes: named ports, the pod's address, headers. Source: kubelet `prober.go`, `pkg/probe/http/request.go`. */
import type { Container, HTTPGetAction, TCPSocketAction } from '#pkg/api/types/core-v1.ts';
import type { HttpProbeRequest, TcpProbeRequest } from '../runtime/probe-transport.ts';

/** Sent as the user agent of HTTP probes. */
const userAgent = 'kube-probe/1.36';

/** The container whose ports have names, and the pod's address. */
export interface ProbeOrigin {
  readonly container: Container | undefined;
  readonly podIp: string;
}

/** The request of an HTTP action, or why there is none. */
export function httpProbeRequest(
  action: HTTPGetAction,
  origin: ProbeOrigin,
): Omit<HttpProbeRequest, 'signal' | 'timeoutMs'> | string {
  const port = resolvePort(action.port, origin.container);
  if (typeof port === 'string') return port;
  const headers: Record<string, string> = { 'user-agent': userAgent, accept: '*/*' };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const path = action.path ?? '/';
  return {
    scheme: action.scheme === 'HTTPS' ? 'https' : 'http',
    host: action.host || origin.podIp,
    port,
    path: path.startsWith('/') ? path : `/${path}`,
    headers,
  };
}

/** The request of a TCP action, or why there is none. */
export function tcpProbeRequest(
  action: TCPSocketAction,
  origin: ProbeOrigin,
): Omit<TcpProbeRequest, 'signal' | 'timeoutMs'> | string {
  const port = resolvePort(action.port, origin.container);
  if (typeof port === 'string') return port;
  return { host: action.host || origin.podIp, port };
}

function resolvePort(port: number | string, container: Container | undefined): number | string {
  const number = typeof port === 'number' ? port : Number(port);
  if (Number.isInteger(number)) return number > 0 && number < 65536 ? number : `invalid port number: ${port}`;
  const named = container?.ports?.find(({ name }) => name === port);
  // The last thing upstream tries is to read the name as a number, and that is what it complains of.
  return named?.containerPort ?? `strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`;
}
