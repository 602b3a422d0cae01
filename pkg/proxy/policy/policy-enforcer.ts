/**
 * Keeps a node's kernel to the network policies of the cluster: after each change that the kernel took its table is what the policies come to.
 * The rules stay in the kernel when it stops: a policy holds while nobody looks.
 * Upstream counterpart: none in Kubernetes itself; https://github.com/kubernetes-sigs/kube-network-policies
 */
import { namespaces, networkPolicies, pods } from '#pkg/api/types/refs.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Informers } from '#pkg/client/informer.ts';
import { mirrorObjects } from '#pkg/client/mirror.ts';
import type { Component } from '#pkg/component/component.ts';
import { PolicyRules, type PolicyRulesOptions } from './policy-rules.ts';
import { PolicyTracker } from './policy-tracker.ts';

/** Changes within this time become one transaction. */
const gatherMs = 10;

/** What the kernel refused is tried again after this time. */
const retryMs = 5_000;

/** Whose policies, and where they hold. */
export interface PolicyEnforcerOptions extends PolicyRulesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Run by the composition. */
  readonly informers: Informers;
  /** Absent where one stands for all nodes. */
  readonly nodeName?: string | undefined;
}

/** The component. */
export function createPolicyEnforcer(options: PolicyEnforcerOptions): Component {
  return { run: (signal) => run(options, signal) };
}

async function run(options: PolicyEnforcerOptions, signal: AbortSignal): Promise<void> {
  const { clock, informers, nodeName, session, log } = options;
  const tracker = new PolicyTracker({ nodeName });
  const rules = new PolicyRules(options);
  let changed = new Deferred();
  const onChange = (): void => changed.resolve();
  mirrorAll(informers, tracker, onChange);
  signal.addEventListener('abort', onChange, { once: true });
  try {
    if (!(await informers.synced(signal))) return;
    while (!signal.aborted) {
      changed = new Deferred();
      let retry: Timer | undefined;
      try {
        await rules.apply(tracker.state());
      } catch (error) {
        log.warn('Cannot enforce network policies', { error });
        retry = clock.setTimeout(onChange, retryMs);
      }
      if (!signal.aborted) await changed.promise;
      retry?.cancel();
      await sleep(clock, gatherMs, signal);
    }
  } finally {
    signal.removeEventListener('abort', onChange);
    await session.close();
  }
}

function mirrorAll(informers: Informers, tracker: PolicyTracker, onChange: () => void): void {
  mirrorObjects(informers, {
    ref: networkPolicies,
    mirror: { set: (policy) => tracker.setPolicy(policy), remove: (policy) => tracker.removePolicy(policy) },
    onChange,
  });
  mirrorObjects(informers, {
    ref: pods,
    mirror: { set: (pod) => tracker.setPod(pod), remove: (pod) => tracker.removePod(pod) },
    onChange,
  });
  mirrorObjects(informers, {
    ref: namespaces,
    mirror: { set: (one) => tracker.setNamespace(one), remove: (one) => tracker.removeNamespace(one) },
    onChange,
  });
}
