/** The ReplicationController controller: the loop of replica sets over the older kind. Upstream counterpart: `pkg/controller/replication`. */
import type { Component } from '#pkg/component/component.ts';
import type { ControllerContext } from '../common/controller.ts';
import { replicationControllerKind } from '../replicaset/owner.ts';
import { createReplicaController } from '../replicaset/replicaset.ts';

/** The ReplicationController controller. */
export function createReplicationController(context: ControllerContext): Component {
  return createReplicaController(context, replicationControllerKind);
}
