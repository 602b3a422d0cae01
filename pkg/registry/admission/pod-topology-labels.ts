/**
 * A pod carries the zone and the region of its node as labels, so that its programs can be told them. They come with the Binding, whose labels the
 * pod takes, or with a new pod that names its node itself. Source: KEP-4742, upstream `plugin/pkg/admission/podtopologylabels`.
 */
import { inKeyOrder } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { ensureObject, stringAt, stringMapAt } from '../draft.ts';

const topologyLabels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'] as const;
const nodes = { group: '', resource: 'nodes' };

/** Sets the labels of a Binding's node on it, of a new pod's node on the pod: over those that are there. A node that is not there has none. */
export const podTopologyLabelsPlugin: AdmissionPlugin = {
  name: 'PodTopologyLabels',
  handles: ({ operation, group, resource, subresource, draft }) =>
    operation === 'CREATE' &&
    group === '' &&
    resource === 'pods' &&
    (subresource === 'binding' || (subresource === '' && stringAt(draft, 'spec', 'nodeName') !== '')),
  async admit({ subresource, draft }, _context, reader) {
    const nodeName = subresource === 'binding' ? boundNode(draft) : stringAt(draft, 'spec', 'nodeName');
    if (draft === undefined || nodeName === '') return;
    const labels = stringMapAt(await reader.get(nodes, '', nodeName), 'metadata', 'labels');
    const copied = topologyLabels.filter((name) => Object.hasOwn(labels, name)).map((name) => [name, labels[name]]);
    if (copied.length === 0) return;
    const metadata = ensureObject(draft, 'metadata');
    if (metadata === undefined) return;
    metadata.labels = inKeyOrder({ ...stringMapAt(metadata, 'labels'), ...Object.fromEntries(copied) });
  },
};

/** The node of a Binding. The scheduler's says nothing of its target but kind and name. */
function boundNode(binding: JsonObject | undefined): string {
  const kind = stringAt(binding, 'target', 'kind');
  return kind === 'Node' ? stringAt(binding, 'target', 'name') : '';
}
