/** Runs of pipelines as they go: all of them as a list, and of one its steps in the order in which they can begin. */
import { useState } from 'preact/hooks';
import type { Row, RunFacts, StepFacts } from '../model/protocol.ts';
import { ask } from './ask.ts';
import { DataGrid } from './data-grid.tsx';
import type { ObjectTabProps } from './object-place.ts';
import { hrefOf, objectHref } from './route.ts';
import { infoOf, known } from './session.ts';
import { Log } from './stream-tabs.tsx';
import { ageText, now } from './words.ts';

/** The container of a step's pod. */
const container = 'step';

/** The page. */
export function RunsPage() {
  const resource = infoOf(known.pipelineRuns);
  const stepsHref = (row: Row): string => {
    const { group, version, resource: plural } = known.pipelineRuns;
    return hrefOf('object', [group, version, plural, row.namespace, row.name], { tab: 'steps' });
  };
  return (
    <div class="page">
      <h1>Pipelines</h1>
      {resource === undefined ? (
        <p>
          This cluster has no pipelines: it has them while <code>coxswain pipeline serve</code> runs.
        </p>
      ) : (
        <DataGrid
          label="Runs of pipelines"
          query={{ resource: known.pipelineRuns }}
          sortAtFirst={{ by: 'time', descending: true }}
          hasNamespace
          hrefOf={stepsHref}
          onOpen={(row) => {
            location.hash = stepsHref(row);
          }}
        />
      )}
    </div>
  );
}

/** The steps of one run. */
export function StepsTab({ row, namespace, name }: ObjectTabProps) {
  const [said, setSaid] = useState('');
  const [shown, setShown] = useState('');
  const run = row?.facts.run;
  if (row === undefined || run === undefined) return <p class="quiet">Loading …</p>;
  const act = (action: string, step = ''): void => {
    ask<{ message: string }>('POST', '/api/runs', { action, namespace, name, step }).then(
      ({ message }) => setSaid(message),
      (error: Error) => setSaid(error.message),
    );
  };
  const depths = depthsOf(run);
  const log = run.steps.find((step) => step.name === shown && step.pod !== '');
  return (
    <>
      <div class="tools">
        <strong>{row.facts.phase}</strong>
        <span>
          {run.pipeline}: {run.ref} at <code>{run.commit.slice(0, 12)}</code>
          {run.author === '' ? '' : ` by ${run.author}`}
        </span>
        <span class="grow" />
        {run.hasEnded ? null : (
          <button type="button" onClick={() => act('cancel')}>
            Cancel
          </button>
        )}
      </div>
      <p role="status">{said === '' ? run.message : said}</p>
      <ol class="steps" aria-label={`Steps of ${name}`}>
        {run.steps.map((step) => (
          <Step
            key={step.name}
            step={step}
            column={depths.get(step.name) ?? 0}
            isShown={step.name === shown}
            onApprove={() => act('approve', step.name)}
            onShow={() => setShown(step.name === shown ? '' : step.name)}
          />
        ))}
      </ol>
      {log === undefined ? null : <Log key={log.pod} containers={[container]} namespace={namespace} pod={log.pod} />}
    </>
  );
}

/** Of each step how many have to end before it, one after the other. They stand in an order in which they can begin. */
function depthsOf({ steps }: RunFacts): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  for (const { name, after } of steps)
    depths.set(name, Math.max(0, ...after.map((before) => 1 + (depths.get(before) ?? -1))));
  return depths;
}

interface StepProps {
  readonly step: StepFacts;
  readonly column: number;
  readonly isShown: boolean;
  onApprove(): void;
  onShow(): void;
}

function Step({ step, column, isShown, onApprove, onShow }: StepProps) {
  const { name, kind, phase, reason, message, after, started, ended, pod, image, target } = step;
  const took = started === 0 ? '' : ageText(started, ended === 0 ? now.value : ended);
  const why = [reason === 'Completed' ? '' : reason, message].filter((text) => text !== '').join(': ');
  return (
    <li class={`step ${phase.toLowerCase()}`} style={{ gridColumn: column + 1 }}>
      <div class="title">
        <strong>{name}</strong>
        <span class="quiet">{kind === name ? '' : kind}</span>
        <span class="grow" />
        <span>
          {phase} {took}
        </span>
      </div>
      {after.length === 0 ? null : <p class="quiet">after {after.join(', ')}</p>}
      {target.name === '' ? null : (
        <p>
          to{' '}
          <a
            href={objectHref(known.deployments, target.namespace, target.name)}
          >{`${target.namespace}/${target.name}`}</a>
        </p>
      )}
      {image === '' ? null : <p class="quiet">{image}</p>}
      {why === '' ? null : <p class={phase === 'Succeeded' ? 'quiet' : 'problem'}>{why}</p>}
      {phase === 'Approval' ? (
        <button type="button" aria-label={`Approve ${name}`} onClick={onApprove}>
          Approve
        </button>
      ) : null}
      {pod === '' ? null : (
        <button type="button" aria-label={`Log of ${name}`} aria-expanded={isShown} onClick={onShow}>
          Log
        </button>
      )}
    </li>
  );
}
