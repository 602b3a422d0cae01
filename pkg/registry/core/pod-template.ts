/** Pod templates that stand alone. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/podtemplate`. */

import type { PodTemplate } from '#pkg/api/types/core-v1.ts';
import { podTemplates } from '#pkg/api/types/refs.ts';
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { podTemplateTable } from '../apps/workload-tables.ts';
import { Collector } from '../validation/collector.ts';
import { setTemplateDefaults } from './pod-defaults.ts';
import { checkPodTemplate } from './validation/pod.ts';

/** Pod templates that stand alone. */
export const podTemplateStrategy = rulesOf(podTemplates, {
  tracksGeneration: true,
  setDefaults: setTemplateDefaults,
  validate(draft) {
    const into = new Collector();
    checkPodTemplate(into, draft.template ?? {}, pathsOf<PodTemplate>()('template'));
    return into.errors;
  },
  returnsDeleted: true,
  table: podTemplateTable,
});
