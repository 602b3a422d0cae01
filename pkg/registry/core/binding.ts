/**
 * `pods/binding`: the scheduler's word on where a pod runs, and the older `bindings` collection.
 * Source: `pkg/registry/core/pod/storage/storage.go` `BindingREST`.
 */
import type { Pod, PodCondition, PodSpec, PodStatus } from '#pkg/api/types/core-v1.ts';
import { bindings } from '#pkg/api/types/refs.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { invalidObject, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, conflict } from '#pkg/apimachinery/status-error.ts';
import { changeObject, failedPrecondition } from '#pkg/apiserver/endpoints/change.ts';
import { bodyKind, decodeBody } from '#pkg/apiserver/endpoints/decode.ts';
import { ensureNamespace, metadataOf } from '#pkg/apiserver/endpoints/metadata.ts';
import { type Scope, strategyContext } from '#pkg/apiserver/endpoints/scope.ts';
import { managerOf, parseWriteOptions, type WriteOptions } from '#pkg/apiserver/endpoints/write-options.ts';
import { noSuchResource, objectResponse, successStatus } from '#pkg/apiserver/responses.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { shared } from '../draft.ts';

interface Binding extends KubeObject {
  readonly target?: { readonly kind?: string; readonly name?: string };
}

const field = pathsOf<Binding>();

const bindingKind = bodyKind({ group: '', version: 'v1', kind: 'Binding' });

/** Answers POST of a Binding to a pod. */
export async function bindPod(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const binding = decodeBody(scope, bindingKind, options.fieldValidation);
  return bind(scope, binding, options);
}

/** Answers POST of a Binding to the collection of them: the pod is the one of its name. */
async function bindNamedPod(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const binding = decodeBody(scope, bindingKind, options.fieldValidation) as Binding;
  const name = binding.metadata?.name ?? '';
  if (name === '')
    throw invalidObject(bindingKind, '', [required(field('metadata.name'), 'name or generateName is required')]);
  const served = scope.core.catalog.find({ group: '', version: 'v1', resource: 'pods' });
  if (served === undefined) throw noSuchResource();
  const info = { ...scope.info, resource: 'pods', name, parts: ['pods', name, 'binding'] };
  return bind({ ...scope, served, info, subject: { group: '', resource: 'pods' } }, binding, options);
}

/** The collection, which keeps nothing. */
export const bindingStrategy = rulesOf(bindings, { answer: bindNamedPod });

async function bind(scope: Scope, asked: Binding, options: WriteOptions): Promise<ApiResponse> {
  const nodeName = checkBinding(asked, scope.info.parts[1] ?? '');
  // What was sent is shared with who sent it; admission may change its metadata.
  const binding = { ...asked, metadata: { ...asked.metadata } } as Binding;
  ensureNamespace(scope, metadataOf(binding as JsonObject));
  const admitting = admit(scope, binding, options);
  if (admitting !== undefined) await admitting;
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: 'binding',
    // Source: `BindingREST`, which changes what is stored and passes the pods' strategy, their admission and managed fields by.
    isOwn: true,
    draft: (old: Pod) => bound(scope, { old, binding, nodeName }),
    answer: () => objectResponse(201, { ...successStatus(), code: 201 }),
  });
}

function admit(scope: Scope, binding: Binding, options: WriteOptions): Promise<void> | undefined {
  const { core, info } = scope;
  const attributes = {
    operation: 'CREATE',
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: 'binding',
    kind: 'Binding',
    namespace: info.namespace,
    name: info.parts[1] ?? '',
    draft: binding as JsonObject,
    old: undefined,
  } as const;
  return core.admission.admit(attributes, strategyContext(scope, options.dryRun));
}

function checkBinding({ target, metadata }: Binding, podName: string): string {
  if (metadata?.name !== podName) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  if (target?.kind !== undefined && target.kind !== '' && target.kind !== 'Node') {
    const error = {
      reason: 'FieldValueNotSupported' as const,
      field: field('target.kind'),
      message: `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
    };
    throw invalidObject(bindingKind, podName, [error]);
  }
  if (!target?.name) throw invalidObject(bindingKind, podName, [required(field('target.name'))]);
  return target.name;
}

function bound(scope: Scope, { old, binding, nodeName }: { old: Pod; binding: Binding; nodeName: string }): JsonObject {
  const name = old.metadata?.name ?? '';
  const { uid, resourceVersion } = binding.metadata ?? {};
  if (uid && uid !== old.metadata!.uid) {
    throw failedPrecondition(scope, 'UID', { wanted: uid, found: old.metadata!.uid });
  }
  if (resourceVersion && resourceVersion !== old.metadata!.resourceVersion) {
    const found = old.metadata!.resourceVersion;
    throw failedPrecondition(scope, 'ResourceVersion', { wanted: resourceVersion, found });
  }
  const refusal = unbindable(name, old);
  if (refusal !== '') throw conflict({ group: '', resource: 'pods/binding' }, name, refusal);
  // Everything else is shared with what is stored.
  const metadata: NonNullable<Draft<Pod>['metadata']> = { ...shared<NonNullable<Pod['metadata']>>(old.metadata ?? {}) };
  const spec: Draft<PodSpec> = { ...shared<PodSpec>(old.spec ?? {}), nodeName };
  const draft: Draft<Pod> = { ...shared<Pod>(old), metadata, spec, status: { ...shared<PodStatus>(old.status ?? {}) } };
  for (const field of fields('annotations', 'labels')) {
    const given = binding.metadata?.[field];
    if (given !== undefined) metadata[field] = inKeyOrder({ ...metadata[field], ...given });
  }
  setScheduled(scope, draft);
  return draft;
}

/** Why a pod cannot be given a node; `''` when it can. */
function unbindable(name: string, { metadata, spec }: Given<Pod>): string {
  if (metadata?.deletionTimestamp !== undefined) return `pod ${name} is being deleted, cannot be assigned to a host`;
  if (spec?.nodeName) return `pod ${name} is already assigned to node "${spec.nodeName}"`;
  return (spec?.schedulingGates ?? []).length > 0 ? `pod ${name} has non-empty .spec.schedulingGates` : '';
}

function setScheduled(scope: Scope, draft: Draft<Pod>): void {
  draft.status ??= {};
  const conditions = (draft.status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const condition: Draft<PodCondition> = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: timestamp(scope.core.clock),
  };
  draft.status.conditions = [...conditions, condition];
  // A promise of room is kept now, and would only mislead. Source: `ClearingNominatedNodeNameAfterBinding`.
  delete draft.status.nominatedNodeName;
}
