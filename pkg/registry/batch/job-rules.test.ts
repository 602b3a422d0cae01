/** What jobs and cron jobs may ask for, and what their controller may report. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from '../testing.ts';

const jobs = strategyOf('jobs');
const job = (spec: object = {}, podSpec: object = {}): object => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1' },
  spec: {
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'web' }], ...podSpec } },
    ...spec,
  },
});

const onExit = (fields: object): object => ({
  podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1], ...fields } }] },
});

test.each<[string, object, object, readonly string[]]>([
  ['nothing wrong', {}, {}, []],
  [
    'pods that always restart',
    {},
    { restartPolicy: 'Always' },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    'fewer than no pods',
    { parallelism: -1, completions: -1, backoffLimit: -1 },
    {},
    [
      'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
      'spec.completions: Invalid value: -1: must be greater than or equal to 0',
      'spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    'an unknown completion mode',
    { completionMode: 'Some' },
    {},
    ['spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
  ],
  [
    'indexes without a number of them',
    { completionMode: 'Indexed', parallelism: 2 },
    {},
    ['spec.completions: Required value: when completion mode is Indexed'],
  ],
  [
    'a limit per index without indexes',
    { backoffLimitPerIndex: 1 },
    {},
    ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
  ],
  [
    'a number of failed indexes without limit per index',
    { completionMode: 'Indexed', completions: 3, maxFailedIndexes: 1 },
    {},
    ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified'],
  ],
  [
    'an unknown replacement',
    { podReplacementPolicy: 'Never' },
    {},
    ['spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'],
  ],
  [
    'a selector of its own',
    { selector: { matchLabels: { a: 'b' } } },
    {},
    [
      'spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"web","controller-uid":"u","job-name":"web"}: `selector` does not match template `labels`',
      'spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u"}}: `selector` not auto-generated',
    ],
  ],
  [
    'a policy for pods that restart',
    onExit({}),
    { restartPolicy: 'OnFailure' },
    [
      'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ],
  ],
  [
    'a policy without values',
    onExit({ values: [] }),
    {},
    ['spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is required'],
  ],
  [
    'a policy of values in no order',
    onExit({ values: [2, 1] }),
    {},
    ['spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered'],
  ],
  [
    'a policy that forgives success',
    onExit({ values: [0] }),
    {},
    ['spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator'],
  ],
  [
    'a policy about no container',
    onExit({ containerName: 'x' }),
    {},
    [
      'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template',
    ],
  ],
  [
    'a policy of two minds',
    {
      podFailurePolicy: {
        rules: [
          {
            action: 'Ignore',
            onExitCodes: { operator: 'In', values: [1] },
            onPodConditions: [{ type: 'A', status: 'True' }],
          },
        ],
      },
    },
    {},
    ['spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported'],
  ],
  [
    'a policy of no mind',
    { podFailurePolicy: { rules: [{ action: 'Ignore' }] } },
    {},
    ['spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required'],
  ],
  [
    'success of no index',
    { completionMode: 'Indexed', completions: 3, successPolicy: { rules: [{ succeededIndexes: '3' }] } },
    {},
    [
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "3": error parsing succeededIndexes: too large index: "3"',
    ],
  ],
  [
    'success without indexes',
    { successPolicy: { rules: [{ succeededCount: 1 }] } },
    {},
    ['spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'],
  ],
  [
    'a manager that is none',
    { managedBy: 'me' },
    {},
    ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
])('a job with %s', (_what, spec, podSpec, errors) => {
  expect(createErrors(jobs, job(spec, podSpec))).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  ['parallelism', (draft) => (draft.spec.parallelism = 2), []],
  ['completions', (draft) => (draft.spec.completions = 2), ['spec.completions: Invalid value: 2: field is immutable']],
  [
    'its template',
    (draft) => (draft.spec.template.spec.containers[0].image = 'x'),
    [
      'spec.template: Invalid value: {"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"x","imagePullPolicy":"Always","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","resources":{}}],"dnsPolicy":"ClusterFirst","securityContext":{},"terminationGracePeriodSeconds":30,"schedulerName":"default-scheduler"},"metadata":{"labels":{"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"web","controller-uid":"u","job-name":"web"}}}: field is immutable',
    ],
  ],
  [
    'its completion mode',
    (draft) => Object.assign(draft.spec, { completionMode: 'Indexed', completions: 1 }),
    ['spec.completionMode: Invalid value: "Indexed": field is immutable'],
  ],
])('a job changes %s', (_what, change, errors) => {
  expect(updateErrors(jobs, job({ completions: 1 }), change)).toEqual(errors);
});

const when = '2026-01-01T00:00:00Z';
const condition = (type: string): object => ({ type, status: 'True', lastTransitionTime: when, lastProbeTime: when });

test.each<[string, object, readonly string[]]>([
  [
    'both ends',
    { startTime: when, conditions: [condition('Complete'), condition('Failed')] },
    [
      'status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions',
      'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
      'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
      'status.completionTime: Required value: completionTime is required for Complete jobs',
    ],
  ],
  [
    'an end without its time',
    { startTime: when, conditions: [condition('Complete')], completionTime: undefined },
    [
      'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
      'status.completionTime: Required value: completionTime is required for Complete jobs',
    ],
  ],
  [
    'pods after its end',
    {
      startTime: when,
      completionTime: when,
      active: 1,
      conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
    },
    ['status.active: Invalid value: 1: active>0 is invalid for finished job'],
  ],
  [
    'more ready than active',
    { startTime: when, active: 1, ready: 2 },
    ['status.ready: Invalid value: 2: cannot set more ready pods than active'],
  ],
  [
    'a start after its end',
    {
      startTime: '2026-01-01T00:00:01Z',
      completionTime: when,
      conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
    },
    ['status.completionTime: Invalid value: "2026-01-01T00:00:00Z": completionTime cannot be set before startTime'],
  ],
])('the status of a job with %s', (_what, status, errors) => {
  const change: Change = (draft) => (draft.status = status);
  expect(subresourceErrors(jobs, { object: job(), subresource: 'status' }, change)).toEqual(errors);
});

const cronJob = (spec: object, name = 'web'): object => ({
  metadata: { name, namespace: 'default' },
  spec: { schedule: '* * * * *', jobTemplate: { spec: (job() as { spec: object }).spec }, ...spec },
});

test.each<[string, object, readonly string[]]>([
  ['a time zone', { timeZone: 'Europe/Berlin' }, []],
  [
    'a time zone that does not exist',
    { timeZone: 'Europe/Atlantis' },
    ['spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone Europe/Atlantis'],
  ],
  [
    'a time zone of no name',
    { timeZone: '' },
    ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
  ],
  [
    'the zone of the machine',
    { timeZone: 'Local' },
    [
      'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    ],
  ],
  [
    'a zone in its schedule',
    { schedule: 'TZ=UTC * * * * *' },
    [
      'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
  ],
  ['no schedule', { schedule: '' }, ['spec.schedule: Required value']],
  [
    'a word for an hour',
    { schedule: '* noon * * *' },
    [
      'spec.schedule: Invalid value: "* noon * * *": failed to parse int from noon: strconv.Atoi: parsing "noon": invalid syntax',
    ],
  ],
  [
    'a deadline below zero',
    { startingDeadlineSeconds: -1 },
    ['spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'an unknown way with many at once',
    { concurrencyPolicy: 'Queue' },
    ['spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'],
  ],
  [
    'history below zero',
    { successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1 },
    [
      'spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
      'spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    'a selector',
    { jobTemplate: { spec: { ...(job() as { spec: object }).spec, manualSelector: true } } },
    ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
  ],
])('a cron job with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('cronjobs'), cronJob(spec))).toEqual(errors);
});

test('the name of a cron job leaves room for the times of its jobs', () => {
  const errors = [
    'metadata.name: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": must be no more than 52 characters',
  ];
  expect(createErrors(strategyOf('cronjobs'), cronJob({}, 'a'.repeat(53)))).toEqual(errors);
});
