/**
 * What is not wrong with a pod, but is not what its author means either: texts for `Warning` headers.
 * Not looked at: paths of projected volumes that hide each other, annotations of seccomp and AppArmor profiles.
 * Source: upstream `pkg/api/pod/warnings.go`, `pkg/api/node/util.go`.
 */
import { at, child } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { formatQuantity, parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { numberAt, objectAt, objectsAt, stringAt, stringMapAt, valueAt } from '../draft.ts';

const deprecatedLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
};

const deprecatedAnnotations: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod': 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};

/** Sources of volumes that have been deprecated. */
export const deprecatedVolumes: Readonly<Record<string, string>> = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
};

/** The warnings about a pod or a pod template that lies at `path` (`''` for a pod). */
export function podWarnings(pod: JsonObject | undefined, path: string): readonly string[] {
  const spec = objectAt(pod, 'spec');
  if (spec === undefined) return [];
  const specPath = child(path, 'spec');
  const annotations = Object.keys(stringMapAt(pod, 'metadata', 'annotations'));
  const seconds = numberAt(spec, 'terminationGracePeriodSeconds') ?? 0;
  return [
    ...nodeLabelWarnings(spec, specPath),
    ...annotations.flatMap((name) => {
      const why = deprecatedAnnotations[name];
      return why === undefined ? [] : [`${at(child(path, 'metadata.annotations'), name)}: ${why}`];
    }),
    ...volumeWarnings(spec, specPath),
    ...listWarnings(spec, specPath),
    ...containersOf(spec, specPath).flatMap(([container, where]) => containerWarnings(container, where)),
    ...portWarnings(containersOf(spec, specPath)),
    ...podAffinityWarnings(spec, specPath),
    ...(seconds < 0
      ? [
          `${specPath}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
  ];
}

function deprecatedLabelWarning(label: string, where: string): readonly string[] {
  const why = deprecatedLabels[label];
  return why === undefined ? [] : [`${where}: ${label} is ${why}`];
}

/** The warnings about the labels that a term of a node selector names. */
export function deprecatedLabelWarnings(term: unknown, where: string): readonly string[] {
  return objectsAt(term, 'matchExpressions').flatMap((expression, index) =>
    deprecatedLabelWarning(stringAt(expression, 'key'), `${at(child(where, 'matchExpressions'), index)}.key`),
  );
}

function nodeLabelWarnings(spec: JsonObject, path: string): readonly string[] {
  const warnings: string[] = [];
  for (const name of Object.keys(stringMapAt(spec, 'nodeSelector'))) {
    const why = deprecatedLabels[name];
    if (why !== undefined) warnings.push(`${at(child(path, 'nodeSelector'), name)}: ${why}`);
  }
  const checkTerm = (term: unknown, where: string): void => {
    warnings.push(...deprecatedLabelWarnings(term, where));
  };
  const affinity = objectAt(spec, 'affinity', 'nodeAffinity');
  const [required, preferred] = ['required', 'preferred'].map(
    (kind) => `${kind}DuringSchedulingIgnoredDuringExecution`,
  );
  const affinityPath = `${path}.affinity.nodeAffinity`;
  objectsAt(affinity, required!, 'nodeSelectorTerms').forEach((term, index) => {
    checkTerm(term, at(`${affinityPath}.${required}.nodeSelectorTerms`, index));
  });
  objectsAt(affinity, preferred!).forEach((term, index) => {
    checkTerm(objectAt(term, 'preference'), `${at(`${affinityPath}.${preferred}`, index)}.preference`);
  });
  objectsAt(spec, 'topologySpreadConstraints').forEach((constraint, index) => {
    const where = at(child(path, 'topologySpreadConstraints'), index);
    warnings.push(...deprecatedLabelWarning(stringAt(constraint, 'topologyKey'), child(where, 'topologyKey')));
    if (objectAt(constraint, 'labelSelector') === undefined)
      warnings.push(`${where}.labelSelector: a null labelSelector results in matching no pod`);
  });
  return warnings;
}

function podAffinityWarnings(spec: JsonObject, path: string): readonly string[] {
  const warnings: string[] = [];
  const check = (term: unknown, where: string): void => {
    if (objectAt(term, 'labelSelector') === undefined)
      warnings.push(`${where}.labelSelector: a null labelSelector results in matching no pod`);
  };
  for (const kind of ['podAffinity', 'podAntiAffinity']) {
    for (const how of [
      'requiredDuringSchedulingIgnoredDuringExecution',
      'preferredDuringSchedulingIgnoredDuringExecution',
    ]) {
      objectsAt(spec, 'affinity', kind, how).forEach((term, index) => {
        const where = at(`${path}.affinity.${kind}.${how}`, index);
        if (how.startsWith('required')) check(term, where);
        else check(objectAt(term, 'podAffinityTerm'), `${where}.podAffinityTerm`);
      });
    }
  }
  return warnings;
}

function volumeWarnings(spec: JsonObject, path: string): readonly string[] {
  return objectsAt(spec, 'volumes').flatMap((volume, index) =>
    Object.entries(deprecatedVolumes).flatMap(([kind, why]) =>
      valueAt(volume, kind) === undefined ? [] : [`${at(child(path, 'volumes'), index)}.${kind}: ${why}`],
    ),
  );
}

function listWarnings(spec: JsonObject, path: string): readonly string[] {
  const warnings: string[] = [];
  for (const [list, key, what] of [
    ['hostAliases', 'ip', 'duplicate ip'],
    ['imagePullSecrets', 'name', 'duplicate name'],
  ] as const) {
    const seen = new Set<string>();
    objectsAt(spec, list).forEach((item, index) => {
      const value = stringAt(item, key);
      if (seen.has(value)) warnings.push(`${at(child(path, list), index)}.${key}: ${what} ${JSON.stringify(value)}`);
      seen.add(value);
    });
  }
  objectsAt(spec, 'imagePullSecrets').forEach((secret, index) => {
    if (stringAt(secret, 'name') === '')
      warnings.push(`${at(child(path, 'imagePullSecrets'), index)}.name: invalid empty name ""`);
  });
  return [...warnings, ...fractionWarnings(objectAt(spec, 'overhead'), child(path, 'overhead'))];
}

type Placed = readonly [container: JsonObject, path: string];

function containersOf(spec: JsonObject, path: string): readonly Placed[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    objectsAt(spec, list).map((container, index): Placed => [container, at(child(path, list), index)]),
  );
}

function fractionWarnings(amounts: JsonObject | undefined, path: string): readonly string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) => {
    const value = valueAt(amounts, name);
    const quantity = typeof value === 'string' ? parseQuantity(value) : undefined;
    if (quantity === undefined || quantityMilliValue(quantity) % 1000 === 0) return [];
    const text = JSON.stringify(formatQuantity(quantity));
    return [`${at(path, name)}: fractional byte value ${text} is invalid, must be an integer`];
  });
}

function containerWarnings(container: JsonObject, path: string): readonly string[] {
  const resources = objectAt(container, 'resources');
  const warnings = ['limits', 'requests'].flatMap((kind) => [
    ...fractionWarnings(objectAt(resources, kind), `${path}.resources.${kind}`),
  ]);
  const seen = new Set<string>();
  objectsAt(container, 'env').forEach((variable, index) => {
    const name = stringAt(variable, 'name');
    if (seen.has(name) && hides(variable, name)) {
      const why = `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
      warnings.push(`${at(child(path, 'env'), index)}: ${why}`);
    }
    seen.add(name);
  });
  return warnings;
}

/** Whether a second definition of a variable does not build on the first. */
function hides(variable: JsonObject, name: string): boolean {
  const value = stringAt(variable, 'value');
  return valueAt(variable, 'valueFrom') !== undefined || value === `$(${name})` || !value.includes(`$(${name})`);
}

function portWarnings(containers: readonly Placed[]): readonly string[] {
  const warnings: string[] = [];
  const seen = new Map<string, { readonly port: JsonObject; readonly where: string }[]>();
  for (const [container, path] of containers) {
    objectsAt(container, 'ports').forEach((port, index) => {
      const where = at(child(path, 'ports'), index);
      const key = `${numberAt(port, 'containerPort')}/${stringAt(port, 'protocol') || 'TCP'}`;
      const others = seen.get(key) ?? [];
      for (const other of others) {
        const what = clash(port, other.port);
        if (what !== undefined) warnings.push(`${where}: ${what} port definition with ${other.where}`);
      }
      seen.set(key, [...others, { port, where }]);
    });
  }
  return warnings;
}

function clash(port: JsonObject, other: JsonObject): string | undefined {
  const [a, b] = [port, other].map((one) => ({ ip: stringAt(one, 'hostIP'), number: numberAt(one, 'hostPort') ?? 0 }));
  if (a!.ip === b!.ip && a!.number === b!.number) return 'duplicate';
  if (a!.number === 0 || b!.number === 0) return 'overlapping';
  return a!.number === b!.number && (a!.ip === '') !== (b!.ip === '') ? 'dangerously ambiguous' : undefined;
}
