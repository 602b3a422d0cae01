/** Deletes the Secrets of joining nodes' tokens once they have expired. Upstream counterpart: `pkg/controller/bootstrap/tokencleaner.go`. */
import type { Secret } from '#pkg/api/types/core-v1.ts';
import { secrets } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 1;
const namespace = 'kube-system';
const fieldSelector = 'type=bootstrap.kubernetes.io/token';

/** The cleaner; a Secret whose time cannot be read counts as expired. */
export function createTokenCleaner(context: ControllerContext): Component {
  const informer = context.informers.informer(secrets, { fieldSelector });
  const resource = context.client.resource(secrets);
  const loop = createLoop(context, {
    name: 'token-cleaner',
    workers,
    reconcile: async (key) => {
      const secret = informer.lister.get(key);
      const text = Buffer.from(secret?.data?.expiration ?? '', 'base64').toString();
      if (secret === undefined || text === '') return undefined;
      const leftMs = Date.parse(text) - context.clock.nowMs();
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      const { name = '', uid } = secret.metadata ?? {};
      try {
        await resource.delete(name, { namespace, ...(uid === undefined ? {} : { preconditions: { uid } }) });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueue = (secret: Secret): void => {
    if (secret.metadata?.namespace === namespace) loop.queue.add(objectKey(secret));
  };
  informer.addHandler({ added: enqueue, updated: (_, secret) => enqueue(secret) });
  return loop;
}
