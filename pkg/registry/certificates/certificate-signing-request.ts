/**
 * Certificate signing requests. Who asks is what the server knows of the caller, never what the body says.
 * Source: upstream `pkg/registry/certificates/certificates/strategy.go`.
 */

import type { CertificateSigningRequest, CertificateSigningRequestStatus } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { humanDuration } from '#pkg/apimachinery/time.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { restoreField, shared } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, none } from '../printing/columns.ts';
import { keepStatus } from '../status.ts';
import { validateSigningRequest, validateSigningStatus } from './validation.ts';

function statusText(request: Given<CertificateSigningRequest>): string {
  const has = (type: string): boolean =>
    (request.status?.conditions ?? []).some((condition) => condition.type === type);
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
  if (has('Failed')) parts.push('Failed');
  if ((request.status?.certificate ?? '') !== '') parts.push('Issued');
  return parts.join(',');
}

/** Conditions come from the draft, the rest of the status from `old`: who approves does not issue. */
function keepAllButConditions(draft: Draft<CertificateSigningRequest>, old: Given<CertificateSigningRequest>): void {
  const conditions = draft.status?.conditions ?? [];
  restoreField(draft, old, 'spec');
  draft.status = {
    ...shared<CertificateSigningRequestStatus>(old.status ?? {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

/** Requests, whose subresources `approval` and `status` each change their own part. */
export const certificateSigningRequestStrategy = rulesOf(certificateSigningRequests, {
  tracksGeneration: false,
  prepareForCreate(draft, { user }) {
    draft.spec ??= {};
    const { spec } = draft;
    spec.username = user.name;
    spec.groups = [...user.groups];
    if (user.uid === undefined) delete spec.uid;
    else spec.uid = user.uid;
    if (user.extra === undefined) delete spec.extra;
    else spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
    draft.status = {};
  },
  prepareForUpdate(draft, old) {
    restoreField(draft, old, 'spec');
    keepStatus(draft, old);
  },
  validate: validateSigningRequest,
  subresources: {
    status: {
      prepareForUpdate(draft, old) {
        restoreField(draft, old, 'spec');
      },
      validateUpdate: (draft, old) => validateSigningStatus(draft, old, { issues: true }),
    },
    approval: {
      prepareForUpdate: keepAllButConditions,
      validateUpdate: (draft, old) => validateSigningStatus(draft, old, { approves: true }),
    },
  },
  selectableFields: (request) => ({ 'spec.signerName': request.spec?.signerName ?? '' }),
  table: {
    columns: [
      nameColumn,
      ageColumn,
      column('SignerName'),
      column('Requestor'),
      column('RequestedDuration'),
      column('Condition'),
    ],
    cells(request, nowMs) {
      const seconds = request.spec?.expirationSeconds;
      return [
        nameOf(request),
        age(request, nowMs),
        (request.spec?.signerName ?? '') || none,
        request.spec?.username ?? '',
        seconds === undefined ? none : humanDuration(seconds * 1000),
        statusText(request),
      ];
    },
  },
});
