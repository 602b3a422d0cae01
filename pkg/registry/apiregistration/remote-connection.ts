/** The connection to an API server behind this one: a contract, so that the aggregator works without a network. `pkg/cluster/connect-remotes.ts` is the one over TLS. */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';

/** A server behind this one, and how its certificate is checked. */
export interface RemoteTarget {
  readonly host: string;
  readonly port: number;
  /** The name that its certificate has to have. */
  readonly serverName: string;
  /** PEM of the authorities that may vouch for it; undefined: those of the system. */
  readonly caBundle: string | undefined;
  /** Its certificate is not asked for. */
  readonly insecure: boolean;
}

/** A connection to one, with headers of its own beside those of requests. */
export interface RemoteConnection {
  request(request: ApiRequest, headers: Readonly<Record<string, string | readonly string[]>>): Promise<ApiResponse>;
  close(): void;
}

/** Opens nothing before the first request. */
export type ConnectRemote = (target: RemoteTarget) => RemoteConnection;
