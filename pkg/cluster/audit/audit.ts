/**
 * Audit as the flags of the server say: policy, file and webhook. Undefined where there is no policy, or nowhere to send events to: then nothing is done for any
 * request. Upstream counterpart: apiserver `server/options/audit.go`.
 */
import { readFile } from 'node:fs/promises';
import { type Auditing, auditCounters } from '#pkg/apiserver/audit/auditor.ts';
import { type AuditPolicy, auditDecider } from '#pkg/apiserver/audit/policy.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type auditFlags, auditModes } from './audit-flags.ts';
import type { BatchSettings } from './batches.ts';
import { logSink } from './log-sink.ts';
import { readAuditPolicy } from './policy-file.ts';
import { RotatingFile } from './rotating-file.ts';
import type { Sink, SinkLosses, TruncateSettings } from './sink.ts';
import { standardOutput } from './standard-output.ts';
import { webhookPost } from './webhook-post.ts';
import { webhookSink } from './webhook-sink.ts';

/** Audit that was set up, which whoever did so ends. */
export interface RunningAudit extends Auditing {
  /** Gives away what waits, and stops. */
  end(): Promise<void>;
}

type Values = FlagValues<typeof auditFlags>;

interface AuditDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const megabyte = 1024 * 1024;

/** Lists that are on their way to a webhook at once. Upstream has no limit, and so none for what waits there. */
const webhookParallel = 10;

/** At most one line a minute says that events are lost, with their number. */
const lossLogMs = 60_000;

/** Reads the policy and opens the file. Throws `UserError` for what cannot be used. */
export async function openAudit(values: Values, deps: AuditDeps): Promise<RunningAudit | undefined> {
  const policyFile = values['audit-policy-file'];
  const logPath = values['audit-log-path'];
  const webhook = values['audit-webhook-config-file'];
  if (policyFile === '') {
    if (logPath !== '' || webhook !== '') deps.log.warn('Nothing is audited, as no --audit-policy-file is given');
    return undefined;
  }
  const policy = await policyOf(policyFile, deps.log);
  if (logPath === '' && webhook === '') return undefined;
  const metrics = new Metrics();
  const losses = lossesOf(metrics, deps);
  const sinks: Sink[] = [];
  if (logPath !== '') sinks.push(logOf(values, logPath, { ...deps, losses }));
  if (webhook !== '') sinks.push(await webhookOf(values, webhook, { ...deps, losses }));
  return {
    decide: auditDecider(policy),
    metrics,
    sink: {
      record: (event) => {
        let isKept = true;
        for (const sink of sinks) if (!sink.record(event)) isKept = false;
        return isKept;
      },
      settle: () => {
        for (const sink of sinks) sink.settle?.();
      },
    },
    async end() {
      await Promise.all(sinks.map((sink) => sink.end()));
    },
  };
}

async function policyOf(path: string, log: Logger): Promise<AuditPolicy> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new UserError(`Cannot read the file of --audit-policy-file: ${path} (${errorCode(error)})`, error);
  }
  const read = readAuditPolicy(bytes);
  if (!read.ok) throw new UserError(`Cannot use the file of --audit-policy-file: ${path}: ${read.problems.join('; ')}`);
  if (read.warnings.length > 0)
    log.warn('Audit policy has what is passed over', { warnings: read.warnings.join('; ') });
  return read.policy;
}

function lossesOf(metrics: Metrics, { clock, log }: AuditDeps): SinkLosses {
  const { errors } = auditCounters(metrics);
  let untold = 0;
  let toldMs = Number.NEGATIVE_INFINITY;
  return {
    lost(part, count, reason) {
      errors.of(part).value += count;
      untold += count;
      if (clock.monotonicMs() - toldMs < lossLogMs) return;
      log.error('Audit events are lost', { part, events: untold, reason: errorText(reason) });
      untold = 0;
      toldMs = clock.monotonicMs();
    },
  };
}

type SinkDeps = AuditDeps & { readonly losses: SinkLosses };

function logOf(values: Values, path: string, { clock, log, losses }: SinkDeps): Sink {
  let file: RotatingFile | ReturnType<typeof standardOutput>;
  try {
    file =
      path === '-'
        ? standardOutput()
        : new RotatingFile({
            path,
            clock,
            sizeMax: values['audit-log-maxsize'] * megabyte,
            ageDaysMax: values['audit-log-maxage'],
            backupsMax: values['audit-log-maxbackup'],
            compress: values['audit-log-compress'],
            onError: (error) => log.warn('Cannot put older audit files in order', { error }),
          });
  } catch (error) {
    throw new UserError(`Cannot write the file of --audit-log-path: ${path} (${errorCode(error)})`, error);
  }
  return logSink({
    file,
    mode: auditModes.find((mode) => mode === values['audit-log-mode']) ?? 'blocking',
    batching: { ...batchingOf(values, 'log', 1), clock },
    truncate: truncateOf(values, 'log'),
    losses,
  });
}

async function webhookOf(values: Values, path: string, deps: SinkDeps): Promise<Sink> {
  const batching = batchingOf(values, 'webhook', webhookParallel);
  return webhookSink({
    post: await webhookPost(path),
    batching: values['audit-webhook-mode'] === 'batch' ? batching : { ...batching, batchSize: 1, throttle: undefined },
    initialBackoffMs: values['audit-webhook-initial-backoff'],
    truncate: truncateOf(values, 'webhook'),
    ...deps,
  });
}

function batchingOf(values: Values, sink: 'log' | 'webhook', parallel: number): BatchSettings {
  return {
    bufferSize: values[`audit-${sink}-batch-buffer-size`],
    batchSize: values[`audit-${sink}-batch-max-size`],
    maxWaitMs: values[`audit-${sink}-batch-max-wait`],
    throttle: values[`audit-${sink}-batch-throttle-enable`]
      ? { qps: values[`audit-${sink}-batch-throttle-qps`], burst: values[`audit-${sink}-batch-throttle-burst`] }
      : undefined,
    parallel,
  };
}

function truncateOf(values: Values, sink: 'log' | 'webhook'): TruncateSettings | undefined {
  if (!values[`audit-${sink}-truncate-enabled`]) return undefined;
  const eventBytesMax = values[`audit-${sink}-truncate-max-event-size`];
  const batchBytesMax = values[`audit-${sink}-truncate-max-batch-size`];
  if (batchBytesMax < eventBytesMax)
    throw new UserError(
      `Cannot use --audit-${sink}-truncate-max-batch-size=${batchBytesMax}: it must be at least --audit-${sink}-truncate-max-event-size (${eventBytesMax})`,
    );
  return { eventBytesMax, batchBytesMax };
}
