/** Rules for one container. Source: upstream `validateContainerCommon`, `validateContainers`, `validateInitContainers`. */
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, portNameProblems, portNumberProblems, userIdProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isObject, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkEnv, checkEnvFrom } from './env.ts';
import { checkLifecycle, checkProbes } from './probes.ts';
import { checkContainerResources } from './resources.ts';
import { checkVolumeMounts } from './volumes.ts';

export interface PodRules {
  /** Names of the pod's volumes. */
  readonly volumes: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  /** A template may be filled in later, so that some rules hold only for pods. */
  readonly isTemplate: boolean;
}

/** Checks the lists of containers of a pod spec. */
export function checkContainers(
  into: Collector,
  spec: JsonObject,
  { path, rules }: { path: FieldPath; rules: PodRules },
): void {
  const containers = objectsAt(spec, 'containers');
  const initContainers = objectsAt(spec, 'initContainers');
  if (containers.length === 0) into.add(required(child(path, 'containers')));
  const names = new Set<string>();
  for (const [field, list] of [
    ['containers', containers],
    ['initContainers', initContainers],
  ] as const) {
    const hostPorts = new Set<string>();
    for (const [index, container] of list.entries()) {
      const own = at(child(path, field), index);
      checkContainer(into, container, { path: own, rules });
      checkUniqueName(into, stringAt(container, 'name'), { path: own, names });
      checkHostPorts(into, container, { path: own, seen: hostPorts });
      if (field === 'initContainers' && container.restartPolicy !== 'Always') refuseInitHooks(into, container, own);
    }
  }
}

function checkUniqueName(
  into: Collector,
  name: string,
  { path, names }: { path: FieldPath; names: Set<string> },
): void {
  if (name === '') return;
  if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
  names.add(name);
}

/** Checks one container of any list. */
export function checkContainer(
  into: Collector,
  container: JsonObject,
  { path, rules }: { path: FieldPath; rules: PodRules },
): void {
  const name = container.name;
  if (into.needsText(child(path, 'name'), name)) into.problems(child(path, 'name'), name, dns1123LabelProblems(name));
  const image = container.image;
  if (into.needsText(child(path, 'image'), image) && !rules.isTemplate && image.trim() !== image) {
    into.add(invalid(child(path, 'image'), image, 'must not have leading or trailing whitespace'));
  }
  into.oneOf(child(path, 'terminationMessagePolicy'), container.terminationMessagePolicy, [
    'FallbackToLogsOnError',
    'File',
  ]);
  into.oneOf(child(path, 'imagePullPolicy'), container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  checkPorts(into, container, { path, rules });
  checkEnv(into, objectsAt(container, 'env'), child(path, 'env'));
  checkEnvFrom(into, objectsAt(container, 'envFrom'), child(path, 'envFrom'));
  checkVolumeMounts(into, container, { path, volumes: rules.volumes });
  checkProbes(into, container, path);
  checkLifecycle(into, container, path);
  checkContainerResources(into, objectAt(container, 'resources'), child(path, 'resources'));
  checkSecurityContext(into, objectAt(container, 'securityContext'), child(path, 'securityContext'));
}

function checkPorts(
  into: Collector,
  container: JsonObject,
  { path, rules }: { path: FieldPath; rules: PodRules },
): void {
  const names = new Set<string>();
  for (const [index, port] of objectsAt(container, 'ports').entries()) {
    const own = at(child(path, 'ports'), index);
    const name = stringAt(port, 'name');
    if (name !== '') {
      const problems = portNameProblems(name);
      into.problems(child(own, 'name'), name, problems);
      if (problems.length === 0 && names.has(name)) into.add(duplicate(child(own, 'name'), name));
      names.add(name);
    }
    const number = typeof port.containerPort === 'number' ? port.containerPort : 0;
    if (number === 0) into.add(required(child(own, 'containerPort')));
    else into.problems(child(own, 'containerPort'), number, portNumberProblems(number));
    const hostPort = typeof port.hostPort === 'number' ? port.hostPort : 0;
    if (hostPort !== 0) into.problems(child(own, 'hostPort'), hostPort, portNumberProblems(hostPort));
    if (rules.hostNetwork && hostPort !== 0 && hostPort !== number) {
      into.add(invalid(child(own, 'hostPort'), hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    }
    into.oneOf(child(own, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  }
}

function checkHostPorts(
  into: Collector,
  container: JsonObject,
  { path, seen }: { path: FieldPath; seen: Set<string> },
): void {
  for (const [index, port] of objectsAt(container, 'ports').entries()) {
    if (!port.hostPort) continue;
    const key = `${stringAt(port, 'protocol')}/${stringAt(port, 'hostIP')}/${String(port.hostPort)}`;
    if (seen.has(key)) into.add(duplicate(child(at(child(path, 'ports'), index), 'hostPort'), key));
    seen.add(key);
  }
}

function refuseInitHooks(into: Collector, container: JsonObject, path: FieldPath): void {
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe']) {
    if (!isObject(container[field])) continue;
    into.add(forbiddenField(child(path, field), 'may not be set for init containers without restartPolicy=Always'));
  }
}

function checkSecurityContext(into: Collector, context: JsonObject | undefined, path: FieldPath): void {
  if (context === undefined) return;
  for (const field of ['runAsUser', 'runAsGroup']) {
    const id = context[field];
    if (typeof id === 'number') into.problems(child(path, field), id, userIdProblems(id));
  }
  if (context.allowPrivilegeEscalation !== false) return;
  if (context.privileged === true) {
    const detail = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
    into.add(invalid(path, context, detail));
  }
}
