/** How flow schemas and priority levels are printed. Source: upstream `printFlowSchema`, `printPriorityLevelConfiguration`. */
import type { FlowSchema, PriorityLevelConfiguration } from '#pkg/api/types/flowcontrol-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, none } from '../printing/columns.ts';

/** Source: upstream `printFlowSchema`. */
export const flowSchemaTable: TablePrinter<Given<FlowSchema>> = {
  columns: [
    nameColumn,
    column('PriorityLevel'),
    column('MatchingPrecedence'),
    column('DistinguisherMethod'),
    ageColumn,
    column('MissingPL'),
  ],
  cells(object, nowMs) {
    const dangling = (object.status?.conditions ?? []).find((condition) => condition.type === 'Dangling');
    return [
      nameOf(object),
      (object.spec?.priorityLevelConfiguration?.name ?? '') || none,
      object.spec?.matchingPrecedence ?? 0,
      (object.spec?.distinguisherMethod?.type ?? '') || none,
      age(object, nowMs),
      (dangling?.status ?? '') || '?',
    ];
  },
};

/** Source: upstream `printPriorityLevelConfiguration`. */
export const priorityLevelTable: TablePrinter<Given<PriorityLevelConfiguration>> = {
  columns: [
    nameColumn,
    column('Type'),
    column('NominalConcurrencyShares'),
    column('Queues'),
    column('HandSize'),
    column('QueueLengthLimit'),
    ageColumn,
  ],
  cells(object, nowMs) {
    const limited = object.spec?.limited;
    const queuing = limited?.limitResponse?.queuing;
    return [
      nameOf(object),
      object.spec?.type ?? '',
      limited?.nominalConcurrencyShares ?? none,
      queuing?.queues ?? none,
      queuing?.handSize ?? none,
      queuing?.queueLengthLimit ?? none,
      age(object, nowMs),
    ];
  },
};
