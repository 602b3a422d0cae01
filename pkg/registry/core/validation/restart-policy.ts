/**
 * Rules for the restart policy of a single container, and for its rules by exit code.
 * Source: KEP-5307; upstream `validateContainerRestartPolicy`, `validateInitContainerRestartPolicy`.
 */
import type { Container, ContainerRestartRuleOnExitCodes } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, required } from '#pkg/apimachinery/field-error.ts';
import type { Collector } from '../../validation/collector.ts';

const rulesMax = 20;
const exitCodesMax = 255;

/** Checks the policy and the rules of a regular or init container at `path`. A rule can restart its own container, nothing else. */
export function checkRestartPolicy(into: Collector, container: Given<Container>, path: FieldPath<Container>): void {
  into.oneOf(child(path, 'restartPolicy'), container.restartPolicy, ['Always', 'Never', 'OnFailure']);
  const rules = container.restartPolicyRules ?? [];
  if (rules.length > 0 && container.restartPolicy === undefined) {
    into.add(required(child(path, 'restartPolicy'), 'must specify restartPolicy when restart rules are used'));
  }
  const rulesPath = child(path, 'restartPolicyRules');
  into.atMost(rulesPath, rules, rulesMax);
  for (const [index, rule] of rules.entries()) {
    into.needsOneOf(child(at(rulesPath, index), 'action'), rule.action, ['Restart']);
    checkExitCodes(into, rule.exitCodes, child(at(rulesPath, index), 'exitCodes'));
  }
}

/** Whether its own policy or a rule may start a container again in a pod that starts none again. */
export function mayRestartByItself(container: Given<Container>): boolean {
  const { restartPolicy } = container;
  return restartPolicy === 'Always' || restartPolicy === 'OnFailure' || (container.restartPolicyRules ?? []).length > 0;
}

function checkExitCodes(
  into: Collector,
  exitCodes: Given<ContainerRestartRuleOnExitCodes> | undefined,
  path: FieldPath<ContainerRestartRuleOnExitCodes>,
): void {
  if (exitCodes === undefined) {
    into.add(required(path, 'must be specified'));
    return;
  }
  into.needsOneOf(child(path, 'operator'), exitCodes.operator, ['In', 'NotIn']);
  into.atMost(child(path, 'values'), exitCodes.values ?? [], exitCodesMax);
}
