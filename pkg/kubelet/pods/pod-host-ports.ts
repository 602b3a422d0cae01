/** The host ports of a pod: opened when it has an address, tried again while one of them cannot be had. */
import type { ContainerPort } from '#pkg/api/types/core-v1.ts';
import type { HostPort } from '#pkg/network/host-ports.ts';
import { wantedHostPorts } from '../model/pod-view.ts';
import type { PodFacts } from './pod-facts.ts';

/** Time to the next try of a port that could not be had. */
const retryMs = 10_000;

const noProblems: ReadonlySet<string> = new Set();

/** The host ports of one pod. */
export class PodHostPorts {
  readonly #facts: PodFacts;
  /** What was last found wrong. */
  #problems = noProblems;

  constructor(facts: PodFacts) {
    this.#facts = facts;
  }

  /**
   * Sees to it that the pod's host ports lead to these addresses; returns when to try again. The pod runs whether they do or not, as with
   * upstream's port mapping, and an event says once what is wrong. Nothing on nodes that only simulate.
   */
  async publish(addresses: readonly string[]): Promise<number | undefined> {
    const { context, pod, uid } = this.#facts;
    // On the network of the node, programs open their ports themselves.
    if (context.hostPorts === undefined || pod.spec?.hostNetwork === true) return undefined;
    const ports = wantedHostPorts(pod).map(toHostPort);
    if (ports.length === 0) return undefined;
    const failures = await context.hostPorts.publish(uid, { addresses, ports });
    const messages = new Set(failures.map(({ message }) => message));
    for (const message of messages) {
      if (this.#problems.has(message)) continue;
      context.recorder.record(pod, { type: 'Warning', reason: 'HostPortNotPublished', message });
    }
    this.#problems = messages;
    return messages.size === 0 ? undefined : context.clock.nowMs() + retryMs;
  }
}

function toHostPort({ protocol = 'TCP', hostIP = '', hostPort = 0, containerPort }: ContainerPort): HostPort {
  return { protocol: protocol as HostPort['protocol'], hostIp: hostIP, hostPort, containerPort };
}
