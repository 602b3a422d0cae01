/**
 * `pods/binding`: the scheduler's word on where a pod runs, and the older `bindings` collection.
 * Source: `pkg/registry/core/pod/storage/storage.go` `BindingREST`.
 */
import { invalidObject, required } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, conflict } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { objectResponse, successStatus } from '../responses.ts';
import { decodeBody } from './body.ts';
import { changeObject } from './change.ts';
import type { Scope } from './scope.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

interface Binding extends KubeObject {
  readonly target?: { readonly kind?: string; readonly name?: string };
}

const bindingKind = { kind: 'Binding', apiVersion: 'v1', type: 'io.k8s.api.core.v1.Binding' };

/** Answers POST of a Binding to a pod. */
export async function bindPod(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const binding = decodeBody(scope, bindingKind) as Binding;
  const name = scope.info.parts[1]!;
  const nodeName = checkBinding(binding, name);
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: 'binding',
    // Where a pod runs is no change of what is to run. Source: `BindingREST`, which passes the pod strategy by.
    keepsGeneration: true,
    draft: (old) => bound(scope, { old, binding, nodeName }),
    answer: () => objectResponse(201, { ...successStatus(), code: 201 }),
  });
}

function checkBinding({ target, metadata }: Binding, podName: string): string {
  if (metadata?.name !== undefined && metadata.name !== '' && metadata.name !== podName) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  if (target?.kind !== undefined && target.kind !== '' && target.kind !== 'Node') {
    const error = {
      reason: 'FieldValueNotSupported' as const,
      field: 'target.kind',
      message: `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
    };
    throw invalidObject({ group: '', kind: 'Binding' }, podName, [error]);
  }
  if (!target?.name) throw invalidObject({ group: '', kind: 'Binding' }, podName, [required('target.name')]);
  return target.name;
}

function bound(
  scope: Scope,
  { old, binding, nodeName }: { old: KubeObject; binding: Binding; nodeName: string },
): JsonObject {
  const name = old.metadata!.name!;
  const uid = binding.metadata?.uid;
  if (uid !== undefined && uid !== '' && uid !== old.metadata!.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata!.uid}`;
    throw conflict(scope.subject, name, why);
  }
  const draft = deepClone(old) as JsonObject;
  const metadata = draft.metadata as JsonObject;
  const spec = (draft.spec ?? {}) as JsonObject;
  draft.spec = spec;
  if (metadata.deletionTimestamp !== undefined) {
    throw conflict(
      { group: '', resource: 'pods/binding' },
      name,
      `pod ${name} is being deleted, cannot be assigned to a host`,
    );
  }
  if (spec.nodeName) {
    throw conflict(
      { group: '', resource: 'pods/binding' },
      name,
      `pod ${name} is already assigned to node "${spec.nodeName}"`,
    );
  }
  if (((spec.schedulingGates as unknown[] | undefined) ?? []).length > 0) {
    throw conflict({ group: '', resource: 'pods/binding' }, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  spec.nodeName = nodeName;
  const annotations = binding.metadata?.annotations;
  if (annotations !== undefined)
    metadata.annotations = { ...(metadata.annotations as object | undefined), ...annotations };
  setScheduled(scope, draft);
  return draft;
}

function setScheduled(scope: Scope, draft: JsonObject): void {
  const status = (draft.status ?? {}) as JsonObject;
  draft.status = status;
  const conditions = ((status.conditions as JsonObject[] | undefined) ?? []).filter(
    ({ type }) => type !== 'PodScheduled',
  );
  const condition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: timestamp(scope.core.clock),
  };
  status.conditions = [...conditions, condition];
}
