/** The pod of a step: its program over the sources of the commit, with what earlier steps made and what earlier runs kept. */
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import { checkoutStep } from '../model/plan.ts';
import type { PodFacts } from '../model/step-view.ts';
import { type PipelineRun, pipelineRuns, type StepSpec } from '../model/types.ts';
import type { Places } from '../places.ts';

/** Labels of the pods of steps. */
export const runLabel = `${pipelineRuns.group}/run`;
const stepLabel = `${pipelineRuns.group}/step`;
const containerName = 'step';
/** Where a program is asked to end before it is ended. */
const graceSeconds = 5;
/** The same of a build of a Dockerfile, which has containers to end. */
const imageBuildGraceSeconds = 30;
const timeoutSecondsDefault = 600;
const workspacePrefix = 'workspace:';
/** What was said last is cut to what a status has room for. */
const messageLengthMax = 4096;

/** What the pods of steps are made with. */
export interface StepSettings {
  readonly places: Places;
  /** RuntimeClass of pods whose program is a module on the disk. Absent: it is the nodes' default runtime that has them. */
  readonly moduleRuntimeClass?: string;
  /** The words of `coxswain image`, with the flags that say whose images. Absent: no node runs images of Dockerfiles. */
  readonly imageCommand?: readonly string[];
}

/** Name of a step's pod. */
export function podName({ metadata }: PipelineRun, step: string): string {
  return `${metadata?.name}-${step}`;
}

interface Mount {
  readonly name: string;
  readonly folder: string;
  readonly mountPath: string;
}

/** The pod of a step. */
export function stepPod(run: PipelineRun, step: StepSpec, settings: StepSettings): Pod {
  const { places, moduleRuntimeClass } = settings;
  const { name = '', namespace = '', uid = '' } = run.metadata ?? {};
  const mounts: readonly Mount[] = [
    { name: 'workspace', folder: places.source(run), mountPath: '/workspace' },
    { name: 'artifacts', folder: places.artifacts(namespace, name), mountPath: '/artifacts' },
    { name: 'cache', folder: places.cache(run), mountPath: '/cache' },
    ...(step.build?.entry === undefined
      ? []
      : [{ name: 'images', folder: places.images(run, step.build.image), mountPath: '/images' }]),
  ];
  const { serviceAccountName = 'default' } = run.spec;
  const program = programOf(run, step, settings);
  const isModule = program.image?.startsWith('file:') === true;
  const owner = { apiVersion: apiVersionOf(pipelineRuns), kind: pipelineRuns.kind, name, uid, controller: true };
  return {
    metadata: {
      name: podName(run, step.name),
      namespace,
      labels: { [runLabel]: name, [stepLabel]: step.name },
      ownerReferences: [owner],
    },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName,
      ...(isModule && moduleRuntimeClass !== undefined ? { runtimeClassName: moduleRuntimeClass } : {}),
      terminationGracePeriodSeconds: step.build?.dockerfile === undefined ? graceSeconds : imageBuildGraceSeconds,
      activeDeadlineSeconds: step.timeoutSeconds ?? timeoutSecondsDefault,
      containers: [
        {
          ...program,
          name: containerName,
          volumeMounts: mounts.map(({ name: volume, mountPath }) => ({ name: volume, mountPath })),
        },
      ],
      volumes: mounts.map(({ name: volume, folder }) => ({
        name: volume,
        hostPath: { path: folder, type: 'DirectoryOrCreate' },
      })),
    },
  };
}

function programOf(
  run: PipelineRun,
  { name, build, run: own }: StepSpec,
  { places, imageCommand = [] }: StepSettings,
): Omit<Container, 'name'> {
  const { repository, commit, ref, pipeline } = run.spec;
  if (name === checkoutStep) {
    const bare = places.repository(run.metadata?.namespace ?? '', repository);
    return { image: programUrl('checkout'), args: [bare, commit, places.source(run)] };
  }
  if (build !== undefined) {
    const { context = '', entry, dockerfile, image, registry = '' } = build;
    if (entry !== undefined)
      return {
        image: programUrl('build-module'),
        args: [join('/workspace', context), entry, '/images', places.images(run, image)],
      };
    // The machine's path: who builds is a process of it.
    const folder = join(places.source(run), context);
    const named = `${registry || 'localhost'}/${run.metadata?.namespace}/${image}`;
    const then = registry === '' ? 'keep' : 'publish';
    return { image: programUrl('build-image'), args: [folder, dockerfile ?? '', named, then, ...imageCommand] };
  }
  const { image = '', command, args, env = [] } = own ?? {};
  const built = run.status?.steps.findLast(
    ({ name: step, image: made }) => made !== undefined && isBuild(run, step),
  )?.image;
  const told = {
    ...(built === undefined ? {} : { PIPELINE_IMAGE: built }),
    PIPELINE: pipeline,
    PIPELINE_RUN: run.metadata?.name ?? '',
    PIPELINE_COMMIT: commit,
    PIPELINE_REF: ref,
  };
  return {
    image: image.startsWith(workspacePrefix)
      ? pathToFileURL(join(places.source(run), image.slice(workspacePrefix.length))).href
      : image,
    ...(command === undefined ? {} : { command }),
    ...(args === undefined ? {} : { args }),
    env: [...Object.entries(told).map(([key, value]) => ({ name: key, value })), ...env],
    workingDir: '/workspace',
  };
}

function isBuild({ spec }: PipelineRun, step: string): boolean {
  return spec.steps.some(({ name, build }) => name === step && build !== undefined);
}

function programUrl(name: string): string {
  const extension = basename(import.meta.url)
    .split('.')
    .at(-1);
  return new URL(`../programs/${name}.${extension}`, import.meta.url).href;
}

/** What a pod says of the step. One that is not the run's own stands in the way of the step's. */
export function podFacts(run: PipelineRun, pod: Pod | undefined): PodFacts {
  if (pod === undefined) return { state: 'absent' };
  const { metadata, status } = pod;
  const name = metadata?.name ?? '';
  const ended = { state: 'ended', name } as const;
  if (!(metadata?.ownerReferences?.some(({ uid }) => uid === run.metadata?.uid) ?? false))
    return { ...ended, succeeded: false, reason: 'NameTaken', message: `there is another pod ${name}` };
  const terminated = status?.containerStatuses?.[0]?.state?.terminated;
  const message = (terminated?.message ?? status?.message ?? '').slice(0, messageLengthMax);
  if (status?.phase === 'Succeeded') return { ...ended, succeeded: true, reason: 'Completed', message };
  if (status?.phase === 'Failed') {
    const reason = status.reason ?? terminated?.reason ?? 'Error';
    return { ...ended, succeeded: false, reason, message: message || `exit code ${terminated?.exitCode ?? 'unknown'}` };
  }
  return metadata?.deletionTimestamp === undefined
    ? { state: 'running', name }
    : { ...ended, succeeded: false, reason: 'PodDeleted', message: '' };
}
