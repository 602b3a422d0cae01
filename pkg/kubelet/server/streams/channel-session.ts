/**
 * Channels over a WebSocket: the first byte of a message is its channel, 0 to 4 for input, output, errors, the end, and sizes. Invariants: what is
 * sent on a channel that nobody asked for is thrown away; a client that sends more than is read waits.
 * Source: apimachinery `util/httpstream/wsstream`, `util/remotecommand`; KEP-4006 for version 5.
 */
import { Buffer } from 'node:buffer';
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { WebSocket } from '#pkg/serving/websocket/websocket.ts';
import type { TerminalSize } from '../../runtime/streams.ts';
import { type CommandEnd, endBytes, parseSizes } from './command-end.ts';
import type { OutputName, RemoteSession, WantedStreams } from './remote-command.ts';
import { streamIdleMs } from './stream-idle.ts';

/** What a subprotocol's name stands for. */
export interface ChannelProtocol {
  /** Messages are text: a digit, then base64. */
  readonly isText: boolean;
  /** The end is told as a `Status`; before version 4 as text, and not at all for a success. */
  readonly hasStatus: boolean;
  /** A message of 255 and a channel's number ends that channel. */
  readonly hasClose: boolean;
}

const text = { isText: true, hasStatus: false, hasClose: false };
const binary = { isText: false, hasStatus: false, hasClose: false };

/** By name; a client that names none speaks the first version. */
export const channelProtocols: Readonly<Record<string, ChannelProtocol>> = {
  'v5.channel.k8s.io': { isText: false, hasStatus: true, hasClose: true },
  'v4.channel.k8s.io': { ...binary, hasStatus: true },
  'v4.base64.channel.k8s.io': { ...text, hasStatus: true },
  'v3.channel.k8s.io': binary,
  'v2.channel.k8s.io': binary,
  'channel.k8s.io': binary,
  'base64.channel.k8s.io': text,
  '': binary,
};

/** The first protocol that a client offers and that there is. */
export function chooseProtocol(
  offered: readonly string[],
  protocols: Readonly<Record<string, ChannelProtocol>> = channelProtocols,
): string | undefined {
  return offered.length === 0 ? '' : offered.find((name) => Object.hasOwn(protocols, name));
}

const closeChannel = 255;
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** A message that carries bytes of a channel. */
export function encodeChannel(number: number, bytes: Uint8Array, { isText }: ChannelProtocol): Uint8Array {
  if (isText) return Buffer.from(`${number}${Buffer.from(bytes).toString('base64')}`);
  const message = Buffer.allocUnsafe(1 + bytes.length);
  message[0] = number;
  message.set(bytes, 1);
  return message;
}

/** The channel and bytes of a message; undefined for what is none, which is passed over. */
export function decodeChannel(
  message: Uint8Array,
  { isText, hasClose }: ChannelProtocol,
): { readonly number: number; readonly bytes: Uint8Array; readonly isClose: boolean } | undefined {
  const [first] = message;
  if (first === undefined) return undefined;
  const rest = message.subarray(1);
  if (hasClose && first === closeChannel) {
    return rest.length === 1 ? { number: rest[0]!, bytes: rest, isClose: true } : undefined;
  }
  if (!isText) return { number: first, bytes: rest, isClose: false };
  if (first < 48 || first > 57) return undefined;
  return { number: first - 48, bytes: Buffer.from(Buffer.from(rest).toString('latin1'), 'base64'), isClose: false };
}

/** Which protocol, and which streams the client wants. */
export interface ChannelSessionOptions {
  readonly clock: Clock;
  readonly protocol: ChannelProtocol;
  readonly wanted: WantedStreams;
}

/** A remote command over a WebSocket. */
export class ChannelSession implements RemoteSession {
  readonly stdin?: BytePipe;
  readonly resizes: AsyncIterable<TerminalSize>;
  readonly gone: Promise<void>;
  readonly #socket: WebSocket;
  readonly #protocol: ChannelProtocol;
  readonly #wanted: WantedStreams;
  readonly #sizes = new BytePipe();

  constructor(connection: UpgradedConnection, { clock, protocol, wanted }: ChannelSessionOptions) {
    this.#socket = new WebSocket(connection, { clock, idleMs: streamIdleMs });
    this.#protocol = protocol;
    this.#wanted = wanted;
    if (wanted.stdin) this.stdin = new BytePipe();
    this.resizes = sizesOf(this.#sizes);
    this.gone = this.#socket.ended.then(() => {});
    void this.#listen();
    // Says that the connection is there, on the lowest channel that is written.
    this.#send(wanted.stdout ? channel.stdout : wanted.stderr ? channel.stderr : channel.error, new Uint8Array(0));
  }

  write(stream: OutputName, bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#wanted[stream]) return undefined;
    return this.#send(channel[stream], bytes) ? undefined : this.#socket.drained();
  }

  async finish(end: CommandEnd): Promise<void> {
    const bytes = endBytes(end, this.#protocol);
    if (bytes.length > 0) this.#send(channel.error, bytes);
    this.stdin?.cancel();
    this.#sizes.cancel();
    await this.#socket.close();
  }

  #send(number: number, bytes: Uint8Array): boolean {
    return this.#socket.send(encodeChannel(number, bytes, this.#protocol), this.#protocol.isText ? 'text' : 'binary');
  }

  async #listen(): Promise<void> {
    for await (const { bytes: message } of this.#socket.messages()) {
      const decoded = decodeChannel(message, this.#protocol);
      if (decoded === undefined) continue;
      const { number, bytes, isClose } = decoded;
      const pipe = number === channel.stdin ? this.stdin : number === channel.resize ? this.#sizes : undefined;
      if (isClose) pipe?.end();
      else await pipe?.write(bytes);
    }
    this.stdin?.end();
    this.#sizes.end();
  }
}

/** Sizes out of the bytes of their channel. */
export async function* sizesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TerminalSize> {
  let rest = '';
  for await (const chunk of chunks) {
    const parsed = parseSizes(rest + Buffer.from(chunk).toString('latin1'));
    rest = parsed.rest;
    yield* parsed.sizes;
  }
}
