/** What a failed pod means for its job, and which indexes are enough. Pure. Upstream counterpart: `pod_failure_policy.go`, `success_policy.go`. */
import type {
  Job,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
} from '#pkg/api/types/batch-v1.ts';
import type { ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import { type IndexSet, parseIndexSet, sizeOf, sizeOfIntersection } from './indexes.ts';

/** What one failed pod means. */
export interface FailureVerdict {
  /** Whether the failure counts against the limits. */
  readonly counts: boolean;
  readonly action?: PodFailurePolicyRule['action'];
  /** Why the whole job fails, if it does. */
  readonly jobFailure?: string;
}

/** What the first rule that a failed pod matches says of it; without one the failure counts. */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): FailureVerdict {
  for (const [index, { action, onExitCodes, onPodConditions }] of (policy?.rules ?? []).entries()) {
    const reason =
      onExitCodes === undefined ? conditionReason(pod, onPodConditions ?? []) : exitReason(pod, onExitCodes);
    if (reason === undefined) continue;
    if (action === 'Ignore') return { counts: false, action };
    if (action === 'FailIndex' || action === 'Count') return { counts: true, action };
    if (action === 'FailJob') {
      return { counts: true, action, jobFailure: `${reason} matching ${action} rule at index ${index}` };
    }
  }
  return { counts: true };
}

const fullName = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

function exitReason(pod: Pod, requirement: PodFailurePolicyOnExitCodesRequirement): string | undefined {
  const matches = ({ name, state }: ContainerStatus): boolean => {
    const code = state?.terminated?.exitCode ?? 0;
    if (code === 0) return false;
    if (requirement.containerName !== undefined && requirement.containerName !== name) return false;
    return (requirement.values ?? []).includes(code) === (requirement.operator === 'In');
  };
  const { containerStatuses, initContainerStatuses } = pod.status ?? {};
  const found = containerStatuses?.find(matches) ?? initContainerStatuses?.find(matches);
  if (found === undefined) return undefined;
  return `Container ${found.name} for pod ${fullName(pod)} failed with exit code ${found.state?.terminated?.exitCode}`;
}

function conditionReason(
  pod: Pod,
  patterns: readonly { readonly type: string; readonly status?: string }[],
): string | undefined {
  const found = pod.status?.conditions?.find(({ type, status }) =>
    patterns.some((pattern) => pattern.type === type && (pattern.status ?? 'True') === status),
  );
  return found === undefined ? undefined : `Pod ${fullName(pod)} has condition ${found.type}`;
}

/** Why the job has succeeded by its policy, if it has. */
export function successReason({ spec }: Job, succeeded: IndexSet): string | undefined {
  if (succeeded.length === 0) return undefined;
  for (const [index, { succeededIndexes, succeededCount }] of (spec?.successPolicy?.rules ?? []).entries()) {
    let isMet: boolean;
    if (succeededIndexes === undefined) isMet = succeededCount !== undefined && sizeOf(succeeded) >= succeededCount;
    else {
      const required = parseIndexSet(succeededIndexes, spec?.completions ?? 0);
      const wanted = succeededCount ?? sizeOf(required);
      isMet = required.length > 0 && sizeOfIntersection(required, succeeded) >= wanted;
    }
    if (isMet) return `Matched rules at index ${index}`;
  }
  return undefined;
}
