/**
 * The answer that takes a connection over for one of the protocols that carry streams. Upstream counterpart: apimachinery `util/httpstream`
 * `Handshake`, `spdy.NewResponseUpgrader`, `wsstream.NewConn`.
 */
import type { ApiRequest, ApiResponse, UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { webSocketAnswer } from '#pkg/serving/websocket/handshake.ts';
import { text } from '../pod-path.ts';
import { type ChannelProtocol, chooseProtocol } from './channel-session.ts';

const versionHeader = 'x-stream-protocol-version';

/** Takes SPDY over, with the first of the versions that the client names and `versions` has. Source: `httpstream.Handshake`. */
export function spdyAnswer(
  { headers }: ApiRequest,
  versions: readonly string[],
  accept: (connection: UpgradedConnection, version: string) => Promise<void>,
): ApiResponse {
  const offered = (headers[versionHeader] ?? '')
    .split(',')
    .map((version) => version.trim())
    .filter((version) => version !== '');
  if (offered.length === 0) return text(400, 'unable to upgrade: X-Stream-Protocol-Version is required\n');
  const version = offered.find((one) => versions.includes(one));
  if (version === undefined) {
    const why = `client supports [${offered.join(' ')}], server accepts [${versions.join(' ')}]`;
    const refusal = text(403, `unable to upgrade: unable to negotiate protocol: ${why}\n`);
    return {
      ...refusal,
      headers: { ...refusal.headers, 'x-accepted-stream-protocol-versions': versions.join(', ') },
    };
  }
  return {
    status: 101,
    headers: { upgrade: 'SPDY/3.1', [versionHeader]: version },
    body: { kind: 'upgrade', accept: (connection) => accept(connection, version) },
  };
}

/** Takes a WebSocket over, with the first of the client's protocols that `protocols` has. */
export function channelAnswer(
  request: ApiRequest,
  protocols: Readonly<Record<string, ChannelProtocol>>,
  accept: (connection: UpgradedConnection, protocol: ChannelProtocol) => Promise<void>,
): ApiResponse {
  return webSocketAnswer(request, {
    choose: (offered) => chooseProtocol(offered, protocols),
    accept: (connection, name) => accept(connection, protocols[name]!),
  });
}
