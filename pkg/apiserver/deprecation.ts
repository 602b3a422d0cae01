/**
 * What clients are warned of at every request for a kind that has been deprecated.
 * Source: apiserver `endpoints/deprecation`; the kinds' `APILifecycleDeprecated` and `APILifecycleReplacement`.
 */
import type { ResourceInfo } from '#pkg/api/resources.ts';

/** By group, version and kind: since when, and what to use instead. */
const deprecated: Readonly<Record<string, { readonly since: string; readonly instead?: string }>> = {
  '/v1 ComponentStatus': { since: 'v1.19' },
  '/v1 Endpoints': { since: 'v1.33', instead: 'discovery.k8s.io/v1 EndpointSlice' },
};

/** The text of the warning, undefined for what is not deprecated. */
export function deprecationWarning({ group, version, kind }: ResourceInfo): string | undefined {
  const fact = deprecated[`${group}/${version} ${kind}`];
  if (fact === undefined) return undefined;
  const name = group === '' ? `${version} ${kind}` : `${group}/${version} ${kind}`;
  return `${name} is deprecated in ${fact.since}+${fact.instead === undefined ? '' : `; use ${fact.instead}`}`;
}
