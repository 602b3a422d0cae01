/** The flags of audit, under upstream's names and with its defaults. Source: apiserver `server/options/audit.go`. */
import { duration, type FlagTable, integer, text, toggle } from '#pkg/component/flags.ts';

/** Whether a request waits for its event. */
export const auditModes = ['batch', 'blocking', 'blocking-strict'] as const;

/** Source: `defaultBatchBufferSize`. */
const bufferSize = 10_000;

/** The table: each flag with its help, default and limits. */
export const auditFlags = {
  'audit-policy-file': text({
    help: 'Which requests are audited, and how closely. Default: none.',
    placeholder: 'file',
  }),
  'audit-log-path': text({
    help: 'File for audit events, a line each; - is the standard output.',
    placeholder: 'file',
  }),
  'audit-log-maxage': integer({ help: 'Days that older audit files are kept; 0 keeps them.', fallback: 366 }),
  'audit-log-maxbackup': integer({ help: 'Older audit files that are kept; 0 keeps all.', fallback: 100 }),
  'audit-log-maxsize': integer({ help: 'Megabytes after which another audit file is begun.', fallback: 100, min: 1 }),
  'audit-log-compress': toggle({ help: 'Compresses older audit files with gzip.' }),
  'audit-log-format': text({ help: 'Format of the audit file.', fallback: 'json', allowed: ['json'] }),
  'audit-log-mode': text({
    help: 'Whether requests wait until their event is written, and fail when it cannot be.',
    fallback: 'blocking',
    allowed: auditModes,
  }),
  'audit-log-batch-buffer-size': integer({ help: 'Events that may wait.', fallback: bufferSize, min: 1 }),
  'audit-log-batch-max-size': integer({ help: 'Events written at once.', fallback: 1, min: 1 }),
  'audit-log-batch-max-wait': duration({ help: 'How long events wait for others.', fallback: 0 }),
  'audit-log-batch-throttle-enable': toggle({ help: 'Limits how often batches are written.' }),
  'audit-log-batch-throttle-qps': integer({ help: 'Batches a second.', fallback: 10, min: 1 }),
  'audit-log-batch-throttle-burst': integer({ help: 'Batches at once after a pause.', fallback: 15, min: 1 }),
  'audit-log-truncate-enabled': toggle({ help: 'Leaves the objects out of events that are too long.' }),
  'audit-log-truncate-max-batch-size': integer({ help: 'Bytes of a batch.', fallback: 10 * 1024 * 1024, min: 1 }),
  'audit-log-truncate-max-event-size': integer({ help: 'Bytes of an event.', fallback: 100 * 1024, min: 1 }),
  'audit-webhook-config-file': text({
    help: 'Kubeconfig of the server that audit events are sent to.',
    placeholder: 'file',
  }),
  'audit-webhook-initial-backoff': duration({ help: 'Pause after the first failure.', fallback: 10_000 }),
  'audit-webhook-mode': text({ help: 'Whether events are sent in batches.', fallback: 'batch', allowed: auditModes }),
  'audit-webhook-batch-buffer-size': integer({ help: 'Events that may wait.', fallback: bufferSize, min: 1 }),
  'audit-webhook-batch-max-size': integer({ help: 'Events sent at once.', fallback: 400, min: 1 }),
  'audit-webhook-batch-max-wait': duration({ help: 'How long events wait for others.', fallback: 30_000 }),
  'audit-webhook-batch-throttle-enable': toggle({ help: 'Limits how often batches are sent.', fallback: true }),
  'audit-webhook-batch-throttle-qps': integer({ help: 'Batches a second.', fallback: 10, min: 1 }),
  'audit-webhook-batch-throttle-burst': integer({ help: 'Batches at once after a pause.', fallback: 15, min: 1 }),
  'audit-webhook-truncate-enabled': toggle({ help: 'Leaves the objects out of events that are too long.' }),
  'audit-webhook-truncate-max-batch-size': integer({ help: 'Bytes of a batch.', fallback: 10 * 1024 * 1024, min: 1 }),
  'audit-webhook-truncate-max-event-size': integer({ help: 'Bytes of an event.', fallback: 100 * 1024, min: 1 }),
} satisfies FlagTable;
