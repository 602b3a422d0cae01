/** Whom a connection trusts, in the words of Node's TLS. */

/**
 * The options by which `ca`, certificates as PEM, are trusted; none for `undefined`. As with Go each of them is trusted as it is, also one that another has
 * signed who is not there: envtest gives the certificate of its webhooks as their authority. OpenSSL alone asks for one that has signed itself.
 */
export function trusting<T>(ca: T | undefined): { readonly ca?: T; readonly allowPartialTrustChain?: true } {
  return ca === undefined ? {} : { ca, allowPartialTrustChain: true };
}
