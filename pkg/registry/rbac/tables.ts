/** How role bindings are printed. Source: upstream `printRoleBinding`, `printClusterRoleBinding`. */
import type { RoleBinding } from '#pkg/api/types/rbac-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, wide } from '../printing/columns.ts';

/** Bindings of either scope. Source: upstream `printRoleBinding`, `printClusterRoleBinding`. */
export const roleBindingTable: TablePrinter<Given<Omit<RoleBinding, 'kind'>>> = {
  columns: [nameColumn, column('Role'), ageColumn, wide('Users'), wide('Groups'), wide('ServiceAccounts')],
  cells(object, nowMs) {
    const subjects = object.subjects ?? [];
    const named = (kind: string): string =>
      subjects
        .filter((subject) => subject.kind === kind)
        .map((subject) =>
          kind === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name ?? ''}` : (subject.name ?? ''),
        )
        .join(', ');
    return [
      nameOf(object),
      `${object.roleRef?.kind ?? ''}/${object.roleRef?.name ?? ''}`,
      age(object, nowMs),
      named('User'),
      named('Group'),
      named('ServiceAccount'),
    ];
  },
};
