/** Who is at the other end of a connection, as its socket says: the address, and under TLS the subject of a certificate that was verified. */
import type { Socket } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Peer } from '#pkg/apimachinery/http.ts';

/** Describes the other end of a connection whose handshake is done. `identified` is handed on to whoever authenticates. */
export function describePeer(socket: TLSSocket | Socket | undefined, identified: (userName: string) => void): Peer {
  const address = socket?.remoteAddress ?? '';
  if (socket === undefined || !('authorized' in socket)) return { address, identified };
  const presented = socket.getPeerCertificate();
  // Without a certificate it is an empty object.
  if (!socket.authorized) {
    return Object.keys(presented).length === 0
      ? { address, identified }
      : { address, identified, certificateRefused: true };
  }
  const subject = presented.subject as unknown as Record<string, string | string[] | undefined> | undefined;
  if (subject === undefined) return { address, identified };
  const { CN = '', O: organization = [] } = subject;
  const commonName = Array.isArray(CN) ? CN[0]! : CN;
  const organizations = Array.isArray(organization) ? organization : [organization];
  const sha256 = presented.fingerprint256.replaceAll(':', '').toLowerCase();
  const notAfterMs = Date.parse(presented.valid_to);
  const { raw } = presented;
  const chain = (): readonly Uint8Array[] => issuersOf(socket.getPeerCertificate(true));
  return { address, certificate: { commonName, organizations, sha256, notAfterMs, raw, chain }, identified };
}

/** Longer chains do not count. */
const chainMax = 10;

function issuersOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const issuers: Uint8Array[] = [];
  let one = leaf;
  // The last one is its own issuer.
  while (one.issuerCertificate !== undefined && one.issuerCertificate !== one && issuers.length < chainMax) {
    one = one.issuerCertificate;
    issuers.push(one.raw);
  }
  return issuers;
}
