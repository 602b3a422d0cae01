/** The time of a cluster that is steered, in the header: what it is, and the hand on it. Nothing where time passes by itself. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { TimeInfo } from '../model/protocol.ts';
import { ask } from './ask.ts';
import { openView } from './live.ts';
import { setNow } from './words.ts';

const steps = [
  { by: '1m', label: '1 minute' },
  { by: '10m', label: '10 minutes' },
  { by: '1h', label: '1 hour' },
  { by: '24h', label: '1 day' },
];
const speeds = [
  { speed: '1', label: 'as here' },
  { speed: '60', label: '× 60' },
  { speed: '3600', label: '× 3,600' },
  { speed: 'max', label: 'as fast as it goes' },
];

const time = signal<TimeInfo | undefined>(undefined);

function take(told: TimeInfo | undefined): void {
  time.value = told;
  setNow(told === undefined ? undefined : Date.parse(told.now));
}

/** What is to be seen of it. */
export function TimeControl() {
  const [by, setBy] = useState('10m');
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const view = openView({ kind: 'time' }, (message) => {
      if (message.type === 'time') take(message.time);
      if (message.type === 'end') take(undefined);
    });
    return () => {
      view.close();
      take(undefined);
    };
  }, []);
  const told = time.value;
  if (told === undefined) return null;
  const steer = (request: {
    readonly action: string;
    readonly by?: string;
    readonly speed?: number | string;
  }): void => {
    setProblem('');
    ask<TimeInfo>('POST', '/api/time', request).then(take, (error: Error) => setProblem(error.message));
  };
  const { now, paused, speed, stepsTo } = told;
  const known = speeds.some((one) => one.speed === speed) ? speeds : [...speeds, { speed, label: `× ${speed}` }];
  return (
    <fieldset class="time" aria-label="Time of the cluster">
      <time dateTime={now}>{shown(now)}</time>
      <button type="button" onClick={() => steer({ action: paused ? 'resume' : 'pause' })}>
        {paused ? 'Run' : 'Pause'}
      </button>
      <label>
        Speed{' '}
        <select
          value={speed}
          onChange={({ currentTarget: { value } }) =>
            steer({ action: 'speed', speed: value === 'max' ? value : Number(value) })
          }
        >
          {known.map((one) => (
            <option key={one.speed} value={one.speed}>
              {one.label}
            </option>
          ))}
        </select>
      </label>
      <label>
        Step{' '}
        <select value={by} onChange={(event) => setBy(event.currentTarget.value)}>
          {steps.map((one) => (
            <option key={one.by} value={one.by}>
              {one.label}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => steer({ action: 'step', by })}>
        Step
      </button>
      <span role="status" class={problem === '' ? 'quiet' : 'problem'}>
        {problem === '' ? (stepsTo === undefined ? '' : `to ${shown(stepsTo)} …`) : problem}
      </span>
    </fieldset>
  );
}

function shown(timestamp: string): string {
  return `${timestamp.slice(0, 10)} ${timestamp.slice(11, 19)}`;
}
