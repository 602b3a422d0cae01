/** `create deployment`, `job` and `cronjob`. Source: kubectl `cmd/create/create_deployment.go`, `create_job.go`, `create_cronjob.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, integer, list, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digMap, digText } from './api.ts';
import { generatorCommand, type Wish } from './generator.ts';
import { containerNameOf } from './pairs.ts';
import type { Commands } from './subcommand.ts';
import { getObject, parseTargets } from './targets.ts';

const deploymentFlags = {
  image: list({ help: 'Images of its containers.', placeholder: 'image' }),
  port: integer({ help: 'Port of the container; -1 for none.', fallback: -1, min: -1 }),
  replicas: integer({ help: 'How many pods there are to be.', fallback: 1, short: 'r' }),
} satisfies FlagTable;

const jobFlags = {
  image: text({ help: 'Image of its container.', placeholder: 'image' }),
  from: text({ help: 'Cron job that it is made from, as cronjob/NAME.', placeholder: 'type/name' }),
} satisfies FlagTable;

const cronJobFlags = {
  image: text({ help: 'Image of its container.', placeholder: 'image' }),
  schedule: text({ help: 'When it runs, as cron has it.', placeholder: 'schedule' }),
  restart: text({ help: 'Restart policy of its pods: OnFailure or Never.', placeholder: 'policy' }),
} satisfies FlagTable;

/** The generators of what runs pods. */
export const workloadGenerators: Commands = {
  cronjob: generatorCommand<FlagValues<typeof cronJobFlags>>({
    summary: 'Create a cron job.',
    usage: 'cronjob NAME --image=IMAGE --schedule=SCHEDULE -- [COMMAND]',
    resource: 'cronjobs.batch',
    failure: 'cronjob:',
    takesWords: true,
    aliases: ['cj'],
    flags: cronJobFlags,
    required: ['image', 'schedule'],
    build: (values, { name, words }) => ({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name },
      spec: {
        jobTemplate: {
          metadata: { name },
          spec: { template: jobTemplate(name, values.image, { words, restart: values.restart || 'OnFailure' }) },
        },
        schedule: values.schedule,
      },
      status: {},
    }),
  }),
  deployment: generatorCommand<FlagValues<typeof deploymentFlags>>({
    summary: 'Create a deployment.',
    usage: 'deployment NAME --image=IMAGE -- [COMMAND]',
    resource: 'deployments.apps',
    failure: 'deployment:',
    takesWords: true,
    aliases: ['deploy'],
    flags: deploymentFlags,
    required: ['image'],
    build: deployment,
  }),
  job: generatorCommand<FlagValues<typeof jobFlags>>({
    summary: 'Create a job.',
    usage: 'job NAME --image=IMAGE [--from=cronjob/NAME] -- [COMMAND]',
    resource: 'jobs.batch',
    failure: 'job:',
    takesWords: true,
    flags: jobFlags,
    build: job,
  }),
};

function deployment(values: FlagValues<typeof deploymentFlags>, { name, words }: Wish): JsonObject {
  if (values.image.length > 1 && words.length > 0)
    throw new UserError('error: cannot specify multiple --image options and command');
  const labels = { app: name };
  const containers = values.image.map((image, index) => ({
    ...(words.length === 0 ? {} : { command: words }),
    image,
    name: containerNameOf(image),
    ...(index === 0 && values.port > 0 ? { ports: [{ containerPort: values.port }] } : {}),
    resources: {},
  }));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { labels, name },
    spec: {
      replicas: values.replicas,
      selector: { matchLabels: labels },
      strategy: {},
      template: { metadata: { labels }, spec: { containers } },
    },
    status: {},
  };
}

async function job(values: FlagValues<typeof jobFlags>, wish: Wish): Promise<JsonObject> {
  const { name, words } = wish;
  if ((values.image === '') === (values.from === ''))
    throw new UserError('error: either --image or --from must be specified');
  if (values.from !== '' && words.length > 0) throw new UserError('error: cannot specify --from and command');
  if (values.from !== '') return jobFrom(values.from, wish);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: { template: jobTemplate(name, values.image, { words, restart: 'Never' }) },
    status: {},
  };
}

async function jobFrom(from: string, { name, context }: Wish): Promise<JsonObject> {
  const [target] = await parseTargets(context, [from], { namespace: context.api.namespace });
  if (target?.mapping.kind !== 'CronJob')
    throw new UserError(`error: from must be an existing cronjob, got ${target?.mapping.kind ?? from}`);
  const cronJob = await getObject(context, target);
  const template = digMap(cronJob, 'spec', 'jobTemplate');
  const annotations = { 'cronjob.kubernetes.io/instantiate': 'manual', ...digMap(template, 'metadata', 'annotations') };
  const labels = digMap(template, 'metadata', 'labels');
  const owner = {
    apiVersion: 'batch/v1',
    controller: true,
    kind: 'CronJob',
    name: digText(cronJob, 'metadata', 'name'),
    uid: digText(cronJob, 'metadata', 'uid'),
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      annotations,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      name,
      ownerReferences: [owner],
    },
    spec: digMap(template, 'spec'),
    status: {},
  };
}

function jobTemplate(
  name: string,
  image: string,
  { words, restart }: { readonly words: readonly string[]; readonly restart: string },
): JsonObject {
  const command = words.length === 0 ? {} : { command: words };
  return {
    metadata: {},
    spec: { containers: [{ ...command, image, name, resources: {} }], restartPolicy: restart },
  };
}
