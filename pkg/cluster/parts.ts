/**
 * The components of a cluster, each made from nothing but a connection to the API. One process may hold all of them or one: the functions
 * here load only what they make.
 */
import { namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Transport } from '#pkg/client/client.ts';
import type { LeaderElectionOptions } from '#pkg/client/leader-election.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import type { ControllerTable } from '#pkg/controllers/common/controller.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { PluginEntry } from '#pkg/scheduler/framework/plugin-context.ts';
import type { KernelPlace } from './bridge-cluster.ts';
import { callExtender } from './extender-caller.ts';
import { type ProxyBackendKind, type ProxyBackendTable, proxyBackendTable } from './proxy-backends.ts';
import type { SchedulerSettings } from './scheduler-flags.ts';

/** What every part is given. */
export interface PartContext {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Whether components record events. Default true. */
  readonly recordsEvents?: boolean;
}

/** Client and informers of a component that calls itself `userAgent`. */
export function depsOf(context: PartContext, userAgent: string): ComponentDeps {
  const { transport, clock, random, metrics, recordsEvents = true } = context;
  const log = context.log.with({ component: userAgent });
  const client = createClient({ transport, userAgent, clock, metrics });
  const informers = createInformers({ client, clock, random, log, isLean: true });
  return { client, clock, random, log, metrics, recordsEvents, informers };
}

/** A component together with the informers it asked for. */
export function withInformers(deps: ComponentDeps, component: Component): Component {
  return { run: (signal) => runTogether([{ run: (inner) => deps.informers.run(inner) }, component], signal) };
}

/** Of several candidates, the leader runs the component. */
function elected(
  deps: ComponentDeps,
  options: { readonly name: string; readonly election: Election; readonly component: Component },
): Component {
  const { name, election, component } = options;
  return {
    run: async (signal) => {
      const { runWithLeaderElection } = await import('#pkg/client/leader-election.ts');
      const run = (term: AbortSignal): Promise<void> => component.run(term);
      await runWithLeaderElection({ ...deps, namespace: 'kube-system', name, ...election, run }, signal);
    },
  };
}

/** This candidate, and the times of the election. */
type Election = Pick<
  LeaderElectionOptions,
  'identity' | 'leaseDurationMs' | 'liveness' | 'renewDeadlineMs' | 'retryPeriodMs'
>;

interface ElectedOptions {
  /** Where leaders are elected; absent to run at once. */
  readonly election?: Election;
}

/** What the scheduler takes beside its connection. */
export interface SchedulerPartOptions extends ElectedOptions {
  /** Default: all that there are. */
  readonly plugins?: readonly PluginEntry[];
  /** How pods are laid out. Default: packed, by one profile. */
  readonly settings?: SchedulerSettings;
}

/** The scheduler, under leader election where it has an identity for it. */
export async function schedulerPart(context: PartContext, options: SchedulerPartOptions = {}): Promise<Component> {
  const { createScheduler } = await import('#pkg/scheduler/scheduler.ts');
  const deps = depsOf(context, 'kube-scheduler');
  const { plugins, election, settings } = options;
  const component = withInformers(
    deps,
    createScheduler({ deps, callExtender, ...(plugins === undefined ? {} : { plugins }), ...settings }),
  );
  if (election === undefined) return component;
  // Whoever waits to lead has seen all pods and nodes when its turn comes.
  for (const ref of [pods, nodes, namespaces]) deps.informers.informer<KubeObject>(ref);
  return withInformers(deps, elected(deps, { name: 'kube-scheduler', election, component }));
}

/** What the controllers take beside their connection. */
export interface ControllerManagerPartOptions extends ElectedOptions {
  /** PEM of the cluster's authority, published to every namespace. */
  readonly rootCa?: string;
  /** The authority with its key, for certificates that are asked for. */
  readonly clusterSigning?: CertificatePair;
  /** By which they are issued. Default: the clock of the controllers. */
  readonly signingClock?: Clock;
  /** PEM of the private key that signs tokens of service accounts. */
  readonly serviceAccountKey?: string;
  /** Range of which each node gets a part. */
  readonly podCidr: string;
  /** Names of the controllers that run. Default: all. */
  readonly controllers?: readonly string[];
  /** Default: all that there are. */
  readonly table?: ControllerTable;
  /** The connection of a service account in `kube-system`. Default: the controllers write in the manager's own name. */
  readonly asAccount?: (account: string) => Transport;
  /** Values of the controllers' flags; those that are not here have their fallbacks. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

/** The controllers in one manager, under leader election where it has an identity for it. */
export async function controllerManagerPart(
  context: PartContext,
  options: ControllerManagerPartOptions,
): Promise<Component> {
  const { createControllerManager } = await import('#pkg/controllers/manager.ts');
  const { rootCa, clusterSigning, signingClock, serviceAccountKey, podCidr } = options;
  const { controllers, table, flags, asAccount, election } = options;
  const { clock, metrics } = context;
  return createControllerManager({
    deps: depsOf(context, 'kube-controller-manager'),
    options: {
      clusterCidr: podCidr,
      ...(rootCa === undefined ? {} : { rootCa }),
      ...(clusterSigning === undefined ? {} : { clusterSigning }),
      ...(signingClock === undefined ? {} : { signingClock }),
      ...(serviceAccountKey === undefined ? {} : { serviceAccountKey }),
    },
    ...(controllers === undefined ? {} : { controllers }),
    ...(table === undefined ? {} : { table }),
    ...(flags === undefined ? {} : { flags }),
    ...(asAccount === undefined
      ? {}
      : {
          clientOf: (account) =>
            createClient({
              transport: asAccount(account),
              userAgent: `kube-controller-manager/${account}`,
              clock,
              metrics,
            }),
        }),
    ...(election === undefined ? {} : { leaderElect: election }),
  });
}

/** What a proxy takes beside its connection. */
export interface ProxyPartOptions {
  /** The proxy's node; absent where one proxy stands for all nodes of the machine. */
  readonly nodeName?: string;
  /** Addresses on which node ports answer. */
  readonly nodePortAddresses: readonly string[];
  /** Name of what carries the traffic. */
  readonly backend: string;
  /** Whether other proxies listen at the same addresses. Default: this one alone. */
  readonly sharesPorts?: boolean;
  /** Default: those that there are. */
  readonly backends?: ProxyBackendTable;
}

/** A proxy over the backend of that name. Throws where there is none. */
export async function proxyPart(context: PartContext, options: ProxyPartOptions): Promise<Component> {
  const { nodePortAddresses, nodeName, sharesPorts = false, backends = proxyBackendTable } = options;
  const kind = backends[options.backend];
  if (kind === undefined)
    throw new Error(`Cannot use the proxy backend ${JSON.stringify(options.backend)} as there is none of that name`);
  const deps = depsOf(context, 'kube-proxy');
  const [{ createProxy }, { createHealthCheckServer }, backend] = await Promise.all([
    import('#pkg/proxy/proxy.ts'),
    import('#pkg/proxy/health/health-check-server.ts'),
    kind.open({ ...deps, nodePortAddresses, sharesPorts }),
  ]);
  const healthChecks = createHealthCheckServer({ ...deps, addresses: nodePortAddresses });
  return withInformers(deps, createProxy({ deps, backend, healthChecks, nodeName }));
}

/** The proxies of several namespaces, and what holds pods to network policies there, which watch together. Throws where there is no such backend. */
export async function kernelProxyPart(
  context: PartContext,
  options: {
    readonly kernels: readonly KernelPlace[];
    readonly kind: ProxyBackendKind;
    /** What of the cluster is not on other machines. */
    readonly ranges: { readonly nodeRange?: string; readonly podRange: string };
    /** The node of this machine, where it has no namespace of its own. */
    readonly ownNode?: string;
    /** Of what load balancers' addresses are given; absent where none are. */
    readonly balancerRange?: string | undefined;
  },
): Promise<Component> {
  const deps = depsOf(context, 'kube-proxy');
  const [{ createProxy }, { createHealthCheckServer }, { createPolicyEnforcer }, { NftSession }] = await Promise.all([
    import('#pkg/proxy/proxy.ts'),
    import('#pkg/proxy/health/health-check-server.ts'),
    import('#pkg/proxy/policy/policy-enforcer.ts'),
    import('#pkg/network/nft/nft-session.ts'),
  ]);
  const parts: Component[] = [];
  for (const kernel of options.kernels) {
    const { nodeName, namespace, nodePortAddresses } = kernel;
    const backend = await options.kind.open({ ...deps, nodePortAddresses, sharesPorts: false, nodeName, kernel });
    if (nodeName === undefined) {
      // Load balancers ask nodes, of which the machine is none.
      parts.push(createProxy({ deps, backend, nodeName }));
      continue;
    }
    const healthChecks = createHealthCheckServer({ ...deps, addresses: nodePortAddresses, namespace });
    parts.push(createProxy({ deps, backend, healthChecks, nodeName }));
    const session = new NftSession({ namespace });
    parts.push(createPolicyEnforcer({ ...deps, ...kernel, session }));
  }
  const [{ createNodeRoutes }, { routeTo }] = await Promise.all([
    import('#pkg/proxy/node-routes.ts'),
    import('#pkg/network/bridge/host-links.ts'),
  ]);
  parts.push(createNodeRoutes({ deps, ...options.ranges, ownNode: options.ownNode, route: routeTo }));
  if (options.balancerRange !== undefined) {
    const { createBalancerAddresses } = await import('#pkg/proxy/balancer-addresses.ts');
    parts.push(createBalancerAddresses({ deps, range: options.balancerRange }));
  }
  return withInformers(deps, { run: (signal) => runTogether(parts, signal) });
}

/** What cluster DNS takes beside its connection. */
export interface DnsPartOptions {
  /** Cluster IP at which it listens. */
  readonly address: string;
  readonly domain: string;
  /** File that says whom to ask about other names; `''` for nobody. */
  readonly resolvConf: string;
}

/** The name server of a cluster. A file that cannot be read names nobody. */
export async function dnsPart(context: PartContext, options: DnsPartOptions): Promise<Component> {
  const { address, domain, resolvConf } = options;
  const deps = depsOf(context, 'cluster-dns');
  const [{ createClusterDns }, { upstreamsIn }, { readFile }] = await Promise.all([
    import('#pkg/dns/cluster-dns.ts'),
    import('#pkg/dns/upstreams.ts'),
    import('node:fs/promises'),
  ]);
  const text = resolvConf === '' ? '' : await readFile(resolvConf, 'utf8').catch(() => '');
  const upstreams = upstreamsIn(text).filter((server) => server.address !== address);
  return withInformers(deps, createClusterDns({ deps, address, domain, upstreams }));
}
