/**
 * What users register to have a say in admission, as plugins: policies in CEL and webhooks. The plugins follow what is stored; with nothing registered a request
 * costs them a look at a list's length.
 */

import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
} from '#pkg/api/types/refs.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { type CallWebhook, noWebhooks } from '../../remote/call-webhook.ts';
import { createMutatingHooks, mutatingPoliciesPlugin } from './mutating-policies.ts';
import { createValidatingHooks, validatingPoliciesPlugin } from './validating-policies.ts';
import {
  type MutatingWebhooks,
  mutatingWebhooksPlugin,
  type ValidatingWebhooks,
  validatingWebhooksPlugin,
  Webhooks,
} from './webhooks.ts';

/** The plugins, in their order, and what tells them. */
export interface RegisteredAdmission {
  readonly plugins: readonly AdmissionPlugin[];
  /** Resolves once they know of everything that there is. */
  connect(source: RegistrationSource): Promise<void>;
}

/** A server that tells of its objects. */
export interface RegistrationSource {
  follow(resource: ResourceRef, sink: FollowSink): Promise<void>;
}

/** Nothing is registered before it is connected. */
export function createRegisteredAdmission(authorizer: Authorizer, call: CallWebhook = noWebhooks): RegisteredAdmission {
  const [mutating, validating] = [createMutatingHooks(), createValidatingHooks()];
  const changing: MutatingWebhooks = new Webhooks();
  const judging: ValidatingWebhooks = new Webhooks();
  return {
    plugins: [
      mutatingPoliciesPlugin(mutating, authorizer),
      mutatingWebhooksPlugin(changing, { call, authorizer }),
      validatingPoliciesPlugin(validating, authorizer),
      validatingWebhooksPlugin(judging, { call, authorizer }),
    ],
    async connect(source) {
      await Promise.all([
        source.follow(mutatingAdmissionPolicies, mutating.policies),
        source.follow(mutatingAdmissionPolicyBindings, mutating.bindings),
        source.follow(validatingAdmissionPolicies, validating.policies),
        source.follow(validatingAdmissionPolicyBindings, validating.bindings),
        source.follow(mutatingWebhookConfigurations, changing.sink),
        source.follow(validatingWebhookConfigurations, judging.sink),
      ]);
    },
  };
}
