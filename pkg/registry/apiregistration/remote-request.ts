/**
 * A request as it is passed on to a server behind this one, and its answer as it comes back. Invariant: who asks is what this server found out, whatever the client
 * says; what this server was shown (tokens) stays here.
 * Source: kube-aggregator `pkg/apiserver/handler_proxy.go`, client-go `transport.SetAuthProxyHeaders`, apimachinery `util/proxy`.
 */
import type { ApiRequest, ApiResponse, HttpHeaders } from '#pkg/apimachinery/http.ts';
import { textResponse } from '#pkg/apiserver/responses.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';

const remotePrefix = 'x-remote-';

/** What browsers are told stays this server's own to say. Source: apimachinery `proxy.corsRemovingTransport`. */
const corsHeaders: readonly string[] = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
];

/** The request with the address of its client added, and without what is no business of the other server. */
export function passedOn(request: ApiRequest): ApiRequest {
  const { headers, peer, body } = request;
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === 'authorization' || name.startsWith(remotePrefix)) continue;
    if (name.startsWith('impersonate-')) continue;
    sent[name] = value;
  }
  if (peer.address !== '') {
    const known = headers['x-forwarded-for'];
    sent['x-forwarded-for'] = known === undefined ? peer.address : `${known}, ${peer.address}`;
  }
  if (body?.kind === 'object') sent['content-type'] ??= 'application/json';
  return { ...request, headers: sent };
}

/** Who asks, for a server that trusts this one. A name with several values is a list. */
export function remoteHeaders({
  name,
  uid = '',
  groups,
  extra = {},
}: UserInfo): Readonly<Record<string, string | readonly string[]>> {
  const headers: Record<string, string | readonly string[]> = { 'x-remote-user': headerText(name) };
  if (uid !== '') headers['x-remote-uid'] = headerText(uid);
  if (groups.length > 0) headers['x-remote-group'] = groups.map(headerText);
  for (const [key, values] of Object.entries(extra))
    headers[`x-remote-extra-${encodeURIComponent(key).toLowerCase()}`] = values.map(headerText);
  return headers;
}

/** Text as bytes of UTF-8, each of which is a character of the header; line breaks cannot be sent, and nobody has such a name. */
function headerText(text: string): string {
  return Buffer.from(text.replaceAll(/[\r\n\0]/g, '')).toString('latin1');
}

/** The answer, unless it sends the client elsewhere. Source: apimachinery `proxy.UpgradeAwareHandler` `RejectForwardingRedirects`. */
export function passedBack(answer: ApiResponse): ApiResponse {
  if (answer.status >= 300 && answer.status < 400 && answer.headers.location !== undefined)
    return textResponse(502, 'the backend attempted to redirect this request, which is not permitted\n');
  const headers: Record<string, string | undefined> = { ...answer.headers };
  for (const name of corsHeaders) delete headers[name];
  const kept: HttpHeaders = headers;
  return { ...answer, headers: kept };
}

/** Source: kube-aggregator `proxyError`. */
export function remoteUnavailable(): ApiResponse {
  return textResponse(503, 'service unavailable\n');
}
