/** Rules for endpoints. Source: upstream `validateEndpointSubsets`. */
import { at, child, type FieldError, type FieldPath, required } from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectsAt, stringAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkIp, checkNotSpecialIp, type IpRules } from '../../validation/ips.ts';

/** What is wrong with an `Endpoints`. Source: upstream `ValidateEndpoints`. */
export function validateEndpoints(draft: JsonObject, rules: IpRules): readonly FieldError[] {
  const into = new Collector();
  for (const [index, subset] of objectsAt(draft, 'subsets').entries()) {
    const path = at('subsets', index);
    const lists = ['addresses', 'notReadyAddresses'];
    if (lists.every((field) => objectsAt(subset, field).length === 0)) {
      into.add(required(path, 'must specify `addresses` or `notReadyAddresses`'));
    }
    for (const field of lists) {
      for (const [position, address] of objectsAt(subset, field).entries()) {
        checkAddress(into, address, { path: at(child(path, field), position), ...rules });
      }
    }
    const ports = objectsAt(subset, 'ports');
    for (const [position, port] of ports.entries()) {
      checkPort(into, port, { path: at(child(path, 'ports'), position), needsName: ports.length > 1 });
    }
  }
  return into.errors;
}

function checkAddress(into: Collector, address: JsonObject, rules: IpRules & { readonly path: FieldPath }): void {
  const path = child(rules.path, 'ip');
  checkIp(into, stringAt(address, 'ip'), path);
  into.mayName(child(rules.path, 'hostname'), address.hostname, dns1123LabelProblems);
  into.mayName(child(rules.path, 'nodeName'), address.nodeName, dns1123SubdomainProblems);
  checkNotSpecialIp(into, stringAt(address, 'ip'), { ...rules, path });
}

function checkPort(
  into: Collector,
  port: JsonObject,
  { path, needsName }: { readonly path: FieldPath; readonly needsName: boolean },
): void {
  if (needsName) into.needsText(child(path, 'name'), port.name);
  into.mayName(child(path, 'name'), port.name, dns1123LabelProblems);
  const number = numberAt(port, 'port') ?? 0;
  into.problems(child(path, 'port'), number, portNumberProblems(number));
  into.needsOneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  into.mayName(child(path, 'appProtocol'), port.appProtocol, qualifiedNameProblems);
}
