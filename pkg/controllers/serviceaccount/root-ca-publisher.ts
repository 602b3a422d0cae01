/**
 * Puts the cluster's authority into a ConfigMap of every active namespace, which pods mount beside their tokens.
 * Upstream counterpart: `pkg/controller/certificates/rootcacertpublisher`.
 */
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps, namespaces } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists } from '#pkg/apimachinery/status-error.ts';
import { aborted } from '#pkg/base/async.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { isActive } from './serviceaccount.ts';

const mapName = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';
const workers = 1;

/** The publisher; it does nothing when the options hold no authority. */
export function createRootCaPublisher(context: ControllerContext): Component {
  const { rootCa } = context.options;
  if (rootCa === undefined) return { run: aborted };
  const data = { 'ca.crt': rootCa };
  const namespaceInformer = context.informers.informer(namespaces);
  const mapInformer = context.informers.informer(configMaps, { fieldSelector: `metadata.name=${mapName}` });
  const resource = context.client.resource(configMaps);
  const loop = createLoop(context, {
    name: 'root-ca-certificate-publisher',
    workers,
    reconcile: async (namespace) => {
      if (!isActive(namespaceInformer.lister.get(namespace))) return undefined;
      const there = mapInformer.lister.get(`${namespace}/${mapName}`);
      const annotations = { ...there?.metadata?.annotations, [descriptionAnnotation]: description };
      try {
        if (there === undefined) {
          await resource.create({ metadata: { name: mapName, namespace, annotations }, data });
        } else if (!deepEqual(there.data, data) || !deepEqual(there.metadata?.annotations, annotations)) {
          await resource.update({ ...there, metadata: { ...there.metadata, annotations }, data });
        }
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
  const enqueue = (map: ConfigMap): void => loop.queue.add(map.metadata?.namespace ?? '');
  mapInformer.addHandler({ updated: (_, map) => enqueue(map), deleted: enqueue });
  return loop;
}
