/** Webhook configurations and admission policies. Source: upstream `pkg/apis/admissionregistration/v1/defaults.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { objectAt, objectsAt, setDefault } from '../draft.ts';
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

const group = 'admissionregistration.k8s.io';
const timeoutSeconds = 10;
const httpsPort = 443;

function setWebhookDefaults(draft: JsonObject): void {
  for (const webhook of objectsAt(draft, 'webhooks')) {
    setDefault(webhook, 'failurePolicy', 'Fail');
    setDefault(webhook, 'matchPolicy', 'Equivalent');
    setDefault(webhook, 'namespaceSelector', {});
    setDefault(webhook, 'objectSelector', {});
    setDefault(webhook, 'timeoutSeconds', timeoutSeconds);
    const service = objectAt(webhook, 'clientConfig', 'service');
    if (service !== undefined) setDefault(service, 'port', httpsPort);
    for (const rule of objectsAt(webhook, 'rules')) setDefault(rule, 'scope', '*');
  }
}

function setMutatingWebhookDefaults(draft: JsonObject): void {
  setWebhookDefaults(draft);
  for (const webhook of objectsAt(draft, 'webhooks')) setDefault(webhook, 'reinvocationPolicy', 'Never');
}

function setMatchDefaults(match: JsonObject | undefined): void {
  if (match === undefined) return;
  setDefault(match, 'matchPolicy', 'Equivalent');
  setDefault(match, 'namespaceSelector', {});
  setDefault(match, 'objectSelector', {});
  for (const rule of [...objectsAt(match, 'resourceRules'), ...objectsAt(match, 'excludeResourceRules')]) {
    setDefault(rule, 'scope', '*');
  }
}

function setPolicyDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  setDefault(spec, 'failurePolicy', 'Fail');
  setMatchDefaults(objectAt(spec, 'matchConstraints'));
}

function setBindingDefaults(draft: JsonObject): void {
  setMatchDefaults(objectAt(draft, 'spec', 'matchResources'));
}

/** Webhook configurations, and policies with their bindings. */
export const admissionRegistrationStrategies: readonly Strategy[] = [
  {
    group,
    resource: 'mutatingwebhookconfigurations',
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setMutatingWebhookDefaults,
    validate: validateWebhooks,
    table: webhookTable,
  },
  {
    group,
    resource: 'validatingwebhookconfigurations',
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setWebhookDefaults,
    validate: validateWebhooks,
    table: webhookTable,
  },
  {
    group,
    resource: 'validatingadmissionpolicies',
    unconditionalUpdate: false,
    setDefaults: setPolicyDefaults,
    validate: validateValidatingPolicy,
    ...ownStatus(),
    subresources: { status: statusAlone },
    table: validatingAdmissionPolicyTable,
  },
  {
    group,
    resource: 'validatingadmissionpolicybindings',
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setBindingDefaults,
    validate: validateValidatingBinding,
    table: policyBindingTable,
  },
  {
    group,
    resource: 'mutatingadmissionpolicies',
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setPolicyDefaults,
    validate: validateMutatingPolicy,
    table: mutatingAdmissionPolicyTable,
  },
  {
    group,
    resource: 'mutatingadmissionpolicybindings',
    unconditionalUpdate: false,
    tracksGeneration: true,
    setDefaults: setBindingDefaults,
    validate: validateBinding,
    table: policyBindingTable,
  },
];
