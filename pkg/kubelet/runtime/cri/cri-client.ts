/**
 * The calls of a CRI runtime at its Unix socket. Each ends with an answer or a `RuntimeError`; nothing is repeated. A runtime that is started again is found by the
 * next call. Upstream counterpart: `k8s.io/cri-client`.
 */
import { WireError } from '#pkg/apimachinery/protobuf/wire.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { GrpcConnection } from '#pkg/grpc/grpc-connection.ts';
import { GrpcError, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { RuntimeError, type RuntimeErrorReason } from '../runtime.ts';

/** How long a call may take that waits for nothing but the runtime. Source: kubelet default `runtimeRequestTimeout`. */
const callTimeoutMs = 120_000;

/** The services. */
type CriService = 'ImageService' | 'RuntimeService';

/** What is asked, and how the answer is read. */
export interface CriCall<T> {
  readonly message: Uint8Array;
  read(answer: Buffer): T;
  /** Default: two minutes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A runtime. */
export class CriClient {
  readonly #connection: GrpcConnection;
  readonly #socketPath: string;

  constructor({ socketPath, clock }: { readonly socketPath: string; readonly clock: Clock }) {
    this.#socketPath = socketPath;
    this.#connection = new GrpcConnection({ endpoint: 'http://localhost', socketPath, clock });
  }

  /** A call of the service for sandboxes and containers. */
  runtime<T>(method: string, call: CriCall<T>): Promise<T> {
    return this.#call('RuntimeService', method, call);
  }

  /** A call of the service for images. */
  images<T>(method: string, call: CriCall<T>): Promise<T> {
    return this.#call('ImageService', method, call);
  }

  /** Ends the connection, and nothing in the runtime. */
  close(): void {
    this.#connection.close();
  }

  async #call<T>(service: CriService, method: string, { message, read, timeoutMs, signal }: CriCall<T>): Promise<T> {
    const path = `/runtime.v1.${service}/${method}`;
    try {
      return read(await this.#connection.call({ path }, { message, timeoutMs: timeoutMs ?? callTimeoutMs, signal }));
    } catch (error) {
      if (error instanceof WireError)
        throw new RuntimeError('failed', `the container runtime answers ${method} with what is no answer`, error);
      if (!(error instanceof GrpcError)) throw error;
      const text = error.isLost
        ? `the container runtime at ${this.#socketPath} does not answer ${method}: ${error.message}`
        : error.message;
      throw new RuntimeError(reasons.get(error.code) ?? 'failed', text, error);
    }
  }
}

const reasons: ReadonlyMap<number, RuntimeErrorReason> = new Map([
  [grpcCodes.notFound, 'notFound'],
  [grpcCodes.unimplemented, 'unsupported'],
]);

/** What is answered to calls whose answer says nothing. */
export function nothing(): void {}

/** Does nothing about what is gone already. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (!(error instanceof RuntimeError) || error.reason !== 'notFound') throw error;
    return undefined;
  });
}
