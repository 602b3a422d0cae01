/**
 * How HTTP, TCP and gRPC probes reach a container. `socket-transport.ts` uses the network; the fake runtime answers by itself, so that
 * probes work under virtual time. A probe never rejects: what goes wrong is a failure with the words for the event.
 */

/** Which container and which probe: what a simulated answer depends on. */
export interface ProbeTarget {
  readonly containerId: string;
  readonly kind: ProbeKind;
}

/** What a probe is for. */
export type ProbeKind = 'liveness' | 'readiness' | 'startup';

/** Where an HTTP probe goes. */
export interface HttpProbeRequest {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Where a TCP probe goes. */
export interface TcpProbeRequest {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Where a gRPC probe goes. */
export interface GrpcProbeRequest {
  readonly host: string;
  readonly port: number;
  /** Whose health is asked for; `''` for that of the server. */
  readonly service: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What came of a probe. */
export interface ProbeAnswer {
  readonly ok: boolean;
  /** Why it failed, such as `HTTP probe failed with statuscode: 500`. */
  readonly message: string;
  /** Nothing could be asked, so the answer says nothing of the container and counts for nothing. */
  readonly errored?: boolean;
  /** What is odd about a success. */
  readonly warning?: string;
  /** Of the HTTP answer, if there was one. */
  readonly statusCode?: number;
  /** The answer stays the same until then (wall-clock ms), so that no probe is needed in between. Absent when not known. */
  readonly stableUntilMs?: number;
}

/** Sends probes. Never throws: what goes wrong is an answer. */
export interface ProbeTransport {
  http(request: HttpProbeRequest, target: ProbeTarget): Promise<ProbeAnswer>;
  tcp(request: TcpProbeRequest, target: ProbeTarget): Promise<ProbeAnswer>;
  grpc(request: GrpcProbeRequest, target: ProbeTarget): Promise<ProbeAnswer>;
  /** Present when exec probes are answered here too rather than by running a command. */
  exec?(command: readonly string[], target: ProbeTarget): Promise<ProbeAnswer>;
}
