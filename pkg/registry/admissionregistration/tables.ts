/** How webhook configurations and admission policies are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TableCell, TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, selectorText, unset } from '../printing/columns.ts';

/** Webhook configurations of both kinds. Source: upstream `printMutatingWebhook`, `printValidatingWebhook`. */
export const webhookTable: TablePrinter<Given<ValidatingWebhookConfiguration | MutatingWebhookConfiguration>> = {
  columns: [nameColumn, column('Webhooks', 'integer'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), (object.webhooks ?? []).length, age(object, nowMs)],
};

function paramKind(object: Given<Policy>): string {
  const kind = object.spec?.paramKind;
  return kind === undefined ? unset : `${kind.apiVersion ?? ''}/${kind.kind ?? ''}`;
}

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;

const policyCells = (policy: Given<Policy>, rules: readonly unknown[] = [], nowMs: number): readonly TableCell[] => [
  nameOf(policy),
  rules.length,
  paramKind(policy),
  age(policy, nowMs),
];

/** Source: upstream `printValidatingAdmissionPolicy`. */
export const validatingAdmissionPolicyTable: TablePrinter<Given<ValidatingAdmissionPolicy>> = {
  columns: [nameColumn, column('Validations', 'integer'), column('ParamKind'), ageColumn],
  cells: (policy, nowMs) => policyCells(policy, policy.spec?.validations, nowMs),
};

/** Source: upstream `printMutatingAdmissionPolicy`. */
export const mutatingAdmissionPolicyTable: TablePrinter<Given<MutatingAdmissionPolicy>> = {
  columns: [nameColumn, column('Mutations', 'integer'), column('ParamKind'), ageColumn],
  cells: (policy, nowMs) => policyCells(policy, policy.spec?.mutations, nowMs),
};

function paramRef(object: Given<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>): string {
  const ref = object.spec?.paramRef;
  if (ref === undefined) return unset;
  const name = ref.name ?? '';
  if (name === '') return selectorText(ref.selector) || unset;
  const namespace = ref.namespace ?? '';
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Bindings of both kinds of policies. Source: upstream `printValidatingAdmissionPolicyBinding`. */
export const policyBindingTable: TablePrinter<
  Given<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>
> = {
  columns: [nameColumn, column('PolicyName'), column('ParamRef'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), object.spec?.policyName ?? '', paramRef(object), age(object, nowMs)],
};
