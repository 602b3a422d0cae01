/** The link that a pod sees of its network: `eth0` in its namespace, whatever is at the other end. */
import { hostCommand, tryHostCommand } from './host/host-command.ts';

/** A pod's namespace, and the addresses that are to be in it. */
export interface PodLinkPlace {
  readonly namespacePath: string;
  readonly addresses: readonly string[];
}

/**
 * Whether the link is there with these addresses, as that of a sandbox from before a restart is. Else there is none once it resolves: another of that name, such as the
 * one that a container runtime of another process gives each of its sandboxes, is taken away.
 */
export async function isLinked({ namespacePath, addresses }: PodLinkPlace): Promise<boolean> {
  const there = await tryHostCommand(['ip', '-o', 'addr', 'show', 'dev', 'eth0'], { namespace: namespacePath });
  if (there.code !== 0) return false;
  if (addresses.every((address) => there.stdout.includes(` ${address}/`))) return true;
  await hostCommand(['ip', 'link', 'delete', 'eth0'], { namespace: namespacePath });
  return false;
}
