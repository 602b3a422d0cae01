/** A cluster as a cluster file, every field with its value: by `up --config` the same cluster again. Inverse of `read-file.ts`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { componentFields } from '#pkg/cluster/component-flags.ts';
import type { NodeSpec } from '#pkg/cluster/node-spec.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import { defaultScheduling } from '#pkg/cluster/scheduler-flags.ts';
import { type ClusterSettings, nodeNames } from '#pkg/cluster/settings.ts';
import { isSharedStore } from '#pkg/cluster/store.ts';
import type { ClusterTables } from '#pkg/cluster/tables.ts';
import { fieldOf } from '#pkg/component/flags.ts';
import type { ClusterRanges, KeptFile } from './cluster-file.ts';
import { hasOwnField, ownFieldsOf } from './component-fields.ts';
import { fileKind, fileVersion } from './schema.ts';

/** What is written. */
export interface WrittenCluster {
  readonly settings: ClusterSettings;
  readonly file: KeptFile | undefined;
  readonly logLevel: string;
  readonly kubeconfig: string | undefined;
  /** Absent for a cluster that has none yet. */
  readonly ranges: ClusterRanges | undefined;
}

/** Flags of components that `up` has as flags of its own. */
const upFields: Readonly<Record<string, ReadonlySet<string>>> = {
  'kube-apiserver': new Set(['encryption-provider-config']),
  'kube-scheduler': new Set(['scheduling', 'scheduler-config']),
};

/** The whole file. */
export async function clusterFileOf(cluster: WrittenCluster, tables: ClusterTables): Promise<JsonObject> {
  const { settings, file, logLevel, kubeconfig, ranges } = cluster;
  const { componentFlags } = settings;
  const scheduler = componentFlags['kube-scheduler'] ?? {};
  const encryption = componentFlags['kube-apiserver']?.['encryption-provider-config'];
  return {
    apiVersion: fileVersion,
    kind: fileKind,
    name: settings.name,
    nodes: nodesOf(settings),
    runtimes: runtimesOf(settings.runtime),
    networking: {
      mode: settings.network,
      ...(ranges?.podCidr === undefined ? {} : { podSubnet: ranges.podCidr }),
      ...(ranges?.serviceCidr === undefined ? {} : { serviceSubnet: ranges.serviceCidr }),
    },
    store: storeIn(settings),
    apiServer: {
      port: settings.apiPort,
      ...(encryption === undefined ? {} : { encryptionProviderConfig: encryption }),
      ...ownFieldsOf(componentFlags, 'apiServer.'),
    },
    controlPlanes: settings.controlPlanes ?? 1,
    processes: file?.processes ?? false,
    virtualTime: settings.virtualTime ?? false,
    scheduling: {
      profile: scheduler.scheduling || defaultScheduling,
      ...(scheduler['scheduler-config'] ? { configFile: scheduler['scheduler-config'] } : {}),
    },
    ...ownFieldsOf(componentFlags, ''),
    components: await componentsOf(settings, tables),
    logLevel,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    crds: file?.crds ?? [],
    manifests: file?.manifests ?? [],
    addons: file?.addons ?? [],
  };
}

/** One entry for each node, with its name. */
function nodesOf(settings: ClusterSettings): readonly JsonObject[] {
  const specs: readonly NodeSpec[] = settings.nodeSpecs ?? nodeNames(settings).map((name) => ({ name }));
  return specs.map(({ name, roles = [], labels = {}, taints = [], capacity = {}, ...rest }) => ({
    name,
    roles,
    labels,
    taints,
    runtimes: runtimesOf(rest.runtime ?? settings.runtime),
    capacity,
    extraMounts: (rest.extraMounts ?? []).map(({ readOnly = false, ...mount }) => ({ ...mount, readOnly })),
    extraPortMappings: rest.extraPortMappings ?? [],
  }));
}

function storeIn(settings: ClusterSettings): JsonObject {
  const { store, etcdCafile, etcdCertfile, etcdKeyfile, etcdUsername, etcdPasswordFile } = settings;
  if (!isSharedStore(store)) return { driver: store };
  const files = {
    caFile: etcdCafile,
    certFile: etcdCertfile,
    keyFile: etcdKeyfile,
    username: etcdUsername,
    passwordFile: etcdPasswordFile,
  };
  const given = Object.entries(files).filter(([, value]) => value !== undefined);
  return { driver: 'etcd', endpoints: store.split(','), ...Object.fromEntries(given) };
}

/** What is set of components beside that. */
async function componentsOf({ componentFlags }: ClusterSettings, tables: ClusterTables): Promise<JsonObject> {
  const result: Record<string, unknown> = {};
  for (const component of Object.keys(componentFlags)) {
    const fields = Object.entries(await componentFields(componentFlags, component, tables))
      .filter(([flag]) => !upFields[component]?.has(flag) && !hasOwnField(componentFlags, component, flag))
      .map(([flag, value]) => [fieldOf(flag), value] as const);
    if (fields.length > 0) result[component] = Object.fromEntries(fields);
  }
  return result;
}
