/** Daemon sets. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/daemonset/strategy.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { ensureObject, objectAt, semanticallySame, setDefault, valueAt } from '../draft.ts';
import { ownStatus } from '../status.ts';
import { validateDaemonSet } from './daemon-set-validation.ts';
import { validateSelectorUnchanged } from './pod-template-rules.ts';
import { daemonSetStatus } from './status-validation.ts';
import { daemonSetTable } from './workload-tables.ts';

function setDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'revisionHistoryLimit', 10);
  const update = ensureObject(spec, 'updateStrategy');
  if (update === undefined) return;
  setDefault(update, 'type', 'RollingUpdate');
  if (update.type !== 'RollingUpdate') return;
  const rolling = ensureObject(update, 'rollingUpdate');
  if (rolling === undefined) return;
  setDefault(rolling, 'maxUnavailable', 1);
  setDefault(rolling, 'maxSurge', 0);
}

const status = ownStatus({
  currentNumberScheduled: 0,
  desiredNumberScheduled: 0,
  numberMisscheduled: 0,
  numberReady: 0,
});

/** Counts `templateGeneration` up with each change of the template. */
export const daemonSetStrategy: Strategy = {
  group: 'apps',
  resource: 'daemonsets',
  setDefaults,
  prepareForCreate(draft, context) {
    status.prepareForCreate(draft, context);
    const spec = objectAt(draft, 'spec');
    if (spec !== undefined) delete spec.templateGeneration;
    const metadata = ensureObject(draft, 'metadata');
    const annotations = metadata === undefined ? undefined : ensureObject(metadata, 'annotations');
    if (annotations !== undefined) setDefault(annotations, templateGeneration, '1');
  },
  prepareForUpdate(draft, old, context) {
    status.prepareForUpdate(draft, old, context);
    const metadata = ensureObject(draft, 'metadata');
    const annotations = metadata === undefined ? undefined : ensureObject(metadata, 'annotations');
    if (annotations === undefined) return;
    const before = Number(old.metadata?.annotations?.[templateGeneration] ?? '1');
    const isChanged = !semanticallySame(valueAt(draft, 'spec', 'template'), valueAt(old, 'spec', 'template'));
    annotations[templateGeneration] = String(isChanged ? before + 1 : before);
  },
  subresources: { status: daemonSetStatus },
  validate: validateDaemonSet,
  validateUpdate: validateSelectorUnchanged,
  table: daemonSetTable,
};

/** Counts changes of the template; carried as an annotation since apps/v1. */
const templateGeneration = 'deprecated.daemonset.template.generation';
