/** Ingresses of networking.k8s.io/v1beta1, whose backends name a service and a port in one. Source: `pkg/apis/networking/v1beta1/conversion.go`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { type Converter, each, editAt, renameFields } from '#pkg/apiserver/converters/converter.ts';

const backends = ['spec', 'rules', each, 'http', 'paths', each, 'backend'];
const storedNames = new Map([['backend', 'defaultBackend']]);
const servedNames = new Map([['defaultBackend', 'backend']]);

/** The converter. */
export const ingressConverter: Converter = {
  toStored(draft) {
    const named = editAt(draft, ['spec'], (spec) => renameFields(spec, storedNames));
    const edited = editAt(editAt(named, ['spec', 'defaultBackend'], storedBackend), backends, storedBackend);
    return { ...edited, apiVersion: 'networking.k8s.io/v1' };
  },
  fromStored(object) {
    const named = editAt(object as JsonObject, ['spec'], (spec) => renameFields(spec, servedNames));
    const edited = editAt(editAt(named, ['spec', 'backend'], servedBackend), backends, servedBackend);
    return { ...edited, apiVersion: 'networking.k8s.io/v1beta1' } as KubeObject;
  },
};

function storedBackend({ serviceName = '', servicePort = 0, ...rest }: JsonObject): JsonObject {
  if (serviceName === '' && servicePort === 0) return rest;
  const port = typeof servicePort === 'string' ? { name: servicePort } : { number: servicePort };
  return { service: { name: serviceName, port: servicePort === 0 || servicePort === '' ? {} : port }, ...rest };
}

/** Always with a port, which Go cannot leave out of this form. */
function servedBackend({ service, ...rest }: JsonObject): JsonObject {
  if (!isObject(service)) return { servicePort: 0, ...rest };
  const { name, number } = (isObject(service.port) ? service.port : {}) as { name?: string; number?: number };
  return { ...(service.name ? { serviceName: service.name } : {}), servicePort: name || (number ?? 0), ...rest };
}
