/**
 * What is not wrong with a pod, but is not what its author means either: texts for `Warning` headers.
 * Not looked at: paths of projected volumes that hide each other, annotations of seccomp and AppArmor profiles.
 * Source: upstream `pkg/api/pod/warnings.go`, `pkg/api/node/util.go`.
 */
import type {
  Container,
  ContainerPort,
  EnvVar,
  NodeSelectorTerm,
  PersistentVolumeSpec,
  PodAffinityTerm,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath } from '#pkg/apimachinery/field-error.ts';
import { formatQuantity, parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';

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

/** Whether a pod has annotations that are warned of. */
export function hasDeprecatedAnnotations(pod: Given<PodTemplateSpec>): boolean {
  for (const name in pod.metadata?.annotations) if (Object.hasOwn(deprecatedAnnotations, name)) return true;
  return false;
}

/** Sources of volumes that have been deprecated, by their fields in volumes of pods and in persistent volumes. */
export const deprecatedVolumes: readonly {
  readonly name: keyof Volume & keyof PersistentVolumeSpec;
  readonly why: string;
}[] = [
  { name: 'photonPersistentDisk', why: 'deprecated in v1.11, non-functional in v1.16+' },
  { name: 'scaleIO', why: 'deprecated in v1.16, non-functional in v1.22+' },
  { name: 'flocker', why: 'deprecated in v1.22, non-functional in v1.25+' },
  { name: 'storageos', why: 'deprecated in v1.22, non-functional in v1.25+' },
  { name: 'quobyte', why: 'deprecated in v1.22, non-functional in v1.25+' },
  { name: 'glusterfs', why: 'deprecated in v1.25, non-functional in v1.26+' },
  { name: 'cephfs', why: 'deprecated in v1.28, non-functional in v1.31+' },
  { name: 'rbd', why: 'deprecated in v1.28, non-functional in v1.31+' },
];

/** The same of pods, which have one more. */
const deprecatedPodVolumes: readonly { readonly name: keyof Volume; readonly why: string }[] = [
  ...deprecatedVolumes.slice(0, 1),
  { name: 'gitRepo', why: 'deprecated in v1.11' },
  ...deprecatedVolumes.slice(1),
];

/** The warnings about a pod or a pod template that lies at `path` (`''` for a pod). */
export function podWarnings(
  pod: Given<PodTemplateSpec> | undefined,
  path: FieldPath<PodTemplateSpec>,
): readonly string[] {
  const spec = pod?.spec;
  if (spec === undefined) return [];
  const specPath = child(path, 'spec');
  const annotations = Object.keys(pod?.metadata?.annotations ?? {});
  const seconds = spec.terminationGracePeriodSeconds ?? 0;
  return [
    ...nodeLabelWarnings(spec, specPath),
    ...annotations.flatMap((name) => {
      const why = deprecatedAnnotations[name];
      return why === undefined ? [] : [`${at(child(path, 'metadata.annotations'), name)}: ${why}`];
    }),
    ...volumeWarnings(spec, specPath),
    ...listWarnings(spec, specPath),
    ...containersOf(spec, specPath).flatMap(({ container, path: where }) => containerWarnings(container, where)),
    ...portWarnings(containersOf(spec, specPath)),
    ...podAffinityWarnings(spec, specPath),
    ...(seconds < 0
      ? [
          `${child(specPath, 'terminationGracePeriodSeconds')}: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
  ];
}

function deprecatedLabelWarning(label: string, where: FieldPath): readonly string[] {
  const why = deprecatedLabels[label];
  return why === undefined ? [] : [`${where}: ${label} is ${why}`];
}

/** The warnings about the labels that a term of a node selector names. */
export function deprecatedLabelWarnings(
  term: Given<NodeSelectorTerm>,
  where: FieldPath<NodeSelectorTerm>,
): readonly string[] {
  return (term.matchExpressions ?? []).flatMap((expression, index) =>
    deprecatedLabelWarning(expression.key ?? '', child(at(child(where, 'matchExpressions'), index), 'key')),
  );
}

function nodeLabelWarnings(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly string[] {
  const warnings: string[] = [];
  for (const name of Object.keys(spec.nodeSelector ?? {})) {
    const why = deprecatedLabels[name];
    if (why !== undefined) warnings.push(`${at(child(path, 'nodeSelector'), name)}: ${why}`);
  }
  const affinity = spec.affinity?.nodeAffinity;
  const affinityPath = child(path, 'affinity.nodeAffinity');
  const termsPath = child(affinityPath, 'requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms');
  const terms = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  terms.forEach((term, index) => {
    warnings.push(...deprecatedLabelWarnings(term, at(termsPath, index)));
  });
  const preferredPath = child(affinityPath, 'preferredDuringSchedulingIgnoredDuringExecution');
  (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach(({ preference = {} }, index) => {
    warnings.push(...deprecatedLabelWarnings(preference, child(at(preferredPath, index), 'preference')));
  });
  (spec.topologySpreadConstraints ?? []).forEach((constraint, index) => {
    const where = at(child(path, 'topologySpreadConstraints'), index);
    warnings.push(...deprecatedLabelWarning(constraint.topologyKey ?? '', child(where, 'topologyKey')));
    if (constraint.labelSelector === undefined)
      warnings.push(`${child(where, 'labelSelector')}: a null labelSelector results in matching no pod`);
  });
  return warnings;
}

function podAffinityWarnings(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly string[] {
  const warnings: string[] = [];
  const check = (term: Given<PodAffinityTerm> | undefined, where: FieldPath<PodAffinityTerm>): void => {
    if (term?.labelSelector === undefined)
      warnings.push(`${child(where, 'labelSelector')}: a null labelSelector results in matching no pod`);
  };
  for (const kind of fields('podAffinity', 'podAntiAffinity')) {
    const affinity = spec.affinity?.[kind];
    const own = child(child(path, 'affinity'), kind);
    const requiredPath = child(own, 'requiredDuringSchedulingIgnoredDuringExecution');
    (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      check(term, at(requiredPath, index));
    });
    const preferredPath = child(own, 'preferredDuringSchedulingIgnoredDuringExecution');
    (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      check(term.podAffinityTerm, child(at(preferredPath, index), 'podAffinityTerm'));
    });
  }
  return warnings;
}

function volumeWarnings(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly string[] {
  return (spec.volumes ?? []).flatMap((volume, index) =>
    deprecatedPodVolumes.flatMap(({ name, why }) =>
      volume[name] === undefined ? [] : [`${child(at(child(path, 'volumes'), index), name)}: ${why}`],
    ),
  );
}

/** The values that come again, each with where. */
function repeated(values: readonly string[], what: string, pathAt: (index: number) => FieldPath): readonly string[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index ? [`${pathAt(index)}: duplicate ${what} ${JSON.stringify(value)}`] : [],
  );
}

function listWarnings(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly string[] {
  const ips = (spec.hostAliases ?? []).map(({ ip = '' }) => ip);
  const secrets = (spec.imagePullSecrets ?? []).map(({ name = '' }) => name);
  const secretPath = (index: number): FieldPath => child(at(child(path, 'imagePullSecrets'), index), 'name');
  return [
    ...repeated(ips, 'ip', (index) => child(at(child(path, 'hostAliases'), index), 'ip')),
    ...repeated(secrets, 'name', secretPath),
    ...secrets.flatMap((name, index) => (name === '' ? [`${secretPath(index)}: invalid empty name ""`] : [])),
    ...fractionWarnings(spec.overhead, child(path, 'overhead')),
  ];
}

interface Placed {
  readonly container: Given<Container>;
  readonly path: FieldPath<Container>;
}

function containersOf(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly Placed[] {
  return [
    ...(spec.initContainers ?? []).map((one, index) => ({
      container: one,
      path: at(child(path, 'initContainers'), index),
    })),
    ...(spec.containers ?? []).map((one, index) => ({ container: one, path: at(child(path, 'containers'), index) })),
    ...(spec.ephemeralContainers ?? []).map((one, index) => ({
      container: one,
      path: at(child(path, 'ephemeralContainers'), index),
    })),
  ];
}

function fractionWarnings(amounts: Readonly<Record<string, string>> = {}, path: FieldPath): readonly string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) => {
    const value = amounts[name];
    const quantity = value === undefined ? undefined : parseQuantity(value);
    if (quantity === undefined || quantityMilliValue(quantity) % 1000 === 0) return [];
    const text = JSON.stringify(formatQuantity(quantity));
    return [`${at(path, name)}: fractional byte value ${text} is invalid, must be an integer`];
  });
}

function containerWarnings(container: Given<Container>, path: FieldPath<Container>): readonly string[] {
  const { limits, requests } = container.resources ?? {};
  const warnings = [
    ...fractionWarnings(limits, child(path, 'resources.limits')),
    ...fractionWarnings(requests, child(path, 'resources.requests')),
  ];
  const seen = new Set<string>();
  (container.env ?? []).forEach((variable, index) => {
    const name = variable.name ?? '';
    if (seen.has(name) && hides(variable, name)) {
      const why = `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
      warnings.push(`${at(child(path, 'env'), index)}: ${why}`);
    }
    seen.add(name);
  });
  return warnings;
}

/** Whether a second definition of a variable does not build on the first. */
function hides(variable: Given<EnvVar>, name: string): boolean {
  const value = variable.value ?? '';
  return variable.valueFrom !== undefined || value === `$(${name})` || !value.includes(`$(${name})`);
}

/** Warnings of ports: more than clients are told of any kind. Of as many ports each may clash with each. */
const portWarningsMax = 1_000;

interface PlacedPort {
  readonly port: Given<ContainerPort>;
  readonly where: string;
  readonly order: number;
}

function portWarnings(containers: readonly Placed[]): readonly string[] {
  const warnings: string[] = [];
  const seen = new SeenPorts();
  for (const { container, path } of containers) {
    for (const [index, port] of (container.ports ?? []).entries()) {
      const where = at(child(path, 'ports'), index);
      for (const other of seen.clashing(port)) {
        if (warnings.length >= portWarningsMax) return warnings;
        warnings.push(`${where}: ${clash(port, other.port)} port definition with ${other.where}`);
      }
      seen.add(port, where);
    }
  }
  return warnings;
}

/** Ports found by what they clash with, as a look at all of them for each would take minutes of tens of thousands. */
class SeenPorts {
  readonly #byKey = new Map<string, PlacedPort[]>();
  #count = 0;

  add(port: Given<ContainerPort>, where: string): void {
    const { base, number, ip } = keysOf(port);
    const placed = { port, where, order: this.#count++ };
    for (const key of new Set([base, `${base} ${number}`, `${base} ${number} ${ip}`])) {
      const list = this.#byKey.get(key);
      if (list === undefined) this.#byKey.set(key, [placed]);
      else list.push(placed);
    }
  }

  /** Those that `clash` has a word for, in order. */
  clashing(port: Given<ContainerPort>): readonly PlacedPort[] {
    const { base, number, ip } = keysOf(port);
    const of = (key: string): readonly PlacedPort[] => this.#byKey.get(key) ?? [];
    if (number === 0) return of(base);
    const same = ip === '' ? of(`${base} ${number}`) : [...of(`${base} ${number} ${ip}`), ...of(`${base} ${number} `)];
    const open = of(`${base} 0`);
    return open.length === 0 && ip === '' ? same : [...open, ...same].sort((a, b) => a.order - b.order);
  }
}

function keysOf({ containerPort, protocol, hostPort = 0, hostIP = '' }: Given<ContainerPort>) {
  return { base: `${containerPort}/${protocol || 'TCP'}`, number: hostPort, ip: hostIP };
}

function clash(port: Given<ContainerPort>, other: Given<ContainerPort>): string | undefined {
  const [a, b] = [port, other].map((one) => ({ ip: one.hostIP ?? '', number: one.hostPort ?? 0 }));
  if (a!.ip === b!.ip && a!.number === b!.number) return 'duplicate';
  if (a!.number === 0 || b!.number === 0) return 'overlapping';
  return a!.number === b!.number && (a!.ip === '') !== (b!.ip === '') ? 'dangerously ambiguous' : undefined;
}
