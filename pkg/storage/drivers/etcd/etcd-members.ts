/**
 * The members of an etcd: calls go to one of them, and to the next once it is lost.
 *
 * Invariant: a call that may have changed something is not made again, unless it is known not to have arrived. Each member is tried at most once for a
 * call, so a cluster that is gone fails at once and nothing storms; which one is tried first is chosen by chance, so that servers divide among the members.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import { GrpcConnection, type GrpcStream, type GrpcStreamSink, type GrpcTls } from '#pkg/grpc/grpc-connection.ts';
import { GrpcError, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { authenticateRequest, etcdCalls, tokenOf } from './etcd-messages.ts';

/** How long one call may take: etcd itself gives up after seven seconds. Source: etcd `ReqTimeout`. */
const callTimeoutMs = 10_000;

/** What a member says that cannot reach the others: another may be able to. */
const partedPattern =
  /no leader|etcdserver: (?:not capable|server stopped)|request timed out, possibly due to connection lost/;

/** The members, and the credentials that they want. */
export interface EtcdMembersOptions {
  /** Addresses: `http://127.0.0.1:2379`. */
  readonly endpoints: readonly string[];
  readonly tls?: GrpcTls | undefined;
  /** Whom to be, where etcd has users. */
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How a call goes on when a member is lost. */
export interface MemberCallOptions {
  /** Changes nothing: another member may be asked although this one may have heard. */
  readonly isRead: boolean;
}

/** The members of one etcd. */
export class EtcdMembers {
  readonly #options: EtcdMembersOptions;
  readonly #connections: readonly [GrpcConnection, ...GrpcConnection[]];
  #current: number;
  #token: Promise<string> | undefined;

  constructor(options: EtcdMembersOptions) {
    const { endpoints, tls, clock, random } = options;
    this.#options = options;
    const [first = '', ...others] = endpoints;
    // A member that has lost the others says so, where its watches would else just be silent.
    const headers = { hasleader: 'true' };
    const connect = (endpoint: string): GrpcConnection => new GrpcConnection({ endpoint, tls, headers, clock });
    this.#connections = [connect(first), ...others.map(connect)];
    this.#current = randomInt(random, endpoints.length);
  }

  /** The answer of a member. Rejects with `GrpcError`. */
  async call(path: string, message: Uint8Array, { isRead }: MemberCallOptions): Promise<Buffer> {
    let isFreshToken = false;
    for (let tries = 1; ; ) {
      const index = this.#current;
      try {
        const token = await this.#authenticate();
        return await this.#member(index).call({ path, token }, { message, timeoutMs: callTimeoutMs });
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        if (isTokenRefused(error) && this.#options.user !== undefined && !isFreshToken) {
          // It was not looked at, so nothing has happened.
          isFreshToken = true;
          this.#token = undefined;
          continue;
        }
        const isParted = error.isLost || (error.code === grpcCodes.unavailable && partedPattern.test(error.message));
        if (!isParted) throw error;
        this.#leave(index, error);
        if (++tries > this.#connections.length || !(isRead || !error.wasSent)) throw error;
      }
    }
  }

  /** A stream with a member; when that is lost the next is another's. */
  async open(path: string, sink: GrpcStreamSink): Promise<GrpcStream | undefined> {
    const index = this.#current;
    const token = await this.#authenticate();
    const onEnd = (error: Error): void => {
      if (error instanceof GrpcError && isTokenRefused(error)) this.#token = undefined;
      this.#leave(index, error);
      sink.onEnd(error);
    };
    return this.#member(index).open({ path, token }, { onMessage: (message) => sink.onMessage(message), onEnd });
  }

  /** Ends the connections, and with them what is under way. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #member(index: number): GrpcConnection {
    return this.#connections[index] ?? this.#connections[0];
  }

  /** Others go on from the next member, unless somebody already does. */
  #leave(index: number, error: Error): void {
    if (this.#current !== index || this.#connections.length === 1) return;
    this.#current = (index + 1) % this.#connections.length;
    const { endpoints, log } = this.#options;
    log.debug('Another member of etcd is asked from now on', { lost: endpoints[index], error });
  }

  /** One token for all, asked for when it is first needed and when it has run out. */
  #authenticate(): Promise<string> | undefined {
    const { user } = this.#options;
    if (this.#token !== undefined || user === undefined) return this.#token;
    const { name, password } = user;
    const index = this.#current;
    const call = { path: etcdCalls.authenticate, token: undefined };
    const message = authenticateRequest(name, password);
    const asked = this.#member(index)
      .call(call, { message, timeoutMs: callTimeoutMs })
      .then(tokenOf, (error) => {
        this.#token = undefined;
        // Whatever it was for has not been sent.
        throw error instanceof GrpcError && error.isLost
          ? new GrpcError(error.message, { code: error.code, wasSent: false, isLost: true })
          : error;
      });
    this.#token = asked;
    return asked;
  }
}

function isTokenRefused(error: GrpcError): boolean {
  return error.code === grpcCodes.unauthenticated || /invalid auth token/.test(error.message);
}
