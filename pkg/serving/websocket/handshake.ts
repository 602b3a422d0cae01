/**
 * The answer that makes a WebSocket of a request, or says why not. Invariants: a protocol is agreed on only if the client has offered it; no
 * extensions are; a protocol that is a token (`bearerProtocolPrefix`) is never shown to whoever chooses, nor spoken.
 * Source: RFC 6455 section 4.2. Upstream counterpart: `golang.org/x/net/websocket` `hybiServerHandshaker`, whose refusals these are, but for the
 * header `Origin`, which only browsers send.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ApiRequest, ApiResponse, UpgradedConnection } from '#pkg/apimachinery/http.ts';

/** What every key is joined with. Source: RFC 6455 section 1.3. */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A protocol that a browser offers is a token when it begins so, as a browser can set no header. Source: apiserver `request/websocket/protocol.go`. */
export const bearerProtocolPrefix = 'base64url.bearer.authorization.k8s.io.';

/** What is to become of the connection. */
export interface WebSocketChoice {
  /** Picks one of the protocols that a client has offered, in its order, `''` for none; undefined when there is none that both speak, which is 403. */
  choose(offered: readonly string[]): string | undefined;
  /** Takes the connection over once the client was told; it ends when this resolves. */
  accept(connection: UpgradedConnection, protocol: string): Promise<void>;
}

/** Answers a request whose `upgrade` is `websocket`. */
export function webSocketAnswer({ headers }: ApiRequest, { choose, accept }: WebSocketChoice): ApiResponse {
  const key = headers['sec-websocket-key'] ?? '';
  if (Buffer.from(key, 'base64').length !== 16) return refusal(400, 'challenge/response error');
  if (headers['sec-websocket-version'] !== '13') {
    return refusal(400, 'missing or bad WebSocket Version', { 'sec-websocket-version': '13' });
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const names = offered.filter((name) => name !== '' && !name.startsWith(bearerProtocolPrefix));
  const protocol = choose(names);
  if (protocol === undefined) return refusal(403, `requested protocol(s) are not supported: [${names.join(' ')}]`);
  return {
    status: 101,
    headers: {
      upgrade: 'websocket',
      'sec-websocket-accept': createHash('sha1')
        .update(key + keySuffix)
        .digest('base64'),
      ...(protocol === '' ? {} : { 'sec-websocket-protocol': protocol }),
    },
    body: { kind: 'upgrade', accept: (connection) => accept(connection, protocol) },
  };
}

function refusal(status: number, text: string, headers: Readonly<Record<string, string>> = {}): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body: { kind: 'bytes', bytes: Buffer.from(text) },
  };
}
