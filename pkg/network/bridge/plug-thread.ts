/**
 * The thread that plugs pods in: it goes from one network namespace to another, which only it is in then, and tells the kernel what is to be there. The kernel may
 * take its time, when many namespaces come and go; nothing else of the process waits for it. Needs root and `node:ffi`.
 */
import { existsSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { parentPort } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import { enter, enterPath, indexOf, tell, withOpen } from './namespace-calls.ts';
import type { PlugAnswer, PlugOrder, PlugRequest, UnplugRequest } from './pod-plugger.ts';
import { addAddress, addPair, addRoutes, deleteLink, raiseIsolatedPort, raiseLink } from './route-messages.ts';

/** Of a link: there is none. */
function isGone(error: number): boolean {
  return getSystemErrorName(-error) === 'ENODEV';
}

function plug({ namespace, bridge, link, pod, addresses, gateways }: PlugRequest): void {
  withOpen(pod, (there) => {
    enterPath(namespace);
    const peer = { name: 'eth0', namespaceFd: there, bridge: indexOf(bridge) };
    tell([
      [`link ${link}`, addPair(link, peer)],
      [`port ${link}`, raiseIsolatedPort(link)],
    ]);
    enter(there);
    const index = indexOf(peer.name);
    tell([
      ['link lo', raiseLink('lo')],
      ...addresses.map((address) => [`address ${address}`, addAddress(index, address)] as const),
      [`link ${peer.name}`, raiseLink(peer.name)],
      ...gateways.flatMap((gateway) => addRoutes(index, gateway).map((route) => [`route ${gateway}`, route] as const)),
    ]);
  });
}

/** A link goes with the namespace of the pod or the node too, so that it may be gone. */
function unplug({ namespace, links }: UnplugRequest): void {
  if (namespace !== undefined && !existsSync(namespace)) return;
  enterPath(namespace);
  tell(
    links.map((link) => [`link ${link}`, deleteLink(link)] as const),
    isGone,
  );
}

parentPort?.on('message', (order: PlugOrder) => {
  const answer: PlugAnswer = { id: order.id };
  try {
    if (order.what === 'plug') plug(order);
    else unplug(order);
    parentPort?.postMessage(answer);
  } catch (error) {
    parentPort?.postMessage({ ...answer, problem: errorText(error) });
  }
});
