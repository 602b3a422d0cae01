/** May they. Upstream counterpart: apiserver `authorization/authorizer`. */
import { mastersGroup } from '../authn/authenticator.ts';
import type { UserInfo } from '../strategy.ts';

/** What somebody wants to do with what. */
export interface AccessAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  /** `''` for requests that are not about a resource. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

/** What an authorizer says of it; `reason` is shown to the caller where it is refused. */
export interface AccessDecision {
  readonly decision: 'allow' | 'deny' | 'no opinion';
  readonly reason?: string;
}

/** Decides, or leaves it to others. */
export interface Authorizer {
  /** Must not throw. What nobody allows is refused. */
  authorize(attributes: AccessAttributes): Promise<AccessDecision> | AccessDecision;
}

/** Source: the bootstrap role `system:public-info-viewer`. */
const publicPaths: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);
const allow: AccessDecision = { decision: 'allow' };
const noOpinion: AccessDecision = { decision: 'no opinion' };

/** Allows everything to whoever is authenticated, and health and version to everybody. */
export function alwaysAllow(): Authorizer {
  return {
    authorize({ user, resource, path }) {
      if (!user.groups.includes('system:unauthenticated')) return allow;
      return resource === '' && publicPaths.has(path) ? allow : noOpinion;
    },
  };
}

/** Allows members of `system:masters` everything, and leaves the rest to `next`. */
export function mastersOr(next: Authorizer): Authorizer {
  return {
    authorize: (attributes) => (attributes.user.groups.includes(mastersGroup) ? allow : next.authorize(attributes)),
  };
}
