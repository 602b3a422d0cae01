/** Writes what the processes of a cluster are told: for each a connection under its own identity, and a file with its flags. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { componentFields } from '#pkg/cluster/component-flags.ts';
import { identitiesOf } from '#pkg/cluster/components.ts';
import { kubeconfigOf, writeKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import type { Pki } from '#pkg/cluster/pki.ts';
import { apiServerHosts, type ClusterSettings, contextName } from '#pkg/cluster/settings.ts';
import type { ClusterTables } from '#pkg/cluster/tables.ts';
import { fieldOf } from '#pkg/component/flags.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import type { ClusterFolder } from './folder.ts';
import { processPlans } from './process-names.ts';

/** What the files of one start follow from. */
export interface ConfigurationOptions {
  readonly folder: ClusterFolder;
  readonly settings: ClusterSettings;
  readonly logLevel: string;
  readonly pki: Pki;
  /** Address of the API server. */
  readonly server: string;
  readonly tables: ClusterTables;
}

/** Into `conf/`, for every process of the table of components. */
export async function writeConfigurations(options: ConfigurationOptions): Promise<void> {
  const { folder, settings, logLevel, pki, server, tables } = options;
  await makeFolder(folder.conf);
  await makeFolder(folder.logs);
  const hosts = apiServerHosts(settings);
  const servers = hosts.length > 1 ? hosts.map((host) => `https://${host}:${settings.apiPort}`) : [];
  for (const { component, name, nodeName = '', replica } of processPlans(settings, tables.components)) {
    const entry = tables.components[component]!;
    const [identity] = identitiesOf(entry, [nodeName]);
    const kubeconfig = join(folder.conf, `${name}.kubeconfig`);
    if (identity !== undefined) {
      const authority = pki.authority.certificate;
      const client = pki.identities.get(identity)!;
      const connection = { name: contextName(settings), server, authority, client };
      await writeKubeconfig(kubeconfig, kubeconfigOf(connection));
    }
    const flags = {
      ...entry.flags({ settings, folder: folder.path, pki: folder.pki, kubeconfig, nodeName, replica, tables }),
      ...(identity === undefined || servers.length === 0 ? {} : { servers }),
      ...(await componentFields(settings.componentFlags, component, tables)),
      'process-file': folder.processFile(name),
      'log-level': logLevel,
    };
    const lines = Object.entries(flags).map(([flag, value]) => `${fieldOf(flag)}: ${JSON.stringify(value)}\n`);
    await writeFile(join(folder.conf, `${name}.yaml`), lines.join(''), { mode: 0o600 });
  }
}
