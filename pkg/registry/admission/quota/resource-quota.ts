/**
 * Counts new objects, and changes that make objects take more, in the quotas of their namespace before they are written, and refuses what there is no
 * room for. What was counted for a write that then fails is found by the controller's next count. A namespace without quotas costs nothing.
 * Source: apiserver `admission/plugin/resourcequota`.
 */
import { listOf, selectAmounts } from '#pkg/api/quota/amounts.ts';
import { evaluatorOf } from '#pkg/api/quota/evaluator.ts';
import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { resourceQuotas } from '#pkg/api/types/refs.ts';
import {
  type AdmissionAttributes,
  type AdmissionPlugin,
  about,
  type RegistryReader,
  type RegistryWriter,
  type Reservation,
  readOne,
  type StrategyContext,
} from '#pkg/apiserver/strategy.ts';
import { draftOf } from '../typed-draft.ts';
import type { QuotaRequest } from './charge.ts';
import type { LimitedResource } from './limited.ts';
import { QuotaBook } from './quota-book.ts';
import { QuotaQueue } from './quota-queue.ts';
import { recount } from './recount.ts';

/** The plugin of one server. What is `limited` may be used only where a quota covers it. Default: nothing is. */
export function createResourceQuotaPlugin(limited: readonly LimitedResource[] = []): AdmissionPlugin {
  const book = new QuotaBook();
  const queues = new Map<string, QuotaQueue>();
  return {
    name: 'ResourceQuota',
    follows: [{ resource: resourceQuotas, sink: book }],
    handles: ({ operation, namespace }) =>
      (operation === 'CREATE' || operation === 'UPDATE') &&
      (book.has(namespace) || (limited.length > 0 && namespace !== '')),
    admit(attributes, { clock }, reader) {
      const status = about(attributes, resourceQuotas, 'status');
      if (status?.operation !== 'UPDATE') return undefined;
      return keepPromises({ book, reader, nowMs: clock.nowMs() }, status);
    },
    reserve: (attributes, context, registry) => take({ book, queues, registry, limited }, attributes, context),
  };
}

interface Parts {
  readonly book: QuotaBook;
  readonly queues: Map<string, QuotaQueue>;
  readonly registry: RegistryWriter;
  readonly limited: readonly LimitedResource[];
}

async function take(
  { book, queues, registry, limited }: Parts,
  attributes: AdmissionAttributes,
  { clock, dryRun }: StrategyContext,
): Promise<Reservation | undefined> {
  const { group, resource, subresource, namespace, draft, old, operation } = attributes;
  const evaluator = evaluatorOf({ group, resource });
  if (draft === undefined || evaluator?.handles({ operation, subresource }) !== true) return undefined;
  const name = draftOf(resourceQuotas, draft)?.metadata?.name ?? attributes.name;
  const request: QuotaRequest = {
    evaluator,
    limited,
    subject: { group, resource },
    name,
    subresource,
    object: draft,
    old: operation === 'UPDATE' ? old : undefined,
    nowMs: clock.nowMs(),
  };
  let queue = queues.get(namespace);
  if (queue === undefined) {
    queue = new QuotaQueue({ namespace, registry, book, idle: () => queues.delete(namespace) });
    queues.set(namespace, queue);
  }
  return queue.take(request, dryRun);
}

/** Puts right what a count says of what may have been written since it began. */
async function keepPromises(
  { book, ...deps }: { readonly book: QuotaBook; readonly reader: RegistryReader; readonly nowMs: number },
  { namespace, name, draft, old }: AdmissionAttributes<ResourceQuota>,
): Promise<void> {
  const used = draft?.status?.used;
  if (draft?.status === undefined || used === undefined || old === undefined) return;
  const promised = book.promisedSince(old);
  if (promised.length === 0) return;
  const quota = await readOne(deps.reader, resourceQuotas, { namespace, name });
  if (quota === undefined) return;
  const counted = selectAmounts(await recount(quota, promised, deps), (limit) => Object.hasOwn(used, limit));
  draft.status.used = { ...used, ...listOf(counted) };
}
