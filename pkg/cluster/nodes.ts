/**
 * Nodes that come and go while a cluster runs, as everybody asks for them who has a connection: the command, a pool, a test. A node is asked for by a NodeClaim of its name, so what is
 * asked for is kept with the objects of the cluster.
 *
 * Laws:
 * 1. `add` and `remove` resolve once the API server has what is asked; the node follows: `Node` of that name, Ready, or gone. The claim's condition `Started` says why not.
 * 2. A node that was added is there again after a restart of the cluster, until it is removed.
 * 3. `remove` takes the node as it is: pods on it end with it. Whoever wants them elsewhere empties it first.
 * 4. Both reject with the API server's own refusal: of a name that is taken (409), of one that nobody added (404), of a template that is wrong (422).
 */
import { type NodeTemplate, nodeClaims } from '#pkg/api/node-claim.ts';
import type { Client } from '#pkg/client/client.ts';

/** Nodes beside those that the cluster was started with. */
export interface Nodes {
  add(name: string, template: NodeTemplate): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Asks in the name of `client`. */
export function nodesOf(client: Client): Nodes {
  const claims = client.resource(nodeClaims);
  return {
    add: async (name, spec) => {
      await claims.create({ metadata: { name }, spec });
    },
    remove: async (name) => {
      await claims.delete(name);
    },
  };
}
