/**
 * Removes certificate signing requests that are over: issued, denied or failed an hour ago, with a certificate that has expired, or unanswered for a day.
 * Upstream counterpart: `pkg/controller/certificates/cleaner`.
 */
import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createPeriodicLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';
import { isIssued } from '../common/signing-request.ts';

const checkPeriodMs = 3_600_000;
const answeredMs = 3_600_000;
const pendingMs = 24 * 3_600_000;

/** The cleaner; it looks once an hour. */
export function createCsrCleanerController(context: ControllerContext): Component {
  const informer = context.informers.informer(certificateSigningRequests);
  const clean = async (): Promise<void> => {
    const nowMs = context.clock.nowMs();
    for (const request of informer.lister.list()) {
      if (!isOver(request, nowMs)) continue;
      try {
        await context.client.resource(certificateSigningRequests).delete(request.metadata?.name ?? '');
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };
  return createPeriodicLoop(context, { name: 'csrcleaner', periodMs: checkPeriodMs, work: clean });
}

function isOver(request: CertificateSigningRequest, nowMs: number): boolean {
  const conditions = request.status?.conditions ?? [];
  if (conditions.length === 0) return nowMs - timeMs(request.metadata?.creationTimestamp) > pendingMs;
  return conditions.some(({ type, lastUpdateTime }) => {
    const isOld = typeof lastUpdateTime === 'string' && nowMs - timeMs(lastUpdateTime) > answeredMs;
    if (type === 'Denied' || type === 'Failed') return isOld;
    return type === 'Approved' && isIssued(request) && (isOld || hasExpired(request, nowMs));
  });
}

function hasExpired({ status }: CertificateSigningRequest, nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
    return Date.parse(certificate.validTo) < nowMs;
  } catch {
    return false;
  }
}
