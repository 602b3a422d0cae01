/** The objects that several addons are made of: a namespace, an account with rights, and a program of the in-process runtime. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { AddonCluster } from './addon.ts';

/** The runtime that programs of addons run on. */
const programRuntime = 'inprocess';

/** Any object, with fields that no type names. */
export type AddonObject = KubeObject & Readonly<Record<string, unknown>>;

/** What an account may do, as rules of RBAC. */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** Why programs of addons cannot run in a cluster; undefined when they can. */
export function programProblem({ runtimes, network }: AddonCluster): string | undefined {
  if (!runtimes.includes(programRuntime))
    return `its program runs on the runtime ${programRuntime}, which this cluster (${runtimes.join(', ')}; network ${network}) has not: start one with --runtime ${programRuntime}, on the network loopback`;
  return undefined;
}

/** The same where the addon's program starts one of this machine, which Debian has in a package of that name. */
export function hostProgramProblem(cluster: AddonCluster, program: string): string | undefined {
  const problem = programProblem(cluster);
  if (problem !== undefined || cluster.programPath(program) !== undefined) return problem;
  return `this machine has no program "${program}": install it first (on Debian and Ubuntu: apt-get install ${program})`;
}

/** A namespace of the addon's own. */
export function namespaceOf(name: string): AddonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** A service account and its rights in the whole cluster. */
export function accountWithRights(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  rules: readonly Rule[],
): readonly AddonObject[] {
  const role = `coxswain:addon:${name}`;
  const rbac = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: role }, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: role },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  ];
}

/** The runtime class of the addon's pods, and what they say of it: nothing where their runtime is the default. */
export function programPlace(
  name: string,
  { runtimes }: AddonCluster,
): { readonly objects: readonly AddonObject[]; readonly spec: Readonly<Record<string, string>> } {
  if (runtimes[0] === programRuntime) return { objects: [], spec: {} };
  const runtimeClassName = `coxswain-addon-${name}`;
  const runtimeClass = { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: runtimeClassName } };
  return { objects: [{ ...runtimeClass, handler: programRuntime }], spec: { runtimeClassName } };
}

/** What there is of a program that is alone: its account has its name. */
export interface LoneProgram {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What its pod says of its place (`programPlace`), and its volumes. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly container: Readonly<Record<string, unknown>>;
}

/** A program that is there once at a time, as nobody else may use what it keeps. */
export function loneDeployment({ name, namespace, labels, spec, container }: LoneProgram): AddonObject {
  const resources = { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { ...spec, serviceAccountName: name, containers: [{ name, ...container, resources }] },
      },
    },
  };
}
