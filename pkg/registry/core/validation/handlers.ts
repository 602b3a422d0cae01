/** Rules for probes and lifecycle hooks. Source: upstream `validateProbe`, `validateLifecycle`, `validateHandler`. */
import type { Container, HTTPGetAction, LifecycleHandler, Probe } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { httpHeaderNameProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';

const probeHandlers = fields('exec', 'httpGet', 'tcpSocket', 'grpc');
const hookHandlers = fields('exec', 'httpGet', 'tcpSocket', 'sleep');
const probeNumbers = fields(
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
);

/** Checks hooks and probes of a container at `path`. `graceSeconds` is the pod's: a hook may not sleep longer. */
export function checkHandlers(
  into: Collector,
  container: Given<Container>,
  { path, graceSeconds }: { readonly path: FieldPath<Container>; readonly graceSeconds: number | undefined },
): void {
  for (const hook of fields('postStart', 'preStop')) {
    const handler = container.lifecycle?.[hook];
    if (handler === undefined) continue;
    const own = child(child(path, 'lifecycle'), hook);
    checkHandler(into, handler, { path: own, handlers: hookHandlers, graceSeconds });
  }
  for (const name of fields('livenessProbe', 'readinessProbe', 'startupProbe')) {
    const probe = container[name];
    if (probe !== undefined)
      checkProbe(into, probe, { path: child(path, name), isReadiness: name === 'readinessProbe' });
  }
}

function checkProbe(
  into: Collector,
  probe: Given<Probe>,
  { path, isReadiness }: { readonly path: FieldPath<Probe>; readonly isReadiness: boolean },
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
  const threshold = probe.successThreshold ?? 0;
  if (threshold !== 1) into.add(invalid(child(path, 'successThreshold'), threshold, 'must be 1'));
}

/** All that a probe or a hook may do; each of them has some of these. */
type Handler = LifecycleHandler & Pick<Probe, 'grpc'>;

interface HandlerRules {
  readonly path: FieldPath<Handler>;
  readonly handlers: readonly (keyof Handler)[];
  readonly graceSeconds?: number | undefined;
}

function checkHandler(into: Collector, owner: Given<Handler>, { path, handlers, graceSeconds }: HandlerRules): void {
  const given = handlers.filter((name) => owner[name] !== undefined);
  if (given.length === 0) into.add(required(path, 'must specify a handler type'));
  const [first, ...others] = given;
  const { exec = {}, httpGet = {}, tcpSocket = {}, grpc = {}, sleep = {} } = owner;
  if (first === 'exec' && (exec.command ?? []).length === 0) into.add(required(child(path, 'exec.command')));
  else if (first === 'httpGet') checkHttpGet(into, httpGet, child(path, 'httpGet'));
  else if (first === 'tcpSocket') checkPort(into, tcpSocket.port, child(path, 'tcpSocket.port'));
  else if (first === 'grpc') checkPort(into, grpc.port, child(path, 'grpc.port'));
  else if (first === 'sleep') checkSleep(into, sleep.seconds ?? 0, { path: child(path, 'sleep'), graceSeconds });
  for (const name of others) into.add(forbiddenField(child(path, name), 'may not specify more than 1 handler type'));
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

function checkHttpGet(into: Collector, action: Given<HTTPGetAction>, path: FieldPath<HTTPGetAction>): void {
  into.needsText(child(path, 'path'), action.path);
  checkPort(into, action.port, child(path, 'port'));
  into.oneOf(child(path, 'scheme'), action.scheme, ['HTTP', 'HTTPS']);
  for (const header of action.httpHeaders ?? []) {
    const name = header.name ?? '';
    into.problems(child(path, 'httpHeaders'), name, httpHeaderNameProblems(name));
  }
}

/** Checks a port by number or by name. */
export function checkPort(into: Collector, port: unknown, path: FieldPath): void {
  if (typeof port === 'string') into.problems(path, port, portNameProblems(port));
  else into.problems(path, port ?? 0, portNumberProblems(typeof port === 'number' ? port : 0));
}
