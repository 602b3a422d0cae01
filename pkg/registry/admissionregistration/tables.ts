/** How webhook configurations and admission policies are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, stringAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf, selectorText, unset } from '../printing/columns.ts';

/** Webhook configurations of both kinds. Source: upstream `printMutatingWebhook`, `printValidatingWebhook`. */
export const webhookTable: TablePrinter = {
  columns: [nameColumn, column('Webhooks', 'integer'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), listAt(object, 'webhooks').length, age(object, nowMs)],
};

function paramKind(object: KubeObject): string {
  const kind = objectAt(object, 'spec', 'paramKind');
  return kind === undefined ? unset : `${stringAt(kind, 'apiVersion')}/${stringAt(kind, 'kind')}`;
}

/** The printer of a policy whose rules are in `spec[field]`. */
function policyTable(title: string, field: string): TablePrinter {
  return {
    columns: [nameColumn, column(title, 'integer'), column('ParamKind'), ageColumn],
    cells: (object, nowMs) => [
      nameOf(object),
      listAt(object, 'spec', field).length,
      paramKind(object),
      age(object, nowMs),
    ],
  };
}

/** Source: upstream `printValidatingAdmissionPolicy`. */
export const validatingAdmissionPolicyTable = policyTable('Validations', 'validations');
/** Source: upstream `printMutatingAdmissionPolicy`. */
export const mutatingAdmissionPolicyTable = policyTable('Mutations', 'mutations');

function paramRef(object: KubeObject): string {
  const ref = objectAt(object, 'spec', 'paramRef');
  if (ref === undefined) return unset;
  const name = stringAt(ref, 'name');
  if (name === '') return selectorText(objectAt(ref, 'selector')) || unset;
  const namespace = stringAt(ref, 'namespace');
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Bindings of both kinds of policies. Source: upstream `printValidatingAdmissionPolicyBinding`. */
export const policyBindingTable: TablePrinter = {
  columns: [nameColumn, column('PolicyName'), column('ParamRef'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    stringAt(object, 'spec', 'policyName'),
    paramRef(object),
    age(object, nowMs),
  ],
};
