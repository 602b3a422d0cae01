/** How role bindings are printed. Source: upstream `printRoleBinding`, `printClusterRoleBinding`. */
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { objectsAt, stringAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, wide } from '../printing/columns.ts';

/** Bindings of either scope. Source: upstream `printRoleBinding`, `printClusterRoleBinding`. */
export const roleBindingTable: TablePrinter = {
  columns: [nameColumn, column('Role'), ageColumn, wide('Users'), wide('Groups'), wide('ServiceAccounts')],
  cells(object, nowMs) {
    const subjects = objectsAt(object, 'subjects');
    const named = (kind: string): string =>
      subjects
        .filter((subject) => subject.kind === kind)
        .map((subject) =>
          kind === 'ServiceAccount'
            ? `${stringAt(subject, 'namespace')}/${stringAt(subject, 'name')}`
            : stringAt(subject, 'name'),
        )
        .join(', ');
    return [
      nameOf(object),
      `${stringAt(object, 'roleRef', 'kind')}/${stringAt(object, 'roleRef', 'name')}`,
      age(object, nowMs),
      named('User'),
      named('Group'),
      named('ServiceAccount'),
    ];
  },
};
