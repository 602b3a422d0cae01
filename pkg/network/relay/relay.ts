/**
 * A relay listens at an address of this machine and carries what comes in to an endpoint that is chosen for each client: TCP connections
 * (`tcp-relay.ts`) and UDP flows (`udp-relay.ts`). The userspace proxy makes Services of them, the loopback network host ports.
 */
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';

/** An address and a port of this machine. */
export interface RelayAddress {
  readonly ip: string;
  readonly port: number;
}

/** Chooses where a client's bytes go. */
export interface EndpointChooser {
  /** An endpoint for a client, not one of `exclude` (by `addressKey`); undefined when there is none. */
  pick(clientIp: string, exclude?: ReadonlySet<string>): RelayAddress | undefined;
  /** The client was connected to this endpoint, or used it again. */
  remember(clientIp: string, endpoint: RelayAddress): void;
  /** Whether flows to this endpoint may go on. */
  has(endpointKey: string): boolean;
}

/** What every relay is made with. */
export interface RelayOptions {
  readonly chooser: EndpointChooser;
  /** Which clients are let in; absent: all. */
  readonly letsIn?: (clientIp: string) => boolean;
  /** Whether relays of other processes of the same user may listen at the address too: the system divides what comes among them. Default: none may. */
  readonly sharesPort?: boolean;
}

/** `ip:port`, with an IPv6 address in brackets: what tells addresses apart, and how people write them. */
export function addressKey({ ip, port }: RelayAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Why an address cannot be listened at, in words for people that follow "Cannot … as". */
export function listenProblem(error: unknown): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return 'another program has that port';
    case 'EACCES':
      return 'ports below 1024 need privileges here';
    case 'EADDRNOTAVAIL':
      return 'that address is not one of this machine';
    default:
      return errorText(error);
  }
}
