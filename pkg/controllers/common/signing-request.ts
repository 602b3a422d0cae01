/** What the controllers of certificate signing requests share: their conditions, and what kubelets may ask for. Source: upstream `pkg/apis/certificates/helpers.go`. */
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#pkg/api/types/certificates-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import type { CertificateRequest } from '#pkg/pki/certificate-request.ts';

/** Signers that Kubernetes itself has. */
export const signers = {
  apiServerClient: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
} as const;

/** Whether the condition of that type is True. */
export function hasCondition({ status }: CertificateSigningRequest, type: 'Approved' | 'Denied' | 'Failed'): boolean {
  return isConditionTrue(status?.conditions, type);
}

/** Whether there is a certificate for the request. */
export function isIssued({ status }: CertificateSigningRequest): boolean {
  return (status?.certificate ?? '') !== '';
}

/** The same request with one more condition. */
export function withCondition(
  request: CertificateSigningRequest,
  condition: CertificateSigningRequestCondition,
): CertificateSigningRequest {
  const conditions = [...(request.status?.conditions ?? []), condition];
  return { ...request, status: { ...request.status, conditions } };
}

/** The text of the PEM that a request carries. */
export function requestText({ spec }: CertificateSigningRequest): string {
  return Buffer.from(spec.request, 'base64').toString('latin1');
}

function areExactly(usages: readonly string[], ...wanted: readonly (readonly string[])[]): boolean {
  const given = [...new Set(usages)].sort().join();
  return wanted.some((one) => one.toSorted().join() === given);
}

function isOfNodes({ organizations }: CertificateRequest): boolean {
  return organizations.length === 1 && organizations[0] === 'system:nodes';
}

const notOfNodes = 'subject organization is not system:nodes';
const notOfNode = 'subject common name does not begin with system:node:';

/** What keeps a request from being one for a kubelet's client certificate; undefined where nothing does. */
export function kubeletClientProblem(asked: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(asked)) return notOfNodes;
  if (asked.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (asked.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.addresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!asked.commonName.startsWith('system:node:')) return notOfNode;
  const wanted = ['client auth', 'digital signature', 'key encipherment'];
  if (areExactly(usages, wanted, wanted.slice(0, 2))) return undefined;
  return `usages did not match [${wanted.join(' ')}]`;
}

/** The same of a certificate that a kubelet shows to its clients. */
export function kubeletServingProblem(asked: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(asked)) return notOfNodes;
  if (asked.dnsNames.length + asked.addresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (asked.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  const wanted = ['digital signature', 'key encipherment', 'server auth'];
  if (!areExactly(usages, wanted, ['digital signature', 'server auth'])) {
    return `usages did not match [${wanted.join(' ')}]`;
  }
  return asked.commonName.startsWith('system:node:') ? undefined : notOfNode;
}

/** The same of a certificate of any client of the API server. */
export function apiServerClientProblem(usages: readonly string[]): string | undefined {
  const others = ['digital signature', 'key encipherment'];
  const odd = usages.find((usage) => usage !== 'client auth' && !others.includes(usage));
  if (odd !== undefined) return `invalid usage for client certificate: ${odd}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}
