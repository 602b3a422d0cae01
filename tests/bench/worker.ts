/** The process of the clients: takes one message that says what to measure, sends one for each row, and ends. */
import process from 'node:process';
import { errorText } from '#pkg/base/error-text.ts';
import { readTarget } from './kubeconfig.ts';
import { type BenchSizes, measureAll, type Row } from './rows.ts';

/** What the process of the clients is told. */
export interface WorkerTask {
  readonly kubeconfig: string;
  readonly sizes: BenchSizes;
  /** Part of the name of the rows to measure; `''` for all. */
  readonly only: string;
}

async function work(task: WorkerTask): Promise<void> {
  const report = (row: Row): void => void process.send?.(row);
  await measureAll({ target: readTarget(task.kubeconfig), sizes: task.sizes, report }, task.only);
}

process.once('message', (message) => {
  work(message as WorkerTask)
    .catch((error: unknown) => {
      process.stderr.write(`bench: ${errorText(error)}\n`);
      process.exitCode = 1;
    })
    .finally(() => process.disconnect?.());
});
