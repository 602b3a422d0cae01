/**
 * What a certificate that the transport has verified counts for: as its subject's, or as that of a proxy which says for whom it asks. The transport trusts the
 * authorities of both; which of them vouches for a certificate is found out here, once for each connection.
 *
 * Invariant: a certificate of the proxies' authority alone is nobody's own. One whose authority cannot be told counts for nothing.
 */
import { X509Certificate } from 'node:crypto';
import type { Peer } from '#pkg/apimachinery/http.ts';

/** What a certificate counts for. */
export interface CertificateUses {
  readonly isClient: boolean;
  readonly isFrontProxy: boolean;
}

type Certificate = NonNullable<Peer['certificate']>;

/** Makes the function for these authorities (PEM, one or more certificates each). Callers of this process, who show no bytes, are their subjects. */
export function certificateUses(authorities: {
  readonly clients: string;
  readonly frontProxies: string;
}): (certificate: Certificate) => CertificateUses {
  const known = new WeakMap<Certificate, CertificateUses>();
  const clients = certificatesOf(authorities.clients);
  const frontProxies = certificatesOf(authorities.frontProxies);
  return (certificate) => {
    let uses = known.get(certificate);
    if (uses === undefined) {
      uses = usesOf(certificate, { clients, frontProxies });
      known.set(certificate, uses);
    }
    return uses;
  };
}

function usesOf(
  { raw, chain }: Certificate,
  {
    clients,
    frontProxies,
  }: { readonly clients: readonly X509Certificate[]; readonly frontProxies: readonly X509Certificate[] },
): CertificateUses {
  if (raw === undefined) return { isClient: true, isFrontProxy: false };
  const leaf = new X509Certificate(raw);
  const direct = { isClient: isIssuedBy(leaf, clients), isFrontProxy: isIssuedBy(leaf, frontProxies) };
  if (direct.isClient || direct.isFrontProxy) return direct;
  // Of an authority that one of these vouches for: the last certificate of the chain says which.
  const last = chain?.().at(-1);
  const isLastOf = (all: readonly X509Certificate[]): boolean =>
    last !== undefined && all.some((one) => Buffer.compare(one.raw, last) === 0);
  return { isClient: isLastOf(clients), isFrontProxy: isLastOf(frontProxies) };
}

function isIssuedBy(leaf: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((authority) => leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
}

function certificatesOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}
