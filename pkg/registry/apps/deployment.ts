/** Deployments. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/deployment/strategy.go`. */
import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import { deployments } from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { setDefault } from '../draft.ts';
import { selectorScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { validateSelectorUnchanged } from './pod-template-rules.ts';
import { validateDeployment } from './replicas-validation.ts';
import { deploymentStatus } from './status-validation.ts';
import { deploymentTable } from './workload-tables.ts';

function setDefaults(draft: Draft<Deployment>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
  spec.strategy ??= {};
  setDefault(spec.strategy, 'type', 'RollingUpdate');
  if (spec.strategy.type !== 'RollingUpdate') return;
  spec.strategy.rollingUpdate ??= {};
  setDefault(spec.strategy.rollingUpdate, 'maxUnavailable', '25%');
  setDefault(spec.strategy.rollingUpdate, 'maxSurge', '25%');
}

/** Deployments, whose selector stays. */
export const deploymentStrategy = rulesOf(deployments, {
  setDefaults,
  ...ownStatus(),
  subresources: { status: { keepsMetadata: ['labels'], ...deploymentStatus } },
  validate: validateDeployment,
  validateUpdate: validateSelectorUnchanged,
  scale: selectorScale,
  table: deploymentTable,
});
