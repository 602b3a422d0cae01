/**
 * Says in the status of validating admission policies which of their expressions do not fit the types that they are about, as the server's own documents have them.
 * Warnings only: what a policy does is never changed by it. A policy is looked at once for each generation.
 * Upstream counterpart: `pkg/controller/validatingadmissionpolicystatus`.
 */
import type { ValidatingAdmissionPolicy } from '#pkg/api/types/admissionregistration-v1.ts';
import { validatingAdmissionPolicies } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { ServedTypes } from './served-types.ts';
import { typeWarnings } from './type-warnings.ts';

const workers = 5;
const fieldManager = 'validatingadmissionpolicy-status';

/** The controller, which applies the status as a field manager of its own. */
export function createPolicyStatusController(context: ControllerContext): Component {
  const informer = context.informers.informer(validatingAdmissionPolicies);
  const resource = context.client.resource(validatingAdmissionPolicies);
  const types = new ServedTypes(context.client);
  const loop = createLoop(context, {
    name: 'validatingadmissionpolicy-status',
    workers,
    reconcile: async (name) => {
      const policy = informer.lister.get(name);
      const generation = policy?.metadata?.generation ?? 0;
      if (policy === undefined || generation <= (policy.status?.observedGeneration ?? 0)) return undefined;
      const warnings = await typeWarnings(policy.spec ?? {}, types);
      const typeChecking = warnings.length === 0 ? {} : { expressionWarnings: warnings };
      const wanted = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        status: { observedGeneration: generation, typeChecking },
      };
      await resource.patch(name, wanted, { type: 'apply', fieldManager, force: true, subresource: 'status' });
      return undefined;
    },
  });
  const enqueue = (policy: ValidatingAdmissionPolicy): void => loop.queue.add(objectKey(policy));
  informer.addHandler({ added: enqueue, updated: (_, policy) => enqueue(policy) });
  return loop;
}
