/**
 * Issues certificates for approved requests of Kubernetes' own signers, with the authority of the cluster. Requests of other signers are for others;
 * `kubernetes.io/legacy-unknown` cannot be asked for. Upstream counterpart: `pkg/controller/certificates/signer`.
 */
import type { CertificateSigningRequest } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { aborted } from '#pkg/base/async.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Component } from '#pkg/component/component.ts';
import {
  type CertificateRequest,
  CertificateRequestError,
  parseCertificateRequest,
} from '#pkg/pki/certificate-request.ts';
import { SigningError, signRequest } from '#pkg/pki/sign-request.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import {
  apiServerClientProblem,
  hasCondition,
  isIssued,
  kubeletClientProblem,
  kubeletServingProblem,
  requestText,
  signers,
  withCondition,
} from '../common/signing-request.ts';

const workers = 5;
/** Longest life of a certificate. Source: `--cluster-signing-duration`. */
const durationMs = 365 * 24 * 3_600_000;
/** Shortest, whatever was asked for. */
const durationMsMin = 10 * 60_000;

/** What each signer asks of a request; undefined where there is nothing to object to. */
const rules: Readonly<
  Record<string, ((asked: CertificateRequest, usages: readonly string[]) => string | undefined) | undefined>
> = {
  [signers.apiServerClient]: (_, usages) => apiServerClientProblem(usages),
  [signers.kubeletClient]: kubeletClientProblem,
  [signers.kubeletServing]: kubeletServingProblem,
};

/** The signer; it does nothing when the options hold no authority. */
export function createCsrSigningController(context: ControllerContext): Component {
  const { clusterSigning, signingClock = context.clock } = context.options;
  if (clusterSigning === undefined) return { run: aborted };
  const { clock, client } = context;
  const informer = context.informers.informer(certificateSigningRequests);
  const resource = client.resource(certificateSigningRequests);

  /** The request with its certificate, or with why there is none. */
  const answered = (request: CertificateSigningRequest): CertificateSigningRequest => {
    const { signerName, usages = [], expirationSeconds } = request.spec;
    try {
      const asked = parseCertificateRequest(requestText(request));
      const problem = rules[signerName]?.(asked, usages);
      if (problem !== undefined) throw new SigningError(problem);
      const wantedMs = expirationSeconds === undefined ? durationMs : expirationSeconds * 1000;
      const ttlMs = Math.max(durationMsMin, Math.min(durationMs, wantedMs));
      const certificate = signRequest(clusterSigning, asked, { nowMs: signingClock.nowMs(), ttlMs, usages });
      return { ...request, status: { ...request.status, certificate: Buffer.from(certificate).toString('base64') } };
    } catch (error) {
      if (!(error instanceof SigningError) && !(error instanceof CertificateRequestError)) throw error;
      return withCondition(request, {
        type: 'Failed',
        status: 'True',
        reason: 'SignerValidationFailure',
        message: error.message,
        lastUpdateTime: timestamp(clock),
      });
    }
  };

  const loop = createLoop(context, {
    name: 'certificatesigningrequest-signing',
    workers,
    reconcile: async (name) => {
      const request = informer.lister.get(name);
      if (request === undefined || isIssued(request) || rules[request.spec.signerName] === undefined) return undefined;
      if (!hasCondition(request, 'Approved') || hasCondition(request, 'Denied') || hasCondition(request, 'Failed')) {
        return undefined;
      }
      await resource.update(answered(request), { subresource: 'status' });
      return undefined;
    },
  });
  informer.addHandler({
    added: (request) => loop.queue.add(objectKey(request)),
    updated: (_, request) => loop.queue.add(objectKey(request)),
  });
  return loop;
}
