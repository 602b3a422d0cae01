/** Where the pipeline keeps what is no object: repositories, the sources of runs, what they make, caches, and images. All below one folder of the machine that its nodes share. */
import { join } from 'node:path';
import type { PipelineRun } from './model/types.ts';

/** The folders below `data`. Names come from objects, whose names the server has checked. */
export function placesIn(data: string) {
  const runOf = ({ metadata }: Pick<PipelineRun, 'metadata'>): string =>
    join(data, 'runs', metadata?.namespace ?? '', metadata?.name ?? '');
  return {
    repository: (namespace: string, name: string) => join(data, 'repositories', namespace, `${name}.git`),
    repositories: join(data, 'repositories'),
    runs: join(data, 'runs'),
    run: runOf,
    source: (run: PipelineRun) => join(runOf(run), 'source'),
    artifacts: (namespace: string, run: string) => join(runOf({ metadata: { namespace, name: run } }), 'artifacts'),
    cache: ({ metadata, spec }: PipelineRun) => join(data, 'caches', metadata?.namespace ?? '', spec.pipeline),
    images: ({ metadata }: PipelineRun, image: string) => join(data, 'images', metadata?.namespace ?? '', image),
  };
}

/** The folders. */
export type Places = ReturnType<typeof placesIn>;
