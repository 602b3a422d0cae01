/** Rules for probes and lifecycle hooks. Source: upstream `validateProbe`, `validateLifecycle`, `validateHandler`. */
import { child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { httpHeaderNameProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';

const probeHandlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;
const hookHandlers = ['exec', 'httpGet', 'tcpSocket', 'sleep'] as const;
const probeNumbers = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

/** Checks hooks and probes of a container at `path`. `graceSeconds` is the pod's: a hook may not sleep longer. */
export function checkHandlers(
  into: Collector,
  container: JsonObject,
  { path, graceSeconds }: { readonly path: FieldPath; readonly graceSeconds: number | undefined },
): void {
  for (const hook of ['postStart', 'preStop']) {
    const handler = objectAt(container, 'lifecycle', hook);
    if (handler === undefined) continue;
    const own = child(child(path, 'lifecycle'), hook);
    checkHandler(into, handler, { path: own, handlers: hookHandlers, graceSeconds });
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = objectAt(container, name);
    if (probe !== undefined)
      checkProbe(into, probe, { path: child(path, name), isReadiness: name === 'readinessProbe' });
  }
}

function checkProbe(
  into: Collector,
  probe: JsonObject,
  { path, isReadiness }: { readonly path: FieldPath; readonly isReadiness: boolean },
): void {
  checkHandler(into, probe, { path, handlers: probeHandlers });
  for (const field of probeNumbers) into.notNegative(child(path, field), probe[field]);
  const grace = probe.terminationGracePeriodSeconds;
  const gracePath = child(path, 'terminationGracePeriodSeconds');
  into.positive(gracePath, grace, 'must be greater than 0');
  if (isReadiness) {
    if (grace !== undefined) into.add(invalid(gracePath, grace, 'must not be set for readinessProbes'));
    return;
  }
  const threshold = numberAt(probe, 'successThreshold') ?? 0;
  if (threshold !== 1) into.add(invalid(child(path, 'successThreshold'), threshold, 'must be 1'));
}

interface HandlerRules {
  readonly path: FieldPath;
  readonly handlers: readonly string[];
  readonly graceSeconds?: number | undefined;
}

function checkHandler(into: Collector, owner: JsonObject, { path, handlers, graceSeconds }: HandlerRules): void {
  const given = handlers.filter((name) => isObject(owner[name]));
  if (given.length === 0) into.add(required(path, 'must specify a handler type'));
  for (const [index, name] of given.entries()) {
    const own = child(path, name);
    const action = owner[name] as JsonObject;
    if (index > 0) into.add(forbiddenField(own, 'may not specify more than 1 handler type'));
    else if (name === 'exec' && listAt(action, 'command').length === 0) into.add(required(child(own, 'command')));
    else if (name === 'httpGet') checkHttpGet(into, action, own);
    else if (name === 'tcpSocket' || name === 'grpc') checkPort(into, action.port, child(own, 'port'));
    else if (name === 'sleep') checkSleep(into, numberAt(action, 'seconds') ?? 0, { path: own, graceSeconds });
  }
}

function checkSleep(
  into: Collector,
  seconds: number,
  { path, graceSeconds }: { readonly path: FieldPath; readonly graceSeconds: number | undefined },
): void {
  if (graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)) return;
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
  into.add(invalid(path, seconds, detail));
}

function checkHttpGet(into: Collector, action: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'path'), action.path);
  checkPort(into, action.port, child(path, 'port'));
  into.oneOf(child(path, 'scheme'), action.scheme, ['HTTP', 'HTTPS']);
  for (const header of objectsAt(action, 'httpHeaders')) {
    const name = stringAt(header, 'name');
    into.problems(child(path, 'httpHeaders'), name, httpHeaderNameProblems(name));
  }
}

/** Checks a port by number or by name. */
export function checkPort(into: Collector, port: unknown, path: FieldPath): void {
  if (typeof port === 'string') into.problems(path, port, portNameProblems(port));
  else into.problems(path, port ?? 0, portNumberProblems(typeof port === 'number' ? port : 0));
}
