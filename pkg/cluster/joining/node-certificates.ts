/**
 * Certificates that a node asks its cluster for: as a client of the API server, which the cluster approves by itself, and as a server, which a person approves.
 * The key never leaves the machine. Upstream counterpart: client-go `util/certificate`.
 */
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { makeRequest } from '#pkg/pki/make-request.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';

/** Between two looks at a request that nobody has answered. */
const lookMs = 500;
const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
const servingSigner = 'kubernetes.io/kubelet-serving';

/** In whose name, and for which node. */
export interface NodeCertificateOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly nodeName: string;
  readonly signal: AbortSignal;
  /** Told the name of the request, once it is made. */
  onAsked?(name: string): void;
}

/** A certificate and its key for the node as a client. Rejects with `UserError` where it is denied, and when `signal` is aborted. */
export function askClientCertificate(options: NodeCertificateOptions): Promise<CertificatePair> {
  return ask(options, { signerName: clientSigner, usage: 'client auth', hosts: {} });
}

/** The same for the kubelet's own API at `address`. */
export function askServingCertificate(options: NodeCertificateOptions, address: string): Promise<CertificatePair> {
  const hosts = { dnsNames: [options.nodeName], addresses: [address] };
  return ask(options, { signerName: servingSigner, usage: 'server auth', hosts });
}

async function ask(
  { client, clock, nodeName, signal, onAsked }: NodeCertificateOptions,
  wanted: {
    readonly signerName: string;
    readonly usage: 'client auth' | 'server auth';
    readonly hosts: { readonly dnsNames?: readonly string[]; readonly addresses?: readonly string[] };
  },
): Promise<CertificatePair> {
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
  const { pem, key } = makeRequest({ subject, ...wanted.hosts });
  const resource = client.resource(certificateSigningRequests);
  const { metadata } = await resource.create(
    {
      metadata: { generateName: wanted.usage === 'server auth' ? 'csr-serving-' : 'csr-' },
      spec: {
        request: Buffer.from(pem).toString('base64'),
        signerName: wanted.signerName,
        usages: ['digital signature', wanted.usage],
      },
    },
    { signal },
  );
  const name = metadata?.name ?? '';
  onAsked?.(name);
  for (;;) {
    const { status } = await resource.get(name, { signal });
    const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (refusal !== undefined && isConditionTrue(status?.conditions, refusal.type))
      throw new UserError(
        `Cannot get a certificate for ${nodeName} as the request ${name} was refused: ${refusal.message ?? ''}`,
      );
    const { certificate = '' } = status ?? {};
    if (certificate !== '') return { certificate: Buffer.from(certificate, 'base64').toString(), key };
    await sleep(clock, lookMs, signal);
    signal.throwIfAborted();
  }
}
