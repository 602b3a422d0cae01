/** A cluster of two kubelets, processes of their own, with one machine that serves HTTP and moves between them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectionOf } from '#cmd/common/connection.ts';
import {
  isMigrationOver,
  type MigrationModeName,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { type CommandResult, eventually, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

/** A host that does much else takes so long for a move at most. */
const moveSeconds = 300;

/** Where the machine's server listens. */
export const port = 8090;

const objects = `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: vm }
handler: vm
---
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: store }
spec:
  image: coxswain.dev/vm/kernel
  memory: 64Mi
  args: [port=${port}]
  ports: [{ name: http, port: ${port} }]
  labels: { app: store }
---
apiVersion: v1
kind: Service
metadata: { name: store }
spec:
  selector: { app: store }
  ports: [{ port: ${port} }]
`;

/** The cluster, its machine `store` and a Service of that name. */
export class MovingCluster {
  readonly cluster: RunningCluster;
  /** For files of a test. */
  readonly folder: string;
  #transport: NetworkTransport | undefined;

  private constructor(cluster: RunningCluster, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
  }

  /** Starts it; the machine is ready, and the Service knows it. */
  static async start(): Promise<MovingCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'migration-'));
    const cluster = await RunningCluster.start({ flags: ['--runtime', 'inprocess,vm', '--nodes', '2', '--processes'] });
    const made = new MovingCluster(cluster, folder);
    const file = join(folder, 'machine.yaml');
    writeFileSync(file, objects);
    await made.kubectl('apply', '-f', file);
    await made.kubectl('wait', '--for=condition=Ready', 'vm/store', '--timeout=110s');
    const address = await made.status('address');
    await eventually(
      () => made.kubectl('get', 'endpointslices', '-o', 'jsonpath={.items[*].endpoints[*].addresses}'),
      (addresses) => addresses.includes(address),
    );
    return made;
  }

  /** Runs kubectl; throws what it says when it fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const main = join(root, 'cmd/coxswain/main.ts');
    const { code, stdout, stderr } = await run(process.execPath, [main, 'kubectl', ...args], {
      env: this.cluster.env(),
    });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** A field of the machine's status. */
  status(path: string): Promise<string> {
    return this.kubectl('get', 'vm', 'store', '-o', `jsonpath={.status.${path}}`);
  }

  /** Asks for a migration, and waits for it. */
  migrate(...flags: readonly string[]): Promise<CommandResult> {
    return this.cluster.coxswain(['vm', 'migrate', 'store', ...flags]);
  }

  /** Moves the machine by an object alone, so that neither a command's own start nor questions how it goes keep anybody waiting. Rejects with what the migration says where it fails. */
  async move(mode: MigrationModeName): Promise<void> {
    this.#transport ??= await connectionOf(this.cluster.kubeconfig);
    const resource = createClient({ transport: this.#transport, userAgent: 'test' }).resource(virtualMachineMigrations);
    const namespace = 'default';
    const { metadata } = await resource.create({
      metadata: { generateName: 'store-', namespace },
      spec: { vmName: 'store', mode },
    });
    const { name = '', resourceVersion = '' } = metadata ?? {};
    const fieldSelector = `metadata.name=${name}`;
    for await (const events of resource.watch({
      namespace,
      fieldSelector,
      resourceVersion,
      timeoutSeconds: moveSeconds,
    }))
      for (const event of events) {
        if (event.type === 'BOOKMARK' || !isMigrationOver(event.object)) continue;
        const { phase, reason, message } = event.object.status ?? {};
        if (phase !== 'Succeeded') throw new Error(`${mode}: ${reason}: ${message}`);
        return;
      }
    throw new Error(`${mode}: it is not over after ${moveSeconds} s`);
  }

  /** What the moves of a mode sent, in their order. */
  async sentBytes(mode: MigrationModeName): Promise<readonly number[]> {
    const moves = await this.kubectl('get', 'virtualmachinemigrations', '-o', 'json');
    const { items }: { items: readonly VirtualMachineMigration[] } = JSON.parse(moves);
    const begun = ({ status }: VirtualMachineMigration): string => status?.startTime ?? '';
    return items
      .filter(({ spec }) => spec?.mode === mode)
      .toSorted((a, b) => begun(a).localeCompare(begun(b)))
      .map(({ status }) => status?.source?.figures?.sentBytes ?? 0);
  }

  async remove(): Promise<void> {
    await this.#transport?.close();
    await this.cluster.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
