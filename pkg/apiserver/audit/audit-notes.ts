/**
 * Where whoever has a hand in a request leaves a word for its audit event: authenticators, authorization, admission plugins, policies and
 * webhooks. The one place for it: `StrategyContext.audit`, `Scope.audit` and the second argument of `Authenticator.authenticate`.
 *
 * Absent where the request is not audited, so `context.audit?.annotate(…)` costs nothing then. Upstream counterpart: apiserver `audit.AddAuditAnnotation`.
 */

/** The annotations of one request's audit events. */
export interface AuditNotes {
  /**
   * Annotates the events of the stages that are still to come. Keys name whose word it is (`pods.example.com/reason`); values should be short.
   * A key that has another value already keeps that one. Source: apiserver `audit/context.go` `addAuditAnnotationLocked`.
   */
  annotate(key: string, value: string): void;
}
