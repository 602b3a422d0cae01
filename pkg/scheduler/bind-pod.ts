/** Permits and binds one pod by the plugins of its profile. */
import { errorText } from '#pkg/base/error-text.ts';
import type { Extender } from './extender/extender.ts';
import type { Cycle } from './framework/cycle.ts';
import type { Plugin, ReservePlugin } from './framework/plugin.ts';
import type { Profile } from './framework/profile.ts';
import { isRejected, type Status, success, unschedulable } from './framework/status.ts';
import type { Agreement } from './gang/agreement.ts';
import { gangScheduling } from './gang/pod-group.ts';

/** What binding one pod takes. */
export interface BindOptions {
  readonly profile: Profile;
  readonly nodeName: string;
  readonly signal: AbortSignal;
  /** Who binds in place of the plugins. */
  readonly binder?: Pick<Extender, 'bind'> | undefined;
  /** Of the pod's gang. Absent: it is bound whatever becomes of others. */
  readonly agreement?: Agreement | undefined;
  /** Called once the pod is permitted: whatever stops it from then on is an error, no refusal. */
  onPermitted(): void;
}

/** The first answer that is not a success. */
export async function permitAndBind(cycle: Cycle, options: BindOptions): Promise<Status> {
  const { profile, nodeName, signal } = options;
  const refusal = await permit(cycle, options);
  if (refusal !== undefined) {
    options.agreement?.refuse();
    return refusal;
  }
  if (options.agreement !== undefined && !(await options.agreement.agree()))
    return { ...unschedulable('too few pods of its group were permitted'), plugin: gangScheduling };
  options.onPermitted();
  for (const plugin of profile.preBind) {
    const status = await plugin.preBind(cycle, nodeName, signal).catch(errorStatus);
    if (status.code !== 'Success') {
      return attributed({ ...status, code: 'Error' }, { plugin, point: 'PreBind' });
    }
  }
  if (options.binder !== undefined) {
    const failed = await options.binder.bind(cycle.pod, nodeName, signal).then(() => undefined, errorStatus);
    return failed ?? success;
  }
  for (const plugin of profile.bind) {
    const status = await plugin.bind(cycle, nodeName, signal).catch(errorStatus);
    if (status.code === 'Success') return success;
    if (status.code !== 'Skip') {
      return attributed({ ...status, code: 'Error' }, { plugin, point: 'Bind' });
    }
  }
  return { code: 'Error', reasons: ['no plugin bound the pod'] };
}

/** Why a plugin does not permit the pod. */
async function permit(cycle: Cycle, { profile, nodeName, signal }: BindOptions): Promise<Status | undefined> {
  for (const plugin of profile.permit) {
    const status = await plugin.permit(cycle, nodeName, signal).catch(errorStatus);
    if (status.code !== 'Success') return attributed(status, { plugin, point: 'Permit' });
  }
  return undefined;
}

/** Has a plugin keep for the pod what it will need on the node; what is thrown is an error. */
export function reserve(plugin: ReservePlugin, cycle: Cycle, nodeName: string): Status {
  try {
    return plugin.reserve(cycle, nodeName);
  } catch (error) {
    return errorStatus(error);
  }
}

/** An answer with the name of the plugin that gave it, which an error also says in words. */
export function attributed(
  status: Status,
  { plugin, point }: { readonly plugin: Plugin; readonly point: string },
): Status {
  const { name } = plugin;
  if (isRejected(status)) return { ...status, plugin: name };
  return { code: 'Error', reasons: [`running ${point} plugin "${name}": ${status.reasons.join(', ')}`], plugin: name };
}

/** What was thrown, as an answer. */
export function errorStatus(error: unknown): Status {
  return { code: 'Error', reasons: [errorText(error)] };
}
