/** Sees that every active namespace has a service account named `default`. Upstream counterpart: `pkg/controller/serviceaccount`. */
import type { Namespace } from '#pkg/api/types/core-v1.ts';
import { namespaces, serviceAccounts } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists } from '#pkg/apimachinery/status-error.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const accountName = 'default';
const workers = 1;

/** The service-account controller. */
export function createServiceAccountController(context: ControllerContext): Component {
  const namespaceInformer = context.informers.informer(namespaces);
  const accountInformer = context.informers.informer(serviceAccounts);
  const loop = createLoop(context, {
    name: 'serviceaccount',
    workers,
    reconcile: async (namespace) => {
      if (!isActive(namespaceInformer.lister.get(namespace))) return undefined;
      if (accountInformer.lister.get(`${namespace}/${accountName}`) !== undefined) return undefined;
      try {
        await context.client.resource(serviceAccounts).create({ metadata: { name: accountName, namespace } });
      } catch (error) {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
      }
      return undefined;
    },
  });
  namespaceInformer.addHandler({
    added: (namespace) => loop.queue.add(objectKey(namespace)),
    updated: (_, namespace) => loop.queue.add(objectKey(namespace)),
  });
  accountInformer.addHandler({
    deleted: (account) => {
      if (account.metadata?.name === accountName) loop.queue.add(account.metadata.namespace ?? '');
    },
  });
  return loop;
}

/** Whether new objects may be made in a namespace. */
export function isActive(namespace: Namespace | undefined): boolean {
  return (
    namespace !== undefined &&
    namespace.metadata?.deletionTimestamp === undefined &&
    namespace.status?.phase !== 'Terminating'
  );
}
