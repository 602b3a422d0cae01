/** What components are started in when one process holds all of them: connections in their own names, and who runs them. */
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Transport } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { Members } from './members.ts';
import type { NodePart, NodePartOptions } from './node-part.ts';
import type { NodesReady } from './nodes-ready.ts';
import type { PartTables } from './part-tables.ts';
import type { PartContext } from './parts.ts';
import type { ClusterSettings } from './settings.ts';

/** What a component of such a cluster is started with. */
export interface ClusterHost {
  readonly settings: ClusterSettings;
  readonly tables: PartTables;
  readonly nodeNames: readonly string[];
  /** Folder of the cluster; `''` where nothing is written. */
  readonly folder: string;
  /** PEM of the authority that pods are told of; `''` where there is none. */
  readonly rootCa: string;
  /** That authority with its key; absent where nobody is issued certificates. */
  readonly clusterSigning?: CertificatePair;
  /** By which certificates are issued. Default: the clock of the components. */
  readonly signingClock?: Clock;
  /** PEM of the key that signs tokens of service accounts; absent where no Secret gets one. */
  readonly serviceAccountKey?: string;
  /** Whether its store was empty when it started. Default false. */
  readonly isNew?: boolean;
  /** Names of the controllers that run. Default: all. */
  readonly controllers?: readonly string[];
  /** What the nodes say of themselves in place of what the machine has. */
  readonly machine?: NodePartOptions['machine'];
  /** Runs what is started. */
  readonly members: Members;
  /** What people have set of a component's flags: only those that are set. */
  flagsOf(component: string): Promise<Readonly<Record<string, unknown>>>;
  /** A connection to the API under the identity of that name. */
  as(identity: string): PartContext;
  /** By what other nodes know a node; undefined where nodes have no certificates. */
  linkOf?(nodeName: string): NodePartOptions['link'];
  /** A connection in the name of a service account in `kube-system`. */
  asAccount(name: string): Transport;
  /** Makes a kubelet reachable for the API server, without the network; undefined for one that is no more. */
  addKubelet(nodeName: string, handle: ApiHandler | undefined): void;
  /** Lets clients be answered who wait already, between two parts of a start. Absent where there are none. */
  readonly turn?: () => Promise<void>;
  /** Told of the watch that knows which nodes are Ready. */
  onNodesReady(ready: NodesReady): void;
  /** What runs in place of a node's part. Default: the part, which is closed when it has ended. */
  readonly runNode?: (part: NodePart) => Component;
}
