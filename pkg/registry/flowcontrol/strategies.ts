/** Flow schemas and priority levels. Source: upstream `pkg/apis/flowcontrol/v1/defaults.go`. */

import type { PriorityLevelConfiguration } from '#pkg/api/types/flowcontrol-v1.ts';
import { flowSchemas, priorityLevelConfigurations } from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { ownStatus, statusAlone } from '../status.ts';
import { bootstrapFlowSchemas, bootstrapPriorityLevels, danglingCondition } from './bootstrap.ts';
import { assuredSharesConverter, nominalSharesConverter } from './converter.ts';
import { flowSchemaTable, priorityLevelTable } from './tables.ts';
import { validateFlowSchema, validateFlowStatus, validatePriorityLevel } from './validation.ts';

const group = 'flowcontrol.apiserver.k8s.io';

function setPriorityLevelDefaults(draft: Draft<PriorityLevelConfiguration>): void {
  const exempt = draft.spec?.exempt;
  if (exempt !== undefined) {
    setDefault(exempt, 'nominalConcurrencyShares', 0);
    setDefault(exempt, 'lendablePercent', 0);
  }
  const limited = draft.spec?.limited;
  if (limited === undefined) return;
  setDefault(limited, 'nominalConcurrencyShares', 30);
  setDefault(limited, 'lendablePercent', 0);
  const queuing = limited.limitResponse?.queuing;
  if (queuing === undefined) return;
  setDefault(queuing, 'queues', 64);
  setDefault(queuing, 'handSize', 8);
  setDefault(queuing, 'queueLengthLimit', 50);
}

/** Flow schemas and priority levels, which `fairness.ts` follows. */
export const flowControlStrategies: readonly Strategy[] = [
  rulesOf(flowSchemas, {
    bootstrap: bootstrapFlowSchemas,
    // Their levels are made with them: so the first start has nothing to write of them afterwards.
    completeBootstrap(draft, timestamp) {
      const condition = danglingCondition(draft.spec?.priorityLevelConfiguration?.name ?? '', false);
      draft.status = { conditions: [{ ...condition, lastTransitionTime: timestamp }] };
    },
    setDefaults(draft) {
      const spec = draft.spec;
      if (spec !== undefined) setDefault(spec, 'matchingPrecedence', 1000);
    },
    ...ownStatus(),
    validate: validateFlowSchema,
    subresources: { status: { ...statusAlone, validateUpdate: validateFlowStatus } },
    table: flowSchemaTable,
  }),
  rulesOf(priorityLevelConfigurations, {
    bootstrap: bootstrapPriorityLevels,
    setDefaults: setPriorityLevelDefaults,
    ...ownStatus(),
    validate: validatePriorityLevel,
    subresources: { status: { ...statusAlone, validateUpdate: validateFlowStatus } },
    versions: {
      v1beta1: { converter: assuredSharesConverter('v1beta1'), stored: `${group}/v1` },
      v1beta2: { converter: assuredSharesConverter('v1beta2'), stored: `${group}/v1` },
      v1beta3: { converter: nominalSharesConverter, stored: `${group}/v1` },
    },
    table: priorityLevelTable,
  }),
];
