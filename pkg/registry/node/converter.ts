/** Runtime classes of node.k8s.io/v1alpha1, which had a spec. Source: `pkg/apis/node/v1alpha1/conversion.go`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Converter, partition } from '#pkg/apiserver/converters/converter.ts';

const unnested: ReadonlySet<string> = new Set(['overhead', 'scheduling']);

/** The converter. */
export const runtimeClassConverter: Converter = {
  toStored({ spec, ...rest }) {
    const { runtimeHandler: handler = '', ...others } = isObject(spec) ? spec : {};
    return { ...rest, apiVersion: 'node.k8s.io/v1', handler, ...others };
  },
  fromStored(object) {
    const [others, { handler = '', ...rest }] = partition(object as JsonObject, unnested);
    return { ...rest, apiVersion: 'node.k8s.io/v1alpha1', spec: { runtimeHandler: handler, ...others } };
  },
};
