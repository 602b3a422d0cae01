/**
 * A pod carries the zone and the region of its node as labels, so that its programs can be told them. They come with the Binding, whose labels the
 * pod takes, or with a new pod that names its node itself. Source: KEP-4742, upstream `plugin/pkg/admission/podtopologylabels`.
 */

import type { Binding } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import { type AdmissionAttributes, type AdmissionPlugin, about, readOne } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import { aboutPod } from './pods.ts';

const topologyLabels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'] as const;
/** What is posted to the subresource `binding` of pods. */
const podBindings: ResourceRef<Binding> = {
  group: '',
  version: 'v1',
  resource: 'pods',
  kind: 'Binding',
  namespaced: true,
};

/** Sets the labels of a Binding's node on it, of a new pod's node on the pod: over those that are there. A node that is not there has none. */
export const podTopologyLabelsPlugin: AdmissionPlugin = {
  name: 'PodTopologyLabels',
  handles: (attributes) => attributes.operation === 'CREATE' && placedAt(attributes) !== undefined,
  admit(attributes, _context, reader) {
    const { draft, nodeName = '' } = placedAt(attributes) ?? {};
    if (draft === undefined || nodeName === '') return;
    return onceThere(readOne(reader, nodes, { namespace: '', name: nodeName }), (node) => {
      const labels = node?.metadata?.labels ?? {};
      const copied = topologyLabels.filter((name) => Object.hasOwn(labels, name)).map((name) => [name, labels[name]]);
      if (copied.length === 0) return;
      draft.metadata ??= {};
      draft.metadata.labels = inKeyOrder({ ...draft.metadata.labels, ...Object.fromEntries(copied) });
    });
  },
};

/** What is to be given labels, and the node it names, if the request is one that may name a node. */
function placedAt(attributes: AdmissionAttributes) {
  const pod = aboutPod(attributes)?.draft;
  if (pod !== undefined) return pod.spec?.nodeName ? { draft: pod, nodeName: pod.spec.nodeName } : undefined;
  const binding = about(attributes, podBindings, 'binding')?.draft;
  return binding && { draft: binding, nodeName: boundNode(binding) };
}

/** The node of a Binding. The scheduler's says nothing of its target but kind and name. */
function boundNode({ target }: Given<Binding>): string {
  return target?.kind === 'Node' ? (target.name ?? '') : '';
}
