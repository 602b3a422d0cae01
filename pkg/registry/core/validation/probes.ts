/** Rules for probes and lifecycle hooks. Source: upstream `validateProbe`, `validateHandler`. */
import { at, child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { httpHeaderNameProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isObject, listAt, numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';

const probeHandlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;
const hookHandlers = ['exec', 'httpGet', 'tcpSocket', 'sleep'] as const;

export function checkProbes(into: Collector, container: JsonObject, path: FieldPath): void {
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = objectAt(container, name);
    if (probe === undefined) continue;
    const own = child(path, name);
    checkHandler(into, probe, { path: own, handlers: probeHandlers });
    for (const field of [
      'initialDelaySeconds',
      'timeoutSeconds',
      'periodSeconds',
      'successThreshold',
      'failureThreshold',
    ]) {
      into.notNegative(child(own, field), probe[field]);
    }
    const grace = numberAt(probe, 'terminationGracePeriodSeconds');
    const gracePath = child(own, 'terminationGracePeriodSeconds');
    if (grace !== undefined && grace <= 0) into.add(invalid(gracePath, grace, 'must be greater than 0'));
    if (name === 'readinessProbe') {
      if (grace !== undefined) into.add(invalid(gracePath, grace, 'must not be set for readinessProbes'));
      continue;
    }
    const threshold = numberAt(probe, 'successThreshold');
    if (threshold !== undefined && threshold !== 1) {
      into.add(invalid(child(own, 'successThreshold'), threshold, 'must be 1'));
    }
  }
}

export function checkLifecycle(into: Collector, container: JsonObject, path: FieldPath): void {
  for (const hook of ['postStart', 'preStop']) {
    const handler = objectAt(container, 'lifecycle', hook);
    if (handler === undefined) continue;
    checkHandler(into, handler, { path: child(child(path, 'lifecycle'), hook), handlers: hookHandlers });
  }
}

function checkHandler(
  into: Collector,
  owner: JsonObject,
  { path, handlers }: { path: FieldPath; handlers: readonly string[] },
): void {
  const given = handlers.filter((name) => isObject(owner[name]));
  if (given.length === 0) into.add(required(path, 'must specify a handler type'));
  for (const [index, name] of given.entries()) {
    const own = child(path, name);
    if (index > 0) {
      into.add(forbiddenField(own, 'may not specify more than 1 handler type'));
      continue;
    }
    const action = owner[name] as JsonObject;
    if (name === 'exec' && listAt(action, 'command').length === 0) into.add(required(child(own, 'command')));
    if (name === 'httpGet') checkHttpGet(into, action, own);
    if (name === 'tcpSocket' || name === 'grpc') checkPort(into, action.port, child(own, 'port'));
  }
}

function checkHttpGet(into: Collector, action: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'path'), action.path);
  checkPort(into, action.port, child(path, 'port'));
  into.oneOf(child(path, 'scheme'), action.scheme, ['HTTP', 'HTTPS']);
  for (const [index, header] of objectsAt(action, 'httpHeaders').entries()) {
    const name = stringAt(header, 'name');
    into.problems(child(at(child(path, 'httpHeaders'), index), 'name'), name, httpHeaderNameProblems(name));
  }
}

/** A port by number or by name. */
export function checkPort(into: Collector, port: unknown, path: FieldPath): void {
  if (typeof port === 'string') into.problems(path, port, portNameProblems(port));
  else into.problems(path, port ?? 0, portNumberProblems(typeof port === 'number' ? port : 0));
}
