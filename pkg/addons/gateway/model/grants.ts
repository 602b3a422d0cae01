/** Which references between namespaces are allowed. Source: Gateway API reference, `ReferenceGrant`. */
import type { ReferenceGrant } from '../types.ts';

/** Who refers. */
export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

/** To what. */
export interface Referent extends Referrer {
  readonly name: string;
}

/** Whether `from` may refer to `to`: within a namespace always, else where a grant in the namespace of `to` says so. */
export function isGranted(grants: readonly ReferenceGrant[], from: Referrer, to: Referent): boolean {
  if (from.namespace === to.namespace) return true;
  return grants.some(
    ({ metadata, spec }) =>
      metadata?.namespace === to.namespace &&
      spec.from.some((one) => one.group === from.group && one.kind === from.kind && one.namespace === from.namespace) &&
      spec.to.some(
        (one) =>
          one.group === to.group &&
          one.kind === to.kind &&
          (one.name === undefined || one.name === '' || one.name === to.name),
      ),
  );
}
