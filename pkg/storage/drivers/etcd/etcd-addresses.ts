/**
 * Members of an etcd that answer over TLS at an IP address. The gRPC library names each member in the handshake as its address says, and Node refuses an IP
 * there (RFC 6066 section 3); the client that is built on it has no option for either. So the connections of such members are given another name for the
 * handshake, and the certificate is still held against the address.
 */
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { Etcd3 } from 'etcd3';

/** Says nothing: an etcd has one certificate. */
const handshakeName = 'etcd';

/** What the client keeps of a member, which its types do not show. */
interface Member {
  /** `127.0.0.1:2379`, `[::1]:2379`. */
  readonly host: string;
  channelCredentials: { readonly verifyOptions?: object };
  channelOptions: object;
}

/** To be called before the first request. */
export function reachByAddress(client: Etcd3): void {
  const { pool } = client as unknown as { readonly pool: { readonly hosts: readonly Member[] } };
  for (const member of pool.hosts) {
    const ip = new URL(`https://${member.host}`).hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(ip) === 0) continue;
    member.channelOptions = { ...member.channelOptions, 'grpc.ssl_target_name_override': handshakeName };
    const { channelCredentials } = member;
    member.channelCredentials = Object.assign(
      Object.create(Object.getPrototypeOf(channelCredentials)),
      channelCredentials,
      {
        verifyOptions: {
          ...channelCredentials.verifyOptions,
          checkServerIdentity: (_name: string, certificate: PeerCertificate) => checkServerIdentity(ip, certificate),
        },
      },
    );
  }
}
