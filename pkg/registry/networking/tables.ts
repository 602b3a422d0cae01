/** How the kinds of `networking.k8s.io` and `discovery.k8s.io` are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, formatSelector, nameColumn, nameOf, none, unset } from '../printing/columns.ts';
import { loadBalancerText, moreText } from '../printing/network.ts';

/** Most hosts, ports or addresses a cell shows. */
const shownMax = 3;

function hostsText(ingress: Given<Ingress>): string {
  const rules = ingress.spec?.rules ?? [];
  const hosts = rules.map((rule) => rule.host ?? '').filter((host) => host !== '');
  return hosts.length === 0 ? '*' : moreText(hosts, shownMax);
}

/** Source: upstream `printIngress`. */
export const ingressTable: TablePrinter<Given<Ingress>> = {
  columns: [nameColumn, column('Class'), column('Hosts'), column('Address'), column('Ports'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    (object.spec?.ingressClassName ?? '') || none,
    hostsText(object),
    loadBalancerText(object.status?.loadBalancer),
    (object.spec?.tls ?? []).length > 0 ? '80, 443' : '80',
    age(object, nowMs),
  ],
};

/** Source: upstream `printIngressClass`. */
export const ingressClassTable: TablePrinter<Given<IngressClass>> = {
  columns: [nameColumn, column('Controller'), column('Parameters'), ageColumn],
  cells(object, nowMs) {
    const parameters = object.spec?.parameters;
    const group = parameters?.apiGroup ?? '';
    const kind = parameters?.kind ?? '';
    const text = `${group === '' ? kind : `${kind}.${group}`}/${parameters?.name ?? ''}`;
    const controller = object.spec?.controller ?? '';
    return [nameOf(object), controller, parameters === undefined ? none : text, age(object, nowMs)];
  },
};

/** Source: upstream `printNetworkPolicy`. */
export const networkPolicyTable: TablePrinter<Given<NetworkPolicy>> = {
  columns: [nameColumn, column('Pod-Selector'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), formatSelector(object.spec?.podSelector), age(object, nowMs)],
};

/** Source: upstream `printServiceCIDR`. */
export const serviceCidrTable: TablePrinter<Given<ServiceCIDR>> = {
  columns: [nameColumn, column('CIDRs'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), (object.spec?.cidrs ?? []).join(','), age(object, nowMs)],
};

/** Source: upstream `printIPAddress`. */
export const ipAddressTable: TablePrinter<Given<IPAddress>> = {
  columns: [nameColumn, column('ParentRef')],
  cells(object) {
    const parent = object.spec?.parentRef;
    const parts = [parent?.group, parent?.resource, parent?.namespace, parent?.name];
    return [nameOf(object), parent === undefined ? none : parts.filter((part) => part).join('/')];
  },
};

/** Source: upstream `printEndpointSlice`. */
export const endpointSliceTable: TablePrinter<Given<EndpointSlice>> = {
  columns: [nameColumn, column('AddressType'), column('Ports'), column('Endpoints'), ageColumn],
  cells(object, nowMs) {
    const ports = (object.ports ?? []).map((port) => String(port.port ?? port.name ?? '*'));
    const addresses = (object.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
    return [
      nameOf(object),
      object.addressType ?? '',
      moreText(ports, shownMax) || unset,
      moreText(addresses, shownMax) || unset,
      age(object, nowMs),
    ];
  },
};
