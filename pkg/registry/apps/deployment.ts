/** Deployments. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/deployment/strategy.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { ensureObject, objectAt, setDefault } from '../draft.ts';
import { selectorScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { validateSelectorUnchanged } from './pod-template-rules.ts';
import { validateDeployment } from './replicas-validation.ts';
import { deploymentStatus } from './status-validation.ts';
import { deploymentTable } from './workload-tables.ts';

function setDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
  const strategy = ensureObject(spec, 'strategy');
  if (strategy === undefined) return;
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy.type !== 'RollingUpdate') return;
  const rolling = ensureObject(strategy, 'rollingUpdate');
  if (rolling === undefined) return;
  setDefault(rolling, 'maxUnavailable', '25%');
  setDefault(rolling, 'maxSurge', '25%');
}

/** Deployments, whose selector stays. */
export const deploymentStrategy: Strategy = {
  group: 'apps',
  resource: 'deployments',
  setDefaults,
  ...ownStatus(),
  subresources: { status: { keepsMetadata: ['labels'], ...deploymentStatus } },
  validate: validateDeployment,
  validateUpdate: validateSelectorUnchanged,
  scale: selectorScale,
  table: deploymentTable,
};
