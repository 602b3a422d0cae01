/** What is known while a stage is built: the layers so far, the configuration that its image gets, and the variables that instructions may name. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Platform } from '../content/documents.ts';
import { platformText } from '../content/platform.ts';
import { digestOf } from '../digest.ts';
import type { BaseImage, BuiltLayer } from './build-parts.ts';

/** One stage, under way or done. */
export interface StageState {
  layers: readonly BuiltLayer[];
  readonly config: Record<string, unknown>;
  readonly history: unknown[];
  /** Says all that was done so far, by which what comes next may have been done before. */
  key: string;
  /** Of the build alone, by `ARG`. */
  readonly arguments: Map<string, string>;
  shell: readonly string[];
}

const shellDefault: readonly string[] = ['/bin/sh', '-c'];
const pathDefault = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The beginning of a stage: of an image, or of nothing. */
export function beginStage(base: BaseImage | undefined, modified: number): StageState {
  const config = { ...base?.config };
  if (textsOf(config.Env).length === 0) config.Env = [pathDefault];
  return {
    layers: base?.layers ?? [],
    config,
    history: historyOf(base),
    key: digestOf(JSON.stringify(['FROM', base?.id ?? '', modified])),
    arguments: new Map(),
    shell: textsOf(config.Shell).length > 0 ? textsOf(config.Shell) : shellDefault,
  };
}

/** Steps with a layer are as many as layers: an image that says less of how it was made is said to be made so. */
function historyOf(base: BaseImage | undefined): unknown[] {
  const { history = [], layers = [] } = base ?? {};
  const said = history.filter((step) => isObject(step) && step.empty_layer !== true).length;
  return said === layers.length ? [...history] : layers.map(() => ({ created_by: '' }));
}

/** A copy to go on from: a later stage may be `FROM` this one. */
export function continueStage(stage: StageState): StageState {
  return { ...stage, config: structuredClone(stage.config), history: [...stage.history], arguments: new Map() };
}

/** What instructions may name: arguments, and over them the environment. */
export function variablesOf(stage: StageState): ReadonlyMap<string, string> {
  const variables = new Map(stage.arguments);
  for (const entry of textsOf(stage.config.Env)) {
    const equals = entry.indexOf('=');
    variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return variables;
}

/** Sets a variable of the environment, in its place where it has one. */
export function setEnvironment(stage: StageState, name: string, value: string): void {
  const entries = textsOf(stage.config.Env);
  const at = entries.findIndex((entry) => entry.startsWith(`${name}=`));
  stage.config.Env = at < 0 ? [...entries, `${name}=${value}`] : entries.with(at, `${name}=${value}`);
}

/** Adds names to a map of the configuration. */
export function addNames(
  stage: StageState,
  field: 'ExposedPorts' | 'Labels' | 'Volumes',
  entries: readonly (readonly [string, unknown])[],
): void {
  const before = stage.config[field];
  stage.config[field] = { ...(isObject(before) ? before : {}), ...Object.fromEntries(entries) };
}

/** A list of texts of the configuration; empty for anything else. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** A text of the configuration; empty for anything else. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Arguments that every build has. Source: Docker's "Dockerfile reference", "Automatic platform ARGs in the global scope". */
export function platformArguments(platform: Platform): readonly (readonly [string, string])[] {
  return ['TARGET', 'BUILD'].flatMap((prefix): readonly [string, string][] => [
    [`${prefix}PLATFORM`, platformText(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]);
}
