/** How a request is refused. Source: apiserver `admission/errors.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes } from '#pkg/apiserver/strategy.ts';

/** Forbidden, in upstream's words for an object that may have no name yet. */
export function refusal({ group, resource, name, draft }: AdmissionAttributes, why: string): StatusError {
  return forbidden({ group, resource }, name || nameIn(draft), why);
}

function nameIn(draft: KubeObject | undefined): string {
  return draft?.metadata?.name || draft?.metadata?.generateName || 'Unknown';
}

/** What upstream throws without a status of its own, which clients see as 500 with this text. */
export function plainError(message: string): StatusError {
  return new StatusError({ code: 500, reason: '', message });
}
