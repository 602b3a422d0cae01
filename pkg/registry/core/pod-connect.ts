/**
 * `pods/exec`, `attach` and `portforward`: the kubelet's connection, passed on as it is. Which protocol is spoken is between the client and the
 * kubelet; here it is settled who may ask, and for what.
 * Source: upstream `pkg/registry/core/pod/rest/subresources.go`, `strategy.go` `streamLocation`.
 */
import type { ApiResponse, HttpHeaders } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, forbidden } from '#pkg/apimachinery/status-error.ts';
import { readEntry } from '#pkg/apiserver/endpoints/read.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { notBuilt } from '#pkg/apiserver/endpoints/unbuilt.ts';
import { isTrue } from '#pkg/apiserver/request-info.ts';
import { errorResponse } from '#pkg/apiserver/responses.ts';
import { bearerProtocolPrefix } from '#pkg/serving/websocket/handshake.ts';
import { admitConnection, noConnection } from './connections.ts';
import { containerOf, type PodContainers } from './pod-containers.ts';

type Subresource = 'attach' | 'exec' | 'portforward';

interface ConnectedPod extends KubeObject, PodContainers {}

/** What the kubelet calls the options. Source: core/v1 `ExecStdinParam` and its like. */
const flags = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const;

/** Headers that say which protocol is spoken. */
const passed = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'x-stream-protocol-version',
] as const;

/** Answers a connection to a container's command. */
export function podExec(scope: Scope): Promise<ApiResponse> {
  return connect(scope, 'exec');
}

/** Answers a connection to a container's program. */
export function podAttach(scope: Scope): Promise<ApiResponse> {
  return connect(scope, 'attach');
}

/** Answers a connection to ports of a pod. */
export function podPortForward(scope: Scope): Promise<ApiResponse> {
  return connect(scope, 'portforward');
}

async function connect(scope: Scope, subresource: Subresource): Promise<ApiResponse> {
  const { core, info, request } = scope;
  if (core.kubelet === undefined) return notBuilt(scope);
  await mayCreate(scope);
  const name = info.parts[1] ?? '';
  const pod = scope.served.view.object(await readEntry(scope)) as ConnectedPod;
  await admitted(scope, subresource);
  const container = subresource === 'portforward' ? '' : containerOf(pod, info.query.get('container') ?? '', 'connect');
  const nodeName = pod.spec?.nodeName ?? '';
  if (nodeName === '') throw badRequest(`pod ${name} does not have a host assigned`);
  if (request.upgrade === undefined) throw badRequest('Upgrade request required');
  const handler = core.kubelet(nodeName);
  if (handler === undefined) return errorResponse(noConnection(nodeName));
  const answer = await handler({
    method: request.method,
    path: pathOf(subresource, [info.namespace, name, ...(container === '' ? [] : [container])]),
    query: queryOf(subresource, info.query).toString(),
    headers: headersOf(request.headers),
    upgrade: request.upgrade,
    peer: { address: '' },
    signal: request.signal,
  });
  return answer;
}

/**
 * A WebSocket begins with a GET; what follows is no less than a POST. Source: KEP-4006, feature `AuthorizePodWebsocketUpgradeCreatePermission`, on by
 * default since 1.35.
 */
async function mayCreate({ core, info, user, request, subject }: Scope): Promise<void> {
  if (request.method !== 'GET' || request.upgrade === undefined) return;
  const { group, version, resource, subresource, namespace, name, path } = info;
  const asked = { user, verb: 'create', group, version, resource, subresource, namespace, name, path };
  const { decision, reason = '' } = await core.authorizer.authorize(asked);
  if (decision === 'allow') return;
  const what = `create resource ${JSON.stringify(`${resource}/${subresource}`)} in API group ${JSON.stringify(group)}`;
  const why = reason === '' ? '' : `: ${reason}`;
  const where = `in the namespace ${JSON.stringify(namespace)}`;
  throw forbidden(subject, name, `User ${JSON.stringify(user.name)} cannot ${what} ${where}${why}`);
}

const optionKinds = {
  attach: 'PodAttachOptions',
  exec: 'PodExecOptions',
  portforward: 'PodPortForwardOptions',
} as const;

/** Plugins are asked about connections, too. */
function admitted(scope: Scope, subresource: Subresource): Promise<void> {
  const { query } = scope.info;
  return admitConnection(scope, optionKinds[subresource], {
    ...(subresource === 'portforward'
      ? { ports: query.getAll('ports').map(Number) }
      : {
          ...Object.fromEntries(Object.keys(flags).map((name) => [name, isTrue(query.get(name))])),
          ...(query.has('container') ? { container: query.get('container') } : {}),
        }),
    ...(subresource === 'exec' ? { command: query.getAll('command') } : {}),
  });
}

function pathOf(subresource: Subresource, parts: readonly string[]): string {
  const kind = subresource === 'portforward' ? 'portForward' : subresource;
  return `/${kind}/${parts.map(encodeURIComponent).join('/')}`;
}

function queryOf(subresource: Subresource, query: URLSearchParams): URLSearchParams {
  const passedOn = new URLSearchParams();
  if (subresource === 'portforward') {
    const ports = query.getAll('ports');
    for (const port of ports.flatMap((value) => value.split(','))) {
      if (!/^[+-]?\d+$/.test(port))
        throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(port)}: invalid syntax`);
    }
    if (ports.length > 0) passedOn.set('port', ports.join(','));
    return passedOn;
  }
  for (const [name, kubeletName] of Object.entries(flags)) {
    if (isTrue(query.get(name))) passedOn.set(kubeletName, '1');
  }
  if (subresource === 'exec') for (const word of query.getAll('command')) passedOn.append('command', word);
  return passedOn;
}

/** The client's token is for this server alone, also where a browser has it in the list of protocols. */
function headersOf(headers: HttpHeaders): HttpHeaders {
  const kept: Record<string, string> = { connection: 'Upgrade' };
  for (const name of [...passed, 'upgrade'] as const) {
    const value = headers[name];
    if (value !== undefined) kept[name] = value;
  }
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
  const spoken = protocols.filter((protocol) => protocol !== '' && !protocol.startsWith(bearerProtocolPrefix));
  if (spoken.length > 0) kept['sec-websocket-protocol'] = spoken.join(', ');
  return kept;
}
