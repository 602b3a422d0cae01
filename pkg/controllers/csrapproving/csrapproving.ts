/**
 * Approves what kubelets ask for as clients of the API server, where the authorizer lets them: a node its own certificate again, and whoever brings new
 * nodes theirs. Upstream counterpart: `pkg/controller/certificates/approver`.
 */
import type { CertificateSigningRequest } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests, subjectAccessReviews } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Component } from '#pkg/component/component.ts';
import { type CertificateRequest, parseCertificateRequest } from '#pkg/pki/certificate-request.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import {
  hasCondition,
  isIssued,
  kubeletClientProblem,
  requestText,
  signers,
  withCondition,
} from '../common/signing-request.ts';

const workers = 5;

/** What a request is, and what its author has to be allowed to create for it to be approved. The first that fits counts. */
const kinds: readonly {
  readonly subresource: string;
  readonly message: string;
  fits(request: CertificateSigningRequest, asked: CertificateRequest): boolean;
}[] = [
  {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
    fits: ({ spec }, { commonName }) => spec.username === commonName,
  },
  {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    fits: () => true,
  },
];

/** The approving controller. */
export function createCsrApprovingController(context: ControllerContext): Component {
  const informer = context.informers.informer(certificateSigningRequests);
  const resource = context.client.resource(certificateSigningRequests);

  const mayCreate = async ({ spec }: CertificateSigningRequest, subresource: string): Promise<boolean> => {
    const { username = '', groups = [], uid, extra } = spec;
    const review = await context.client.resource(subjectAccessReviews).create({
      spec: {
        user: username,
        groups,
        ...(uid === undefined ? {} : { uid }),
        ...(extra === undefined ? {} : { extra }),
        resourceAttributes: {
          group: 'certificates.k8s.io',
          resource: 'certificatesigningrequests',
          verb: 'create',
          subresource,
        },
      },
    });
    return review.status?.allowed === true;
  };

  const approve = async (request: CertificateSigningRequest): Promise<void> => {
    const asked = parsed(request);
    if (asked === undefined || kubeletClientProblem(asked, request.spec.usages ?? []) !== undefined) return;
    for (const { subresource, message, fits } of kinds) {
      if (!fits(request, asked) || !(await mayCreate(request, subresource))) continue;
      const condition = {
        type: 'Approved',
        status: 'True',
        reason: 'AutoApproved',
        message,
        lastUpdateTime: timestamp(context.clock),
      };
      await resource.update(withCondition(request, condition), { subresource: 'approval' });
      return;
    }
  };

  const loop = createLoop(context, {
    name: 'certificatesigningrequest-approving',
    workers,
    reconcile: async (name) => {
      const request = informer.lister.get(name);
      if (request === undefined || request.spec.signerName !== signers.kubeletClient || isIssued(request)) {
        return undefined;
      }
      if (!hasCondition(request, 'Approved') && !hasCondition(request, 'Denied')) await approve(request);
      return undefined;
    },
  });
  informer.addHandler({
    added: (request) => loop.queue.add(objectKey(request)),
    updated: (_, request) => loop.queue.add(objectKey(request)),
  });
  return loop;
}

/** Undefined for what cannot be read, which is for people to look at. */
function parsed(request: CertificateSigningRequest): CertificateRequest | undefined {
  try {
    return parseCertificateRequest(requestText(request));
  } catch {
    return undefined;
  }
}
