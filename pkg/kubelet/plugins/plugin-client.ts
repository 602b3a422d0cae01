/**
 * The calls of a plugin at its Unix socket. Each ends with an answer or a `PluginError` within its time; nothing is repeated. A plugin that is started again is found by
 * the next call.
 */
import { WireError } from '#pkg/apimachinery/protobuf/wire.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { GrpcConnection, type GrpcStream } from '#pkg/grpc/grpc-connection.ts';
import { GrpcError, grpcCodeNames, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { Fields } from '#pkg/grpc/message.ts';
import { type SocketPlace, socketPlace } from './socket-place.ts';

/** Longest message of a plugin. Source: `defaultClientMaxReceiveMessageSize` of gRPC in Go. */
const messageBytesMax = 4 * 1024 * 1024;

/** What is asked, and how the answer is read. */
export interface PluginCall<T> {
  /** With its frame. */
  readonly message: Uint8Array;
  read(answer: Fields): T;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a stream of a plugin says; `onEnd` is called once, and nothing after it. */
export interface PluginStreamSink {
  onMessage(message: Fields): void;
  onEnd(error: PluginError): void;
}

/** A plugin did not do what it was asked; the message is Go's, fit for an event. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  /** Of gRPC. */
  readonly code: number;

  constructor(message: string, code: number) {
    super(`rpc error: code = ${grpcCodeNames[code] ?? code} desc = ${message}`);
    this.code = code;
  }
}

/** One plugin. */
export class PluginClient {
  readonly #connection: GrpcConnection;
  readonly #place: SocketPlace;

  private constructor(connection: GrpcConnection, place: SocketPlace) {
    this.#connection = connection;
    this.#place = place;
  }

  /** For a socket that somebody else makes. Rejects where its folder is not there. */
  static async at(socketPath: string, clock: Clock): Promise<PluginClient> {
    const place = await socketPlace(socketPath);
    const options = { endpoint: 'http://localhost', socketPath: place.path, messageBytesMax, clock };
    const connection = new GrpcConnection(options);
    return new PluginClient(connection, place);
  }

  /** Rejects with `PluginError`. */
  async call<T>(path: string, { message, read, timeoutMs, signal }: PluginCall<T>): Promise<T> {
    try {
      return read(new Fields(await this.#connection.call({ path }, { message, timeoutMs, signal })));
    } catch (error) {
      throw pluginError(error);
    }
  }

  /** Asks once for what comes from then on. Its sink is told of what cannot be read as an end. */
  follow(path: string, message: Uint8Array, sink: PluginStreamSink): Pick<GrpcStream, 'close'> | undefined {
    const stream = this.#connection.follow({ path }, message, {
      onMessage: (bytes) => {
        try {
          sink.onMessage(new Fields(bytes));
        } catch (error) {
          stream?.close();
          sink.onEnd(pluginError(error));
        }
      },
      onEnd: (error) => sink.onEnd(pluginError(error)),
    });
    return stream;
  }

  /** Ends the connection, and nothing of the plugin. */
  async close(): Promise<void> {
    this.#connection.close();
    await this.#place.close();
  }
}

/** Throws what is a fault of this program. */
function pluginError(error: unknown): PluginError {
  if (error instanceof GrpcError) return new PluginError(error.message, error.code);
  if (error instanceof WireError) return new PluginError(`the answer is none: ${errorText(error)}`, grpcCodes.internal);
  throw error;
}
