/** How the kinds of `networking.k8s.io` and `discovery.k8s.io` are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, objectsAt, stringAt } from '../draft.ts';
import { age, ageColumn, column, formatSelector, nameColumn, nameOf, none, unset } from '../printing/columns.ts';
import { loadBalancerText, moreText } from '../printing/network.ts';

/** Most hosts, ports or addresses a cell shows. */
const shownMax = 3;

function hostsText(ingress: KubeObject): string {
  const rules = objectsAt(ingress, 'spec', 'rules');
  const hosts = rules.map((rule) => stringAt(rule, 'host')).filter((host) => host !== '');
  return hosts.length === 0 ? '*' : moreText(hosts, shownMax);
}

/** Source: upstream `printIngress`. */
export const ingressTable: TablePrinter = {
  columns: [nameColumn, column('Class'), column('Hosts'), column('Address'), column('Ports'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    stringAt(object, 'spec', 'ingressClassName') || none,
    hostsText(object),
    loadBalancerText(objectAt(object, 'status', 'loadBalancer')),
    objectsAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80',
    age(object, nowMs),
  ],
};

/** Source: upstream `printIngressClass`. */
export const ingressClassTable: TablePrinter = {
  columns: [nameColumn, column('Controller'), column('Parameters'), ageColumn],
  cells(object, nowMs) {
    const parameters = objectAt(object, 'spec', 'parameters');
    const group = stringAt(parameters, 'apiGroup');
    const kind = stringAt(parameters, 'kind');
    const text = `${group === '' ? kind : `${kind}.${group}`}/${stringAt(parameters, 'name')}`;
    const controller = stringAt(object, 'spec', 'controller');
    return [nameOf(object), controller, parameters === undefined ? none : text, age(object, nowMs)];
  },
};

/** Source: upstream `printNetworkPolicy`. */
export const networkPolicyTable: TablePrinter = {
  columns: [nameColumn, column('Pod-Selector'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    formatSelector(objectAt(object, 'spec', 'podSelector')),
    age(object, nowMs),
  ],
};

/** Source: upstream `printServiceCIDR`. */
export const serviceCidrTable: TablePrinter = {
  columns: [nameColumn, column('CIDRs'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), listAt(object, 'spec', 'cidrs').join(','), age(object, nowMs)],
};

/** Source: upstream `printIPAddress`. */
export const ipAddressTable: TablePrinter = {
  columns: [nameColumn, column('ParentRef')],
  cells(object) {
    const parent = objectAt(object, 'spec', 'parentRef');
    const parts = ['group', 'resource', 'namespace', 'name'].map((field) => stringAt(parent, field));
    return [nameOf(object), parent === undefined ? none : parts.filter((part) => part !== '').join('/')];
  },
};

/** Source: upstream `printEndpointSlice`. */
export const endpointSliceTable: TablePrinter = {
  columns: [nameColumn, column('AddressType'), column('Ports'), column('Endpoints'), ageColumn],
  cells(object, nowMs) {
    const ports = objectsAt(object, 'ports').map((port) => String(port.port ?? port.name ?? '*'));
    const addresses = objectsAt(object, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String));
    return [
      nameOf(object),
      stringAt(object, 'addressType'),
      moreText(ports, shownMax) || unset,
      moreText(addresses, shownMax) || unset,
      age(object, nowMs),
    ];
  },
};
