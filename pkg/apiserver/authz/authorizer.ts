/** May they. Upstream counterpart: apiserver `authorization/authorizer`. */
import { mastersGroup, type UserInfo } from '../user-info.ts';

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
  /** The field selector of a list, a watch or a deletion of many, as it was sent. */
  readonly fieldSelector?: string | undefined;
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

/** What rules allow a user in a namespace and in the cluster, as a review of a user's own rules lists them. */
export interface RuleList {
  readonly resourceRules: readonly {
    readonly verbs: readonly string[];
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly nonResourceRules: readonly {
    readonly verbs: readonly string[];
    readonly nonResourceURLs?: readonly string[];
  }[];
  /** Whether more may be allowed than is listed. */
  readonly incomplete: boolean;
  readonly evaluationError?: string;
}

/** An authorizer that can say beforehand what it allows. */
export interface RuleResolver {
  /** Must not throw. */
  rulesFor(user: UserInfo, namespace: string): RuleList;
}

/** An authorizer, and what it can list of what it allows. */
export type ResolvingAuthorizer = Authorizer & RuleResolver;

/** Source: the bootstrap role `system:public-info-viewer`. */
const publicPaths: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);
const allow: AccessDecision = { decision: 'allow' };
const noOpinion: AccessDecision = { decision: 'no opinion' };

const everything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

/** Allows everything to whoever is authenticated, and health and version to everybody. */
export function alwaysAllow(): ResolvingAuthorizer {
  return {
    rulesFor: ({ groups }) =>
      groups.includes('system:unauthenticated')
        ? {
            resourceRules: [],
            nonResourceRules: [{ verbs: ['get'], nonResourceURLs: [...publicPaths] }],
            incomplete: false,
          }
        : { ...everything, incomplete: false },
    authorize({ user, resource, path }) {
      if (!user.groups.includes('system:unauthenticated')) return allow;
      return resource === '' && publicPaths.has(path) ? allow : noOpinion;
    },
  };
}

/** Allows members of `system:masters` everything, and leaves the rest to `next`. */
export function mastersOr(next: Authorizer): Authorizer & Partial<RuleResolver> {
  return {
    ...('rulesFor' in next
      ? { rulesFor: (user, namespace) => (next as ResolvingAuthorizer).rulesFor(user, namespace) }
      : {}),
    authorize: (attributes) => (attributes.user.groups.includes(mastersGroup) ? allow : next.authorize(attributes)),
  };
}

/**
 * Asks several in order: the first that allows or denies decides. What they say of why not is joined, a line each.
 * Source: apiserver `authorization/union`.
 */
export function unionAuthorizer(authorizers: readonly ResolvingAuthorizer[]): ResolvingAuthorizer {
  const ask = (
    asked: AccessAttributes,
    from: number,
    reasons: readonly string[],
  ): Promise<AccessDecision> | AccessDecision => {
    let said = reasons;
    for (let i = from; i < authorizers.length; i++) {
      const answer = authorizers[i]!.authorize(asked);
      if (answer instanceof Promise)
        return answer.then((one) => (isDecided(one) ? one : ask(asked, i + 1, withReason(said, one))));
      if (isDecided(answer)) return answer;
      said = withReason(said, answer);
    }
    return said.length === 0 ? noOpinion : { decision: 'no opinion', reason: said.join('\n') };
  };
  return {
    authorize: (asked) => ask(asked, 0, []),
    rulesFor: (user, namespace) => {
      const lists = authorizers.map((one) => one.rulesFor(user, namespace));
      const errors = lists.flatMap(({ evaluationError }) => evaluationError ?? []);
      return {
        resourceRules: lists.flatMap(({ resourceRules }) => resourceRules),
        nonResourceRules: lists.flatMap(({ nonResourceRules }) => nonResourceRules),
        incomplete: lists.some(({ incomplete }) => incomplete),
        ...(errors.length === 0 ? {} : { evaluationError: errors.join(', ') }),
      };
    },
  };
}

function isDecided({ decision }: AccessDecision): boolean {
  return decision !== 'no opinion';
}

function withReason(reasons: readonly string[], { reason = '' }: AccessDecision): readonly string[] {
  return reason === '' ? reasons : [...reasons, reason];
}
