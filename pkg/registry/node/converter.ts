/** Runtime classes of node.k8s.io/v1alpha1, which had a spec. Source: `pkg/apis/node/v1alpha1/conversion.go`. */
import { runtimeClasses, runtimeClassesV1alpha1 } from '#pkg/api/types/refs.ts';
import { converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** The converter. */
export const runtimeClassConverter = converterOf(runtimeClassesV1alpha1, runtimeClasses, {
  toStored({ spec, ...rest }) {
    const { runtimeHandler: handler = '', ...others } = spec ?? {};
    return { ...rest, handler, ...others };
  },
  fromStored({ handler = '', overhead, scheduling, ...rest }) {
    return { ...rest, spec: { runtimeHandler: handler, ...present({ overhead, scheduling }) } };
  },
});
