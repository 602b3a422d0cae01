/** The commands of `coxswain kubectl`, as a table. */
import { apiResources, apiVersions, resourcesFlags } from './api-resources.ts';
import { apply } from './apply.ts';
import { applyFlags } from './apply-flags.ts';
import { applyNotes } from './apply-notes.ts';
import { authCommand } from './auth.ts';
import { autoscale, autoscaleFlags } from './autoscale.ts';
import { certificateCommand } from './certificate.ts';
import { annotate, label, labelFlags, scale, scaleFlags } from './change.ts';
import { clusterInfoCommand, options, version, versionFlags } from './cluster-info.ts';
import { configCommand } from './config.ts';
import { cordon, cordonFlags, uncordon } from './cordon.ts';
import { cp, cpFlags } from './cp.ts';
import { createCommand } from './create.ts';
import { debug, debugFlags } from './debug.ts';
import { deleteFlags, remove } from './delete.ts';
import { describe, describeFlags } from './describe.ts';
import { diff, diffFlags } from './diff.ts';
import { drain, drainFlags } from './drain.ts';
import { edit, editFlags } from './edit.ts';
import { events, eventsFlags } from './events.ts';
import { attach, attachFlags, exec, execFlags } from './exec.ts';
import { explain, explainFlags } from './explain.ts';
import { expose, exposeFlags } from './expose.ts';
import { get } from './get.ts';
import { getFlags } from './get-flags.ts';
import { kustomizeCommand } from './kustomize/command.ts';
import { completionCommand, pluginCommand } from './local-commands.ts';
import { logs, logsFlags } from './logs.ts';
import { patch, patchFlags } from './patch.ts';
import { portForward, portForwardFlags } from './port-forward.ts';
import { proxy, proxyFlags } from './proxy.ts';
import { replace, replaceFlags } from './replace.ts';
import { rollout, rolloutFlags } from './rollout.ts';
import { runFlags, runPod } from './run.ts';
import { setCommand } from './set.ts';
import type { Commands } from './subcommand.ts';
import { taint, taintFlags } from './taint.ts';
import { top, topFlags } from './top.ts';
import { wait, waitFlags } from './wait.ts';

/** All of them, by name. */
export const commands: Commands = {
  annotate: {
    summary: 'Set or remove annotations.',
    usage: 'annotate TYPE/NAME KEY=VALUE KEY-',
    flags: labelFlags,
    run: annotate,
  },
  'api-resources': {
    summary: 'Show the resources of the server.',
    usage: 'api-resources',
    flags: resourcesFlags,
    run: apiResources,
  },
  'api-versions': { summary: 'Show the versions of the server.', usage: 'api-versions', flags: {}, run: apiVersions },
  apply: {
    summary: 'Make the objects of files as the files say.',
    usage: 'apply -f FILE',
    flags: applyFlags,
    run: apply,
    commands: applyNotes,
  },
  attach: { summary: 'Attach to a running container.', usage: 'attach POD', flags: attachFlags, run: attach },
  auth: authCommand,
  autoscale: {
    summary: 'Make an autoscaler of a workload.',
    usage: 'autoscale TYPE/NAME --max=N',
    flags: autoscaleFlags,
    run: autoscale,
  },
  certificate: certificateCommand,
  'cluster-info': clusterInfoCommand,
  completion: completionCommand(() => commands),
  config: configCommand,
  cordon: { summary: 'Mark a node as unschedulable.', usage: 'cordon NODE', flags: cordonFlags, run: cordon },
  cp: { summary: 'Copy files to and from containers.', usage: 'cp SOURCE TARGET', flags: cpFlags, run: cp },
  create: createCommand,
  debug: { summary: 'Debug pods and nodes.', usage: 'debug POD --image=IMAGE', flags: debugFlags, run: debug },
  delete: { summary: 'Delete objects.', usage: 'delete TYPE/NAME | -f FILE', flags: deleteFlags, run: remove },
  describe: {
    summary: 'Show objects in detail, with their events.',
    usage: 'describe TYPE/NAME',
    flags: describeFlags,
    run: describe,
  },
  diff: { summary: 'Show what apply would change.', usage: 'diff -f FILE', flags: diffFlags, run: diff },
  drain: { summary: 'Cordon a node and evict its pods.', usage: 'drain NODE', flags: drainFlags, run: drain },
  edit: { summary: 'Edit objects.', usage: 'edit TYPE/NAME', flags: editFlags, run: edit },
  events: { summary: 'List events.', usage: 'events', flags: eventsFlags, run: events },
  exec: { summary: 'Run a command in a container.', usage: 'exec POD -- COMMAND', flags: execFlags, run: exec },
  explain: { summary: 'Say what fields mean.', usage: 'explain TYPE.FIELD', flags: explainFlags, run: explain },
  expose: { summary: 'Make a service of a workload.', usage: 'expose TYPE/NAME', flags: exposeFlags, run: expose },
  get: { summary: 'Show objects.', usage: 'get TYPE [NAME]', flags: getFlags, run: get },
  kustomize: kustomizeCommand,
  label: { summary: 'Set or remove labels.', usage: 'label TYPE/NAME KEY=VALUE KEY-', flags: labelFlags, run: label },
  logs: { summary: 'Show the log of a container.', usage: 'logs POD | TYPE/NAME', flags: logsFlags, run: logs },
  options: { summary: 'Show the flags of every command.', usage: 'options', flags: {}, run: options, isLocal: true },
  patch: { summary: 'Change fields of objects.', usage: 'patch TYPE/NAME -p PATCH', flags: patchFlags, run: patch },
  plugin: pluginCommand,
  'port-forward': {
    summary: 'Forward local ports to a pod.',
    usage: 'port-forward TYPE/NAME [LOCAL:]REMOTE',
    flags: portForwardFlags,
    run: portForward,
  },
  proxy: { summary: 'Serve the API on a local port.', usage: 'proxy', flags: proxyFlags, run: proxy },
  replace: { summary: 'Replace the objects of files.', usage: 'replace -f FILE', flags: replaceFlags, run: replace },
  rollout: {
    summary: 'Status, history, undo, restart, pause or resume of a rollout.',
    usage: 'rollout status|history|undo|restart|pause|resume TYPE/NAME',
    flags: rolloutFlags,
    run: rollout,
  },
  run: { summary: 'Run an image.', usage: 'run NAME --image=IMAGE', flags: runFlags, run: runPod },
  scale: {
    summary: 'Set how many replicas there are.',
    usage: 'scale --replicas=N TYPE/NAME',
    flags: scaleFlags,
    run: scale,
  },
  set: setCommand,
  taint: {
    summary: 'Set or remove taints of nodes.',
    usage: 'taint NODE KEY=VALUE:EFFECT',
    flags: taintFlags,
    run: taint,
  },
  top: { summary: 'Show what nodes or pods use.', usage: 'top node|pod [NAME]', flags: topFlags, run: top },
  uncordon: { summary: 'Mark a node as schedulable.', usage: 'uncordon NODE', flags: cordonFlags, run: uncordon },
  version: {
    summary: 'Show the versions of client and server.',
    usage: 'version',
    flags: versionFlags,
    run: version,
    localBy: 'client',
  },
  wait: {
    summary: 'Wait for a condition.',
    usage: 'wait --for=condition=Ready TYPE/NAME',
    flags: waitFlags,
    run: wait,
  },
};
