/**
 * Empties namespaces that are being deleted, then lets them go: pods first, then everything else that discovery knows of, then the
 * `kubernetes` finalizer in the namespace's own spec. Upstream counterpart: `pkg/controller/namespace`.
 */
import type { Namespace } from '#pkg/api/types/core-v1.ts';
import { namespaces } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { apiVersionOf, objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { contentConditions } from './conditions.ts';
import { type ContentReport, deleteContent } from './content.ts';

const finalizer = 'kubernetes';
/** Namespaces emptied at the same time. */
const workers = 5;
/** Until the next look at pods that are ending, and at objects that wait for others' finalizers. */
const gracefulCheckMs = 1_000;
const finalizersCheckMs = 5_000;

/** The namespace controller. */
export function createNamespaceController(context: ControllerContext): Component {
  const informer = context.informers.informer(namespaces);
  const loop = createLoop(context, {
    name: 'namespace',
    workers,
    reconcile: (key, signal) => reconcile(context, { namespace: informer.lister.get(key), signal }),
  });
  const enqueue = (namespace: Namespace): void => {
    if (namespace.metadata?.deletionTimestamp !== undefined) loop.queue.add(objectKey(namespace));
  };
  informer.addHandler({
    added: enqueue,
    // Once it is being deleted its turns follow from one another: what they write would begin the next at once, whatever its back-off.
    updated: (before, namespace) => {
      if (before.metadata?.deletionTimestamp === undefined) enqueue(namespace);
    },
  });
  return loop;
}

async function reconcile(
  context: ControllerContext,
  work: { readonly namespace: Namespace | undefined; readonly signal: AbortSignal },
): Promise<ReconcileResult> {
  const { namespace, signal } = work;
  if (namespace?.metadata?.deletionTimestamp === undefined) return undefined;
  if (!namespace.spec?.finalizers?.includes(finalizer)) return undefined;
  const report = await deleteContent(context.client, namespace.metadata.name ?? '', signal);
  const isEmpty = report.remaining.size === 0 && report.failures.length === 0 && report.undiscovered.length === 0;
  try {
    const updated = await writeStatus(context, namespace, report);
    if (isEmpty) await finalize(context, updated);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return undefined;
  }
  if (report.failures.length > 0 || report.undiscovered.length > 0) {
    throw new Error(`Cannot delete all content: ${[...report.failures, ...report.undiscovered].join(', ')}`);
  }
  if (isEmpty) return undefined;
  return { requeueAfterMs: report.isGraceful ? gracefulCheckMs : finalizersCheckMs };
}

async function writeStatus(
  context: ControllerContext,
  namespace: Namespace,
  report: ContentReport,
): Promise<Namespace> {
  const conditions = contentConditions(namespace.status?.conditions, report, timestamp(context.clock));
  const status = { ...namespace.status, phase: 'Terminating', conditions } as const;
  if (deepEqual(status, namespace.status)) return namespace;
  return context.client.resource(namespaces).update({ ...namespace, status }, { subresource: 'status' });
}

/** The finalizers of a namespace's spec have a subresource of their own, which only takes a PUT. */
async function finalize(context: ControllerContext, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== finalizer);
  const object = {
    ...namespace,
    apiVersion: apiVersionOf(namespaces),
    kind: namespaces.kind,
    spec: { ...namespace.spec, finalizers },
  } as Namespace;
  try {
    await context.client.resource(namespaces).update(object, { subresource: 'finalize' });
  } catch (error) {
    if (isNotFound(error)) return;
    throw error;
  }
}
