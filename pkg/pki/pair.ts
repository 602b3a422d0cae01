/** What is known of a certificate by those who only hand it on. Types alone: the package's users see them without those of Node. */

/** A certificate and its private key, both in PEM. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

/** Who a certificate speaks for: in Kubernetes the common name is the user and the organizations its groups. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}
