/** What a cluster file says beside what flags can say, and how that goes with what a cluster has. Loaded with every `up`, so it reads nothing. */
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { NodeSpec } from '#pkg/cluster/node-spec.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import type { ClusterSettings } from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** What is applied to a cluster once it is ready; paths are absolute. */
export interface StartObjects {
  readonly crds: readonly string[];
  readonly manifests: readonly string[];
  readonly addons: readonly string[];
}

/** What is kept of a file beside the settings: a store in memory forgets what was applied. */
export interface KeptFile extends StartObjects {
  readonly processes: boolean;
}

/** Ranges of addresses. */
export type ClusterRanges = Partial<Pick<ClusterSettings, 'podCidr' | 'serviceCidr'>>;

/** A file that was read and checked. */
export interface ClusterFile {
  /** As it was named. */
  readonly path: string;
  /** What it says as the fields of a file of flags, `components` among them; paths are absolute. */
  readonly flags: JsonObject;
  /** Undefined where it says nothing of nodes. */
  readonly nodeSpecs?: readonly NodeSpec[];
  /** Those that it names. */
  readonly ranges: ClusterRanges;
  readonly objects: StartObjects;
}

/** Whether a mapping is to be read as a cluster file, and not as one of flags. */
export function isClusterFile({ apiVersion, kind }: JsonObject): boolean {
  return kind === 'Cluster' || (typeof apiVersion === 'string' && apiVersion.startsWith('coxswain.dev/'));
}

/** Settings with the nodes of a file, or of the one before. Throws `UserError` for flags that contradict them. */
export function withNodes(settings: ClusterSettings, file: ClusterFile | undefined): ClusterSettings {
  const nodeSpecs = file?.nodeSpecs ?? settings.nodeSpecs;
  if (nodeSpecs === undefined) return settings;
  const change = 'change that, and name it with --config';
  if (nodeSpecs.length !== settings.nodes) {
    throw new UserError(
      `Cannot have --nodes ${settings.nodes} as the nodes of this cluster are the ${nodeSpecs.length} of its cluster file: ${change}`,
    );
  }
  const runtimes = runtimesOf(settings.runtime);
  const lost = nodeSpecs.find(
    ({ runtime }) => runtime !== undefined && !runtimesOf(runtime).every((one) => runtimes.includes(one)),
  );
  if (lost !== undefined) {
    throw new UserError(
      `Cannot use --runtime ${settings.runtime} as the node ${lost.name} has ${lost.runtime} by the cluster file: ${change}`,
    );
  }
  return { ...settings, nodeSpecs };
}

/** Whether nodes differ in what a running cluster cannot follow: all but labels, roles and taints. */
export function haveOtherNodes(wanted: ClusterSettings, running: ClusterSettings): boolean {
  const fixed = ({ nodeSpecs }: ClusterSettings) =>
    nodeSpecs?.map(({ name, capacity = {}, runtime = '', extraMounts = [], extraPortMappings = [] }) => ({
      name,
      capacity,
      runtime,
      extraMounts,
      extraPortMappings,
    }));
  return wanted.nodeSpecs !== undefined && !deepEqual(fixed(wanted), fixed(running));
}

/** Fields of a cluster file by the flags that they stand for, where the names differ. */
const fieldOfFlag: Readonly<Record<string, string>> = {
  'api-port': 'apiServer.port',
  'control-planes': 'controlPlanes',
  'etcd-cafile': 'store.caFile',
  'etcd-certfile': 'store.certFile',
  'etcd-keyfile': 'store.keyFile',
  'etcd-password-file': 'store.passwordFile',
  'etcd-username': 'store.username',
  'log-level': 'logLevel',
  network: 'networking.mode',
  runtime: 'runtimes',
  'virtual-time': 'virtualTime',
};

/** The field of a cluster file for a flag. */
export function fileFieldOf(flag: string): string {
  return fieldOfFlag[flag] ?? flag;
}
