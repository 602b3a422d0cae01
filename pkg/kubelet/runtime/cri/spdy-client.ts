/**
 * A session of streams at an address that the runtime gives out for one use, by SPDY: what every CRI runtime speaks, and unlike its WebSockets it can end the input of
 * a command. Upstream counterpart: `client-go` `tools/remotecommand`, `tools/portforward`.
 */
import type { IncomingMessage } from 'node:http';
import { getBuiltinModule } from 'node:process';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import { RuntimeError } from '../runtime.ts';

/** Text of a refusal that is shown. */
const refusalBytesMax = 1024;

/** Where, and by which protocol of those above SPDY. */
export interface SpdySessionOptions {
  readonly url: string;
  /** `X-Stream-Protocol-Version`. */
  readonly protocol: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Opens one. Rejects with `failed`, when `signal` is aborted too. */
export function openSpdySession({ url, protocol, clock, signal }: SpdySessionOptions): Promise<SpdyConnection> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void =>
      reject(new RuntimeError('failed', `cannot reach the container runtime's streams: ${why}`, cause));
    // Loaded by the first session.
    const outgoing = getBuiltinModule('node:http').request(url, {
      method: 'POST',
      headers: {
        connection: 'Upgrade',
        upgrade: 'SPDY/3.1',
        'x-stream-protocol-version': protocol,
        'content-length': '0',
      },
      ...(signal === undefined ? {} : { signal }),
    });
    outgoing.on('error', (error) => failed(errorText(error), error));
    outgoing.on('response', (incoming) => {
      void refusalOf(incoming).then((text) => failed(`${incoming.statusCode} ${text}`));
    });
    outgoing.on('upgrade', (_, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(new SpdyConnection(socket, { clock, role: 'client', tellsWindows: false }));
    });
    outgoing.end();
  });
}

async function refusalOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of incoming) if (text.length < refusalBytesMax) text += String(chunk);
  } catch {
    // What was cut off is shown as far as it came.
  }
  return text.slice(0, refusalBytesMax).trim();
}
