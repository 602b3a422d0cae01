/**
 * Rules for the containers of a pod, in its three lists.
 * Source: upstream `validateContainers`, `validateInitContainers`, `validateEphemeralContainers`, `validateContainerCommon`.
 */
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  notFoundField,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123LabelProblems, portNameProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkEnvironment } from './env.ts';
import { checkHandlers } from './handlers.ts';
import { checkResources } from './resources.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { checkContainerSecurity } from './security-context.ts';
import { checkVolumeUse } from './volume-mounts.ts';
import type { Volumes } from './volumes.ts';

/** What the rules of containers need to know of their pod. */
export interface ContainerRules {
  readonly volumes: Volumes;
  /** Names of the pod's resource claims. */
  readonly claims: ReadonlySet<string>;
  /** A template may be filled in later, so that some rules hold only for pods. */
  readonly isTemplate: boolean;
}

/** Checks the lists of containers of a pod spec at `path`. */
export function checkContainers(
  into: Collector,
  spec: Given<PodSpec>,
  { path, rules }: { readonly path: FieldPath<PodSpec>; readonly rules: ContainerRules },
): void {
  const checker = new ContainerChecker(into, spec, rules);
  checker.checkRegular(child(path, 'containers'));
  checker.checkInit(child(path, 'initContainers'));
  checker.checkEphemeral(child(path, 'ephemeralContainers'));
}

/** Fields that would make an ephemeral container something its pod relies on. */
const notEphemeral: readonly (keyof EphemeralContainer)[] = [
  'ports',
  'resources',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
];
const hooksAndProbes = fields('lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe');

class ContainerChecker {
  readonly #into: Collector;
  readonly #spec: Given<PodSpec>;
  readonly #rules: ContainerRules;
  readonly #graceSeconds: number | undefined;
  /** Of regular and init containers. */
  readonly #names = new Set<string>();

  constructor(into: Collector, spec: Given<PodSpec>, rules: ContainerRules) {
    this.#into = into;
    this.#spec = spec;
    this.#rules = rules;
    this.#graceSeconds = spec.terminationGracePeriodSeconds;
  }

  checkRegular(path: FieldPath<readonly Container[]>): void {
    const containers = this.#spec.containers ?? [];
    if (containers.length === 0) this.#into.add(required(path));
    const hostPorts = new Set<string>();
    for (const [index, container] of containers.entries()) {
      const own = at(path, index);
      this.#checkCommon(container, own);
      this.#checkUnique(container, own);
      checkHandlers(this.#into, container, { path: own, graceSeconds: this.#graceSeconds });
      checkRestartPolicy(this.#into, container, own);
      checkHostPorts(this.#into, container, { path: own, seen: hostPorts });
    }
  }

  checkInit(path: FieldPath<readonly Container[]>): void {
    for (const [index, container] of (this.#spec.initContainers ?? []).entries()) {
      const own = at(path, index);
      this.#checkCommon(container, own);
      checkRestartPolicy(this.#into, container, own);
      this.#checkUnique(container, own);
      // They run one by one, so each may have the port that another has.
      checkHostPorts(this.#into, container, { path: own, seen: new Set() });
      if (container.restartPolicy === 'Always') {
        checkHandlers(this.#into, container, { path: own, graceSeconds: this.#graceSeconds });
        continue;
      }
      for (const field of hooksAndProbes) {
        const detail = 'may not be set for init containers without restartPolicy=Always';
        if (container[field] !== undefined) this.#into.add(forbiddenField(child(own, field), detail));
      }
    }
  }

  checkEphemeral(path: FieldPath<readonly EphemeralContainer[]>): void {
    const seen = new Set(this.#names);
    for (const [index, container] of (this.#spec.ephemeralContainers ?? []).entries()) {
      const own = at(path, index);
      const name = container.name ?? '';
      this.#checkCommon(container, own);
      if (seen.has(name)) this.#into.add(duplicate(child(own, 'name'), name));
      seen.add(name);
      const target = container.targetContainerName ?? '';
      if (target !== '' && !this.#names.has(target)) {
        this.#into.add(notFoundField(child(own, 'targetContainerName'), target));
      }
      this.#refuseReliance(container, own);
    }
  }

  #refuseReliance(container: Given<EphemeralContainer>, path: FieldPath<EphemeralContainer>): void {
    const detail = 'cannot be set for an Ephemeral Container';
    for (const field of notEphemeral) {
      const value = container[field];
      const isEmpty = Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
      if (!isEmpty) this.#into.unset(child(path, field), value, detail);
    }
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      for (const field of fields('subPath', 'subPathExpr')) {
        if ((mount[field] ?? '') === '') continue;
        this.#into.add(forbiddenField(child(at(child(path, 'volumeMounts'), index), field), detail));
      }
    }
  }

  #checkUnique(container: Given<Container>, path: FieldPath<Container>): void {
    const name = container.name ?? '';
    if (name === '') return;
    if (this.#names.has(name)) this.#into.add(duplicate(child(path, 'name'), name));
    this.#names.add(name);
  }

  /** What holds for every container. */
  #checkCommon(container: Given<Container>, path: FieldPath<Container>): void {
    const into = this.#into;
    into.needsName(child(path, 'name'), container.name, dns1123LabelProblems);
    const image = container.image;
    if (into.needsText(child(path, 'image'), image) && !this.#rules.isTemplate && image.trim() !== image) {
      into.add(invalid(child(path, 'image'), image, 'must not have leading or trailing whitespace'));
    }
    const messagePolicies = ['File', 'FallbackToLogsOnError'];
    into.needsOneOf(child(path, 'terminationMessagePolicy'), container.terminationMessagePolicy, messagePolicies);
    checkPorts(into, container.ports ?? [], child(path, 'ports'));
    checkEnvironment(into, container, path);
    checkVolumeUse(into, container, { path, volumes: this.#rules.volumes });
    const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
    into.needsOneOf(child(path, 'imagePullPolicy'), container.imagePullPolicy, pullPolicies);
    checkResources(into, container.resources, {
      path: child(path, 'resources'),
      claims: this.#rules.claims,
    });
    this.#checkResizePolicy(container, child(path, 'resizePolicy'));
    const hostUsers = this.#spec.hostUsers !== false;
    const context = container.securityContext;
    checkContainerSecurity(into, context, { path: child(path, 'securityContext'), hostUsers });
  }

  #checkResizePolicy(container: Given<Container>, path: FieldPath): void {
    const seen = new Set<string>();
    for (const [index, policy] of (container.resizePolicy ?? []).entries()) {
      const { resourceName, restartPolicy } = policy;
      if (seen.has(resourceName ?? '')) this.#into.add(duplicate(at(path, index), resourceName));
      seen.add(resourceName ?? '');
      this.#into.needsOneOf(path, resourceName, ['cpu', 'memory']);
      this.#into.needsOneOf(path, restartPolicy, ['NotRequired', 'RestartContainer']);
      if (this.#spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
        this.#into.add(invalid(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
      }
    }
  }
}

function checkPorts(
  into: Collector,
  ports: readonly Given<ContainerPort>[],
  path: FieldPath<readonly ContainerPort[]>,
): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const own = at(path, index);
    const name = port.name ?? '';
    if (name !== '') {
      const problems = portNameProblems(name);
      into.problems(child(own, 'name'), name, problems);
      if (problems.length === 0 && names.has(name)) into.add(duplicate(child(own, 'name'), name));
      names.add(name);
    }
    const number = port.containerPort ?? 0;
    if (number === 0) into.add(required(child(own, 'containerPort')));
    else into.problems(child(own, 'containerPort'), number, portNumberProblems(number));
    const hostPort = port.hostPort ?? 0;
    if (hostPort !== 0) into.problems(child(own, 'hostPort'), hostPort, portNumberProblems(hostPort));
    into.needsOneOf(child(own, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  }
}

function checkHostPorts(
  into: Collector,
  container: Given<Container>,
  { path, seen }: { readonly path: FieldPath<Container>; readonly seen: Set<string> },
): void {
  for (const [index, port] of (container.ports ?? []).entries()) {
    if (!port.hostPort) continue;
    const key = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${String(port.hostPort)}`;
    if (seen.has(key)) into.add(duplicate(child(at(child(path, 'ports'), index), 'hostPort'), key));
    seen.add(key);
  }
}
