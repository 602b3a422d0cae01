/**
 * What validating policies leave for the audit events of a request: the annotations that a policy makes, and what failed where a binding wants that
 * told. Source: apiserver `admission/plugin/policy/validating/{dispatcher,validator}.go`.
 */
import type { AuditNotes } from '#pkg/apiserver/audit/audit-notes.ts';

/** Longest value of one annotation, in characters; the rest is left out. Source: `maxAuditAnnotationValueLength`. */
const valueMax = 10 * 1024;

/** Most failures that are told of. Source: `maxValidationFailures`. */
const failuresMax = 50;

/** A validation that failed. */
export interface ValidationFailure {
  readonly message: string;
  readonly policy: string;
  readonly binding: string;
  readonly expressionIndex: number;
  readonly validationActions: readonly string[];
}

/** Of one request. */
export class PolicyNotes {
  readonly #audit: AuditNotes;
  readonly #values = new Map<string, string[]>();
  readonly #failures: ValidationFailure[] = [];

  constructor(audit: AuditNotes) {
    this.#audit = audit;
  }

  /** A value of the policy that is being asked; an empty one says nothing. */
  add(key: string, value: string): void {
    if (value === '') return;
    const values = this.#values.get(key) ?? [];
    this.#values.set(key, values);
    const kept = value.slice(0, valueMax);
    if (!values.includes(kept)) values.push(kept);
  }

  /** The policy was asked with all of its bindings. */
  publish(policy: string): void {
    for (const [key, values] of this.#values) this.#audit.annotate(`${policy}/${key}`, values.join(', '));
    this.#values.clear();
  }

  failed(failure: ValidationFailure): void {
    if (this.#failures.length < failuresMax) this.#failures.push(failure);
  }

  /** All policies were asked. */
  publishFailures(): void {
    if (this.#failures.length === 0) return;
    this.#audit.annotate('validation.policy.admission.k8s.io/validation_failure', JSON.stringify(this.#failures));
  }
}
