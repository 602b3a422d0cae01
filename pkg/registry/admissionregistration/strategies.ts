/** Webhook configurations and admission policies. Source: upstream `pkg/apis/admissionregistration/v1/defaults.go`. */

import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '#pkg/api/types/admissionregistration-v1.ts';
import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
} from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { ownStatus, statusAlone } from '../status.ts';
import {
  validateBinding,
  validateMutatingPolicy,
  validateValidatingBinding,
  validateValidatingPolicy,
} from './policy-validation.ts';
import {
  mutatingAdmissionPolicyTable,
  policyBindingTable,
  validatingAdmissionPolicyTable,
  webhookTable,
} from './tables.ts';
import { validateWebhooks } from './webhook-validation.ts';

const timeoutSeconds = 10;
const httpsPort = 443;

function setWebhookDefaults(draft: Draft<ValidatingWebhookConfiguration | MutatingWebhookConfiguration>): void {
  for (const webhook of draft.webhooks ?? []) {
    setDefault(webhook, 'failurePolicy', 'Fail');
    setDefault(webhook, 'matchPolicy', 'Equivalent');
    setDefault(webhook, 'namespaceSelector', {});
    setDefault(webhook, 'objectSelector', {});
    setDefault(webhook, 'timeoutSeconds', timeoutSeconds);
    const service = webhook.clientConfig?.service;
    if (service !== undefined) setDefault(service, 'port', httpsPort);
    for (const rule of webhook.rules ?? []) setDefault(rule, 'scope', '*');
  }
}

function setMutatingWebhookDefaults(draft: Draft<MutatingWebhookConfiguration>): void {
  setWebhookDefaults(draft);
  for (const webhook of draft.webhooks ?? []) setDefault(webhook, 'reinvocationPolicy', 'Never');
}

function setMatchDefaults(match: Draft<MatchResources> | undefined): void {
  if (match === undefined) return;
  setDefault(match, 'matchPolicy', 'Equivalent');
  setDefault(match, 'namespaceSelector', {});
  setDefault(match, 'objectSelector', {});
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) {
    setDefault(rule, 'scope', '*');
  }
}

function setPolicyDefaults(draft: Draft<ValidatingAdmissionPolicy | MutatingAdmissionPolicy>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setDefault(spec, 'failurePolicy', 'Fail');
  setMatchDefaults(spec.matchConstraints);
}

function setBindingDefaults(draft: Draft<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>): void {
  setMatchDefaults(draft.spec?.matchResources);
}

/** Webhook configurations, and policies with their bindings. */
export const admissionRegistrationStrategies: readonly Strategy[] = [
  rulesOf(mutatingWebhookConfigurations, {
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setMutatingWebhookDefaults,
    validate: validateWebhooks,
    table: webhookTable,
  }),
  rulesOf(validatingWebhookConfigurations, {
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setWebhookDefaults,
    validate: validateWebhooks,
    table: webhookTable,
  }),
  rulesOf(validatingAdmissionPolicies, {
    unconditionalUpdate: false,
    setDefaults: setPolicyDefaults,
    validate: validateValidatingPolicy,
    ...ownStatus(),
    subresources: { status: statusAlone },
    table: validatingAdmissionPolicyTable,
  }),
  rulesOf(validatingAdmissionPolicyBindings, {
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setBindingDefaults,
    validate: validateValidatingBinding,
    table: policyBindingTable,
  }),
  rulesOf(mutatingAdmissionPolicies, {
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setPolicyDefaults,
    validate: validateMutatingPolicy,
    table: mutatingAdmissionPolicyTable,
  }),
  rulesOf(mutatingAdmissionPolicyBindings, {
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setBindingDefaults,
    validate: validateBinding,
    table: policyBindingTable,
  }),
];
