/** Rules for endpoints. Source: upstream `validateEndpointSubsets`. */

import type { EndpointAddress, EndpointPort, Endpoints } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../../validation/collector.ts';
import { checkIp, checkNotSpecialIp, type IpRules } from '../../validation/ips.ts';

const field = pathsOf<Endpoints>();

/** What is wrong with an `Endpoints`. Source: upstream `ValidateEndpoints`. */
export function validateEndpoints(draft: Given<Endpoints>, rules: IpRules): readonly FieldError[] {
  const into = new Collector();
  for (const [index, subset] of (draft.subsets ?? []).entries()) {
    const path = at(field('subsets'), index);
    const lists = fields('addresses', 'notReadyAddresses');
    if (lists.every((name) => (subset[name] ?? []).length === 0)) {
      into.add(required(path, 'must specify `addresses` or `notReadyAddresses`'));
    }
    for (const name of lists) {
      for (const [position, address] of (subset[name] ?? []).entries()) {
        checkAddress(into, address, { path: at(child(path, name), position), ...rules });
      }
    }
    const ports = subset.ports ?? [];
    for (const [position, port] of ports.entries()) {
      checkPort(into, port, { path: at(child(path, 'ports'), position), needsName: ports.length > 1 });
    }
  }
  return into.errors;
}

function checkAddress(
  into: Collector,
  address: Given<EndpointAddress>,
  rules: IpRules & { readonly path: FieldPath<EndpointAddress> },
): void {
  const path = child(rules.path, 'ip');
  checkIp(into, address.ip ?? '', path);
  into.mayName(child(rules.path, 'hostname'), address.hostname, dns1123LabelProblems);
  into.mayName(child(rules.path, 'nodeName'), address.nodeName, dns1123SubdomainProblems);
  checkNotSpecialIp(into, address.ip ?? '', { ...rules, path });
}

function checkPort(
  into: Collector,
  port: Given<EndpointPort>,
  { path, needsName }: { readonly path: FieldPath<EndpointPort>; readonly needsName: boolean },
): void {
  if (needsName) into.needsText(child(path, 'name'), port.name);
  into.mayName(child(path, 'name'), port.name, dns1123LabelProblems);
  const number = port.port ?? 0;
  into.problems(child(path, 'port'), number, portNumberProblems(number));
  into.needsOneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  into.mayName(child(path, 'appProtocol'), port.appProtocol, qualifiedNameProblems);
}
