/**
 * Who may have which certificate, beyond what authorization looks at: nobody asks the API server's own signer for the group that may do everything, and
 * approving and signing take a permission for the signer. Source: upstream `plugin/pkg/admission/certificates`.
 */
import type { CertificateSigningRequest } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests as subject } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import { type AdmissionAttributes, type AdmissionPlugin, about } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { CertificateRequestError, parseCertificateRequest } from '#pkg/pki/certificate-request.ts';

const apiServerClient = 'kubernetes.io/kube-apiserver-client';
const masters = 'system:masters';

function aboutRequest(
  attributes: AdmissionAttributes,
  subresource = '',
): AdmissionAttributes<CertificateSigningRequest> | undefined {
  return about(attributes, subject, subresource);
}

/** Refuses requests for clients that may do everything. */
export const certificateSubjectRestrictionPlugin: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (attributes) => attributes.operation === 'CREATE' && aboutRequest(attributes) !== undefined,
  async validate(attributes) {
    const { draft, name = '' } = aboutRequest(attributes) ?? {};
    const { signerName, request } = draft?.spec ?? {};
    if (signerName !== apiServerClient) return;
    const refuse = (why: string): Error => forbidden(subject, name, why);
    try {
      const asked = parseCertificateRequest(Buffer.from(request ?? '', 'base64').toString('latin1'));
      if (!asked.organizations.includes(masters)) return;
    } catch (error) {
      if (!(error instanceof CertificateRequestError)) throw error;
      throw refuse(`failed to parse CSR: ${error.message}`);
    }
    throw refuse(`use of ${apiServerClient} signer with ${masters} group is not allowed`);
  },
};

/** The plugins that ask the authorizer whether whoever approves or signs may do so for the signer, or for all of its domain. */
export function certificatePowerPlugins(authorizer: Authorizer): readonly AdmissionPlugin[] {
  const demand = async (
    { old, name }: AdmissionAttributes<CertificateSigningRequest>,
    { user, verb }: { readonly user: UserInfo; readonly verb: 'approve' | 'sign' },
  ): Promise<void> => {
    const signer = old?.spec?.signerName ?? '';
    const domain = signer.slice(0, signer.indexOf('/') + 1);
    for (const named of [signer, `${domain}*`]) {
      const { decision } = await authorizer.authorize({ ...signers, user, verb, name: named });
      if (decision === 'allow') return;
    }
    throw forbidden(subject, name, `user not permitted to ${verb} requests with signerName "${signer}"`);
  };
  return [
    {
      name: 'CertificateApproval',
      handles: (attributes) => attributes.operation === 'UPDATE' && aboutRequest(attributes, 'approval') !== undefined,
      validate: async (attributes, { user }) => {
        const asked = aboutRequest(attributes, 'approval');
        if (asked !== undefined) await demand(asked, { user, verb: 'approve' });
      },
    },
    {
      name: 'CertificateSigning',
      handles: (attributes) => attributes.operation === 'UPDATE' && aboutRequest(attributes, 'status') !== undefined,
      validate: async (attributes, { user }) => {
        const asked = aboutRequest(attributes, 'status');
        if (asked === undefined) return;
        const [now, then] = [asked.draft?.status, asked.old?.status];
        if (now?.certificate === then?.certificate && deepEqual(now?.conditions, then?.conditions)) return;
        await demand(asked, { user, verb: 'sign' });
      },
    },
  ];
}

const signers = {
  group: subject.group,
  version: '*',
  resource: 'signers',
  subresource: '',
  namespace: '',
  path: '',
};
