/** Migrations of virtual machines as they run, the latest first: whither each goes, what its rounds have sent, and what the machine wrote meanwhile. */
import { useEffect, useMemo } from 'preact/hooks';
import type { MigrationFacts, MigrationRound, Row } from '../model/protocol.ts';
import { openList } from './list-model.ts';
import { objectHref } from './route.ts';
import { known } from './session.ts';
import { ageText, count, memoryText, now, percent } from './words.ts';

/** Migrations that are drawn; the table below has all. */
const shownMax = 10;
const width = 800;
const height = 90;
/** Width of a round where there are few. */
const roundWidthMax = 60;

/** The latest migrations. */
export function Migrations() {
  const model = useMemo(
    () =>
      openList({
        kind: 'list',
        resource: known.migrations,
        sort: { by: 'time', descending: true },
        from: 0,
        count: shownMax,
      }),
    [],
  );
  useEffect(() => model.view.close, [model]);
  const { rows, isThere } = model.state.value;
  return (
    <section aria-labelledby="migrations">
      <h2 id="migrations">Migrations</h2>
      {isThere && rows.length === 0 ? (
        <p class="quiet">
          No machine has moved yet: <code>coxswain vm migrate NAME</code>
        </p>
      ) : null}
      <ul class="cards">
        {rows.map((row) => (
          <Card key={row.key} row={row} />
        ))}
      </ul>
    </section>
  );
}

function Card({ row }: { readonly row: Row }) {
  const { migration, phase = '' } = row.facts;
  if (migration === undefined) return null;
  const { machine, mode, from, to, why, rounds, started, ended } = migration;
  const took = started === 0 ? '' : ageText(started, ended === 0 ? now.value : ended);
  return (
    <li class="card">
      <div class="title">
        <a href={objectHref(known.migrations, row.namespace, row.name)}>{row.name}</a>
        <span>
          {machine} from {from === '' ? '…' : from} to {to === '' ? '…' : to}
        </span>
        <span class="quiet">{mode}</span>
        <span class="grow" />
        <strong>{phase}</strong> {took}
      </div>
      {why === '' ? null : <p class={phase === 'Succeeded' ? 'quiet' : 'problem'}>{why}</p>}
      <p>{figuresOf(migration)}</p>
      {rounds.length === 0 ? null : <Rounds rounds={rounds} name={row.name} />}
    </li>
  );
}

function figuresOf({ sentBytes, bandwidth, throttle, downtimeMs, faults, pushed }: MigrationFacts): string {
  const said = [
    sentBytes === 0 ? '' : `${memoryText(sentBytes)} sent`,
    bandwidth === 0 ? '' : `${memoryText(Math.round(bandwidth))} a second`,
    throttle === 1 ? '' : `held back to ${percent(throttle)} of its time`,
    downtimeMs < 0 ? '' : `stood still for ${downtimeMs.toFixed(1)} ms`,
    faults + pushed === 0 ? '' : `${count(faults)} pages waited for and ${count(pushed)} pushed after it`,
  ];
  return said.filter((text) => text !== '').join(', ');
}

interface RoundsProps {
  readonly rounds: readonly MigrationRound[];
  readonly name: string;
}

/** Of each round two bars: pages that it sent, and pages that the machine wrote meanwhile. */
function Rounds({ rounds, name }: RoundsProps) {
  const most = Math.max(1, ...rounds.map(({ pages, dirtied }) => Math.max(pages, dirtied)));
  const step = Math.min(roundWidthMax, width / rounds.length);
  const bar = step * 0.4;
  // What is few beside many is seen all the same.
  const tall = (pages: number): number => (pages === 0 ? 0 : Math.max(1.5, (height * pages) / most));
  const last = rounds.at(-1);
  const label = `${count(rounds.length)} rounds of ${name}; round ${last?.round}: ${textOf(last)}`;
  return (
    <svg class="rounds" viewBox={`0 0 ${width} ${height + 16}`} role="img" aria-label={label}>
      <line x1={0} x2={step * rounds.length} y1={height} y2={height} />
      {rounds.map((round, index) => (
        <g key={round.round} transform={`translate(${index * step} 0)`}>
          <title>{`Round ${round.round}: ${textOf(round)}`}</title>
          <rect class="sent" width={bar} height={tall(round.pages)} y={height - tall(round.pages)} />
          <rect class="written" x={bar} width={bar} height={tall(round.dirtied)} y={height - tall(round.dirtied)} />
          {index === 0 || index === rounds.length - 1 ? <text y={height + 13}>{round.round}</text> : null}
        </g>
      ))}
    </svg>
  );
}

function textOf(round?: MigrationRound): string {
  const { pages = 0, bytes = 0, durationMs = 0, dirtied = 0 } = round ?? {};
  return `${count(pages)} pages sent (${memoryText(bytes)}) in ${durationMs.toFixed(0)} ms, ${count(dirtied)} written meanwhile`;
}
