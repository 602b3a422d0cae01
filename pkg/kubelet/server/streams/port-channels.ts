/**
 * Ports of a pod over channels of a WebSocket: two for each port, for bytes and for what goes wrong, both of which begin with the port's number in
 * two bytes, little-endian. Source: `k8s.io/kubelet` `cri/streaming/portforward/websocket.go`.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { WebSocket } from '#pkg/serving/websocket/websocket.ts';
import { type ChannelProtocol, decodeChannel, encodeChannel } from './channel-session.ts';
import { carryBoth, type Target } from './port-target.ts';
import { streamIdleMs } from './stream-idle.ts';

/** Which ports, and where they are. */
export interface PortChannelsOptions {
  readonly clock: Clock;
  readonly protocol: ChannelProtocol;
  /** In the order of their channels. */
  readonly ports: readonly number[];
  readonly target: Target;
}

/** Resolves when the connection is over: every port's has ended, or the client has gone. */
export async function forwardChannels(
  connection: UpgradedConnection,
  { clock, protocol, ports, target }: PortChannelsOptions,
): Promise<void> {
  const socket = new WebSocket(connection, { clock, idleMs: streamIdleMs });
  const leaving = new AbortController();
  const inputs = ports.map(() => new BytePipe());
  const send = (number: number, bytes: Uint8Array): Promise<void> | undefined =>
    socket.send(encodeChannel(number, bytes, protocol), protocol.isText ? 'text' : 'binary')
      ? undefined
      : socket.drained();
  void listen(socket, protocol, inputs);
  void socket.ended.then(() => leaving.abort());
  const forward = async (port: number, index: number): Promise<void> => {
    const input = inputs[index]!;
    try {
      const upstream = await target.connect(port, leaving.signal);
      await carryBoth(upstream, { input, write: (bytes) => send(2 * index, bytes), end: () => {} });
    } catch (problem) {
      if (!leaving.signal.aborted) {
        void send(2 * index + 1, Buffer.from(`${target.describe(port)}: ${errorText(problem)}`));
      }
    } finally {
      input.cancel();
    }
  };
  for (const [index, port] of ports.entries()) {
    const number = Uint8Array.of(port & 255, port >> 8);
    void send(2 * index, number);
    void send(2 * index + 1, number);
  }
  await Promise.all(ports.map(forward));
  await socket.close();
}

async function listen(socket: WebSocket, protocol: ChannelProtocol, inputs: readonly BytePipe[]): Promise<void> {
  for await (const { bytes: message } of socket.messages()) {
    const decoded = decodeChannel(message, protocol);
    if (decoded === undefined || decoded.number % 2 !== 0) continue;
    const input = inputs[decoded.number / 2];
    if (decoded.isClose) input?.end();
    else await input?.write(decoded.bytes);
  }
  for (const input of inputs) input.end();
}
