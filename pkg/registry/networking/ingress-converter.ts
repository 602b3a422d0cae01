/** Ingresses of networking.k8s.io/v1beta1, whose backends name a service and a port in one. Source: `pkg/apis/networking/v1beta1/conversion.go`. */
import type { Ingress, IngressBackend, IngressRule } from '#pkg/api/types/networking-v1.ts';
import type {
  IngressBackend as ServedBackend,
  Ingress as ServedIngress,
  IngressRule as ServedRule,
} from '#pkg/api/types/networking-v1beta1.ts';
import { ingresses, ingressesV1beta1 } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** The converter. */
export const ingressConverter = converterOf(ingressesV1beta1, ingresses, { toStored, fromStored });

function toStored({ apiVersion: _, spec, ...rest }: Given<ServedIngress>): Given<Ingress> {
  if (!spec) return { ...rest, ...present({ spec }) };
  const { backend, rules, ...others } = spec;
  const defaultBackend = backend ? storedBackend(backend) : undefined;
  return { ...rest, spec: { ...others, ...present({ defaultBackend, rules: rules?.map(storedRule) }) } };
}

function fromStored({ apiVersion: _, spec, ...rest }: Given<Ingress>): Given<ServedIngress> {
  if (!spec) return { ...rest, ...present({ spec }) };
  const { defaultBackend, rules, ...others } = spec;
  const backend = defaultBackend ? servedBackend(defaultBackend) : undefined;
  return { ...rest, spec: { ...others, ...present({ backend, rules: rules?.map(servedRule) }) } };
}

function storedRule({ http, ...rest }: Given<ServedRule>): Given<IngressRule> {
  if (!http) return rest;
  const paths = http.paths?.map(({ backend, ...path }) => ({
    ...path,
    ...(backend && { backend: storedBackend(backend) }),
  }));
  return { ...rest, http: present({ paths }) };
}

function servedRule({ http, ...rest }: Given<IngressRule>): Given<ServedRule> {
  if (!http) return rest;
  const paths = http.paths?.map(({ backend, ...path }) => ({
    ...path,
    ...(backend && { backend: servedBackend(backend) }),
  }));
  return { ...rest, http: present({ paths }) };
}

function storedBackend({ serviceName = '', servicePort = 0, ...rest }: Given<ServedBackend>): Given<IngressBackend> {
  if (serviceName === '' && servicePort === 0) return rest;
  const port = typeof servicePort === 'string' ? { name: servicePort } : { number: servicePort };
  return { service: { name: serviceName, port: servicePort === 0 || servicePort === '' ? {} : port }, ...rest };
}

/** Always with a port, which Go cannot leave out of this form. */
function servedBackend({ service, ...rest }: Given<IngressBackend>): Given<ServedBackend> {
  if (!service) return { servicePort: 0, ...rest };
  const { name, number = 0 } = service.port ?? {};
  return { ...(service.name ? { serviceName: service.name } : {}), servicePort: name || number, ...rest };
}
