/** Daemon sets. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/daemonset/strategy.go`. */

import type { DaemonSet, DaemonSetStatus } from '#pkg/api/types/apps-v1.ts';
import { daemonSets } from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Stored } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { semanticallySame, setDefault } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { validateDaemonSet } from './daemon-set-validation.ts';
import { validateSelectorUnchanged } from './pod-template-rules.ts';
import { daemonSetStatus } from './status-validation.ts';
import { daemonSetTable } from './workload-tables.ts';

function setDefaults(draft: Draft<DaemonSet>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'revisionHistoryLimit', 10);
  spec.updateStrategy ??= {};
  setDefault(spec.updateStrategy, 'type', 'RollingUpdate');
  if (spec.updateStrategy.type !== 'RollingUpdate') return;
  spec.updateStrategy.rollingUpdate ??= {};
  setDefault(spec.updateStrategy.rollingUpdate, 'maxUnavailable', 1);
  setDefault(spec.updateStrategy.rollingUpdate, 'maxSurge', 0);
}

const status = ownStatus<DaemonSetStatus>({
  currentNumberScheduled: 0,
  desiredNumberScheduled: 0,
  numberMisscheduled: 0,
  numberReady: 0,
});

/** Counts `templateGeneration` up with each change of the template. */
export const daemonSetStrategy = rulesOf(daemonSets, {
  setDefaults,
  prepareForCreate(draft) {
    status.prepareForCreate(draft);
    draft.metadata ??= {};
    draft.metadata.annotations ??= {};
    setDefault(draft.metadata.annotations, templateGeneration, '1');
  },
  prepareForUpdate(draft, old) {
    status.prepareForUpdate(draft, old);
    countTemplates(draft, old, semanticallySame(draft.spec?.template, old.spec?.template) ? 0 : 1);
  },
  subresources: { status: { ...daemonSetStatus, prepareForUpdate: (draft, old) => countTemplates(draft, old, 0) } },
  validate: validateDaemonSet,
  validateUpdate: validateSelectorUnchanged,
  table: daemonSetTable,
});

/** Counts changes of the template; carried as an annotation since apps/v1. */
const templateGeneration = 'deprecated.daemonset.template.generation';

/** Nobody else writes it, in updates of the status neither. */
function countTemplates(draft: Draft<DaemonSet>, old: Stored<DaemonSet>, more: number): void {
  draft.metadata ??= {};
  draft.metadata.annotations ??= {};
  const before = Number(old.metadata?.annotations?.[templateGeneration] ?? '1');
  draft.metadata.annotations[templateGeneration] = String(before + more);
}
