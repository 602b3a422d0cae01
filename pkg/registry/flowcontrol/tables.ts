/** How flow schemas and priority levels are printed. Source: upstream `printFlowSchema`, `printPriorityLevelConfiguration`. */
import type { TableCell, TablePrinter } from '#pkg/apiserver/strategy.ts';
import { numberAt, objectAt, objectsAt, stringAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, none } from '../printing/columns.ts';

/** Source: upstream `printFlowSchema`. */
export const flowSchemaTable: TablePrinter = {
  columns: [
    nameColumn,
    column('PriorityLevel'),
    column('MatchingPrecedence'),
    column('DistinguisherMethod'),
    ageColumn,
    column('MissingPL'),
  ],
  cells(object, nowMs) {
    const dangling = objectsAt(object, 'status', 'conditions').find((condition) => condition.type === 'Dangling');
    return [
      nameOf(object),
      stringAt(object, 'spec', 'priorityLevelConfiguration', 'name') || none,
      numberAt(object, 'spec', 'matchingPrecedence') ?? 0,
      stringAt(object, 'spec', 'distinguisherMethod', 'type') || none,
      age(object, nowMs),
      stringAt(dangling, 'status') || '?',
    ];
  },
};

/** Source: upstream `printPriorityLevelConfiguration`. */
export const priorityLevelTable: TablePrinter = {
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
    const limited = objectAt(object, 'spec', 'limited');
    const queuing = objectAt(limited, 'limitResponse', 'queuing');
    const cell = (from: unknown, field: string): TableCell => numberAt(from, field) ?? none;
    return [
      nameOf(object),
      stringAt(object, 'spec', 'type'),
      cell(limited, 'nominalConcurrencyShares'),
      cell(queuing, 'queues'),
      cell(queuing, 'handSize'),
      cell(queuing, 'queueLengthLimit'),
      age(object, nowMs),
    ];
  },
};
