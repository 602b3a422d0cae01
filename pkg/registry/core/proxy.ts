/**
 * `proxy` of pods, services and nodes: requests of any method, passed on with their path, headers and bodies, and upgrades. Invariants: what proves who
 * the client is never leaves this server; places that answers redirect to, and links of pages, are ones below the proxy.
 * Source: upstream `pkg/registry/core/{pod,service,node}/rest`, apimachinery `util/proxy/{upgradeaware,transport}.go`.
 */
import { posix } from 'node:path';
import type { Service } from '#pkg/api/types/core-v1.ts';
import { endpoints, nodes, pods, services } from '#pkg/api/types/refs.ts';
import type { ApiHandler, ApiRequest, ApiResponse, HttpHeaders } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { notFound, serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { notBuilt } from '#pkg/apiserver/endpoints/unbuilt.ts';
import { errorResponse } from '#pkg/apiserver/responses.ts';
import { readOne } from '#pkg/apiserver/strategy.ts';
import { bearerProtocolPrefix } from '#pkg/serving/websocket/handshake.ts';
import { admitConnection, noConnection } from './connections.ts';
import { linkBelow, redirectBelow, withLinks } from './proxied-links.ts';
import { checkProxyAddress, type ProxyName, parseProxyName } from './proxy-target.ts';

/** Where a request goes. */
interface Place {
  readonly handler: ApiHandler;
  /** As a redirect names it. */
  readonly host: string;
}

/** Passes a request on to a pod: to the port that is named, or the first that it has. */
export async function podProxy(scope: Scope): Promise<ApiResponse> {
  const wanted = parseProxyName(targetOf(scope), 'pod');
  const pod = await find(scope, pods, wanted.name);
  const [first] = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const declared = first?.containerPort;
  const port = wanted.port === '' ? (declared === undefined ? '' : String(declared)) : wanted.port;
  return forward(scope, 'PodProxyOptions', placeAt(scope, { ...wanted, port }, pod.status?.podIP ?? ''));
}

/** Passes a request on to one of a Service's pods. */
export async function serviceProxy(scope: Scope): Promise<ApiResponse> {
  const wanted = parseProxyName(targetOf(scope), 'service');
  const service = await find(scope, services, wanted.name);
  const { address, port } = await endpointOf(scope, service, wanted);
  return forward(scope, 'ServiceProxyOptions', placeAt(scope, { ...wanted, port: String(port) }, address));
}

/** Passes a request on to a node: to its kubelet, or another port that is named. */
export async function nodeProxy(scope: Scope): Promise<ApiResponse> {
  const wanted = parseProxyName(targetOf(scope), 'node');
  const node = await find(scope, nodes, wanted.name);
  const { addresses, daemonEndpoints } = node.status ?? {};
  const address = addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
  const kubeletPort = daemonEndpoints?.kubeletEndpoint?.Port;
  if (wanted.port !== '' && wanted.port !== String(kubeletPort)) {
    return forward(scope, 'NodeProxyOptions', placeAt(scope, wanted, address));
  }
  const handler = scope.core.kubelet?.(wanted.name);
  if (handler === undefined) return errorResponse(noConnection(wanted.name));
  return forward(scope, 'NodeProxyOptions', { handler, host: `${address}:${kubeletPort}` });
}

function targetOf({ info }: Scope): string {
  return info.parts[1] ?? '';
}

async function find<T extends KubeObject>({ core, info }: Scope, ref: ResourceRef<T>, name: string): Promise<T> {
  const found = await readOne(core.reader, ref, { namespace: info.namespace, name });
  if (found === undefined) throw notFound(ref, name);
  return found;
}

/** A ready address of the Service that is a pod's, and the port there. Source: service storage `ResourceLocation`. */
async function endpointOf(
  { core, info }: Scope,
  service: Service,
  { name, port }: ProxyName,
): Promise<{ readonly address: string; readonly port: number }> {
  const none = serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  const ports = service.spec?.ports ?? [];
  let portName = port;
  if (/^\d+$/.test(port)) {
    const found = ports.find((one) => one.port === Number(port));
    if (found === undefined) {
      throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    }
    portName = found.name ?? '';
  }
  const own = await readOne(core.reader, endpoints, { namespace: info.namespace, name });
  if (own === undefined) throw none;
  for (const subset of shuffled(own.subsets ?? [], core.random)) {
    const number = subset.ports?.find((one) => (one.name ?? '') === portName)?.port;
    if (number === undefined) continue;
    for (const entry of shuffled(subset.addresses ?? [], core.random)) {
      const { ip: address, targetRef } = entry;
      // Only addresses that are pods: an object that anybody may write says nothing of what else is there.
      if (targetRef?.kind !== 'Pod') continue;
      const key = { namespace: targetRef.namespace || info.namespace, name: targetRef.name ?? '' };
      const pod = await readOne(core.reader, pods, key);
      if (pod?.status?.podIPs?.some(({ ip }) => ip === address)) return { address, port: number };
    }
  }
  throw none;
}

/** The items, beginning with one by chance. */
function shuffled<T>(items: readonly T[], random: Scope['core']['random']): readonly T[] {
  if (items.length < 2) return items;
  const start = Math.floor(random.next() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

function placeAt(scope: Scope, { scheme, port }: ProxyName, address: string): Place {
  checkProxyAddress(address);
  const { reach } = scope.core;
  if (reach === undefined) return notBuilt(scope);
  const number = port === '' ? (scheme === 'https' ? 443 : 80) : Number(port);
  if (!(Number.isInteger(number) && number > 0 && number < 65_536)) {
    throw serviceUnavailable(`error trying to reach service: lookup tcp/${port}: unknown port`);
  }
  const host = `${address.includes(':') ? `[${address}]` : address}${port === '' ? '' : `:${port}`}`;
  return { handler: reach({ scheme, host: address, port: number }), host };
}

/** Of a path, what the proxy is at, and what is its target's. */
function splitPath({ path, parts }: Scope['info']): { readonly prefix: string; readonly rest: string } {
  const found = /^(\/api\/v1\/(?:namespaces\/[^/]+\/)?(?:nodes|pods|services)\/[^/]+\/proxy)((?:\/.*)?)$/.exec(path);
  if (found !== null) {
    const [, prefix = '', rest = ''] = found;
    return { prefix, rest };
  }
  // Written otherwise, such as with encoded slashes.
  const rest = parts.slice(3).map(encodeURIComponent).join('/');
  return { prefix: path.replace(/\/proxy\/.*$/, '/proxy'), rest: rest === '' ? '' : `/${rest}` };
}

async function forward(scope: Scope, kind: string, { handler, host }: Place): Promise<ApiResponse> {
  const { info, request } = scope;
  const { prefix, rest } = splitPath(info);
  await admitConnection(scope, kind, { path: rest });
  if (rest === '' && (request.method === 'GET' || request.method === 'HEAD') && request.upgrade === undefined) {
    const query = request.query === '' ? '' : `?${request.query}`;
    return { status: 301, headers: { location: `${info.path}/${query}` }, body: { kind: 'empty' } };
  }
  const answer = await handler({
    ...copyOf(request),
    path: rest === '' ? '/' : rest,
    headers: headersFor(request, `${prefix}${rest}`),
    peer: { address: '' },
  });
  const seen = { prefix, host, asked: request.headers.host ?? '' };
  const { location } = answer.headers;
  if (location === undefined) return withLinks(answer, (link) => linkBelow(link, seen));
  return { ...answer, headers: { ...answer.headers, location: redirectBelow(location, seen) } };
}

/** A request's own fields, as it may be an object with getters. */
function copyOf({ method, query, body, upgrade, signal }: ApiRequest) {
  return {
    method,
    query,
    signal,
    ...(body === undefined ? {} : { body }),
    ...(upgrade === undefined ? {} : { upgrade }),
  };
}

/** Source: apiserver `filters/authentication.go` takes the token away, `impersonation.go` what it is about; `Transport.RoundTrip`. */
function headersFor({ headers, peer }: ApiRequest, uri: string): HttpHeaders {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === 'authorization' || name.startsWith('impersonate-')) continue;
    sent[name] = value;
  }
  const protocols = sent['sec-websocket-protocol'];
  if (protocols !== undefined) {
    const spoken = protocols.split(',').filter((protocol) => !protocol.trim().startsWith(bearerProtocolPrefix));
    if (spoken.length > 0) sent['sec-websocket-protocol'] = spoken.join(',').trim();
    else delete sent['sec-websocket-protocol'];
  }
  sent['x-forwarded-uri'] = posix.normalize(uri);
  sent['x-forwarded-proto'] = 'https';
  if (headers.host !== undefined) sent['x-forwarded-host'] = headers.host;
  const known = headers['x-forwarded-for'];
  if (peer.address !== '') sent['x-forwarded-for'] = known === undefined ? peer.address : `${known}, ${peer.address}`;
  return sent;
}
