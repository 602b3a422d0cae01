/** What the handlers of resource requests share: the server's parts and one request's facts. */
import type { ApiHandler, ApiRequest, ApiResponse, ReadBody } from '#pkg/apimachinery/http.ts';
import type { ErrorSubject } from '#pkg/apimachinery/status-error.ts';
import type { Awaitable } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Features } from '#pkg/component/feature-gates.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { Aggregation } from '../aggregation.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Authenticator } from '../authn/authenticator.ts';
import type { BearerTokens } from '../authn/bearer-tokens.ts';
import type { Authorizer, RuleResolver } from '../authz/authorizer.ts';
import type { Catalog, ServedResource } from '../catalog.ts';
import type { FaultPoint } from '../fault-point.ts';
import type { RequestInfo } from '../request-info.ts';
import type { ServerCounts } from '../server-counts.ts';
import type { RegistryReader, StrategyContext } from '../strategy.ts';
import type { UserInfo } from '../user-info.ts';

/** A server that requests may be passed on to. Its certificate is not asked for. */
export interface NetworkTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

/** Pages that are answered after authorization and take no place in line. */
export interface OwnPages {
  has(path: string): boolean;
  /** Throws `StatusError`. */
  answer(request: ApiRequest, path: string): Awaitable<ApiResponse>;
}

/** The parts of a server, made once. */
export interface ServerCore {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** What connections go by: deadlines, places in line, certificates, the lives of watches of other processes. */
  readonly networkClock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly admission: AdmissionChain;
  readonly counts: ServerCounts;
  readonly reader: RegistryReader;
  readonly authenticators: readonly Authenticator[];
  /** Answers reviews of tokens; it is the last of the authenticators. */
  readonly tokens: BearerTokens | undefined;
  readonly allowsAnonymous: boolean;
  readonly authorizer: Authorizer & Partial<RuleResolver>;
  /** The connection to a node's kubelet. */
  readonly kubelet: ((nodeName: string) => ApiHandler | undefined) | undefined;
  /** A server somewhere on the network of pods. Absent where there is no such network. */
  readonly reach: ((target: NetworkTarget) => ApiHandler) | undefined;
  /** What other servers answer for; undefined where there are none. */
  readonly aggregation: Aggregation | undefined;
  /** What goes wrong on demand; undefined where nobody may ask for that. */
  readonly faults: FaultPoint | undefined;
  /** Pages of what only some servers have; undefined where there are none. */
  readonly ownPages: OwnPages | undefined;
  readonly features: Pick<Features, 'isOn'>;
  /** Aborted when the server shuts down: long answers end. */
  readonly stopping: AbortSignal;
}

/** One authorized request for a resource that is served. */
export interface Scope {
  readonly core: ServerCore;
  readonly request: ApiRequest;
  /** The body, read once the request was authorized and had its place in flight; `readBody` decodes it. */
  readonly body: ReadBody | undefined;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly served: ServedResource;
  /** For errors: the resource without its version. */
  readonly subject: ErrorSubject;
  /** What its audit events tell; undefined where it is not audited. */
  readonly audit: AuditTrail | undefined;
  /** Texts for `Warning` headers, in order. */
  readonly warnings: string[];
}

/** What strategies and admission plugins are told of a request. */
export function strategyContext(scope: Scope, dryRun: boolean): StrategyContext {
  const { core, user, warnings, audit } = scope;
  const { clock, networkClock, random } = core;
  return { user, clock, networkClock, random, dryRun, audit, warn: (message) => warnings.push(message) };
}
