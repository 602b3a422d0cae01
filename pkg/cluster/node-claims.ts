/**
 * Starts the nodes that are asked for while the cluster runs, and stops them when they no longer are: one NodeClaim, one kubelet in this process.
 *
 * Laws:
 * 1. A node that runs has the finalizer of this component on its claim: the claim is not gone before the kubelet has stopped, its runtimes are closed and its Node is deleted.
 * 2. What cannot be started is said in the claim's condition `Started`, and is not tried again: a claim does not change.
 * 3. A node that fails is said in the same place; neither it nor a claim that is wrong ends the cluster.
 * 4. What a node has written below the cluster's folder stays there: a node of the same name finds it again.
 */
import { type NodeClaim, nodeClaims, nodeFinalizer, poolLabel, startedCondition } from '#pkg/api/node-claim.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { type Condition, setCondition } from '#pkg/apimachinery/conditions.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { childSignal } from '#pkg/base/async.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { WorkQueue } from '#pkg/client/work-queue.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import type { ClusterHost } from './cluster-host.ts';
import type { OpenNode } from './host-nodes.ts';
import type { NodeSpec } from './node-spec.ts';
import { depsOf } from './parts.ts';
import { runtimesOf } from './runtimes.ts';
import { nodesProblem } from './settings.ts';

/** In whose name claims are followed. */
const account = 'node-claim-controller';
/** Nodes that are started or stopped at the same time. */
const workers = 4;

/** As it is counted. */
const loopName = 'nodeclaim';

/** A node of a claim that runs, or did until it failed. */
interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
  /** Why it does not run any more. */
  failure: string | undefined;
}

/** What is told of a claim. */
type Started = Pick<Condition, 'message' | 'reason' | 'status'>;

/** Follows the claims from now on. */
export async function claimFollower(host: ClusterHost, open: OpenNode): Promise<Component> {
  const deps = depsOf({ ...host.as('nodes'), transport: host.asAccount(account) }, account);
  return { run: (signal) => new ClaimedNodes({ host, open, deps, signal }).run() };
}

interface Parts {
  readonly host: ClusterHost;
  readonly open: OpenNode;
  readonly deps: ComponentDeps;
  /** Ends it, with every node. */
  readonly signal: AbortSignal;
}

class ClaimedNodes {
  readonly #parts: Parts;
  readonly #running = new Map<string, Running>();
  readonly #queue: WorkQueue;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { clock, metrics } = parts.deps;
    this.#queue = createWorkQueue({ name: loopName, clock, metrics });
  }

  async run(): Promise<void> {
    const { deps, signal } = this.#parts;
    const { clock, log, metrics, informers } = deps;
    const informer = informers.informer(nodeClaims);
    const queue = this.#queue;
    const enqueue = (claim: NodeClaim): void => queue.add(objectKey(claim));
    informer.addHandler({ added: enqueue, updated: (_, claim) => enqueue(claim), deleted: enqueue });
    const reconcile = async (name: string): Promise<undefined> => {
      await this.#reconcile(name, informer.lister.get(name));
      return undefined;
    };
    const loop = { name: loopName, queue, workers, log, clock, metrics, reconcile };
    try {
      await runTogether(
        [{ run: (inner) => informers.run(inner) }, { run: (inner) => runReconcileLoop(loop, inner) }],
        signal,
      );
    } finally {
      await Promise.all([...this.#running.keys()].map((name) => this.#stop(name)));
    }
  }

  async #reconcile(name: string, claim: NodeClaim | undefined): Promise<void> {
    if (claim === undefined) {
      await this.#stop(name);
      return;
    }
    const isOurs = claim.metadata?.finalizers?.includes(nodeFinalizer) === true;
    if (claim.metadata?.deletionTimestamp !== undefined) {
      if (isOurs) await this.#remove(name, claim);
      return;
    }
    const problem = this.#problemOf(name, claim);
    if (problem !== undefined) {
      await this.#tell(claim, problem);
      return;
    }
    if (!isOurs) {
      // The watch brings the claim again, with it.
      await this.#write(claim, { finalizers: [...(claim.metadata?.finalizers ?? []), nodeFinalizer] });
      return;
    }
    const running = this.#running.get(name) ?? (await this.#start(name, claim));
    const { failure } = running;
    await this.#tell(
      claim,
      failure === undefined
        ? { status: 'True', reason: 'KubeletRuns', message: 'The kubelet of the node runs.' }
        : { status: 'False', reason: 'KubeletFailed', message: failure },
    );
  }

  /** Why there can be no such node; undefined where there can. One that runs has none. */
  #problemOf(name: string, { spec }: NodeClaim): Started | undefined {
    if (this.#running.has(name)) return undefined;
    const { settings, nodeNames, tables } = this.#parts.host;
    const refuse = (reason: string, message: string): Started => ({ status: 'False', reason, message });
    if (nodeNames.includes(name)) return refuse('NameTaken', `The cluster was started with a node ${name}.`);
    if (tables.networks[settings.network]?.kernel !== undefined)
      return refuse(
        'NetworkIsFixed',
        `Nodes of the network ${settings.network} are made when the cluster starts: use --network loopback.`,
      );
    const has = runtimesOf(settings.runtime);
    const missing = runtimesOf(spec?.runtime ?? settings.runtime).find((one) => !has.includes(one));
    if (missing !== undefined)
      return refuse('NoSuchRuntime', `The cluster has no runtime ${missing}: it has ${settings.runtime}.`);
    const nodes = nodeNames.length + this.#running.size + 1;
    const why = nodesProblem({ ...settings, nodes });
    return why === undefined ? undefined : refuse('TooManyNodes', `There cannot be ${nodes} nodes as ${why}.`);
  }

  async #start(name: string, claim: NodeClaim): Promise<Running> {
    const { host, open, deps, signal } = this.#parts;
    const { controller, dispose } = childSignal(signal);
    try {
      const part = await open({
        nodeName: name,
        nodeAddress: host.settings.nodeAddress,
        spec: specOf(name, claim),
        nodesOnMachine: host.nodeNames.length + 1,
      });
      host.addKubelet(name, part.handle);
      const component = host.runNode?.(part) ?? closing(part, part);
      const running: Running = {
        controller,
        failure: undefined,
        ended: component
          .run(controller.signal)
          .catch((error: unknown) => {
            running.failure = errorText(error);
            deps.log.error('Node failed', { node: name, error });
            this.#queue.add(name);
          })
          .finally(dispose),
      };
      this.#running.set(name, running);
      return running;
    } catch (error) {
      dispose();
      const failed: Running = { controller, failure: errorText(error), ended: Promise.resolve() };
      this.#running.set(name, failed);
      deps.log.error('Node could not be started', { node: name, error });
      return failed;
    }
  }

  async #stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    running.controller.abort();
    await running.ended;
    this.#parts.host.addKubelet(name, undefined);
    this.#running.delete(name);
  }

  /** The kubelet first: one that runs would register its node again. */
  async #remove(name: string, claim: NodeClaim): Promise<void> {
    const { client } = this.#parts.deps;
    await this.#stop(name);
    await unlessGone(client.resource(nodes).delete(name));
    const { finalizers = [] } = claim.metadata ?? {};
    await this.#write(claim, { finalizers: finalizers.filter((one) => one !== nodeFinalizer) });
  }

  async #write(claim: NodeClaim, { finalizers }: { readonly finalizers: readonly string[] }): Promise<void> {
    const { client } = this.#parts.deps;
    const { name = '', resourceVersion } = claim.metadata ?? {};
    const patch = { metadata: { resourceVersion, finalizers } };
    await unlessStale(client.resource(nodeClaims).patch(name, patch, { type: 'merge' }));
  }

  /** Says it where it was not said before. */
  async #tell(claim: NodeClaim, started: Started): Promise<void> {
    const { client, clock } = this.#parts.deps;
    const condition: Condition = { type: startedCondition, ...started };
    const conditions = setCondition(claim.status?.conditions, condition, timestamp(clock));
    if (conditions === claim.status?.conditions) return;
    const status = { ...claim.status, conditions };
    await unlessStale(client.resource(nodeClaims).update({ ...claim, status }, { subresource: 'status' }));
  }
}

/** As a cluster file says nodes. */
function specOf(name: string, { metadata, spec }: NodeClaim): NodeSpec {
  const pool = metadata?.labels?.[poolLabel];
  return {
    name,
    labels: { ...spec?.labels, ...(pool === undefined ? {} : { [poolLabel]: pool }) },
    taints: spec?.taints ?? [],
    capacity: spec?.capacity ?? {},
    ...(spec?.runtime === undefined ? {} : { runtime: spec.runtime }),
  };
}

/** What somebody else has written meanwhile comes by the watch. */
async function unlessStale(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
